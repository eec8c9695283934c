"""Runs a function with a runtime client against the fake Runtime API and collects all that can be seen of it."""

import os
import re
import signal
import struct
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

from fake_api import Event, RuntimeApi

CLIENTS = Path(__file__).resolve().parent.parent
# Generous: a busy machine starts an interpreter slowly. Nothing waits this long when all is well.
PATIENCE_SECONDS = 60


@dataclass
class Frame:
    """One framed log record."""

    type: int
    timestamp_us: int
    message: str


@dataclass
class Run:
    """What a run left behind."""

    requests: list
    stdout: str
    stderr: str
    frames: list
    exit_code: int
    # Whether the runtime was ended by the harness while it waited for a further event.
    waited: bool
    task: Path

    @property
    def outcomes(self):
        return [request for request in self.requests if request.kind in ("response", "error")]

    @property
    def init_errors(self):
        return [request for request in self.requests if request.kind == "init/error"]

    @property
    def results(self):
        """The response bodies as text."""
        return [request.body.decode() for request in self.outcomes]


@dataclass
class Client:
    """A runtime client to try: what starts it, and how it is named in test ids."""

    name: str
    argv: list
    environment: dict
    # Given the handler as an argument instead of in _HANDLER.
    handler_argument: bool = False
    official: bool = False

    def __str__(self):
        return self.name


def environment_of(task, api, runtime, extra):
    environment = {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "TZ": ":UTC",
        "AWS_LAMBDA_RUNTIME_API": api,
        "AWS_EXECUTION_ENV": "AWS_Lambda_" + runtime,
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f",
        "AWS_LAMBDA_LOG_STREAM_NAME": "2026/01/01/[$LATEST]0123456789abcdef0123456789abcdef",
        "LAMBDA_TASK_ROOT": str(task),
    }
    environment.update(extra)
    return environment


def write_files(root, files):
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def run(client, task, files, handler, events=(Event(),), runtime="python3.13", env=None, telemetry=True):
    """Runs until the runtime waits for an event that does not come, or until it ends by itself."""
    write_files(task, files)
    api = RuntimeApi(events)
    environment = environment_of(task, api.address, runtime, {**client.environment, "_HANDLER": handler, **(env or {})})
    frames, log_read, log_write = [], None, None
    if telemetry:
        log_read, log_write = os.pipe()
        environment["_LAMBDA_TELEMETRY_LOG_FD"] = str(log_write)
    argv = client.argv + ([handler] if client.handler_argument else [])
    process = subprocess.Popen(
        argv,
        cwd=task,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=[log_write] if telemetry else [],
        # A group of its own, so that what the function started can be ended with it.
        start_new_session=True,
    )
    readers, streams = [], {}
    for name in ("stdout", "stderr"):
        readers.append(_reader(streams, name, getattr(process, name).fileno()))
    if telemetry:
        os.close(log_write)
        readers.append(_reader(streams, "frames", log_read))
    waited = _wait(process, api)
    for reader in readers:
        reader.join(PATIENCE_SECONDS)
        assert not reader.is_alive(), "something that the function started still holds its output"
    api.close()
    process.stdout.close()
    process.stderr.close()
    if telemetry:
        os.close(log_read)
        frames = parse_frames(streams["frames"])
    return Run(
        api.requests,
        streams["stdout"].decode(),
        streams["stderr"].decode(),
        frames,
        process.returncode,
        waited,
        task,
    )


def _wait(process, api):
    ended = threading.Thread(target=process.wait, daemon=True)
    ended.start()
    for _ in range(PATIENCE_SECONDS * 100):
        ended.join(0.01)
        if not ended.is_alive():
            _end_group(process)
            return False
        if api.idle.is_set():
            _end_group(process)
            ended.join()
            return True
    _end_group(process)
    ended.join()
    raise TimeoutError("the runtime neither ended nor asked for a further event")


def _end_group(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        # All of it has ended by itself.
        pass


def _reader(streams, name, fd):
    streams[name] = b""

    def read():
        while data := os.read(fd, 65536):
            streams[name] += data

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


def parse_frames(data):
    frames = []
    while data:
        kind, length, timestamp = struct.unpack(">IIq", data[:16])
        frames.append(Frame(kind, timestamp, data[16 : 16 + length].decode()))
        assert len(data) >= 16 + length, "the last frame is cut off"
        data = data[16 + length :]
    return frames


_TIMES = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z")
# Frames of a client itself and of Node.js in a stack, as an element of a JSON array.
_CLIENT_FRAMES = re.compile(
    r',?\\?"    at [^"]*(/runtimes/nodejs/|/aws-lambda-ric/|/official_node\.mjs|node:|native)[^"]*\\?"'
)
# The same in a text of several lines, which are joined by a newline, by "\r", or by an escaped newline in JSON.
_CLIENT_LINES = re.compile(
    r"(\n|\r|\\n)\s+at (?:[^\n\r\"\\]*\()?(?:[^\n\r\"\\ ]*(?:/runtimes/nodejs/|/aws-lambda-ric/|/official_node\.mjs)|node:)[\w./:-]*\)?"
)
_CLIENT_FILES = re.compile(r"/[^\s\"']*/(runtimes/nodejs|aws-lambda-ric/dist)/index\.mjs")


def normal(text, task):
    """Text without what differs from run to run and from client to client: times, folders, the client's frames."""
    text = _TIMES.sub("TIME", text.replace(str(task), "/var/task"))
    text = _CLIENT_LINES.sub("", _CLIENT_FRAMES.sub("", text))
    return _CLIENT_FILES.sub("/var/runtime/index.mjs", text)


def observable(run):
    """All that the platform and the reader of the log see of a run."""
    return {
        "posts": [
            {
                "kind": request.kind,
                "body": normal(request.body.decode(), run.task),
                "content type": request.headers.get("content-type") if request.kind != "init/error" else None,
                "error type": request.headers.get("lambda-runtime-function-error-type"),
                "trailers": {name: value for name, value in request.trailers.items() if not name.endswith("body")},
            }
            for request in run.requests
            if request.method == "POST"
        ],
        "log": [(hex(frame.type), normal(frame.message, run.task)) for frame in run.frames],
        "stdout": normal(run.stdout, run.task),
        "stderr": normal(run.stderr, run.task),
        "waited": run.waited,
        "exit code": run.exit_code,
    }
