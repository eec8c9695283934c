"""Does what its event says, and tells what it sees: {"do": NAME, …}."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
import uuid

ENVIRONMENT = str(uuid.uuid4())
COUNT = 0
AT_START = dict(os.environ)


def lambda_handler(event, context):
    global COUNT
    COUNT += 1
    event = event if isinstance(event, dict) else {"do": "echo", "value": event}
    return ACTIONS[event.get("do", "identity")](event, context)


def identity(event, context):
    """Which environment this is, and what the invocation knows of itself."""
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "marker.txt")) as marker:
        return {
            "environment": ENVIRONMENT,
            "count": COUNT,
            "marker": marker.read(),
            "request_id": context.aws_request_id,
            "arn": context.invoked_function_arn,
            "name": context.function_name,
            "version": context.function_version,
            "memory": context.memory_limit_in_mb,
            "remaining_ms": context.get_remaining_time_in_millis(),
            "group": context.log_group_name,
            "stream": context.log_stream_name,
            "client_context": context.client_context.custom if context.client_context else None,
        }


def echo(event, context):
    return event.get("value")


def fail(event, context):
    raise ValueError(event.get("text", "no luck"))


def sleep(event, context):
    """Says that it has begun, where asked to, and sleeps."""
    if "print" in event:
        print(event["print"], flush=True)
    time.sleep(event["seconds"])
    return identity(event, context)


def leave(event, context):
    os._exit(event["code"])


def kill(event, context):
    os.kill(os.getpid(), getattr(signal, event["signal"]))
    time.sleep(60)


def memory(event, context):
    blocks = []
    for _ in range(event["mb"]):
        blocks.append(bytearray(os.urandom(1024)) * 1024)
    return len(blocks)


def big(event, context):
    return "x" * event["size"]


def environment(event, context):
    return {"start": AT_START, "now": dict(os.environ)}


def write(event, context):
    """Tries to write; the error's name otherwise."""
    try:
        with open(event["path"], "a") as file:
            file.write(event.get("text", "x"))
        with open(event["path"]) as file:
            return file.read()
    except OSError as error:
        return {"errno": error.errno, "text": os.strerror(error.errno)}


def fill(event, context):
    """Writes megabytes until it is refused."""
    written = 0
    try:
        with open(event["path"], "wb") as file:
            for _ in range(event["mb"]):
                written += file.write(b"\1" * 1024 * 1024)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return {"written": written, "errno": error.errno}
    finally:
        os.unlink(event["path"])
    return {"written": written}


def read(event, context):
    try:
        with open(event["path"], errors="replace") as file:
            return file.read()
    except OSError as error:
        return {"errno": error.errno}


def listing(event, context):
    try:
        return sorted(os.listdir(event["path"]))
    except OSError as error:
        return {"errno": error.errno}


def run(event, context):
    """Runs a shell command."""
    done = subprocess.run(["/bin/sh", "-c", event["command"]], capture_output=True, text=True, timeout=15)
    return {"code": done.returncode, "out": done.stdout, "err": done.stderr}


def connect(event, context):
    """Tries to reach an address."""
    try:
        with socket.create_connection((event["host"], event["port"]), timeout=3):
            return "connected"
    except OSError as error:
        return type(error).__name__


def syscall(event, context):
    """A system call by number; its result and errno."""
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syscall(event["number"], *event.get("arguments", [0, 0, 0, 0]))
    return {"result": result, "errno": ctypes.get_errno()}


def say(event, context):
    """Prints lines as they are."""
    for line in event["lines"]:
        print(line, flush=True)
    if "stderr" in event:
        print(event["stderr"], file=sys.stderr, flush=True)
    return "said"


def background(event, context):
    """Leaves a process behind that outlives the answer."""
    child = subprocess.Popen(["/bin/sleep", event["seconds"]], start_new_session=True)
    return {"pid": child.pid, "environment": ENVIRONMENT}


def multiply(event, context):
    """Starts processes until it is refused."""
    children, refusal = [], None
    try:
        while len(children) < event["most"]:
            child = os.fork()
            if child == 0:
                signal.pause()
                os._exit(0)
            children.append(child)
    except OSError as error:
        refusal = error.errno
    for child in children:
        os.kill(child, signal.SIGKILL)
    for child in children:
        os.waitpid(child, 0)
    return {"processes": len(children), "errno": refusal}


ACTIONS = {name: value for name, value in list(globals().items()) if callable(value) and not isinstance(value, type)}
