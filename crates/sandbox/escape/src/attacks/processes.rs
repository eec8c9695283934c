//! Other processes: what the event calls `target`, and init, which has the same user.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;

use serde_json::Value;

use super::Named;
use crate::kernel::{Argument, Refusal, Tried, call, refused};

pub(super) const ATTACKS: &[Named] = &[
    ("ptrace", |event| each(event, ptrace)),
    ("process_vm_readv", |event| each(event, read_memory)),
    ("process_vm_writev", |event| each(event, write_memory)),
    ("proc_mem", |event| each(event, proc_mem)),
    ("pidfd_getfd", |event| each(event, pidfd_getfd)),
    ("pidfd_signal", |event| each(event, pidfd_signal)),
    ("prlimit", |event| each(event, prlimit)),
    ("kcmp", |event| each(event, kcmp)),
    ("process_madvise", |event| each(event, process_madvise)),
];

/// Tries the target by its number on the host, then whatever else there is, above all init.
fn each(event: &Value, attack: fn(i64) -> Tried) -> Tried {
    let target = event["target"].as_i64().unwrap_or(1);
    // Without a sandbox process 1 is the host's: only the target is meant for attacks.
    let targets = if event["bare"].as_bool() == Some(true) { vec![target] } else { vec![target, 1] };
    let mut refusals = Vec::new();
    for pid in targets {
        match attack(pid) {
            Ok(saw) => return Ok(format!("{saw} of process {pid}")),
            Err(Refusal(saw)) => refusals.push(saw),
        }
    }
    refused(refusals.join(", "))
}

const PTRACE_SEIZE: i32 = 0x4206;

fn ptrace(pid: i64) -> Tried {
    call!(SYS_ptrace, PTRACE_SEIZE, pid, 0, 0)?;
    Ok("traces".to_owned())
}

/// Where the first mapping of a process begins; every process may be asked where it is itself.
fn somewhere(pid: i64) -> u64 {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    let start = |line: &str| u64::from_str_radix(line.split('-').next()?, 16).ok();
    let writable = maps.lines().find(|line| line.contains(" rw-p "));
    writable.and_then(start).unwrap_or(0x40_0000)
}

fn read_memory(pid: i64) -> Tried {
    let mut byte = [0_u8; 8];
    let local = [Argument::word(&mut byte[..]), 8];
    let remote = [somewhere(pid), 8];
    call!(SYS_process_vm_readv, pid, &local[..], 1, &remote[..], 1, 0)?;
    Ok("read the memory".to_owned())
}

fn write_memory(pid: i64) -> Tried {
    let place = somewhere(pid);
    // Its own bytes are written back: the target is to live.
    let mut bytes = [0_u8; 8];
    let local = [Argument::word(&mut bytes[..]), 8];
    let remote = [place, 8];
    // Fails where reading fails; then writing is tried all the same.
    let _ = call!(SYS_process_vm_readv, pid, &local[..], 1, &remote[..], 1, 0);
    call!(SYS_process_vm_writev, pid, &local[..], 1, &remote[..], 1, 0)?;
    Ok("wrote the memory".to_owned())
}

fn proc_mem(pid: i64) -> Tried {
    let memory = OpenOptions::new().read(true).write(true).open(format!("/proc/{pid}/mem"))?;
    let (place, mut bytes) = (somewhere(pid), [0_u8; 8]);
    memory.read_exact_at(&mut bytes, place)?;
    memory.write_all_at(&bytes, place)?;
    Ok("read and wrote the memory".to_owned())
}

fn pidfd(pid: i64) -> Result<i64, Refusal> {
    call!(SYS_pidfd_open, pid, 0)
}

fn pidfd_getfd(pid: i64) -> Tried {
    // Where there is no such process, the call itself is still tried.
    let process = pidfd(pid).or_else(|_| pidfd(i64::from(std::process::id())))?;
    call!(SYS_pidfd_getfd, process, 0, 0)?;
    Ok("took a descriptor".to_owned())
}

fn pidfd_signal(pid: i64) -> Tried {
    let process = pidfd(pid)?;
    // SIGSTOP: ends nothing, and cannot be caught.
    call!(SYS_pidfd_send_signal, process, libc::SIGSTOP, 0, 0)?;
    let state = |()| -> Option<String> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Some(stat.rsplit_once(')')?.1.trim().chars().take(1).collect())
    };
    let stopped = (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(1));
        state(()).as_deref() == Some("T")
    });
    let _ = call!(SYS_pidfd_send_signal, process, libc::SIGCONT, 0, 0);
    if stopped { Ok("stopped the life".to_owned()) } else { refused("unmoved") }
}

fn prlimit(pid: i64) -> Tried {
    let none = [0_u64, 0];
    call!(SYS_prlimit64, pid, 4, &none[..], 0)?; // RLIMIT_CORE
    Ok("set a limit".to_owned())
}

fn kcmp(pid: i64) -> Tried {
    call!(SYS_kcmp, i64::from(std::process::id()), pid, 1, 0, 0)?; // KCMP_VM
    Ok("compared the memory".to_owned())
}

fn process_madvise(pid: i64) -> Tried {
    let process = pidfd(pid).or_else(|_| pidfd(i64::from(std::process::id())))?;
    let range = [somewhere(pid) & !0xfff, 4096];
    call!(SYS_process_madvise, process, &range[..], 1, 20, 0)?; // MADV_COLD
    Ok("advised on the memory".to_owned())
}
