"""Functions that mean harm to the server, to their own environment's next invocation, or to others."""


import pytest

from support.packages import pack

# Speaks to the Runtime API and the platform by socket, as no client would.
HOSTILE = """
import os, socket, struct, threading, time

def connect(address):
    host, port = address.split(":")
    return socket.create_connection((host, int(port)))

def post(request_id, body, headers="", close=False):
    link = connect(os.environ["AWS_LAMBDA_RUNTIME_API"])
    head = f"POST /2018-06-01/runtime/invocation/{request_id}/response HTTP/1.1\\r\\nHost: x\\r\\n{headers}\\r\\n"
    link.sendall(head.encode() + body)
    return link

def answer_twice(event, context):
    one = post(context.aws_request_id, b'"first"', "Content-Length: 7\\r\\n")
    one.recv(1000)
    two = post(context.aws_request_id, b'"again"', "Content-Length: 7\\r\\n")
    two.recv(1000)
    return "late"

def torn_frame(event, context):
    os.write(62, struct.pack(">IIq", 0xA55A0003, 1_000_000, 0) + b"torn")
    os._exit(1)

def frame(event, context):
    os.write(62, struct.pack(">IIq", 0xA55A0003, 5, 0) + b"whole")

def uploads(event, context):
    day = time.strftime("%Y%m%d", time.gmtime())
    head = (
        "POST /2015-03-31/functions HTTP/1.1\\r\\nHost: localhost\\r\\n"
        f"X-Amz-Date: {day}T000000Z\\r\\nAuthorization: AWS4-HMAC-SHA256 Credential=AKIAAAAAAAAAAAAAAAAA/{day}"
        f"/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature={'0' * 64}\\r\\n"
        "Content-Length: 70000000\\r\\n\\r\\n"
    )
    def one():
        link = connect(os.environ["AWS_ENDPOINT_URL"].removeprefix("http://"))
        link.sendall(head.encode())
        for _ in range(60):
            link.sendall(b"x" * 1_000_000)
        held.append(link)
    held = []
    threads = [threading.Thread(target=one, daemon=True) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join(timeout=5) for thread in threads]

def multiply(event, context):
    while True:
        try:
            os.fork()
        except OSError:
            pass

def lambda_handler(event, context):
    return globals()[event["do"]](event, context) if event else "well"
"""


@pytest.fixture
def hostile(make):
    def create(**settings):
        return make.create("hostile", pack({"lambda_function.py": HOSTILE}), **settings)

    return create


def peak_mb(pid):
    with open(f"/proc/{pid}/status") as status:
        lines = dict(line.split(":", 1) for line in status)
    return int(lines["VmHWM"].split()[0]) // 1024


def forget_peak(pid):
    """Lowers the peak to the present size (proc(5), clear_refs): an earlier test's must not hide this one's."""
    with open(f"/proc/{pid}/clear_refs", "w") as file:
        file.write("5")


def test_a_second_answer_reaches_nobody(hostile, invoke):
    name = hostile()
    for _ in range(3):
        assert invoke(name, {"do": "answer_twice"}).ok == "first"
        assert invoke(name).ok == "well"


def test_a_torn_log_frame_does_not_swallow_the_next_runtimes(hostile, invoke):
    name = hostile()
    assert invoke(name, {"do": "torn_frame"}).error == "Unhandled"
    assert "whole" in invoke(name, {"do": "frame"}, tail=True).log


@pytest.mark.namespaces
def test_uploads_of_functions_do_not_fill_the_servers_memory(hostile, invoke, server):
    name = hostile(Timeout=60, MemorySize=1769)
    assert invoke(name).ok == "well"
    forget_peak(server.pid)
    before = peak_mb(server.pid)
    assert invoke(name, {"do": "uploads"}).error is None
    # Of eight uploads of 70 MB two are read at a time.
    assert peak_mb(server.pid) - before < 250
    assert invoke(hostile()).ok == "well"


@pytest.mark.namespaces
def test_a_fork_bomb_is_cleared_away_for_the_next_invocation(hostile, invoke):
    name = hostile(Timeout=2, MemorySize=256)
    assert invoke(name, {"do": "multiply"}).json["errorType"] == "Sandbox.Timedout"
    # That the killing has all of the CPU for itself, and so is over soon, is the machine's own test.
    assert invoke(name).ok == "well"
