//! Giving up rights, in this order, before the first byte of the zip is read.
//!
//! 1. Inherited descriptors beyond the three standard ones are closed: nothing of the server's may be within reach.
//! 2. No new privileges, not dumpable, and death with the thread that started it: the steps below need the first,
//!    other processes of the same user are kept out by the second, nobody is left behind by the third.
//! 3. Resource limits: what a hostile package can waste is bounded even where the checks of ours have a hole.
//! 4. Landlock: of the file system only making things beneath the destination remains. This is a second fence where
//!    the kernel has it (5.13); the first is the user without rights.
//! 5. Seccomp: of the kernel only what unpacking needs remains; no sockets, no programs, no processes, no tracing.
//!    Last, because it forbids the steps before.

use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::process::{DumpableBehavior, Resource, Rlimit, Signal};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

use crate::{Failure, Kind, Limits, plan};

/// Gives up everything but the zip on standard input and the returned directory, which is the working directory.
pub(crate) fn confine(limits: Limits) -> Result<OwnedFd, Failure> {
    if rustix::process::geteuid().is_root() || rustix::process::getuid().is_root() {
        return Err(Failure::new(
            Kind::Internal,
            "refuses to run as root, start it as a user without rights",
        ));
    }
    step("close inherited descriptors", close_inherited())?;
    step("forbid new privileges", rustix::thread::set_no_new_privs(true))?;
    step("be undumpable", rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable))?;
    step("die with the parent", rustix::process::set_parent_process_death_signal(Some(Signal::KILL)))?;
    let directory = step(
        "open the working directory",
        rustix::fs::open(".", OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()),
    )?;
    set_limits(limits)?;
    step("restrict the file system", landlock(&directory))?;
    let filter =
        filter().map_err(|e| Failure::new(Kind::Internal, format!("cannot build the filter: {e}")))?;
    seccompiler::apply_filter(&filter)
        .map_err(|e| Failure::new(Kind::Internal, format!("cannot filter system calls: {e}")))?;
    Ok(directory)
}

fn step<T, E: std::fmt::Display>(what: &str, result: Result<T, E>) -> Result<T, Failure> {
    result.map_err(|error| Failure::new(Kind::Internal, format!("cannot {what}: {error}")))
}

fn set_limits(limits: Limits) -> Result<(), Failure> {
    // One open directory for each level of the tree, the zip twice, the three standard ones, one file.
    let descriptors = plan::DEPTH as u64 + 16;
    for (name, resource, value) in [
        ("processor seconds", Resource::Cpu, 60),
        // The central directory of a 250 MB zip, the plan made of it, and the decoder.
        ("memory", Resource::As, 512 << 20),
        ("file size", Resource::Fsize, limits.bytes),
        ("open files", Resource::Nofile, descriptors),
        ("core dumps", Resource::Core, 0),
        ("processes", Resource::Nproc, 0),
    ] {
        let limit = Rlimit { current: Some(value), maximum: Some(value) };
        step(&format!("limit {name}"), rustix::process::setrlimit(resource, limit))?;
    }
    Ok(())
}

/// The result of a system call made by number.
fn check(result: libc::c_long) -> std::io::Result<libc::c_long> {
    if result < 0 { Err(std::io::Error::last_os_error()) } else { Ok(result) }
}

fn close_inherited() -> std::io::Result<()> {
    // SAFETY: nothing in this program owns a descriptor above 2 yet: it is the first thing that `main` does after
    // reading its arguments. There is no safe wrapper, because in general descriptors have owners.
    #[allow(unsafe_code)]
    let result = unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32) };
    check(result).map(drop)
}

/// `struct landlock_path_beneath_attr` of the kernel.
#[repr(C, packed)]
struct PathBeneath {
    allowed_access: u64,
    parent_fd: i32,
}

/// Leaves making files, directories and links beneath `directory`, and listing it. Kernels without Landlock leave
/// it to the other fences.
fn landlock(directory: &OwnedFd) -> std::io::Result<()> {
    // linux/landlock.h, LANDLOCK_ACCESS_FS_*.
    const WRITE_FILE: u64 = 1 << 1;
    const READ_DIR: u64 = 1 << 3;
    const MAKE_DIR: u64 = 1 << 7;
    const MAKE_REG: u64 = 1 << 8;
    const MAKE_SYM: u64 = 1 << 12;
    const VERSION_1: u64 = (1 << 13) - 1;
    const RULE_PATH_BENEATH: u32 = 1;
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
    let version = match check(version) {
        Ok(version) => version,
        Err(e) if matches!(e.raw_os_error(), Some(libc::ENOSYS | libc::EOPNOTSUPP)) => return Ok(()),
        Err(e) => return Err(e),
    };
    // Version 2 can forbid moving between directories, version 3 truncating.
    let handled: u64 =
        VERSION_1 | if version >= 2 { 1 << 13 } else { 0 } | if version >= 3 { 1 << 14 } else { 0 };
    // SAFETY: the first field of `struct landlock_ruleset_attr` is this u64, and the size says that no more follows.
    #[allow(unsafe_code)]
    let ruleset = check(unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, &raw const handled, size_of::<u64>(), 0_u32)
    })?;
    let beneath = PathBeneath {
        allowed_access: WRITE_FILE | READ_DIR | MAKE_DIR | MAKE_REG | MAKE_SYM,
        parent_fd: directory.as_raw_fd(),
    };
    // SAFETY: the pointer is to a struct of the kernel's layout that lives through the call.
    #[allow(unsafe_code)]
    check(unsafe {
        libc::syscall(libc::SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &raw const beneath, 0_u32)
    })?;
    // SAFETY: takes a descriptor and a number. The descriptor of the ruleset stays open, it can only restrict further.
    #[allow(unsafe_code)]
    check(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset, 0_u32) })?;
    Ok(())
}

/// Allows what unpacking needs; anything else kills the process.
fn filter() -> Result<BpfProgram, seccompiler::BackendError> {
    const ALLOWED: &[libc::c_long] = &[
        // The zip, the files, the result.
        libc::SYS_read,
        libc::SYS_write,
        libc::SYS_writev,
        libc::SYS_lseek,
        libc::SYS_close,
        libc::SYS_fstat,
        libc::SYS_newfstatat,
        libc::SYS_statx,
        libc::SYS_fcntl,
        libc::SYS_openat2,
        libc::SYS_mkdirat,
        libc::SYS_symlinkat,
        libc::SYS_fchmod,
        libc::SYS_utimensat,
        // Memory, except for programs (see below).
        libc::SYS_brk,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_madvise,
        // Seeds of hash maps.
        libc::SYS_getrandom,
        // Ending: orderly, and by `abort`, whose signal tells the parent what happened.
        libc::SYS_exit,
        libc::SYS_exit_group,
        libc::SYS_futex,
        libc::SYS_sigaltstack,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_restart_syscall,
        libc::SYS_getpid,
        libc::SYS_gettid,
    ];
    let protection_without_exec = || {
        SeccompCondition::new(2, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64), 0)
            .and_then(|condition| SeccompRule::new(vec![condition]))
    };
    let this_process =
        SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, u64::from(std::process::id()))
            .and_then(|condition| SeccompRule::new(vec![condition]))?;
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    rules.insert(libc::SYS_mmap, vec![protection_without_exec()?]);
    rules.insert(libc::SYS_mprotect, vec![protection_without_exec()?]);
    rules.insert(libc::SYS_tgkill, vec![this_process]);
    let architecture = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, architecture)?.try_into()
}
