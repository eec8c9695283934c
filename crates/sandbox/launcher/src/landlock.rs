//! A second fence around the files of a sandbox, where the kernel has Landlock: should a hole let a function get at
//! what the composed root does not show, or at a mount that should be read-only, it may still do no more with it than
//! this says (Linux: Documentation/userspace-api/landlock.rst).
//!
//! | beneath | may be |
//! |---|---|
//! | `/tmp` | all that files allow, but making devices |
//! | `/proc`, `/dev` | read and written |
//! | the rest | read and executed |
//!
//! A mount that comes later is not what a rule on its place was made for: the kernel looks at the mount itself and at what
//! is above its place. So a sandbox that waits for its function has the last line for the whole root. What it loses by that
//! is that nothing in `/proc` and `/dev` is executed, which their mounts forbid as well.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

use lambent_sandbox_protocol::Failure;
use rustix::fs::{Mode, OFlags};

use crate::step::Step;

// linux/landlock.h, LANDLOCK_ACCESS_FS_*.
const EXECUTE: u64 = 1 << 0;
const WRITE_FILE: u64 = 1 << 1;
const READ_FILE: u64 = 1 << 2;
const READ_DIR: u64 = 1 << 3;
const MAKE_CHAR: u64 = 1 << 6;
const MAKE_BLOCK: u64 = 1 << 11;
/// Everything of version 1.
const VERSION_1: u64 = (1 << 13) - 1;
/// Moving and linking between directories, from version 2 on.
const REFER: u64 = 1 << 13;
/// From version 3 on.
const TRUNCATE: u64 = 1 << 14;

/// Of version 6: sockets with abstract names, and signals, of nobody outside. With the host's network its abstract
/// sockets would be within reach.
const SCOPES: u64 = 0b11;

/// The first version that is of use: under version 1 nothing can be moved from one directory to another.
const LEAST: u32 = 2;

/// `struct landlock_ruleset_attr`: files, network (nothing of it here), scopes.
#[repr(C)]
struct Ruleset {
    files: u64,
    network: u64,
    scopes: u64,
}

/// `struct landlock_path_beneath_attr`.
#[repr(C, packed)]
struct PathBeneath {
    allowed: u64,
    parent: i32,
}

/// The version that the kernel has; `None` where it has none or was started without it.
pub(crate) fn version() -> Option<u32> {
    const CREATE_RULESET_VERSION: u32 = 1;
    // SAFETY: asks for the version alone: no pointer is read.
    #[allow(unsafe_code)]
    let version = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<u64>(),
            0_usize,
            CREATE_RULESET_VERSION,
        )
    };
    u32::try_from(version).ok().filter(|version| *version > 0)
}

/// Restricts this process and all that come of it. It needs the promise of no new privileges, and the sandbox's root.
/// In an `open` sandbox further directories will be shown.
pub(crate) fn restrict(open: bool) -> Result<(), Failure> {
    let Some(version) = version().filter(|version| *version >= LEAST) else { return Ok(()) };
    let handled = VERSION_1 | REFER | if version >= 3 { TRUNCATE } else { 0 };
    let ruleset = create(version, handled).step("make the rules of landlock")?;
    let root = Path::new("/");
    let allow = |path: &Path, allowed: u64| {
        add(&ruleset, path, allowed & handled).step(&format!("let landlock allow {}", path.display()))
    };
    // A directory alone, for the rules that follow are of what is beneath; unless there is to be more than there is now.
    allow(root, if open { READ_FILE | READ_DIR | EXECUTE } else { READ_DIR })?;
    for entry in fs::read_dir(root).step("list the root")?.flatten() {
        let path = entry.path();
        let is_directory = fs::metadata(&path).is_ok_and(|metadata| metadata.is_dir());
        let allowed = match entry.file_name().to_str() {
            Some("tmp") => handled & !(MAKE_CHAR | MAKE_BLOCK),
            Some("proc" | "dev") => READ_FILE | READ_DIR | WRITE_FILE | TRUNCATE,
            _ => READ_FILE | READ_DIR | EXECUTE,
        };
        // The kernel refuses what only directories can be allowed.
        allow(&path, if is_directory { allowed } else { allowed & !READ_DIR })?;
    }
    // SAFETY: takes a descriptor and a number.
    #[allow(unsafe_code)]
    let result = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0_u32) };
    check(result).map(drop).step("restrict files by landlock")
}

fn create(version: u32, handled: u64) -> io::Result<OwnedFd> {
    let scopes = if version >= 6 { SCOPES } else { 0 };
    let ruleset = Ruleset { files: handled, network: 0, scopes };
    // Older kernels take a shorter structure; a longer one they would take only for its zeroes.
    let size = if scopes == 0 { size_of::<u64>() } else { size_of::<Ruleset>() };
    // SAFETY: the structure has the kernel's layout, outlives the call, and is at least as long as the size says.
    #[allow(unsafe_code)]
    let fd =
        check(unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, &raw const ruleset, size, 0_u32) })?;
    // SAFETY: the kernel has just made this descriptor for us, closed at `execve`.
    #[allow(unsafe_code)]
    Ok(unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).expect("a descriptor")) })
}

fn add(ruleset: &OwnedFd, path: &Path, allowed: u64) -> io::Result<()> {
    const RULE_PATH_BENEATH: u32 = 1;
    let place = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let beneath = PathBeneath { allowed, parent: place.as_raw_fd() };
    // SAFETY: the pointer is to a structure of the kernel's layout that lives through the call.
    #[allow(unsafe_code)]
    let result = unsafe {
        libc::syscall(
            libc::SYS_landlock_add_rule,
            ruleset.as_raw_fd(),
            RULE_PATH_BENEATH,
            &raw const beneath,
            0_u32,
        )
    };
    check(result).map(drop)
}

fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
