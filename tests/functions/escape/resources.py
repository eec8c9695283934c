"""More than one's share of what a machine has."""

import ctypes
import mmap
import os
import socket
import sys
import tempfile
import threading
import time

from attempt import Refused, collect, named

MB = 1024 * 1024
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.shmat.restype = ctypes.c_void_p


def hold():
    """Keeps what was taken. Where memory is watched instead of limited, what lives shorter than from one look to the next,
    a second on a busy host, may be missed, and harms nobody."""
    time.sleep(2)


def memory(event, context):
    """Anonymous memory."""
    blocks = [bytearray(os.urandom(4096)) * 256 for _ in range(event["mb"])]
    hold()
    return f"{len(blocks)} MB"


def shared_memory(event, context):
    """Memory shared between processes."""
    region = mmap.mmap(-1, event["mb"] * MB)
    for offset in range(0, len(region), 4096):
        region[offset] = 1
    hold()
    return f"{event['mb']} MB"


def memory_file(event, context):
    """A file in memory."""
    file = os.memfd_create("hoard")
    try:
        for _ in range(event["mb"]):
            os.write(file, b"\1" * MB)
        return f"{event['mb']} MB"
    finally:
        os.close(file)


def system_v_memory(event, context):
    """Shared memory of System V, which outlives its processes."""
    identity = LIBC.shmget(0, ctypes.c_size_t(event["mb"] * MB), 0o1600)
    if identity < 0:
        raise OSError(ctypes.get_errno(), "shmget")
    try:
        address = LIBC.shmat(identity, None, 0)
        ctypes.memset(address, 1, event["mb"] * MB)
        hold()
        return f"{event['mb']} MB"
    finally:
        LIBC.shmctl(identity, 0, None)


def posix_memory(event, context):
    """Shared memory of POSIX: a file system in memory that everybody may write to."""
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
        file.write(b"\1" * MB)
        return "wrote to /dev/shm"


def pipe_memory(event, context):
    """Memory of the kernel that pipes hold."""
    pipes, held = [], 0
    try:
        while held < event["mb"] * MB:
            reader, writer = os.pipe2(os.O_NONBLOCK)
            pipes += [reader, writer]
            import fcntl

            try:
                fcntl.fcntl(writer, 1031, MB)  # F_SETPIPE_SZ
            except OSError:
                pass
            try:
                while True:
                    held += os.write(writer, b"\1" * 65536)
            except BlockingIOError:
                continue
        return f"{held // MB} MB"
    except OSError as error:
        raise Refused(f"{named(error)} at {held // MB} MB") from error
    finally:
        for descriptor in pipes:
            os.close(descriptor)


def socket_memory(event, context):
    """Memory of the kernel that sockets hold."""
    pairs, held = [], 0
    try:
        while held < event["mb"] * MB:
            left, right = socket.socketpair()
            pairs += [left, right]
            for end in (left, right):
                end.setblocking(False)
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * MB)
                try:
                    while True:
                        held += end.send(b"\1" * 65536)
                except BlockingIOError:
                    continue
        return f"{held // MB} MB"
    except OSError as error:
        raise Refused(f"{named(error)} at {held // MB} MB") from error
    finally:
        for end in pairs:
            end.close()


def fill_tmp(event, context):
    """Fills /tmp."""
    return _fill(event["folder"], event["mb"])


def _fill(folder, megabytes):
    written = 0
    path = os.path.join(folder, "full")
    try:
        with open(path, "wb") as file:
            for _ in range(megabytes):
                written += file.write(b"\1" * MB)
            os.fsync(file.fileno())
        return f"wrote {megabytes} MB"
    except OSError as error:
        raise Refused(f"{named(error)} after {written // MB} MB") from error
    finally:
        os.unlink(path)


def sparse_tmp(event, context):
    """Claims more of /tmp than there is, without writing it."""
    path = os.path.join(event["folder"], "claimed")
    try:
        with open(path, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, event["mb"] * MB)
        return f"claimed {event['mb']} MB"
    finally:
        os.path.exists(path) and os.unlink(path)


def inodes(event, context):
    """Files without content, until there is no room for one more."""
    folder = tempfile.mkdtemp(dir=event["folder"])
    made = 0
    try:
        while made < event["most"]:
            os.close(os.open(f"{folder}/{made}", os.O_CREAT | os.O_WRONLY))
            made += 1
        return f"{made} files"
    except OSError as error:
        raise Refused(f"{named(error)} after {made} files") from error
    finally:
        for number in range(made):
            os.unlink(f"{folder}/{number}")
        os.rmdir(folder)


def threads(event, context):
    """Threads without number."""
    threading.stack_size(32768)
    stop, started = threading.Event(), []
    try:
        while len(started) < event["most"]:
            thread = threading.Thread(target=stop.wait, daemon=True)
            thread.start()
            started.append(thread)
        return f"{len(started)} threads"
    except RuntimeError as error:
        raise Refused(f"refused after {len(started)} threads") from error
    finally:
        stop.set()
        for thread in started:
            thread.join()


def system_v_messages(event, context):
    """Messages in queues of System V, which outlive their processes."""
    class Message(ctypes.Structure):
        _fields_ = [("kind", ctypes.c_long), ("text", ctypes.c_char * 8192)]

    message, queues, held = Message(1, b"x"), [], 0
    try:
        while held < event["mb"] * MB:
            queue = LIBC.msgget(0, 0o1600)
            if queue < 0:
                raise Refused(f"{named(OSError(ctypes.get_errno(), ''))} at {held // MB} MB")
            queues.append(queue)
            # IPC_NOWAIT: a full queue is followed by the next.
            while LIBC.msgsnd(queue, ctypes.byref(message), ctypes.c_size_t(8192), 0o4000) == 0:
                held += 8192
        return f"{held // MB} MB"
    finally:
        for queue in queues:
            LIBC.msgctl(queue, 0, None)


def log_flood(event, context):
    """More output than anybody can keep."""
    line = ("x" * 1023 + "\n").encode()
    block = line * 64
    for _ in range(event["mb"] * MB // len(block)):
        sys.stdout.buffer.write(block)
    sys.stdout.flush()
    return f"wrote {event['mb']} MB"


ATTACKS = collect(globals())
