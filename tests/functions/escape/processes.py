"""Other processes, and processes that are to stay."""

import ctypes
import os
import signal
import time

from attempt import Refused, collect

LIBC = ctypes.CDLL(None, use_errno=True)


def find_by_command_line(event, context):
    """Reads what other processes were started with."""
    mine = os.getpid()
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != mine:
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as file:
                    text = file.read()
            except OSError:
                continue
            if event["mark"].encode() in text:
                return f"found process {entry}"
    raise Refused("not in sight")


def kill_target(event, context):
    """Ends a process of the host by its number."""
    os.kill(event["target"], signal.SIGKILL)
    return _effect_on(event["target"]) or "sent a signal"


def kill_init(event, context):
    """Ends or stops process 1 of its world, which has the same user."""
    target = event["target"] if event["bare"] else 1
    for number in (signal.SIGTERM, signal.SIGSTOP, signal.SIGKILL):
        try:
            os.kill(target, number)
        except OSError:
            pass
    effect = _effect_on(target)
    if effect is None:
        raise Refused("it lives")
    return effect


def _effect_on(target):
    """Whether a process is dead or stopped, in a while; a signal takes effect when its receiver runs."""
    for _ in range(200):
        try:
            with open(f"/proc/{target}/stat") as file:
                state = file.read().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return "it is gone"
        if state in "TZX":
            return f"it is in state {state}"
        time.sleep(0.005)
    return None


def outlive(event, context):
    """Leaves a process behind that nothing connects with the function, and works on past the timeout."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            # As a daemon would: no folder, no descriptor, every signal ignored.
            os.chdir("/")
            os.closerange(0, 1024)
            for number in range(1, 65):
                try:
                    signal.signal(number, signal.SIG_IGN)
                except (OSError, ValueError):
                    pass
            LIBC.prctl(1, 0, 0, 0, 0)  # PR_SET_PDEATHSIG: none
            LIBC.prctl(15, event["mark"][-15:].encode(), 0, 0, 0)  # PR_SET_NAME
            time.sleep(600)
        os._exit(0)
    time.sleep(event["seconds"])
    return "was not ended"


def survivors(event, context):
    """Whether what `outlive` has left is still there."""
    name = event["mark"][-15:]
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/comm") as file:
                    if file.read().strip() == name:
                        return entry
            except OSError:
                continue
    raise Refused("none")


def busy_loop(event, context):
    """Computes past the timeout, deaf to every signal that can be ignored."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGXCPU, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)
    end = time.monotonic() + event["seconds"]
    while time.monotonic() < end:
        pass
    return "was not ended"


def priority(event, context):
    """A higher priority than its neighbours: real time, or a negative nice value."""
    try:
        os.nice(-10)
        return "nice -10"
    except OSError:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        return "real time"


def become_root(event, context):
    """Takes root's user id, or another sandbox's."""
    for user in (0, 1052, 65534):
        try:
            if os.fork() == 0:
                try:
                    os.setresuid(user, user, user)
                    os._exit(0)
                except OSError:
                    os._exit(1)
            if os.waitstatus_to_exitcode(os.wait()[1]) == 0:
                return f"became user {user}"
        except ChildProcessError as error:
            raise Refused("no child") from error
    raise Refused("EPERM")


def gain_capabilities(event, context):
    """Gives itself capabilities."""
    class Header(ctypes.Structure):
        _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]

    class Data(ctypes.Structure):
        _fields_ = [("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32)]

    header, data = Header(0x20080522, 0), (Data * 2)()
    for one in data:
        # CAP_CHOWN and whatever else is in the low bits of either half.
        one.effective = one.permitted = 1
    data[1].effective = data[1].permitted = 0
    if os.fork() == 0:
        os._exit(0 if LIBC.capset(ctypes.byref(header), ctypes.byref(data)) == 0 else ctypes.get_errno())
    code = os.waitstatus_to_exitcode(os.wait()[1])
    if code == 0:
        return "has CAP_CHOWN"
    raise Refused("EPERM" if code == 1 else f"errno {code}")


ATTACKS = collect(globals())
