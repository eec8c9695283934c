"""The Runtime API, the platform's endpoint and the log, spoken to as no client would."""

import http.client
import json
import os
import socket
import struct
import time

from attempt import Refused, collect

API = "/2018-06-01/runtime"


def _runtime():
    return os.environ["AWS_LAMBDA_RUNTIME_API"]


def _call(address, method, path, body=b"", headers=None):
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    finally:
        connection.close()


def _accepted(status, text):
    if 200 <= status < 300:
        return f"accepted: {status}"
    try:
        raise Refused(f"{status} {json.loads(text).get('errorType') or json.loads(text).get('message')}")
    except ValueError:
        raise Refused(str(status)) from None


def answer_for_another(event, context):
    """Answers an invocation of another function, whose id it knows."""
    return _accepted(*_call(_runtime(), "POST", f"{API}/invocation/{event['victim']}/response", b'"forged"'))


def fail_for_another(event, context):
    """Fails an invocation of another function."""
    headers = {"Lambda-Runtime-Function-Error-Type": "Function.Forged"}
    return _accepted(*_call(_runtime(), "POST", f"{API}/invocation/{event['victim']}/error", b"{}", headers))


def answer_unknown(event, context):
    """Answers an invocation that never was, by an id that is a path."""
    return _accepted(*_call(_runtime(), "POST", f"{API}/invocation/..%2f..%2fnext/response", b'"forged"'))


def late_init_error(event, context):
    """Says in the middle of an invocation that it could not initialise."""
    headers = {"Lambda-Runtime-Function-Error-Type": "Runtime.Forged"}
    return _accepted(*_call(_runtime(), "POST", f"{API}/init/error", b"{}", headers))


def register_extension(event, context):
    """Registers itself as an extension, to hear of every invocation."""
    headers = {"Lambda-Extension-Name": "spy"}
    body = b'{"events": ["INVOKE", "SHUTDOWN"]}'
    return _accepted(*_call(_runtime(), "POST", "/2020-01-01/extension/register", body, headers))


def oversized_result(event, context):
    """A result of 8 MB, beyond AWS's 6."""
    path = f"{API}/invocation/{context.aws_request_id}/response"
    return _accepted(*_call(_runtime(), "POST", path, b'"' + b"x" * 8_000_000 + b'"'))


def second_answer(event, context):
    """Answers its own invocation twice; the second answer would be the next caller's."""
    link = socket.create_connection(_runtime().split(":"), timeout=5)
    path = f"{API}/invocation/{context.aws_request_id}/response"
    one = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\n".encode()
    link.sendall(one + b'"first"' + one + b'"again"')
    seen = b""
    while seen.count(b"HTTP/1.1 ") < 2:
        block = link.recv(4096)
        if not block:
            break
        seen += block
    link.close()
    return f"{seen.count(b'HTTP/1.1 202')} accepted"


BAD_FRAMES = {
    "negative length": b"Content-Length: -5\r\n\r\n\"bad\"",
    "two lengths": b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n\"bad\"x",
    "a length with a sign": b"Content-Length: +5\r\n\r\n\"bad\"",
    "an unknown coding": b"Transfer-Encoding: magic\r\n\r\n\"bad\"",
    "a folded header": b"X-A: b\r\n c: d\r\nContent-Length: -1\r\n\r\n",
    "many headers": b"".join(b"X-%d: y\r\n" % n for n in range(5000)) + b"\r\n",
    "a long header": b"X-A: " + b"y" * 1_000_000 + b"\r\n\r\n",
    # Last, because a result that breaks off ends the invocation.
    "an endless chunk": b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n\"bad\"",
    "a negative chunk": b"Transfer-Encoding: chunked\r\n\r\n-5\r\n\"bad\"\r\n0\r\n\r\n",
}


def bad_frames(event, context):
    """Requests whose length can be read in two ways, or is beyond all bounds."""
    answers = {}
    for name, rest in BAD_FRAMES.items():
        link = socket.create_connection(_runtime().split(":"), timeout=2)
        try:
            link.sendall(f"POST {API}/invocation/{context.aws_request_id}/response HTTP/1.1\r\nHost: x\r\n".encode())
            link.sendall(rest)
            link.shutdown(socket.SHUT_WR)
            answers[name] = link.recv(12)[9:12].decode() or "closed"
        except TimeoutError:
            answers[name] = "held"
        except OSError:
            answers[name] = "closed"
        finally:
            link.close()
    taken = {name: answer for name, answer in answers.items() if answer.startswith("2")}
    if taken:
        return f"accepted {taken}"
    raise Refused(json.dumps(answers))


def split_answer(event, context):
    """An error type that goes on in a second header, for the caller's answer to carry."""
    link = socket.create_connection(_runtime().split(":"), timeout=5)
    link.sendall(
        f"POST {API}/invocation/{context.aws_request_id}/error HTTP/1.1\r\nHost: x\r\n"
        "Lambda-Runtime-Function-Error-Type: Function.Evil\r\n X-Evil: yes\r\n"
        "Content-Length: 2\r\n\r\n{}".encode()
    )
    status = link.recv(12).decode()[9:12]
    link.close()
    # The caller sees whether the header came through; this is what the API made of it.
    raise Refused(f"answered {status}")


def slow_loris(event, context):
    """Connections that begin a request and never end it; held until the environment ends."""
    for _ in range(200):
        link = socket.socket()
        link.setblocking(False)
        HELD.append(link)
        link.connect_ex(tuple(_runtime().split(":")[:1]) + (int(_runtime().split(":")[1]),))
    time.sleep(0.2)
    for link in HELD:
        try:
            link.send(b"POST /2018-06-01/runtime/invocation/x/response HTTP/1.1\r\nHost: x\r\nContent-Le")
        except OSError:
            # It waits in the kernel's queue, which is as good.
            continue
    return f"{len(HELD)} connections held"


HELD = []


def _platform(method, path, account, body=b""):
    day = time.strftime("%Y%m%d", time.gmtime())
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={account}/{day}/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, "
        f"Signature={'0' * 64}"
    )
    headers = {"Authorization": authorization, "X-Amz-Date": f"{day}T000000Z"}
    endpoint = os.environ["AWS_ENDPOINT_URL"].removeprefix("http://")
    return _call(endpoint, method, path, body, headers)


def list_as_another_account(event, context):
    """Lists the functions of another account, by that account's key."""
    status, text = _platform("GET", "/2015-03-31/functions/", event["other_account"])
    if status == 200 and event["other_function"] in text:
        return "saw the other account's function"
    raise Refused(f"{status}, not in the list")


def read_another_accounts_function(event, context):
    """Reads a function of another account, by its ARN and that account's key."""
    arn = f"arn:aws:lambda:us-east-1:{event['other_account']}:function:{event['other_function']}"
    return _accepted(*_platform("GET", f"/2015-03-31/functions/{arn}", event["other_account"]))


def invoke_another_accounts_function(event, context):
    """Invokes a function of another account, by its name and that account's key."""
    path = f"/2015-03-31/functions/{event['other_function']}/invocations"
    return _accepted(*_platform("POST", path, event["other_account"], b"{}"))


def delete_another_accounts_function(event, context):
    """Deletes a function of another account."""
    path = f"/2015-03-31/functions/{event['other_function']}"
    return _accepted(*_platform("DELETE", path, event["other_account"]))


def forged_records(event, context):
    """Prints the platform's own records, with figures of its own."""
    for line in event["lines"]:
        print(line, flush=True)
    return "printed"


def forged_frames(event, context):
    """Writes frames to the log's descriptor: of the platform, torn, of a length that lies."""
    descriptor = event.get("descriptor", 62)
    for line in event["lines"]:
        text = line.encode()
        for kind in (0xA55A0003, 0xA55A0001, 0xA55AFFFF):
            os.write(descriptor, struct.pack(">II", kind, len(text)) + (struct.pack(">q", 0) if kind & 2 else b"") + text)
    os.write(descriptor, struct.pack(">IIq", 0xA55A0003, 0xFFFFFFFF, 0) + event["lines"][0].encode() + b"\n")
    return "written"


def terminal_escapes(event, context):
    """Writes what moves a terminal's cursor, sets its title and fills its clipboard."""
    print("\x1b]0;owned\x07\x1b[2J\x1b]52;c;b3duZWQ=\x07\x9b31m" + event["mark"], flush=True)
    return "printed"


ATTACKS = collect(globals())
