//! The machine itself: its parts that only administrators need, and those that have had the most holes.
//!
//! Where success would hurt the host, the call carries an argument that the kernel refuses after it has looked at
//! rights: to get so far is the success.

use std::fs::File;
use std::os::fd::AsRawFd as _;

use serde_json::Value;

use super::Named;
use crate::kernel::{Refusal, Tried, call, refused};

pub(super) const ATTACKS: &[Named] = &[
    ("bpf", bpf),
    ("perf_event_open", perf_event_open),
    ("userfaultfd", userfaultfd),
    ("io_uring", io_uring),
    ("keyctl", keyctl),
    ("add_key", add_key),
    ("request_key", request_key),
    ("kexec", |_| past_the_guard(call!(SYS_kexec_load, 0, 1_000_000, 0, 0))),
    ("init_module", |_| past_the_guard(call!(SYS_init_module, 0, 0, c""))),
    ("finit_module", |_| past_the_guard(call!(SYS_finit_module, -1, c"", 0))),
    ("delete_module", |_| past_the_guard(call!(SYS_delete_module, c"", 0))),
    ("reboot", |_| past_the_guard(call!(SYS_reboot, 0, 0, 0, 0))),
    ("swapon", |_| past_the_guard(call!(SYS_swapon, c"/nowhere", 0))),
    ("acct", |_| past_the_guard(call!(SYS_acct, c"/nowhere"))),
    ("quotactl", |_| past_the_guard(call!(SYS_quotactl, 0x0080_0002_i64, c"/nowhere", 0, 0))),
    ("set_clock", set_clock),
    ("sethostname", sethostname),
    ("syslog", syslog),
    ("open_by_handle_at", open_by_handle_at),
    ("personality", personality),
    ("iopl", iopl),
    ("old_entry", old_entry),
    ("tiocsti", tiocsti),
    ("fanotify", fanotify),
    ("set_mempolicy", |_| past_the_guard(call!(SYS_set_mempolicy, 0, 0, 0))),
];

/// Any answer but those by which rights and filters refuse.
fn past_the_guard(result: Result<i64, Refusal>) -> Tried {
    match result {
        Ok(_) => Ok("done".to_owned()),
        Err(Refusal(errno)) if ["EPERM", "EACCES", "ENOSYS"].contains(&errno.as_str()) => refused(errno),
        Err(Refusal(errno)) => Ok(format!("past the guard: {errno}")),
    }
}

fn bpf(_: &Value) -> Tried {
    // BPF_MAP_CREATE of an array (2): key of 4 bytes, value of 8, one entry.
    let mut attributes = [0_u64; 16];
    attributes[0] = 2 | 4 << 32;
    attributes[1] = 8 | 1 << 32;
    call!(SYS_bpf, 0, &attributes[..], 128)?;
    Ok("has a map in the kernel".to_owned())
}

fn perf_event_open(_: &Value) -> Tried {
    // PERF_TYPE_SOFTWARE (1), 128 bytes, PERF_COUNT_SW_CPU_CLOCK (0): the whole of processor 0.
    let mut attributes = [0_u64; 16];
    attributes[0] = 1 | 128 << 32;
    call!(SYS_perf_event_open, &attributes[..], -1, 0, -1, 0)?;
    Ok("watches a processor".to_owned())
}

fn userfaultfd(_: &Value) -> Tried {
    call!(SYS_userfaultfd, 0)?;
    Ok("handles page faults".to_owned())
}

fn io_uring(_: &Value) -> Tried {
    let parameters = [0_u64; 15];
    call!(SYS_io_uring_setup, 1, &parameters[..])?;
    Ok("has a ring that no filter sees into".to_owned())
}

const SESSION: i32 = -3;

fn keyctl(_: &Value) -> Tried {
    call!(SYS_keyctl, 0, SESSION, 1, 0, 0)?; // KEYCTL_GET_KEYRING_ID, make it
    Ok("has a keyring".to_owned())
}

fn add_key(_: &Value) -> Tried {
    call!(SYS_add_key, c"user", c"lambent-escape", &b"payload"[..], 7, SESSION)?;
    Ok("keeps a key in the kernel".to_owned())
}

fn request_key(_: &Value) -> Tried {
    match call!(SYS_request_key, c"user", c"lambent-escape-none", 0, SESSION) {
        Err(Refusal(errno)) if ["EPERM", "ENOSYS"].contains(&errno.as_str()) => refused(errno),
        _ => Ok("asked for a key".to_owned()),
    }
}

/// Sets the state of the clock's discipline to what it is.
fn set_clock(_: &Value) -> Tried {
    let mut timex = [0_u64; 32];
    call!(SYS_adjtimex, &timex[..])?;
    timex[0] = 0x10; // ADJ_STATUS; the status itself is in place
    call!(SYS_adjtimex, &timex[..])?;
    Ok("sets the clock".to_owned())
}

fn sethostname(_: &Value) -> Tried {
    // Where it may, it changes the name in a namespace of its own.
    let _ = call!(SYS_unshare, libc::CLONE_NEWUTS);
    call!(SYS_sethostname, c"escaped", 7)?;
    Ok("renamed the host".to_owned())
}

fn syslog(_: &Value) -> Tried {
    let mut buffer = [0_u8; 4096];
    let length = call!(SYS_syslog, 3, &mut buffer[..], 4096)?; // SYSLOG_ACTION_READ_ALL
    Ok(format!("read {length} bytes of the kernel's log"))
}

/// A handle is made for a file in sight, then opened by what any handle could name.
fn open_by_handle_at(_: &Value) -> Tried {
    let mut handle = [0_u8; 8 + 128];
    handle[0] = 128;
    let mut mount = [0_u8; 4];
    let named = call!(SYS_name_to_handle_at, libc::AT_FDCWD, c"/usr", &mut handle[..], &mut mount[..], 0);
    let root = File::open("/usr")?;
    match (named, call!(SYS_open_by_handle_at, root.as_raw_fd(), &mut handle[..], libc::O_RDONLY)) {
        (_, Ok(_)) => Ok("opened a file by its handle".to_owned()),
        (Err(Refusal(first)), Err(Refusal(second))) => refused(format!("{first}, {second}")),
        (Ok(_), Err(second)) => Err(second),
    }
}

fn personality(_: &Value) -> Tried {
    call!(SYS_personality, 0x40_0000)?; // READ_IMPLIES_EXEC
    Ok("makes all memory executable".to_owned())
}

#[cfg(target_arch = "x86_64")]
fn iopl(_: &Value) -> Tried {
    call!(SYS_iopl, 3)?;
    Ok("speaks to the ports".to_owned())
}

#[cfg(not(target_arch = "x86_64"))]
fn iopl(_: &Value) -> Tried {
    refused("no such call on this machine: ENOSYS")
}

/// `getpid` by the entry of 32-bit programs, whose numbers the filter does not mean.
#[cfg(target_arch = "x86_64")]
fn old_entry(_: &Value) -> Tried {
    let mut result: u64 = 20;
    // SAFETY: the call takes no argument and writes nothing but its result, which is 32 bits in eax.
    #[allow(unsafe_code)]
    unsafe {
        core::arch::asm!("int 0x80", inout("rax") result, out("r8") _, out("r9") _, out("r10") _, out("r11") _);
    }
    let own = u64::from(std::process::id());
    if result == own { Ok("was answered".to_owned()) } else { refused(format!("answered {result:#x}")) }
}

#[cfg(not(target_arch = "x86_64"))]
fn old_entry(_: &Value) -> Tried {
    refused("no such entry on this machine: signal 31")
}

/// Types into its terminal. The upper half of the request's register is set, which the kernel does not look at.
fn tiocsti(_: &Value) -> Tried {
    let request = 0x5412_u64 | 1 << 32;
    let _ = call!(SYS_setsid);
    let opened =
        File::options().read(true).write(true).open("/dev/ptmx").map_err(Refusal::from).and_then(|ptmx| {
            call!(SYS_ioctl, ptmx.as_raw_fd(), 0x4004_5431, &[0_u64][..])?; // TIOCSPTLCK
            let mut number = [0_u8; 4];
            call!(SYS_ioctl, ptmx.as_raw_fd(), 0x8004_5430_u64, &mut number[..])?; // TIOCGPTN
            let terminal = format!("/dev/pts/{}", u32::from_ne_bytes(number));
            let terminal = File::options().read(true).write(true).open(terminal)?;
            call!(SYS_ioctl, terminal.as_raw_fd(), 0x540e, 0)?; // TIOCSCTTY
            Ok((ptmx, terminal))
        });
    let descriptor = opened.as_ref().map_or(0, |(_, terminal)| terminal.as_raw_fd());
    let typed = call!(SYS_ioctl, descriptor, request, &b"x"[..]);
    // A terminal that is closed hangs up on this process, which has to tell first.
    std::mem::forget(opened);
    typed.map(|_| "typed".to_owned())
}

fn fanotify(_: &Value) -> Tried {
    call!(SYS_fanotify_init, 0, 0)?;
    Ok("hears of every file".to_owned())
}
