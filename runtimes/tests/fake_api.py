"""A small Runtime API on loopback: it hands out prepared events, answers posts, and records every request."""

import contextlib
import json
import socket
import threading
import time
from dataclasses import dataclass, field

FUNCTION_ARN = "arn:aws:lambda:us-east-1:000000000000:function:f"


def request_id(number):
    """The id of the n-th event."""
    return "00000000-0000-4000-8000-{:012d}".format(number)


@dataclass
class Event:
    """One invocation; `None` as a header's value leaves the header out."""

    body: bytes = b"{}"
    headers: dict = field(default_factory=dict)
    # What the API answers to the outcome of this event.
    answer: int = 202
    chunked: bool = False
    # How long the runtime waits for it at least.
    held_back_seconds: float = 0


@dataclass
class Request:
    """One request as it came in."""

    method: str
    path: str
    headers: dict
    body: bytes
    trailers: dict
    # Whether it was in the same read as the request before it.
    pipelined: bool

    @property
    def kind(self):
        return self.path.rsplit("/", 1)[1] if "/invocation/" in self.path else self.path.split("/runtime/")[1]

    def json(self):
        return json.loads(self.body)


class RuntimeApi:
    """Serves one runtime process."""

    def __init__(self, events, on_outcome=lambda: None):
        self._events = list(events)
        # Called when an outcome has arrived and before anything is answered.
        self._on_outcome = on_outcome
        self._given = 0
        self._lock = threading.Condition()
        self._stopped = False
        self._connections = []
        self.requests = []
        self.idle = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:{}".format(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        with self._lock:
            self._stopped = True
            self._lock.notify_all()
        for open_socket in [self._listener, *self._connections]:
            # A thread that waits on a socket holds it open until it is woken.
            with contextlib.suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)
            open_socket.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            # A response and the event behind it are two writes; the second must not wait for an acknowledgement.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        reader = _Reader(connection)
        try:
            while True:
                request = reader.request()
                if request is None:
                    return
                if request.method == "POST" and "/invocation/" in request.path:
                    self._on_outcome()
                with self._lock:
                    self.requests.append(request)
                self._answer(connection, request)
        except OSError:
            return

    def _answer(self, connection, request):
        if request.path.endswith("/invocation/next"):
            return self._give(connection)
        if request.path.endswith("/restore/next"):
            return connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        status = 202
        if "/invocation/" in request.path:
            status = self._events[self._given - 1].answer
        body = b'{"status":"OK"}\n'
        head = "HTTP/1.1 {} x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n".format(status, len(body))
        return connection.sendall(head.encode() + body)

    def _give(self, connection):
        with self._lock:
            if self._given == len(self._events):
                self.idle.set()
                # Held like an idle runtime until the test ends it.
                self._lock.wait_for(lambda: self._stopped)
                return
            number, event = self._given, self._events[self._given]
            self._given += 1
        time.sleep(event.held_back_seconds)
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": request_id(number),
            "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000) + 60000),
            "Lambda-Runtime-Invoked-Function-Arn": FUNCTION_ARN,
            "Lambda-Runtime-Trace-Id": "Root=1-00000000-{:024d};Sampled=0".format(number),
            **event.headers,
        }
        if event.chunked:
            half = len(event.body) // 2
            parts = (event.body[:half], event.body[half:], b"")
            body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
            headers["Transfer-Encoding"] = "chunked"
        else:
            body = event.body
            headers["Content-Length"] = str(len(body))
        lines = "".join("{}: {}\r\n".format(name, value) for name, value in headers.items() if value is not None)
        connection.sendall("HTTP/1.1 200 OK\r\n{}\r\n".format(lines).encode() + body)


class _Reader:
    """Cuts a byte stream into requests; a GET may arrive in one read with the POST before it."""

    def __init__(self, connection):
        self._connection = connection
        self._buffer = b""
        self._left_over = False

    def _more(self):
        data = self._connection.recv(65536)
        self._buffer += data
        return bool(data)

    def _until(self, end):
        while end not in self._buffer:
            if not self._more():
                return None
        head, _, self._buffer = self._buffer.partition(end)
        return head.decode("utf-8")

    def _exactly(self, length):
        while len(self._buffer) < length:
            if not self._more():
                raise OSError("the body ended early")
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return body

    def request(self):
        pipelined = bool(self._buffer)
        head = self._until(b"\r\n\r\n")
        if head is None:
            return None
        method, path, _ = head.split("\r\n")[0].split(" ")
        headers = _parse_headers(head.split("\r\n")[1:])
        trailers = {}
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(self._until(b"\r\n"), 16):
                body += self._exactly(size)
                self._exactly(2)
            while line := self._until(b"\r\n"):
                trailers.update(_parse_headers([line]))
        else:
            body = self._exactly(int(headers.get("content-length", 0)))
        return Request(method, path, headers, body, trailers, pipelined)


def _parse_headers(lines):
    pairs = (line.partition(":") for line in lines)
    return {name.lower(): value.strip() for name, _, value in pairs}
