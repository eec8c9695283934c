"""Waiting in a sandbox that was made before anybody knew for which function.

All that a start costs is paid by then: the interpreter runs, the client is loaded and connected, and has gone once through
what it does for an invocation. What is left to be told
is the environment and the working directory. Nothing of the function's may be looked at before, since a folder that was
not there is remembered as missing.
"""

import json
import logging
import os
import time

from . import bootstrap, lambda_context
from .lambda_runtime_client import LambdaRuntimeClient

# The descriptor on which to wait. Whoever gives it also makes the environment long enough for the function's.
_VARIABLE = "_LAMBENT_ASSIGNMENT_FD"
_ENVIRONMENT_START = 50
_ENVIRONMENT_END = 51


def wait(runtime_client):
    """Blocks until there is a function, and makes the process look as if it had been started for it."""
    runtime_client.connect()
    _warm_up()
    own = _set_by_the_interpreter()
    fd = int(os.environ[_VARIABLE])
    zone = os.environ.get("TZ")
    memory = _shown_environment()
    # All of it, so that the order is that of a fresh start, and nothing points into the memory that is overwritten later.
    os.environ.clear()
    assignment = json.loads(_receive(fd))
    environment = [(_bytes(name), _bytes(value)) for name, value in assignment["env"]]
    for name, value in environment:
        os.environb[name] = value
    for name, value in own:
        os.environb.setdefault(name, value)
    if os.environ.get("TZ") != zone:
        time.tzset()
    _show(environment, memory)
    os.chdir(_bytes(assignment["cwd"]))


class _Deaf(object):
    """Stands for a connection: has one event, and takes what is sent."""

    def open(self):
        """There is nothing to be opened."""

    def send(self, *parts):
        """Nobody hears it."""

    def receive(self):
        """An event."""
        headers = {"lambda-runtime-aws-request-id": "warm", "lambda-runtime-deadline-ms": "1", "content-type": "application/json"}
        return 200, headers, b'{"key": "value"}'


def _warm_up():
    """Does once what is slow at its first time, by an invocation that nobody sees, and takes back what it has left."""
    # The first compilation prepares the types of syntax trees, which takes a millisecond, and most handlers are source.
    compile("", "<waiting>", "exec")
    client = LambdaRuntimeClient("nobody:0")
    client._connection = _Deaf()
    with bootstrap.FramedTelemetryLogSink(os.open(os.devnull, os.O_WRONLY)) as sink:
        # One that `logging.getLogger` does not know.
        logger = logging.Logger("waiting")
        handler = bootstrap.LambdaLoggerHandler(sink)
        handler.setFormatter(logging.Formatter(bootstrap._TEXT_FORMAT, bootstrap._TEXT_DATETIME_FORMAT))
        # The time zone may become another.
        handler.formatter.converter = time.gmtime
        handler.addFilter(bootstrap.LambdaLoggerFilter())
        logger.addHandler(handler)

        def echo(event, context):
            logger.warning("%d ms", context.get_remaining_time_in_millis())
            return event

        event = client.wait_next_invocation()
        bootstrap.handle_event_request(
            client, echo, event.invoke_id, event.event_body, event.content_type, None, None, None, event.deadline_time_in_ms, None, sink
        )
        handler.close()
    # What is remembered of the environment.
    lambda_context._environment.clear()
    client.marshaller._encoder = None


def _receive(fd):
    os.write(fd, b"R")
    parts = []
    while True:
        part = os.read(fd, 65536)
        if not part:
            break
        parts.append(part)
    os.close(fd)
    document = b"".join(parts)
    # A space comes ahead, when a function has been chosen; an empty line is behind, when its folders are there.
    if not document.endswith(b"\n\n"):
        # The platform ends this sandbox.
        raise SystemExit(0)
    return document


def _bytes(raw):
    return raw.encode() if isinstance(raw, str) else bytes(raw)


def _set_by_the_interpreter():
    """What was not there when the process was started: `LC_CTYPE`, where the locale does not exist (PEP 538)."""
    with open("/proc/self/environ", "rb") as environ:
        given = {entry.partition(b"=")[0] for entry in environ.read().split(b"\0")}
    return [(name, value) for name, value in os.environb.items() if name not in given]


def _shown_environment():
    """Where the memory is that /proc/self/environ shows, that of the start's environment (proc(5), fields of `stat`):
    a descriptor for it, its start and its length; None where the kernel forbids to write there."""
    try:
        with open("/proc/self/stat", "rb") as stat:
            # The first two fields are the number and, in parentheses, the name.
            fields = stat.read().rpartition(b")")[2].split()
        start, end = (int(fields[number - 3]) for number in (_ENVIRONMENT_START, _ENVIRONMENT_END))
        return os.open("/proc/self/mem", os.O_RDWR), start, end - start
    except OSError:
        return None


def _show(environment, memory):
    if memory is None:
        # The file shows the variables of the start, none of which is the function's.
        return
    fd, start, length = memory
    text = b"".join(name + b"=" + value + b"\0" for name, value in environment)
    # What does not fit is not shown at all, as if the kernel forbade it.
    if len(text) <= length:
        os.pwrite(fd, text.ljust(length, b"\0"), start)
    os.close(fd)
