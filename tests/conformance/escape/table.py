"""Every attack: in which language, what it tries, what is switched off for it to succeed, how its containment looks.

What an attack tries is told by its own first line (tests/functions/escape, crates/sandbox/escape) or, for native ones,
by its name: the system call.
"""

from . import judges
from .attack import BARE, BELIEVER, FRONT_DOOR, Attack, raised


def native(name, contained, weakened=BARE, **more):
    return Attack(name, "native", weakened, contained, **more)


def python(name, contained, weakened=BARE, **more):
    return Attack(name, "python", weakened, contained, **more)


MOUNTS = [
    native(name, "^EPERM$")
    for name in (
        "mount", "umount", "remount", "pivot_root", "chroot", "fsopen", "open_tree", "move_mount", "mount_setattr",
    )
]

NAMESPACES = [
    *(native(f"unshare_{kind}", "^EPERM$") for kind in ("user", "net", "mount")),
    native("clone_user", "^EPERM$"),
    native("clone_pid", "^EPERM$"),
    # Not EPERM: a C library then falls back to clone, whose flags a filter can read.
    native("clone3_user", "^ENOSYS$"),
    native("setns_of_init", "^E(ACCES|PERM), EPERM$"),
    native("setns_by_descriptor", "^EPERM$"),
]

# The target's number means nothing inside, and init does not let itself be looked at: both are said.
PROCESSES = [
    native("ptrace", "^EPERM, EPERM$"),
    native("process_vm_readv", "^EPERM, EPERM$"),
    native("process_vm_writev", "^EPERM, EPERM$"),
    native("proc_mem", "^ENOENT, EACCES$"),
    native("pidfd_getfd", "^EPERM, EPERM$"),
    native("pidfd_signal", "^ESRCH, unmoved$"),
    native("prlimit", "^EPERM, EPERM$"),
    native("kcmp", "^EPERM, EPERM$"),
    native("process_madvise", "^EPERM, EPERM$"),
    python("find_by_command_line", "^not in sight$"),
    python("kill_target", "^ESRCH$"),
    python("kill_init", "^it lives$"),
    python("priority", "^EPERM$"),
    python("become_root", "^EPERM$"),
    python("gain_capabilities", "^EPERM$"),
    python("outlive", "^none$", judge=judges.outlive, settings={"Timeout": 3}),
]

KERNEL = [
    *(
        native(name, "^EPERM$")
        for name in (
            "bpf", "perf_event_open", "userfaultfd", "io_uring", "keyctl", "add_key", "request_key", "reboot", "swapon",
            "acct", "set_clock", "sethostname", "syslog", "personality", "fanotify", "quotactl",
        )
    ),
    *(
        native(name, "^EPERM$", absent="^ENOSYS$")
        for name in ("kexec", "init_module", "finit_module", "delete_module", "iopl", "set_mempolicy")
    ),
    native("open_by_handle_at", "^EPERM, EPERM$"),
    # 31 is SIGSYS: the filter ends the program.
    native("old_entry", "signal 31", absent="signal 11"),
    native("tiocsti", "^EPERM$"),
]

SOCKETS = [
    *(
        native(name, "^EAFNOSUPPORT$", absent="^(EAFNOSUPPORT|errno 93|errno 94|EPROTONOSUPPORT)$")
        for name in (
            "socket_packet", "socket_vsock", "socket_alg", "socket_xdp", "netlink_audit", "netlink_netfilter",
            "netlink_uevent",
        )
    ),
    native("socket_raw", "^EPERM$"),
    native("socket_raw6", "^EPERM$"),
    native("netlink_route_change", "^EPERM$"),
]

FILES = [
    python("read_secret", "^(ENOENT, EACCES|ENOENT)$"),
    python("read_shadow", "^(ENOENT, EACCES|ENOENT)$"),
    python("read_data_folder", "^ENOENT$"),
    python("list_packages", "^ENOENT$"),
    python("write_outside", "^ENOENT, EACCES$"),
    python("write_programs", "^ENOENT, "),
    python("write_own_code", "^E(ACCES|ROFS)"),
    python("link_to_secret", "^ENOENT$"),
    python("race_links", "^ENOENT$"),
    python("process_one", "^EACCES$"),
    python("kernel_memory", "^(empty|EACCES|ENOENT)(, (empty|EACCES|EPERM|ENOENT))*$"),
    python("kernel_settings", "^E(ROFS|NOENT|ACCES)(, E(ROFS|NOENT|ACCES))*$"),
    python("sysrq", "^E(ROFS|NOENT|ACCES|ISDIR)(, E(ROFS|NOENT|ACCES|ISDIR))*$"),
    python("system_folder", "^ENOENT$"),
    python("device_files", "^ENOENT$"),
    # No capability to make one, and Landlock before that, where the kernel has it.
    python("make_device", "^E(PERM|ACCES)$"),
    python("setuid_file", "(Operation not permitted|Invalid argument); uid=1051"),
    python("host_setuid_program", "^(runs as user 1051|it ended at once)$"),
    python("file_capabilities", "^EPERM$"),
    python("memory_program", "^EPERM$"),
    python("inherited_descriptors", "^none$"),
    python("write_accounting", "^Operation not permitted$"),
    *(
        python(f"package:{kind}", "Could not unzip", weakened=judges.NAIVE_UNZIP, judge=judges.package)
        for kind in ("parent", "absolute", "beneath-a-link", "device")
    ),
    python("package:setuid", "^755$", weakened=judges.NAIVE_UNZIP, judge=judges.package_setuid),
]

NETWORK = [
    python("host_listener", "^(ECONNREFUSED|EADDRNOTAVAIL)(, E\\w+)*$"),
    python("front_door", "^(ECONNREFUSED|ENETUNREACH)$"),
    python("metadata", "^(ENETUNREACH|EHOSTUNREACH|timed out|TimeoutError)(, \\w+)*$"),
    python("internet", "^ENETUNREACH$"),
    python("abstract_socket", "^ECONNREFUSED$"),
    python("forged_credentials", "^E(PERM|INVAL)$"),
    python("sandboxes_ports", "^EADDRINUSE$"),
    python("bind_beyond", "^EADDRNOTAVAIL$"),
    python("many_connections", "^3[12] served at once$", weakened=BELIEVER, settings={"Timeout": 30}),
]

SMALL = {"MemorySize": 128}
ROOMY = raised("the same sandbox with 1,024 MB of memory", MemorySize=1024)
OUT_OF_MEMORY = "^Runtime\\.(OutOfMemory|ExitError): .*signal: killed"

# What the server says at its start where nothing keeps this limit, or where processes alone are looked at: what lies in
# files in memory and in the kernel is then nobody's (docs/security.md, "Without root").
NO_MEMORY_LIMIT = "this limit of functions is not kept here: memory: "
NO_LIMIT_BEYOND_PROCESSES = "this limit of functions is (not kept|kept in another way) here: memory: "

RESOURCES = [
    native("fork_bomb", "^EAGAIN after \\d+ processes$", greedy=True, event={"most": 1400}),
    native("descriptors", "EMFILE after 10\\d\\d descriptors"),
    native("locked", "^E(PERM|NOMEM|AGAIN)$"),
    python("threads", "^refused after \\d+ threads$", greedy=True, event={"most": 1400}),
    *(
        python(name, OUT_OF_MEMORY, weakened=ROOMY, settings=SMALL, event={"mb": 300}, greedy=True,
               unless=NO_MEMORY_LIMIT)
        for name in ("memory", "shared_memory", "system_v_memory")
    ),
    *(
        python(name, OUT_OF_MEMORY, weakened=ROOMY, settings=SMALL, event={"mb": 300}, greedy=True,
               unless=NO_LIMIT_BEYOND_PROCESSES)
        for name in ("memory_file", "system_v_messages")
    ),
    python("posix_memory", "^(ENOENT|FileNotFoundError)$"),
    python("pipe_memory", f"(E(PERM|MFILE|NFILE|NOMEM|NOBUFS) at \\d+ MB|{OUT_OF_MEMORY})", settings=SMALL,
           weakened=BARE, event={"mb": 200}, unless=NO_LIMIT_BEYOND_PROCESSES),
    python("socket_memory", f"(EMFILE at \\d+ MB|{OUT_OF_MEMORY})", settings=SMALL, weakened=ROOMY, event={"mb": 150},
           unless=NO_LIMIT_BEYOND_PROCESSES),
    python("fill_tmp", "^ENOSPC after (4\\d\\d|50\\d|51[0-2]) MB$", weakened=raised("a /tmp of 1,024 MB", EphemeralStorage={"Size": 1024}),
           event={"mb": 600}, greedy=True),
    python("sparse_tmp", "^ENOSPC$", weakened=raised("a /tmp of 1,024 MB", EphemeralStorage={"Size": 1024}),
           event={"mb": 700}),
    python("inodes", "^ENOSPC after \\d+ files$", event={"most": 40_000}, settings={"Timeout": 60}, greedy=True),
    python("busy_loop", "^Sandbox.Timedout", weakened=raised("a timeout of 15 s", Timeout=15), settings={"Timeout": 3},
           event={"seconds": 5}, greedy=True),
    python("log_flood", "^the server grew by \\d+ MB$", weakened=BELIEVER, judge=judges.log_flood, event={"mb": 96}),
]

PLATFORM = [
    python("answer_for_another", "400 InvalidRequestID", weakened=BELIEVER, judge=judges.victim),
    python("fail_for_another", "400 InvalidRequestID", weakened=BELIEVER, judge=judges.victim),
    python("answer_unknown", "^(400|404) ", weakened=BELIEVER),
    python("late_init_error", "^403 InvalidStateTransition", weakened=BELIEVER),
    python("register_extension", "^403 Extension.RegistrationClosed", weakened=BELIEVER),
    python("oversized_result", "^413 RequestEntityTooLarge|^Function.ResponseSizeTooLarge", weakened=BELIEVER),
    python("second_answer", "^1 accepted$", weakened=BELIEVER, judge=judges.second_answer),
    python("bad_frames", "^({|Runtime.TruncatedResponse)", weakened=BELIEVER),
    python("split_answer", "^no header of its own", weakened=BELIEVER, judge=judges.split_answer),
    python("slow_loris", "^others are served", weakened=BELIEVER, judge=judges.slow_loris),
    python("forged_records", "^the figures are the platform's", weakened=BELIEVER, judge=judges.forged_records),
    python("forged_frames", "^the figures are the platform's", weakened=BELIEVER, judge=judges.forged_records),
    python("terminal_escapes", "^shown as text", weakened=BELIEVER, judge=judges.terminal_escapes),
    python("list_as_another_account", "^200, not in the list$", weakened=FRONT_DOOR),
    python("read_another_accounts_function", "^(403|404) ", weakened=FRONT_DOOR),
    python("invoke_another_accounts_function", "^40[34] ", weakened=FRONT_DOOR),
    python("delete_another_accounts_function", "^40[34] ", weakened=FRONT_DOOR, judge=judges.delete),
]

TABLE = [*FILES, *MOUNTS, *NAMESPACES, *PROCESSES, *KERNEL, *SOCKETS, *NETWORK, *PLATFORM, *RESOURCES]
