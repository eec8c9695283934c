"""Runs a function with a runtime client against the fake Runtime API and collects all that can be seen of it."""

import os
import select
import signal
import struct
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

import waiting
from fake_api import Event, RuntimeApi

# The clients as the binary has them, where cargo has written them; by themselves the tests run the sources.
CLIENTS = Path(os.environ.get("LAMBENT_TEST_CLIENTS") or Path(__file__).resolve().parent.parent)
# Generous: a busy machine starts an interpreter slowly. Nothing waits this long when all is well.
PATIENCE_SECONDS = 60
FRAME_HEAD_BYTES = 16


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
    # The bytes of "stdout", "stderr" and "frames", each cut where an outcome arrived.
    streams: dict

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
        # Which runtimes AWS has in preview is AWS's affair.
        "LAMBDA_DISABLE_PREVIEW_WARN": "1",
    }
    environment.update(extra)
    return environment


def write_files(root, files):
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def run(client, task, files, handler, events=(Event(),), runtime="python3.13", env=None, telemetry=True, merged=False, stays=False):
    """Runs until the runtime waits for an event that does not come, or until it ends by itself.

    `merged` sends standard error into standard output, so that their order can be seen. `stays` waits for the end in
    any case.
    """
    write_files(task, files)
    outputs = {}
    api = RuntimeApi(events, lambda: [output.cut() for output in outputs.values()])
    environment = environment_of(task, api.address, runtime, {**client.environment, "_HANDLER": handler, **(env or {})})
    pipes = {name: os.pipe() for name in ("stdout", "stderr") + (("frames",) if telemetry else ())}
    if telemetry:
        environment["_LAMBDA_TELEMETRY_LOG_FD"] = str(pipes["frames"][1])
    for name, (read_end, _) in pipes.items():
        outputs[name] = Output(read_end)
    assignment = waiting.Assignment(environment, task) if waiting.can_wait(client, env or {}) else None
    inherited = [pipes["frames"][1]] if telemetry else []
    process = subprocess.Popen(
        client.argv + ([handler] if client.handler_argument else []),
        cwd="/" if assignment else task,
        env=assignment.environment if assignment else environment,
        stdin=subprocess.DEVNULL,
        stdout=pipes["stdout"][1],
        stderr=pipes["stdout" if merged else "stderr"][1],
        pass_fds=inherited + ([assignment.fd] if assignment else []),
        # A group of its own, so that what the function started can be ended with it.
        start_new_session=True,
    )
    for _, write_end in pipes.values():
        os.close(write_end)
    if assignment:
        assignment.give(PATIENCE_SECONDS)
    waited = _wait(process, api, stays)
    for output in outputs.values():
        output.finish()
    api.close()
    streams = {name: output.parts for name, output in outputs.items()}
    return Run(
        api.requests,
        b"".join(streams["stdout"]).decode(),
        b"".join(streams["stderr"]).decode(),
        parse_frames(b"".join(streams.get("frames", []))),
        process.returncode,
        waited,
        task,
        streams,
    )


class Output:
    """The read end of a pipe. What comes through it is cut where an outcome arrived, because all that was written
    before an outcome was sent is in the pipe by then."""

    def __init__(self, fd):
        os.set_blocking(fd, False)
        self._fd = fd
        self._lock = threading.Lock()
        self._ended = False
        self.parts = [b""]
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _drain(self):
        while not self._ended:
            try:
                data = os.read(self._fd, 65536)
            except BlockingIOError:
                return
            self.parts[-1] += data
            self._ended = not data

    def _read(self):
        # A pipe that nobody empties would hold up its writer.
        waiting = select.poll()
        waiting.register(self._fd, select.POLLIN)
        while not self._ended:
            waiting.poll()
            with self._lock:
                self._drain()

    def cut(self):
        with self._lock:
            self._drain()
            self.parts.append(b"")

    def finish(self):
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive(), "something that the function started still holds its output"
        os.close(self._fd)


def _wait(process, api, stays):
    ended = threading.Thread(target=process.wait, daemon=True)
    ended.start()
    for _ in range(PATIENCE_SECONDS * 100):
        ended.join(0.01)
        if not ended.is_alive():
            _end_group(process)
            return False
        if api.idle.is_set() and not stays and _has_nothing_to_do(process.pid):
            _end_group(process)
            ended.join()
            return True
    _end_group(process)
    ended.join()
    raise TimeoutError("the runtime neither ended nor asked for a further event")


def _has_nothing_to_do(pid):
    """Whether a process sleeps. A client may ask for the next event before the function's own work of the same turn is
    done, and a busy machine can take the processor from it in between."""
    try:
        status = Path("/proc/{}/stat".format(pid)).read_text()
    except FileNotFoundError:
        return True
    # proc_pid_stat(5): the name is in parentheses and may hold anything; the state is behind it.
    return status.rpartition(")")[2].split()[0] not in ("R", "D")


def _end_group(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        # All of it has ended by itself.
        pass


def parse_frames(data):
    frames = []
    while data:
        kind, length, timestamp = struct.unpack(">IIq", data[:FRAME_HEAD_BYTES])
        end = FRAME_HEAD_BYTES + length
        assert len(data) >= end, "the last frame is cut off"
        frames.append(Frame(kind, timestamp, data[FRAME_HEAD_BYTES:end].decode()))
        data = data[end:]
    return frames
