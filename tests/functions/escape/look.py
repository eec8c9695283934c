"""Everything that can be seen from inside, for the list of surprises."""

import os
import stat


def _kind(path):
    mode = os.lstat(path).st_mode
    if stat.S_ISLNK(mode):
        return f"link to {os.readlink(path)}"
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        number = os.lstat(path).st_rdev
        return f"{'character' if stat.S_ISCHR(mode) else 'block'} device {os.major(number)}:{os.minor(number)}"
    return "folder" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else "other"


def _listing(folder):
    try:
        return {name: _kind(f"{folder}/{name}") for name in os.listdir(folder)}
    except FileNotFoundError:
        return None


def _mounts():
    with open("/proc/self/mountinfo") as file:
        lines = [line.split(" - ") for line in file.read().splitlines()]
    return {
        left.split()[4]: {"options": left.split()[5].split(","), "kind": right.split()[0], "root": left.split()[3]}
        for left, right in lines
    }


def _descriptors():
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[name] = os.readlink(f"/proc/self/fd/{name}").split(":")[0]
        except OSError:
            # That of the listing itself.
            continue
    return found


FOLDERS = ("/", "/dev", "/etc", "/mnt", "/opt", "/proc", "/run", "/sys", "/tmp", "/home", "/root", "/var", "/var/empty",
           "/var/runtime", "/var/task", "/etc/ssl")


def look():
    folders = {folder: _listing(folder) for folder in FOLDERS}
    folders["/proc"] = {name: kind for name, kind in folders["/proc"].items() if not name.isdigit()}
    return {
        "folders": folders,
        "mounts": _mounts(),
        "descriptors": _descriptors(),
        "variables": sorted(os.environ),
        "hidden": [name for name in folders["/proc"] if _is_empty(f"/proc/{name}")],
        "processes": sorted(int(name) for name in os.listdir("/proc") if name.isdigit()),
    }


def _is_empty(path):
    try:
        if os.path.isdir(path):
            return not os.listdir(path)
        with open(path, "rb") as file:
            return not file.read(1)
    except OSError:
        return False


def works():
    """What programs look up: users, names, certificates, time zones."""
    import datetime
    import pwd
    import socket
    import ssl
    import zoneinfo

    user = pwd.getpwuid(os.getuid())
    own = {name: socket.gethostbyname(name) for name in ("localhost", "sandbox.localdomain", socket.gethostname())}
    try:
        own["elsewhere"] = socket.gethostbyname("lambent.example")
    except OSError as error:
        own["elsewhere"] = type(error).__name__
    berlin = datetime.datetime(2026, 7, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))
    return {
        "user": [user.pw_name, user.pw_dir, os.getuid()],
        "names": own,
        "certificates": len(ssl.create_default_context().get_ca_certs())
        or len(os.listdir(ssl.get_default_verify_paths().capath or "/var/empty")),
        "summer_hours": berlin.utcoffset().total_seconds() / 3600,
        "local": str(datetime.datetime.now().astimezone().tzinfo),
    }
