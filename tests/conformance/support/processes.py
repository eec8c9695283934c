"""What a server has left on the host: processes, control groups, mounts. Read from /proc, as root."""

import os
from pathlib import Path


def _namespace(pid, kind):
    try:
        return os.readlink(f"/proc/{pid}/ns/{kind}")
    except OSError:
        return None


def _read(path):
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


def sandboxed(server):
    """Process ids of everything inside of the sandboxes of this server's functions: in a process namespace of their
    own, with a mount from the server's data folder. `server.home` has a name that no other path holds. Sandboxes that
    wait for a function are not among them."""
    inside = _inside(server)
    waiting = {namespace for pid, namespace in inside.items() if _waits(pid)}
    return [pid for pid, namespace in inside.items() if namespace not in waiting]


def serving(server):
    """Those of `sandboxed` whose sandbox has more than its first process: none that is just being made."""
    inside = {pid: _namespace(pid, "pid") for pid in sandboxed(server)}
    return [pid for pid, namespace in inside.items() if list(inside.values()).count(namespace) > 1]


def beside(server, command):
    """Process ids of everything in the sandboxes in which this command runs."""
    inside = _inside(server)
    text = "\0".join(command) + "\0"
    namespaces = {namespace for pid, namespace in inside.items() if _read(f"/proc/{pid}/cmdline") == text}
    return [pid for pid, namespace in inside.items() if namespace in namespaces]


def waiting(server):
    """Process ids of the runtimes that wait for a function in a sandbox of their own."""
    return [pid for pid in _inside(server) if _waits(pid)]


def _inside(server):
    ours = _namespace("self", "pid")
    namespaces = {int(entry): _namespace(entry, "pid") for entry in os.listdir("/proc") if entry.isdigit()}
    return {
        pid: namespace
        for pid, namespace in namespaces.items()
        if namespace not in (None, ours) and server.home.name in _read(f"/proc/{pid}/mountinfo")
    }


def _waits(pid):
    return "_LAMBENT_ASSIGNMENT_FD=" in _read(f"/proc/{pid}/environ")


def descendants(pid):
    """Every process that a process has started, and those that they have."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            stat = _read(f"/proc/{entry}/stat").rsplit(")", 1)
            if len(stat) == 2:
                parents.setdefault(int(stat[1].split()[1]), []).append(int(entry))
    found, queue = [], [pid]
    while queue:
        children = parents.get(queue.pop(), [])
        found += children
        queue += children
    return found


def alive(pid):
    """Whether a process is there and more than a corpse that waits for its parent."""
    stat = _read(f"/proc/{pid}/stat").rsplit(")", 1)
    return len(stat) == 2 and stat[1].split()[0] not in ("Z", "X")


def cgroups(pid):
    """The control groups of a process that are not the hierarchy's root, as folders."""
    roots = {}
    for line in _read("/proc/self/mountinfo").splitlines():
        before, after = line.split(" - ", 1)
        kind, _, options = after.split(" ", 2)
        if kind in ("cgroup", "cgroup2"):
            for name in options.split(",") if kind == "cgroup" else ("",):
                roots.setdefault(name, before.split(" ")[4])
    found = set()
    for line in _read(f"/proc/{pid}/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            root = roots.get(controller)
            if root and path != "/":
                found.add(Path(root) / path.lstrip("/"))
    return found


def host_mounts(server):
    """Mounts in the host's own view that come from or lie in the server's folder."""
    return [line for line in _read("/proc/self/mountinfo").splitlines() if server.home.name in line]


def launcher(server):
    """The process that makes the server's sandboxes."""
    return next(pid for pid in descendants(server.pid) if _read(f"/proc/{pid}/comm").strip() == "lambent-launch")
