//! Out of the namespaces, or into new ones where more is allowed.

use std::fs::File;
use std::os::fd::AsRawFd as _;

use serde_json::Value;

use super::Named;
use crate::kernel::{Refusal, Tried, call, exit, refused, wait};

pub(super) const ATTACKS: &[Named] = &[
    ("unshare_user", |_| unshare(libc::CLONE_NEWUSER)),
    ("unshare_net", |_| unshare(libc::CLONE_NEWNET)),
    ("unshare_mount", |_| unshare(libc::CLONE_NEWNS)),
    ("clone_user", |_| clone(libc::CLONE_NEWUSER)),
    ("clone_pid", |_| clone(libc::CLONE_NEWPID)),
    ("clone3_user", clone3_user),
    ("setns_of_init", setns_of_init),
    ("setns_by_descriptor", setns_by_descriptor),
];

fn unshare(flag: i32) -> Tried {
    call!(SYS_unshare, flag)?;
    Ok("has a namespace of its own making".to_owned())
}

/// Ends the copy; the original says how it went.
fn settle(pid: Result<i64, Refusal>) -> Tried {
    let pid = pid?;
    if pid == 0 {
        exit(0);
    }
    wait(i32::try_from(pid).expect("a process id fits"));
    Ok("has a child in a namespace of its own making".to_owned())
}

fn clone(flag: i32) -> Tried {
    settle(call!(SYS_clone, flag | libc::SIGCHLD))
}

/// Its flags lie in memory, where no filter reads them.
fn clone3_user(_: &Value) -> Tried {
    let mut arguments = [0_u64; 11];
    arguments[0] = u64::from(libc::CLONE_NEWUSER.cast_unsigned());
    arguments[4] = u64::from(libc::SIGCHLD.cast_unsigned());
    settle(call!(SYS_clone3, &arguments[..], 88))
}

fn setns_of_init(_: &Value) -> Tried {
    let mut first = None;
    for kind in ["uts", "net", "ipc", "cgroup"] {
        let entered = File::open(format!("/proc/1/ns/{kind}"))
            .map_err(Refusal::from)
            .and_then(|namespace| call!(SYS_setns, namespace.as_raw_fd(), 0));
        match entered {
            Ok(_) => return Ok(format!("entered the {kind} namespace of process 1")),
            Err(refusal) => first = first.or(Some(refusal)),
        }
    }
    // Whether init's are out of reach or not, its own are not: with the right to it, that would pass.
    let own = File::open("/proc/self/ns/uts")?;
    match call!(SYS_setns, own.as_raw_fd(), 0) {
        Ok(_) => Ok("may enter namespaces".to_owned()),
        Err(Refusal(own)) => {
            refused(format!("{}, {own}", first.map_or_else(String::new, |refusal| refusal.0)))
        }
    }
}

/// A descriptor of somebody else's namespace that was left open.
fn setns_by_descriptor(_: &Value) -> Tried {
    let mut last = Refusal("no descriptor".to_owned());
    for number in 0..1024 {
        match call!(SYS_setns, number, 0) {
            Ok(_) => return Ok(format!("entered a namespace by descriptor {number}")),
            Err(refusal) if refusal.0 == "EBADF" => {}
            Err(refusal) => last = refusal,
        }
    }
    Err(last)
}
