"""How long our clients hold a warm invocation, and how long they take to the first `/next`, as ratios to AWS's.

    python runtimes/bench.py [INVOCATIONS] [--node-client FOLDER] [--launches N] [--only-launches]

FOLDER has AWS's Node.js client with its native part built (`benches/official/build-node-client.sh`); without it Node.js
is not compared. The relay is in Python and adds the same time to all, and rounds of both clients alternate, so only
ratios of one run mean anything; on a busy machine those of the CPU time mean more. Some 20 µs of "held" are the relay's and
the kernel's with either client. "Held" is from the event's last byte to the response's last byte; each invocation
reads its context and writes one log record to the descriptor of the platform.

Each line has the medians of both clients, the median of the ratios of neighbours, and in brackets the quartiles between
which half of these ratios lie. On an idle machine they are 0.05 apart; where others work on it, those of wall time can
be 0.5 apart, those of CPU time 0.1. A launch contains the interpreter's own start, for both: one whose
`site-packages` run much at each start (`.pth` files) hides the difference.

CPUs poll meanwhile instead of sleeping, where this user may ask the kernel for that: otherwise the waking of a sleeping virtual
CPU, and its cold caches after that, are half of what is measured. The first line says whether they do.

Our Python client is prepared as the server does it when it starts (`prepare.py`). `LAMBENT_TEST_CLIENTS` names the
clients as the binary has them; for Node.js that makes a difference.
"""

import argparse
import contextlib
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "tests"))

import fetch  # noqa: E402
from clients import lambent_node, official_python  # noqa: E402
from harness import CLIENTS, Client, environment_of  # noqa: E402

ROUNDS = 5
LAUNCHES = 31
PYTHON_CODE = (
    "import logging\ndef handler(event, context):\n"
    "    logging.warning('remaining %d', context.get_remaining_time_in_millis())\n    return event\n"
)
NODE_CODE = (
    "exports.handler = async (event, context) => {\n"
    "  console.log('remaining', context.getRemainingTimeInMillis());\n  return event;\n};\n"
)
NEXT = b"GET /2018-06-01/runtime/invocation/next"


def _items(count):
    return b'{"items":[' + b",".join([b'{"a":1,"b":"text"}'] * count) + b"]}"


# Name → event and how many of the invocations are worth their time.
EVENTS = {"tiny": (b'{"key":"value"}', 1), "1 KB": (_items(52), 1), "100 KB": (_items(5200), 8), "6 MB": (_items(310000), 300)}


class Relay:
    """Serves one runtime on one connection, one request at a time."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:{}".format(self.listener.getsockname()[1])
        self.buffer = bytearray()
        self.room = bytearray(1 << 18)

    def accept(self):
        self.connection, _ = self.listener.accept()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self):
        self.connection.close()
        self.listener.close()

    def _more(self):
        length = self.connection.recv_into(self.room)
        self.received = time.perf_counter()
        if length == 0:
            raise EOFError("the runtime closed its connection")
        return memoryview(self.room)[:length]

    def request(self):
        """Reads one request and returns its head. Its body is counted and not kept: that would be the relay's own time."""
        while (end := self.buffer.find(b"\r\n\r\n")) < 0:
            self.buffer += self._more()
        head = bytes(self.buffer[:end])
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line[15:])
            if line.startswith(b"expect:"):
                self.connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        missing = end + 4 + length - len(self.buffer)
        if missing <= 0:
            del self.buffer[: end + 4 + length]
            return head
        self.buffer.clear()
        while missing > 0:
            data = self._more()
            self.buffer += data[missing:]
            missing -= len(data)
        return head

    def invoke(self, number, event):
        """Answers a waiting GET and returns the seconds until the response was there."""
        head = (
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n"
            "Lambda-Runtime-Aws-Request-Id: 00000000-0000-4000-8000-{:012d}\r\nLambda-Runtime-Deadline-Ms: {}\r\n"
            "Lambda-Runtime-Trace-Id: Root=1-00000000-{:024d};Sampled=0\r\n"
            "Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:000000000000:function:f\r\n\r\n"
        ).format(len(event), number, int(time.time() * 1000) + 60000, number)
        message = head.encode() + event
        start = time.perf_counter()
        self.connection.sendall(message)
        assert b"/response " in self.request().split(b"\r\n")[0], "the function failed"
        held = self.received - start
        self.connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
        assert self.request().startswith(NEXT)
        return held


class Runtime:
    """A client on a function, from its launch to its end."""

    def __init__(self, client, function):
        files, handler, runtime = function
        self.folder = tempfile.TemporaryDirectory()
        for name, text in files.items():
            Path(self.folder.name, name).write_text(text)
        self.relay = Relay()
        read_end, write_end = os.pipe()
        # What is written is thrown away as it comes, by a process of its own: a thread would hold up the relay.
        self.drain = subprocess.Popen(["cat"], stdin=read_end, stdout=subprocess.DEVNULL)
        os.close(read_end)
        variables = {"_HANDLER": handler, "_LAMBDA_TELEMETRY_LOG_FD": str(write_end)}
        environment = environment_of(self.folder.name, self.relay.address, runtime, variables)
        argv = client.argv + ([handler] if client.handler_argument else [])
        start = time.perf_counter()
        self.process = subprocess.Popen(argv, cwd=self.folder.name, env=environment, pass_fds=[write_end])
        os.close(write_end)
        self.relay.accept()
        assert self.relay.request().startswith(NEXT)
        self.launch = (time.perf_counter() - start, self.cpu())

    def cpu(self):
        """Seconds of CPU that all threads of the process have taken (proc(5), schedstat)."""
        tasks = Path("/proc/{}/task".format(self.process.pid)).iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        # It ends with the last who could write.
        self.drain.wait()
        self.relay.close()
        self.folder.cleanup()


def _held(client, function, event, invocations):
    warm_up = max(2, invocations // 5)
    with Runtime(client, function) as runtime:
        for number in range(warm_up):
            runtime.relay.invoke(number, event)
        before = runtime.cpu()
        times = [runtime.relay.invoke(number, event) for number in range(warm_up, warm_up + invocations)]
        return statistics.median(times), (runtime.cpu() - before) / invocations


def _launch(client, function):
    with Runtime(client, function) as runtime:
        return runtime.launch


def _compare(name, ours, official, measure, rounds, scale, unit):
    """Alternates both clients and prints the medians, and the median of the ratios of neighbours."""
    pairs = [(measure(ours), measure(official)) for _ in range(rounds)]
    line = "{:<16}".format(name)
    for what, number in (("wall", 0), ("CPU", 1)):
        mine, theirs = ([run[side][number] for run in pairs] for side in (0, 1))
        low, ratio, high = statistics.quantiles([a / b for a, b in zip(mine, theirs)], n=4, method="inclusive")
        values = statistics.median(mine) * scale, statistics.median(theirs) * scale
        line += "  {} {:8.1f} against {:8.1f} {} = {:.2f} [{:.2f}, {:.2f}]".format(what, *values, unit, ratio, low, high)
    print(line, flush=True)


def _prepared_python(folder):
    """Our client with the bytecode and the image that the server makes for the interpreter."""
    client = Path(folder, "python")
    shutil.copytree(CLIENTS / "python", client, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([sys.executable, "-I", "-S", str(client / "awslambdaric" / "prepare.py")], check=True)
    return Client("lambent-python", [sys.executable, str(client / "bootstrap.py")], {})


@contextlib.contextmanager
def _awake():
    """Idle CPUs poll (Linux: PM Quality Of Service Interface), for as long as the file is open."""
    try:
        request = os.open("/dev/cpu_dma_latency", os.O_WRONLY)
    except OSError as error:
        print("CPUs may sleep: /dev/cpu_dma_latency: {}".format(error.strerror))
        yield
        return
    try:
        os.write(request, (0).to_bytes(4, sys.byteorder))
        print("CPUs poll where they would sleep, if the kernel's cpuidle has a driver here")
        yield
    finally:
        os.close(request)


def main():
    with tempfile.TemporaryDirectory() as folder, _awake():
        _main(folder)


def _main(folder):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("invocations", type=int, nargs="?", default=2000)
    parser.add_argument("--node-client", type=Path)
    parser.add_argument("--launches", type=int, default=LAUNCHES)
    parser.add_argument("--only-launches", action="store_true")
    options = parser.parse_args()
    version = "{}.{}".format(*sys.version_info[:2])
    # Asked for ahead of all else, so that nothing else is fetched with it.
    fetch.python_client(version)
    fetch.fetch_missing()
    python = ({"app.py": PYTHON_CODE}, "app.handler", "python" + version)
    candidates = [("Python", _prepared_python(folder), official_python(version), python)]
    if options.node_client is not None and (node := shutil.which("node")):
        script = str(options.node_client / "bin" / "index.mjs")
        official = Client("official-node", [node, "--expose-gc", script], {}, handler_argument=True, official=True)
        candidates.append(("Node.js", lambent_node(node), official, ({"app.js": NODE_CODE}, "app.handler", "nodejs20.x")))
    for language, ours, official, function in candidates:
        if official is None:
            print("{}: skipped, AWS's client could not be installed".format(language))
            continue
        _compare(language + ", launch", ours, official, lambda client: _launch(client, function), options.launches, 1e3, "ms")
        for name, (event, weight) in [] if options.only_launches else EVENTS.items():
            count = max(3, options.invocations // weight)
            measure = lambda client: _held(client, function, event, count)  # noqa: E731
            _compare("{}, {}".format(language, name), ours, official, measure, ROUNDS, 1e6, "µs")


if __name__ == "__main__":
    main()
