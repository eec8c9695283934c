"""Clients that send half of something, too much, or nothing: the others do not notice."""

import concurrent.futures
import socket

import pytest

from support import functions
from support.streams import messages
from support.wait import until

PATH = "/2015-03-31/functions/"


@pytest.fixture
def raw(server):
    """Opens bare connections and closes them at the end."""
    opened = []

    def connect(data=b""):
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        opened.append(connection)
        connection.sendall(data)
        return connection

    yield connect
    for connection in opened:
        connection.close()


def first_line(connection):
    """The status line of the answer; empty when the connection was closed without one."""
    data = b""
    while b"\r\n" not in data:
        try:
            block = connection.recv(4096)
        except ConnectionResetError:
            break
        if not block:
            break
        data += block
    return data.split(b"\r\n")[0]


def test_half_sent_requests_do_not_hurt_others(raw, invoke, probe, clients):
    head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\n".encode()
    for _ in range(50):
        raw(b"GET ")
        raw(head)
        raw(head + b"Content-Length: 1000000\r\n\r\n{")
        raw(head + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{")
    client = clients.boto("lambda")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda number: functions.invoke(client, probe, {"do": "echo", "value": number}).ok, range(40))
        )
    assert answers == list(range(40))
    assert invoke(probe).ok["name"] == probe


@pytest.mark.parametrize(
    "data",
    [
        # A whole record of TLS, and no greeting of it.
        b"\x16\x03\x01\x00\x05hello",
        b"NONSENSE\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n"
        + b"".join(b"X-%d: y\r\n" % number for number in range(2000))
        + b"\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
    ],
    ids=["tls", "nonsense", "version", "two-lengths", "long-path", "many-headers", "no-host"],
)
def test_what_is_no_request_is_refused_at_once(raw, server, data):
    line = first_line(raw(data))
    # An alert is TLS's way of saying so (RFC 8446, section 6).
    assert line == b"" or line.startswith(b"\x15\x03") or line.startswith(b"HTTP/1.") and line.split(b" ")[1][:1] == b"4", line
    assert server.process.poll() is None


def test_a_caller_that_hangs_up_does_not_stop_its_invocation(raw, clients, make, logs):
    name = make.create("abandoned")
    path = f"{PATH}{name}/invocations"
    body = b'{"do": "sleep", "seconds": 1, "print": "begun"}'
    headers = clients.signed("POST", path, body)
    lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{clients.server.port}", f"Content-Length: {len(body)}"]
    lines += [f"{key}: {value}" for key, value in headers.items() if key.lower() not in ("host", "content-length")]
    connection = raw("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    until(lambda: "begun" in messages(logs, name), "the invocation to begin")
    connection.close()
    report = until(
        lambda: [line for line in messages(logs, name) if line.startswith("REPORT ")], "the invocation to end"
    )
    assert "Status" not in report[0]


def test_bodies_that_end_early_are_no_calls(raw, lambda_, clients):
    before = len(lambda_.list_functions()["Functions"])
    headers = clients.signed("POST", PATH, b"{}")
    head = "\r\n".join(
        f"{key}: {value}" for key, value in headers.items() if key.lower() not in ("host", "content-length")
    )
    start = f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{clients.server.port}\r\n{head}\r\nContent-Length: 500\r\n\r\n{{"
    connection = raw(start.encode())
    connection.shutdown(socket.SHUT_WR)
    line = first_line(connection)
    assert line == b"" or line.split(b" ")[1][:1] == b"4", line
    assert len(lambda_.list_functions()["Functions"]) == before
