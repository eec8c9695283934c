//! The tree of files: mounting, moving, changing the root.

use serde_json::Value;

use super::Named;
use crate::kernel::{Refusal, Tried, call};

pub(super) const ATTACKS: &[Named] = &[
    ("mount", mount),
    ("umount", umount),
    ("remount", remount),
    ("pivot_root", pivot_root),
    ("chroot", chroot),
    ("fsopen", fsopen),
    ("open_tree", open_tree),
    ("move_mount", move_mount),
    ("mount_setattr", mount_setattr),
];

const PRIVATE: i32 = 0x4_4000; // MS_REC | MS_PRIVATE
const OPEN_TREE_CLONE: i32 = 1;
const FSCONFIG_CMD_CREATE: i32 = 6;
const MOVE_MOUNT_F_EMPTY_PATH: i32 = 4;

/// Without a sandbox the attacks of this file are made in a mount namespace of their own, so that the host keeps its
/// mounts. In a sandbox there is none to be had, and they are made on the sandbox's.
fn aside() {
    if call!(SYS_unshare, libc::CLONE_NEWNS).is_ok() {
        // Should it fail, so does the attack.
        let _ = call!(SYS_mount, 0, c"/", 0, PRIVATE, 0);
    }
}

fn mount(_: &Value) -> Tried {
    aside();
    call!(SYS_mount, c"none", c"/tmp", c"tmpfs", 0, 0)?;
    Ok("mounted over /tmp".to_owned())
}

fn umount(_: &Value) -> Tried {
    aside();
    call!(SYS_umount2, c"/proc", libc::MNT_DETACH)?;
    Ok("took /proc away".to_owned())
}

fn remount(_: &Value) -> Tried {
    aside();
    call!(SYS_mount, 0, c"/", 0, 0x20, 0)?; // MS_REMOUNT, and nothing else: writable
    Ok("remounted the root".to_owned())
}

fn pivot_root(_: &Value) -> Tried {
    aside();
    // Only a mount can become the root. Where this fails, so does the next.
    let _ = call!(SYS_mount, c"none", c"/tmp", c"tmpfs", 0, 0);
    std::env::set_current_dir("/tmp")?;
    call!(SYS_pivot_root, c".", c".")?;
    Ok("has another root".to_owned())
}

fn chroot(_: &Value) -> Tried {
    call!(SYS_chroot, c"/tmp")?;
    Ok("has another root".to_owned())
}

fn fsopen(_: &Value) -> Tried {
    let context = call!(SYS_fsopen, c"tmpfs", 0)?;
    call!(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, 0, 0, 0)?;
    call!(SYS_fsmount, context, 0, 0)?;
    Ok("made a file system".to_owned())
}

fn tree() -> Result<i64, Refusal> {
    call!(SYS_open_tree, libc::AT_FDCWD, c"/", OPEN_TREE_CLONE)
}

fn open_tree(_: &Value) -> Tried {
    tree()?;
    Ok("copied the root's mount".to_owned())
}

fn move_mount(_: &Value) -> Tried {
    aside();
    // A descriptor that is no mount is refused later than the right to move one.
    let tree = tree().unwrap_or(0);
    call!(SYS_move_mount, tree, c"", libc::AT_FDCWD, c"/tmp", MOVE_MOUNT_F_EMPTY_PATH)?;
    Ok("moved a mount to /tmp".to_owned())
}

fn mount_setattr(_: &Value) -> Tried {
    aside();
    // Clears "read-only" (MOUNT_ATTR_RDONLY) of the root.
    let attributes = [0_u64, 1, 0, 0];
    call!(SYS_mount_setattr, libc::AT_FDCWD, c"/", 0, &attributes[..], 32)?;
    Ok("made the root writable".to_owned())
}
