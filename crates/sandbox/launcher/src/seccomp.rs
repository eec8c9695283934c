//! The system calls of a sandbox.
//!
//! Three filters, each of which can only forbid more; of two refusals the later filter's error number counts:
//!
//! 1. the calls that programs need, anything else answers ENOSYS. A C library then falls back to an older call, and
//!    a call of tomorrow's kernel (or of a foreign ABI of the same machine) is not let through by being unknown.
//!    `clone3` is left out on purpose: its flags lie in memory, where no filter can check them; `clone` is tried next.
//! 2. calls that manage the machine answer EPERM, as they would without privilege.
//! 3. address families other than UNIX, IPv4, IPv6 and route queries answer EAFNOSUPPORT.
//!
//! Nothing here relies on the list alone: the sandbox has no capability, so the kernel refuses most of this by itself.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// A call's name, as libc has it, and its number.
type Call = (&'static str, i64);

macro_rules! calls {
    ($($name:ident)*) => { &[$((stringify!($name), libc::$name)),*] };
}

/// The filters in the order of their installation.
pub(crate) fn compile() -> Result<Vec<BpfProgram>, seccompiler::BackendError> {
    let arch: TargetArch = std::env::consts::ARCH.try_into()?;
    let errno = |errno: i32| SeccompAction::Errno(errno.unsigned_abs());
    let program = |rules, otherwise, matched| {
        // A call through another architecture's entry (int 0x80) ends the program.
        SeccompFilter::new(rules, otherwise, matched, arch)?.try_into()
    };
    Ok(vec![
        program(needed()?, errno(libc::ENOSYS), SeccompAction::Allow)?,
        program(administrative()?, SeccompAction::Allow, errno(libc::EPERM))?,
        program(families()?, SeccompAction::Allow, errno(libc::EAFNOSUPPORT))?,
    ])
}

fn condition(
    argument: u8,
    operator: SeccompCmpOp,
    value: i32,
) -> Result<SeccompCondition, seccompiler::BackendError> {
    // The kernel reads these arguments as 32 bits, so the upper half must not matter.
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, u64::from(value.cast_unsigned()))
}

fn rule(conditions: Vec<SeccompCondition>) -> Result<SeccompRule, seccompiler::BackendError> {
    SeccompRule::new(conditions)
}

fn needed() -> Result<Rules, seccompiler::BackendError> {
    let mut rules: Rules = NEEDED.iter().map(|(_, call)| (*call, vec![])).collect();
    #[cfg(target_arch = "x86_64")]
    rules.extend(NEEDED_X86_64.iter().map(|(_, call)| (*call, vec![])));
    Ok(rules)
}

fn administrative() -> Result<Rules, seccompiler::BackendError> {
    let mut rules: Rules = ADMINISTRATIVE.iter().map(|(_, call)| (*call, vec![])).collect();
    #[cfg(target_arch = "x86_64")]
    rules.extend(ADMINISTRATIVE_X86_64.iter().map(|(_, call)| (*call, vec![])));
    let new_namespace = [
        libc::CLONE_NEWNS,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
        libc::CLONE_NEWCGROUP,
    ];
    let set =
        |flag: i32| rule(vec![condition(0, SeccompCmpOp::MaskedEq(u64::from(flag.cast_unsigned())), flag)?]);
    rules.insert(libc::SYS_clone, new_namespace.into_iter().map(set).collect::<Result<_, _>>()?);
    // Limits of init could be lowered by a process of the same user; one's own are named by 0.
    rules.insert(libc::SYS_prlimit64, vec![rule(vec![condition(0, SeccompCmpOp::Ne, 0)?])?]);
    // Plain Linux, its 32-bit flavour, both with UNAME26, and the query: what Docker's profile allows.
    let personalities = [0x0, 0x8, 0x2_0000, 0x2_0008, -1];
    let foreign = personalities.map(|known| condition(0, SeccompCmpOp::Ne, known));
    rules.insert(libc::SYS_personality, vec![rule(foreign.into_iter().collect::<Result<_, _>>()?)?]);
    // Typing into somebody else's terminal.
    rules.insert(libc::SYS_ioctl, vec![rule(vec![condition(1, SeccompCmpOp::Eq, 0x5412)?])?]);
    Ok(rules)
}

fn families() -> Result<Rules, seccompiler::BackendError> {
    let allowed = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];
    let foreign = allowed.map(|family| condition(0, SeccompCmpOp::Ne, family));
    let foreign = rule(foreign.into_iter().collect::<Result<_, _>>()?)?;
    // getifaddrs(3), os.networkInterfaces() and Go's net package list interfaces by NETLINK_ROUTE (0).
    let netlink = vec![condition(0, SeccompCmpOp::Eq, libc::AF_NETLINK)?, condition(2, SeccompCmpOp::Ne, 0)?];
    Ok([
        (libc::SYS_socket, vec![foreign, rule(netlink)?]),
        (libc::SYS_socketpair, vec![rule(vec![condition(0, SeccompCmpOp::Ne, libc::AF_UNIX)?])?]),
    ]
    .into())
}

/// Refused as to any user without privilege.
const ADMINISTRATIVE: &[Call] = calls![
    SYS_mount SYS_umount2 SYS_pivot_root SYS_chroot SYS_open_tree SYS_move_mount SYS_fsopen SYS_fsconfig SYS_fsmount
    SYS_fspick SYS_mount_setattr SYS_setns SYS_unshare SYS_bpf SYS_perf_event_open SYS_keyctl SYS_add_key
    SYS_request_key SYS_userfaultfd SYS_io_uring_setup SYS_io_uring_enter SYS_io_uring_register SYS_kexec_load
    SYS_init_module SYS_finit_module SYS_delete_module SYS_ptrace SYS_process_vm_readv SYS_process_vm_writev
    SYS_kcmp SYS_pidfd_getfd SYS_swapon SYS_swapoff SYS_reboot SYS_acct SYS_quotactl SYS_quotactl_fd
    SYS_open_by_handle_at SYS_name_to_handle_at SYS_clock_settime SYS_clock_adjtime SYS_settimeofday SYS_adjtimex
    SYS_syslog SYS_vhangup SYS_sethostname SYS_setdomainname SYS_lookup_dcookie SYS_nfsservctl SYS_mbind
    SYS_set_mempolicy SYS_move_pages SYS_migrate_pages SYS_fanotify_init SYS_process_madvise
];

/// Refused where there are such ports.
#[cfg(target_arch = "x86_64")]
const ADMINISTRATIVE_X86_64: &[Call] = calls![SYS_iopl SYS_ioperm];

/// What programs call, on every architecture.
const NEEDED: &[Call] = calls![
    SYS_accept SYS_accept4 SYS_bind SYS_brk SYS_capget SYS_capset SYS_chdir SYS_clock_getres SYS_clock_gettime
    SYS_clock_nanosleep SYS_clone SYS_close SYS_close_range SYS_connect SYS_copy_file_range SYS_dup SYS_dup3
    SYS_epoll_create1 SYS_epoll_ctl SYS_epoll_pwait SYS_epoll_pwait2 SYS_eventfd2 SYS_execve SYS_execveat SYS_exit
    SYS_exit_group SYS_faccessat SYS_faccessat2 SYS_fadvise64 SYS_fallocate SYS_fchdir SYS_fchmod SYS_fchmodat
    SYS_fchown SYS_fchownat SYS_fcntl SYS_fdatasync SYS_fgetxattr SYS_flistxattr SYS_flock SYS_fremovexattr
    SYS_fsetxattr SYS_fstat SYS_fstatfs SYS_fsync SYS_ftruncate SYS_futex SYS_futex_waitv SYS_getcpu SYS_getcwd
    SYS_getdents64 SYS_getegid SYS_geteuid SYS_getgid SYS_getgroups SYS_getitimer SYS_getpeername SYS_getpgid
    SYS_getpid SYS_getppid SYS_getpriority SYS_getrandom SYS_getresgid SYS_getresuid SYS_getrlimit
    SYS_get_robust_list SYS_getrusage SYS_getsid SYS_getsockname SYS_getsockopt SYS_gettid SYS_gettimeofday
    SYS_getuid SYS_getxattr SYS_get_mempolicy SYS_inotify_add_watch SYS_inotify_init1 SYS_inotify_rm_watch
    SYS_io_cancel SYS_ioctl SYS_io_destroy SYS_io_getevents SYS_ioprio_get SYS_ioprio_set SYS_io_setup SYS_io_submit
    SYS_kill SYS_landlock_add_rule SYS_landlock_create_ruleset SYS_landlock_restrict_self SYS_lgetxattr SYS_linkat
    SYS_listen SYS_listxattr SYS_llistxattr SYS_lremovexattr SYS_lseek SYS_lsetxattr SYS_madvise SYS_membarrier
    SYS_memfd_create SYS_mincore SYS_mkdirat SYS_mknodat SYS_mlock SYS_mlock2 SYS_mlockall SYS_mmap SYS_mprotect
    SYS_mq_getsetattr SYS_mq_notify SYS_mq_open SYS_mq_timedreceive SYS_mq_timedsend SYS_mq_unlink SYS_mremap
    SYS_msgctl SYS_msgget SYS_msgrcv SYS_msgsnd SYS_msync SYS_munlock SYS_munlockall SYS_munmap SYS_nanosleep
    SYS_newfstatat SYS_openat SYS_openat2 SYS_personality SYS_pidfd_open SYS_pidfd_send_signal SYS_pipe2
    SYS_pkey_alloc SYS_pkey_free SYS_pkey_mprotect SYS_ppoll SYS_prctl SYS_pread64 SYS_preadv SYS_preadv2
    SYS_prlimit64 SYS_process_mrelease SYS_pselect6 SYS_pwrite64 SYS_pwritev SYS_pwritev2 SYS_read SYS_readahead
    SYS_readlinkat SYS_readv SYS_recvfrom SYS_recvmmsg SYS_recvmsg SYS_remap_file_pages SYS_removexattr
    SYS_renameat SYS_renameat2 SYS_restart_syscall SYS_rseq SYS_rt_sigaction SYS_rt_sigpending SYS_rt_sigprocmask
    SYS_rt_sigqueueinfo SYS_rt_sigreturn SYS_rt_sigsuspend SYS_rt_sigtimedwait SYS_rt_tgsigqueueinfo
    SYS_sched_getaffinity SYS_sched_getattr SYS_sched_getparam SYS_sched_get_priority_max
    SYS_sched_get_priority_min SYS_sched_getscheduler SYS_sched_rr_get_interval SYS_sched_setaffinity
    SYS_sched_setattr SYS_sched_setparam SYS_sched_setscheduler SYS_sched_yield SYS_seccomp SYS_semctl SYS_semget
    SYS_semop SYS_semtimedop SYS_sendfile SYS_sendmmsg SYS_sendmsg SYS_sendto SYS_setfsgid SYS_setfsuid SYS_setgid
    SYS_setgroups SYS_setitimer SYS_setpgid SYS_setpriority SYS_setregid SYS_setresgid SYS_setresuid SYS_setreuid
    SYS_setrlimit SYS_set_robust_list SYS_setsid SYS_setsockopt SYS_set_tid_address SYS_setuid SYS_setxattr
    SYS_shmat SYS_shmctl SYS_shmdt SYS_shmget SYS_shutdown SYS_sigaltstack SYS_signalfd4 SYS_socket SYS_socketpair
    SYS_splice SYS_statfs SYS_statx SYS_symlinkat SYS_sync SYS_sync_file_range SYS_syncfs SYS_sysinfo SYS_tee
    SYS_tgkill SYS_timer_create SYS_timer_delete SYS_timer_getoverrun SYS_timer_gettime SYS_timer_settime
    SYS_timerfd_create SYS_timerfd_gettime SYS_timerfd_settime SYS_times SYS_tkill SYS_truncate SYS_umask SYS_uname
    SYS_unlinkat SYS_utimensat SYS_vmsplice SYS_wait4 SYS_waitid SYS_write SYS_writev
];

/// Older calls that only this architecture has.
#[cfg(target_arch = "x86_64")]
const NEEDED_X86_64: &[Call] = calls![
    SYS_access SYS_alarm SYS_arch_prctl SYS_chmod SYS_chown SYS_creat SYS_dup2 SYS_epoll_create SYS_epoll_wait
    SYS_eventfd SYS_fork SYS_futimesat SYS_getdents SYS_getpgrp SYS_inotify_init SYS_lchown SYS_link SYS_lstat
    SYS_mkdir SYS_mknod SYS_modify_ldt SYS_open SYS_pause SYS_pipe SYS_poll SYS_readlink SYS_rename
    SYS_rmdir SYS_select SYS_signalfd SYS_stat SYS_symlink SYS_time SYS_unlink SYS_utime SYS_utimes SYS_vfork
    SYS_get_thread_area SYS_set_thread_area
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_filters_fit_the_kernel_and_clone3_is_in_none() {
        for program in compile().unwrap() {
            assert!(program.len() < 4096, "{} instructions", program.len());
        }
        assert!(!numbers(NEEDED).contains(&libc::SYS_clone3));
        assert!(numbers(NEEDED).is_disjoint(&numbers(ADMINISTRATIVE)));
    }

    fn numbers(calls: &[Call]) -> BTreeSet<i64> {
        calls.iter().map(|(_, number)| *number).collect()
    }

    /// Those that have led out of sandboxes, or could: no change of the tables may let one through.
    #[test]
    fn what_has_to_be_refused_is_refused() {
        let refused = calls![
            SYS_mount SYS_umount2 SYS_pivot_root SYS_chroot SYS_open_tree SYS_move_mount SYS_fsopen SYS_fsconfig
            SYS_fsmount SYS_fspick SYS_mount_setattr SYS_unshare SYS_setns SYS_bpf SYS_perf_event_open SYS_keyctl
            SYS_add_key SYS_request_key SYS_userfaultfd SYS_io_uring_setup SYS_io_uring_enter SYS_io_uring_register
            SYS_ptrace SYS_process_vm_readv SYS_process_vm_writev SYS_pidfd_getfd SYS_open_by_handle_at
            SYS_init_module SYS_finit_module SYS_delete_module SYS_kexec_load SYS_reboot
        ];
        assert_eq!(numbers(refused).difference(&numbers(ADMINISTRATIVE)).count(), 0);
        let (clone, families) = (&administrative().unwrap()[&libc::SYS_clone], families().unwrap());
        assert_eq!(clone.len(), 7, "one rule for each kind of namespace");
        assert_eq!(families[&libc::SYS_socket].len(), 2, "four families, and of netlink one protocol");
    }

    /// The first column of code words in a section of the page that explains every call.
    fn explained(section: &str) -> BTreeSet<String> {
        let page = include_str!("../../../../docs/system-calls.md");
        let text = page.split("\n## ").find(|text| text.starts_with(section)).expect(section);
        let cells = text.lines().filter_map(|line| line.strip_prefix('|')?.split('|').nth(1));
        cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(|word| format!("SYS_{word}")).collect()
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn the_page_explains_every_call_and_no_other() {
        let names = |tables: [&[Call]; 2]| -> BTreeSet<String> {
            tables.concat().into_iter().map(|(name, _)| name.to_owned()).collect()
        };
        assert_eq!(explained("Allowed"), names([NEEDED, NEEDED_X86_64]));
        assert_eq!(
            explained("Refused").into_iter().filter(|name| name != "SYS_TIOCSTI").collect::<BTreeSet<_>>(),
            names([ADMINISTRATIVE, ADMINISTRATIVE_X86_64])
        );
    }
}
