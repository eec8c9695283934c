"""All that a function can see, and why it may.

A name that is here and not there, or there and not here, is a surprise. Names that depend on the host or its kernel
end with `?`.
"""

import re

PROGRAMS = "the host's programs and libraries, read-only"

FOLDERS = {
    "/": {
        "bin sbin lib lib32? lib64? libx32? usr": PROGRAMS,
        "dev etc mnt opt proc tmp var": "below",
    },
    "/dev": {
        "null zero full random urandom": "harmless, and programs fail without them",
        "tty": "the controlling terminal, of which there is none: opening answers ENXIO",
        "fd stdin stdout stderr": "links to the program's own descriptors",
    },
    "/etc": {
        "passwd group": "root, the function's user and nobody, whatever users the host has",
        "hosts hostname host.conf nsswitch.conf resolv.conf": "localhost and the sandbox's own name; no resolver",
        "shells": "/bin/sh",
        "localtime": "UTC, as on AWS",
        "os-release": "the host's: its libraries are what programs meet",
        "mtab": "link to the sandbox's own mounts",
        "ssl pki? ca-certificates? crypto-policies?": "certificates of authorities and how to use them",
        "ld.so.cache ld.so.conf? ld.so.conf.d?": "where the host's libraries are",
        "alternatives? debian_version?": "links among the host's programs lead through the first",
        "services? protocols? mime.types? gai.conf? fonts?": "names of ports, types of files, order of addresses, fonts",
        "java.*?": "settings of the host's Java, to which its folder has links",
    },
    "/etc/ssl": {"certs? openssl.cnf? cert.pem?": "no private keys"},
    "/mnt": {},
    "/opt": {"bin lib": "empty, for what layers bring"},
    "/tmp": {},
    "/var": {"empty lang runtime task": "the interpreter, our client, the function"},
    "/var/empty": {},
    "/var/runtime": {
        "awslambdaric bootstrap.py? snapshot_restore_py.py __pycache__?": "our client, compiled in advance",
        "bootstrap?": "starts it",
        "site-packages?": "AWS's SDK, where `lambent runtimes add` has brought it",
    },
    "/var/task": {".*\\.py": "the function's own code"},
    "/proc": {
        "self thread-self mounts": "the process itself, and links to it",
        "net": "the sandbox's own network",
        "sysvipc?": "the sandbox's own shared memory, queues and semaphores",
        "cpuinfo meminfo stat loadavg uptime vmstat version filesystems devices":
            "the machine's, not the sandbox's: libraries read them to choose sizes; that neighbours show in them is "
            "named in docs/security.md",
        "sys": "the kernel's settings, read-only",
        "bus? fs? irq?": "frozen: read-only",
        "buddyinfo? zoneinfo? pagetypeinfo? pressure? softirqs? schedstat? slabinfo? vmallocinfo? swaps?":
            "the machine's load; most of them root's alone to read",
        "cgroups? consoles? crypto? dma? execdomains? fb? misc? modules? mtrr? tty? kmsg? kpagecgroup? allocinfo?":
            "what the kernel was built with; kmsg and kpagecgroup are root's alone to read",
        "acpi? asound? bootconfig? cmdline config.gz? diskstats? driver? dynamic_debug? firmware? interrupts iomem? "
        "ioports? kallsyms? kcore? key-users? keys? kpagecount? kpageflags? latency_stats? locks mdstat? partitions? "
        "sched_debug? scsi? sysrq-trigger? timer_list?": "covered: empty",
    },
    # Not there at all.
    "/home": None,
    "/root": None,
    "/run": None,
    "/sys": None,
}

# Mount points; the options that each has to have, beside nosuid, which all have.
MOUNTS = {
    "/": ("ro noexec", "the composed root, with the five devices"),
    "/usr /bin? /sbin? /lib? /lib32? /lib64? /libx32?": ("ro nodev", PROGRAMS),
    "/usr/bin/sh? /bin/sh?": ("ro nodev", "bash, as on Amazon Linux"),
    "/etc/.*": ("ro nodev", "those files of the host's /etc that are listed above"),
    "/var/task /var/runtime /var/lang?": ("ro nodev", "the function, our client, the interpreter"),
    "/tmp": ("rw nodev", "the sandbox's own"),
    "/proc": ("rw nodev noexec", "the sandbox's own processes"),
    "/proc/(bus|fs|irq|sys)?": ("ro nodev noexec", "frozen"),
    "/proc/[a-z._-]*?": ("ro noexec", "covers"),
    "/dev/(null|zero|full|random|urandom|tty)?": ("ro noexec", "the host's nodes, where root may not make new ones"),
}

# Where the roots of mounts lie in their file systems is in /proc/self/mountinfo, and no mount hides it: docs/security.md.
KNOWN_LEAK = "the paths of the data folder and of the interpreter on the host"

DESCRIPTORS = {
    "0": "/dev/null",
    "1": "pipe",
    "2": "pipe",
    "62": "pipe",
}

VARIABLES = {
    "AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN": "the role's session, worth something here alone",
    "AWS_DEFAULT_REGION AWS_REGION": "the function's region",
    "AWS_ENDPOINT_URL": "where SDKs find the platform",
    "AWS_EXECUTION_ENV AWS_LAMBDA_[A-Z_]* LAMBDA_RUNTIME_DIR LAMBDA_TASK_ROOT _HANDLER": "as AWS documents",
    "AWS_XRAY_CONTEXT_MISSING AWS_XRAY_DAEMON_ADDRESS _AWS_XRAY_DAEMON_[A-Z]* _X_AMZN_TRACE_ID": "as AWS documents",
    "LANG LC_CTYPE LD_LIBRARY_PATH PATH PYTHONPATH TZ PWD SHLVL": "as on AWS, none of them the server's",
}


def explained(names, patterns):
    """The names that no pattern explains, and the patterns that no name fulfils although they must."""
    words = [word for key in patterns for word in key.split()]
    return (
        sorted(name for name in names if not any(_is(word, name) for word in words)),
        sorted(word for word in words if not word.endswith("?") and not any(_is(word, name) for name in names)),
    )


def _is(word, name):
    pattern = word.removesuffix("?")
    # Dots of plain names are dots; a pattern says so by a class, a group or a star.
    pattern = pattern if re.search(r"[\[(*\\]", pattern) else re.escape(pattern)
    return re.fullmatch(pattern, name) is not None
