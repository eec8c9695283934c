"""How long our clients hold a warm invocation, as a ratio to AWS's: `python runtimes/bench.py [INVOCATIONS]`.

The relay is in Python and adds the same time to all, so only ratios of one run mean anything. "Held" is from the event's
last byte to the response's last byte.
"""

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

from clients import lambent_node, lambent_python, official_python  # noqa: E402
from harness import environment_of  # noqa: E402

ROUNDS = 5
EVENTS = {"tiny": b'{"key":"value"}', "1 KB": b'{"items":[' + b",".join([b'{"a":1,"b":"text"}'] * 50) + b"]}"}
NEXT = b"GET /2018-06-01/runtime/invocation/next"


class Relay:
    """Serves one runtime on one connection after the other, one request at a time."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:{}".format(self.listener.getsockname()[1])
        self.buffer = b""

    def accept(self):
        self.connection, _ = self.listener.accept()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def request(self):
        """Reads one request and returns its first bytes."""
        while b"\r\n\r\n" not in self.buffer:
            data = self.connection.recv(1 << 20)
            if not data:
                raise EOFError("the runtime closed its connection")
            self.buffer += data
        head, _, rest = self.buffer.partition(b"\r\n\r\n")
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line[15:])
        while len(rest) < length:
            rest += self.connection.recv(1 << 20)
        self.buffer = rest[length:]
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
        held = time.perf_counter() - start
        self.connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
        assert self.request().startswith(NEXT)
        return held


def measure(client, files, handler, runtime, event, invocations):
    """The median of `invocations`, in microseconds."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            Path(folder, name).write_text(text)
        relay = Relay()
        environment = environment_of(folder, relay.address, runtime, {"_HANDLER": handler})
        argv = client.argv + ([handler] if client.handler_argument else [])
        process = subprocess.Popen(argv, cwd=folder, env=environment)
        try:
            relay.accept()
            assert relay.request().startswith(NEXT)
            times = [relay.invoke(number, event) for number in range(invocations)]
        finally:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        return statistics.median(times[invocations // 5 :]) * 1e6


def main():
    invocations = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    python = ({"app.py": "def handler(event, context):\n    return event\n"}, "app.handler", "python3.13")
    node = ({"app.js": "exports.handler = async (event) => event"}, "app.handler", "nodejs22.x")
    candidates = [(lambent_python([sys.executable]), python), (official_python("{}.{}".format(*sys.version_info[:2])), python)]
    if shutil.which("node"):
        candidates.append((lambent_node(shutil.which("node")), node))
    for name, event in EVENTS.items():
        for client, function in candidates:
            if client is None:
                print("{}: official-python skipped, it could not be installed".format(name))
                continue
            rounds = [measure(client, *function, event, invocations) for _ in range(ROUNDS)]
            print("{}: {} {:.0f} µs (best {:.0f})".format(name, client, statistics.median(rounds), min(rounds)))


if __name__ == "__main__":
    main()
