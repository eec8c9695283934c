"""The front door: which HTTP it speaks, how it treats slow and hasty clients, how it closes."""

import base64
import concurrent.futures
import io
import json
import os
import resource
import socket
import threading
import time
import zipfile

import h2.config
import h2.connection
import h2.events
import pytest

from support import functions
from support.clients import Clients
from support.functions import ROLE, probe_zip, unique, until_active
from support.wait import until

FUNCTIONS = "/2015-03-31/functions/"


def request(clients, method, path, body=b"", more=()):
    """The bytes of a signed request by HTTP/1.1."""
    headers = clients.signed(method, path, body)
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{clients.server.port}", f"Content-Length: {len(body)}"]
    lines += [f"{key}: {value}" for key, value in headers.items() if key.lower() not in ("host", "content-length")]
    return "\r\n".join([*lines, *more]).encode() + b"\r\n\r\n" + body


class Raw:
    """A bare connection."""

    def __init__(self, port, data=b"", timeout=60):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.file = self.socket.makefile("rb")
        self.socket.sendall(data)

    def answer(self):
        """The next response: status, headers, body."""
        status = int(self.file.readline().split(b" ")[1])
        headers = {}
        while (line := self.file.readline()) != b"\r\n":
            name, value = line.decode().rstrip().split(": ", 1)
            headers[name.lower()] = value
        return status, headers, self.file.read(int(headers.get("content-length", 0)))

    def is_closed(self):
        """Waits for the end of the connection; false when there is more to read instead."""
        try:
            return self.file.read(1) == b""
        except ConnectionResetError:
            return True

    def close(self):
        self.file.close()
        self.socket.close()


@pytest.fixture
def raw(server):
    opened = []

    def connect(data=b"", port=None):
        connection = Raw(port or server.port, data)
        opened.append(connection)
        return connection

    yield connect
    for connection in opened:
        connection.close()


class Http2:
    """A connection by HTTP/2 with prior knowledge."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.state = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.state.initiate_connection()
        self.answers = {}
        self.flush()

    def flush(self):
        self.socket.sendall(self.state.data_to_send())

    def send(self, clients, path, body=b"", more=(), sign=True):
        """Begins a request; returns its stream."""
        stream = self.state.get_next_available_stream_id()
        signed = clients.signed("POST", path, body) if sign else {}
        fields = [(":method", "POST"), (":scheme", "http"), (":path", path)]
        fields.append((":authority", f"127.0.0.1:{clients.server.port}"))
        fields += [(key.lower(), value) for key, value in signed.items() if key.lower() != "host"]
        self.state.send_headers(stream, [*fields, *more], end_stream=not body)
        self.answers[stream] = [None, b"", False]
        while body:
            room = min(self.state.local_flow_control_window(stream), self.state.max_outbound_frame_size, len(body))
            if room == 0:
                self.read()
                continue
            self.state.send_data(stream, body[:room], end_stream=room == len(body))
            body = body[room:]
            self.flush()
        self.flush()
        return stream

    def read(self):
        """Takes what the server sends next; false at the end."""
        data = self.socket.recv(1 << 16)
        for event in self.state.receive_data(data) if data else []:
            match event:
                case h2.events.ResponseReceived():
                    self.answers[event.stream_id][0] = int(dict(event.headers)[":status"])
                case h2.events.DataReceived():
                    self.answers[event.stream_id][1] += event.data
                    self.state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                case h2.events.StreamEnded():
                    self.answers[event.stream_id][2] = True
        self.flush()
        return bool(data)

    def answer(self, stream):
        """Status and body."""
        while not self.answers[stream][2]:
            assert self.read(), "the server closed the connection"
        return tuple(self.answers[stream][:2])

    def close(self):
        self.socket.close()


@pytest.fixture
def http2(server):
    connection = Http2(server.port)
    yield connection
    connection.close()


def test_requests_in_advance_are_answered_in_order(raw, clients, probe):
    path = f"{FUNCTIONS}{probe}/invocations"
    events = [{"do": "sleep", "seconds": 0.3}, {"do": "echo", "value": 1}, {"do": "echo", "value": 2}]
    data = b"".join(request(clients, "POST", path, json.dumps(event).encode()) for event in events)
    connection = raw(data)
    answers = [connection.answer() for _ in events]
    assert [status for status, _, _ in answers] == [200] * 3
    assert [json.loads(body) for _, _, body in answers[1:]] == [1, 2]


def test_http_2_on_the_same_port(clients, http2, probe):
    path = f"{FUNCTIONS}{probe}/invocations"
    large = "x" * 5_000_000
    for value in ("two", large):
        status, body = http2.answer(http2.send(clients, path, json.dumps({"do": "echo", "value": value}).encode()))
        assert (status, json.loads(body)) == (200, value)
    assert http2.answer(http2.send(clients, path, b"{}", sign=False))[0] == 403
    assert http2.answer(http2.send(clients, path, b"{}", [("origin", "https://evil.example")]))[0] == 403


def test_http_2_carries_requests_beside_each_other(clients, http2, probe):
    began = time.monotonic()
    path = f"{FUNCTIONS}{probe}/invocations"
    streams = [http2.send(clients, path, b'{"do": "sleep", "seconds": 1}') for _ in range(8)]
    assert [http2.answer(stream)[0] for stream in streams] == [200] * 8
    assert time.monotonic() - began < 8, "they ran beside each other"


def test_a_stream_that_is_reset_does_not_stop_its_invocation(clients, http2, make, server):
    name = make.create("reset")
    stream = http2.send(clients, f"{FUNCTIONS}{name}/invocations", b'{"do": "sleep", "seconds": 1}')
    until(lambda: b'lambent_environments{state="busy"} 0' not in clients.http("GET", "/metrics", sign=False).body, "it")
    http2.state.reset_stream(stream)
    http2.flush()
    counted = f'lambent_function_invocations_total{{account="000000000000",region="us-east-1",function="{name}"'
    until(lambda: counted.encode() in clients.http("GET", "/metrics", sign=False).body, "its end to be counted")


def test_a_body_is_asked_for_when_it_is_wanted(raw, clients, probe):
    path = f"{FUNCTIONS}{probe}/invocations"
    whole = request(clients, "POST", path, b'"later"', ["Expect: 100-continue"])
    connection = raw(whole[: -len(b'"later"')])
    assert connection.answer()[0] == 100
    connection.socket.sendall(b'"later"')
    status, _, body = connection.answer()
    assert (status, json.loads(body)) == (200, "later")
    # Too large by its own word: refused before a byte of it was sent.
    head = request(clients, "POST", FUNCTIONS, b"", ["Expect: 100-continue"]).replace(
        b"Content-Length: 0", b"Content-Length: 90000000"
    )
    assert raw(head).answer()[0] == 413


def test_methods_that_only_ask(clients, probe):
    head = clients.http("HEAD", "/_lambent/health", sign=False)
    assert (head.status, head.body) == (200, b"") and int(head.headers["content-length"]) > 10
    # A preflight comes from a web page, which has no business here; without an origin it is an operation that is none.
    preflight = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answer = clients.http("OPTIONS", f"{FUNCTIONS}{probe}/invocations", headers=preflight, sign=False)
    assert answer.status == 403 and "access-control-allow-origin" not in answer.headers
    assert clients.http("OPTIONS", f"{FUNCTIONS}{probe}/invocations").status == 404


@pytest.mark.parametrize(
    "lines",
    [[b"X-Large: " + b"a" * 140_000], [b"X-%d: y" % number for number in range(120)]],
    ids=["size", "number"],
)
def test_heads_have_limits(raw, clients, lines):
    head = request(clients, "GET", FUNCTIONS).replace(b"\r\n\r\n", b"\r\n" + b"\r\n".join(lines) + b"\r\n\r\n")
    assert raw(head).answer()[0] == 431


def test_heads_of_usual_sizes_pass(raw, clients):
    lines = [b"X-%d: " % number + b"y" * 400 for number in range(60)]
    head = request(clients, "GET", FUNCTIONS).replace(b"\r\n\r\n", b"\r\n" + b"\r\n".join(lines) + b"\r\n\r\n")
    assert raw(head).answer()[0] == 200


def is_open(port, client):
    """Whether the server's end of a connection is as good as ever, which a client that does not read cannot see."""
    with open("/proc/net/tcp") as table:
        ends = [line.split()[1:4] for line in table]
    ports = (f":{port:04X}", f":{client:04X}")
    # 01 is ESTABLISHED (Linux: Documentation/networking/proc_net_tcp.rst).
    return any(us.endswith(ports[0]) and them.endswith(ports[1]) and state == "01" for us, them, state in ends)


def test_slow_clients_lose_their_connection_and_nobody_else_notices(raw, server, clients, probe, invoke):
    path = f"{FUNCTIONS}{probe}/invocations"
    half = request(clients, "POST", path, b"x" * 1000)
    kept = raw(request(clients, "POST", path, b'"kept"'))
    assert kept.answer()[0] == 200
    deaf = raw(request(clients, "POST", path, b'{"do": "big", "size": 6000000}') * 4)
    silent_http2 = raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
    slow = {
        "says nothing": raw(),
        "stops in its first word": raw(b"P"),
        "stops in its head": raw(half[:100]),
        "idles after an answer": kept,
    }
    stopped = {"stops in its body": raw(half[:-500])}

    def drip():
        """A byte of the head every now and then: each is new, and the whole takes too long all the same."""
        connection = raw(b"GET /")
        for _ in range(300):
            try:
                connection.socket.sendall(b"a")
            except OSError:
                return True
            time.sleep(0.2)
        return False

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        closed = {name: pool.submit(connection.is_closed) for name, connection in slow.items()}
        timed_out = {name: pool.submit(connection.answer) for name, connection in stopped.items()}
        dripped = pool.submit(drip)
        while not all(call.done() for call in closed.values()):
            assert invoke(probe, {"do": "echo", "value": 1}).ok == 1
            time.sleep(0.5)
        for name, call in closed.items():
            assert call.result(), name
        for name, call in timed_out.items():
            assert call.result()[0] == 408, name
        assert dripped.result(), "a head that drips"
    # Of four answers of 6 MB the connection's buffers hold a part; the rest is given up, some time after the others, for
    # the answers had to be made first.
    until(lambda: not is_open(server.port, deaf.socket.getsockname()[1]), "the deaf client to be given up", timeout=90)
    received = 0
    try:
        while block := deaf.socket.recv(1 << 20):
            received += len(block)
    except ConnectionResetError:
        pass
    assert received < 24_000_000, "the server waited for a client that did not read"
    assert silent_http2.socket.recv(1 << 16), "it was greeted"
    until(lambda: silent_http2.socket.recv(1 << 16) == b"", "the silent connection to end", timeout=60)


def test_who_only_holds_on_to_a_connection_keeps_nobody_out(server, clients, probe):
    """More silent connections than the server has places for: those make room, and one in use does not."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(5000, limits[1]), limits[1]))
    path = f"{FUNCTIONS}{probe}/invocations"
    opened = [busy := Raw(server.port, request(clients, "POST", path, b'{"do": "sleep", "seconds": 6}'))]
    begun = time.monotonic()
    try:
        for number in range(2200):
            opened.append(Raw(server.port, b"GET /" if number % 2 else b""))
        for _ in range(10):
            opened.append(Raw(server.port, request(clients, "POST", path, b'"in time"')))
            assert opened[-1].answer()[2] == b'"in time"'
        assert time.monotonic() - begun < 29, "the first silent clients were given up before, which takes 30 seconds"
        assert busy.answer()[0] == 200
    finally:
        for connection in opened:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_an_upload_whose_client_hangs_up_is_still_settled(raw, clients, lambda_, python):
    name = unique("hasty")
    zip_file = base64.b64encode(probe_zip()).decode()
    body = json.dumps(
        {"FunctionName": name, "Runtime": python, "Role": ROLE, "Handler": "lambda_function.lambda_handler",
         "Code": {"ZipFile": zip_file}}
    ).encode()  # fmt: skip
    try:
        connection = raw(request(clients, "POST", FUNCTIONS, body))
        until(lambda: name in [f["FunctionName"] for f in lambda_.list_functions()["Functions"]], "the record")
        connection.close()
        until_active(lambda_, name)
    finally:
        lambda_.delete_function(FunctionName=name)


def test_a_flood_of_calls_is_bounded_and_answered(server, clients, make, invoke):
    """More invocations than the account may have at once: each is answered, none hangs, and the server stays."""
    name = make.create("flooded")
    client = clients.boto("lambda")

    def call(number):
        try:
            return functions.invoke(client, name, {"do": "echo", "value": number}).ok == number
        except client.exceptions.TooManyRequestsException:
            return None

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(call, range(400)))
    assert False not in answers and answers.count(True) > 100


def test_the_end_finishes_what_was_begun(own_server):
    server = own_server.start()
    clients = Clients(server)
    client, name = clients.boto("lambda"), unique("ending")
    client.create_function(
        FunctionName=name, Runtime=server.python(), Role=ROLE, Handler="lambda_function.lambda_handler", Timeout=20,
        Code={"ZipFile": probe_zip()},
    )  # fmt: skip
    until_active(client, name)
    path = f"{FUNCTIONS}{name}/invocations"
    warm = Raw(server.port, request(clients, "POST", path, b'"warm"'))
    assert warm.answer()[0] == 200
    busy = Raw(server.port, request(clients, "POST", path, b'{"do": "sleep", "seconds": 2}'))
    half = Raw(server.port, b"GET / HT")
    url = f"http://127.0.0.1:{server.port}"
    until(lambda: b'state="busy"} 1' in clients.http("GET", "/metrics", sign=False).body, f"{url} to be busy")
    ended = threading.Thread(target=server.stop)
    ended.start()
    assert warm.is_closed(), "nothing was under way on it"
    status, headers, body = busy.answer()
    assert (status, headers.get("connection")) == (200, "close"), body
    assert busy.is_closed()
    half.close()
    ended.join()
    assert server.process.returncode == 0, server.output()


def test_an_upload_takes_little_more_memory_than_it_has_bytes(own_server):
    """50 MB of package are 67 MB of base64. The peak is what the server has of both at once."""
    server = own_server.start()
    clients = Clients(server)
    client, name = clients.boto("lambda"), unique("large")
    package = large_zip(50_000_000)
    # One small one before: what the server needs once is not the upload's.
    settings = {"Runtime": server.python(), "Role": ROLE, "Handler": "lambda_function.lambda_handler"}
    client.create_function(FunctionName=unique("small"), Code={"ZipFile": probe_zip()}, **settings)
    before = peak(server.pid)
    created = client.create_function(FunctionName=name, Code={"ZipFile": package}, **settings)
    assert created["CodeSize"] == len(package)
    took = peak(server.pid) - before
    assert took <= 2.5 * len(package), f"{took / len(package):.2f} times the upload"
    print(f"peak {took / 1e6:.0f} MB, {took / len(package):.2f} times the upload")
    until_active(client, name)
    assert functions.invoke(client, name, {"do": "echo", "value": 1}).ok == 1


def large_zip(size):
    """A package of this size that no compression makes smaller."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_STORED) as archive:
        files = {
            "lambda_function.py": functions.source("probe/lambda_function.py"),
            "marker.txt": "large",
            "data.bin": os.urandom(size),
        }
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, content)
    return data.getvalue()


def peak(pid):
    """The most memory that a process has had, in bytes."""
    with open(f"/proc/{pid}/status") as status:
        (line,) = [line for line in status if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024
