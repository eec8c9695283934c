"""The Runtime API over one socket (AWS Lambda Developer Guide, "Using the Lambda runtime API for custom runtimes").

A response and the request for the next event leave in one write (HTTP/1.1 pipelining, RFC 9112 section 9.3.2), which
saves a round trip and a wake-up for each invocation. The acknowledgement is read when the next event is waited for.
"""

import re
import sys
import time

# What `socket` is built on. That module's own start takes a sixth of this client's, and the resolver of text as host
# as much again, for the encoding of international names.
import _socket

from . import __version__
from .lambda_runtime_exception import FaultException
from .lambda_runtime_marshaller import LambdaMarshaller, to_json

_API = "/2018-06-01/runtime/"
ERROR_TYPE_HEADER = "Lambda-Runtime-Function-Error-Type"
_XRAY_CAUSE_HEADER = "Lambda-Runtime-Function-XRay-Error-Cause"
# AWS's client leaves out a larger cause.
_XRAY_CAUSE_BYTES_MAX = 1024 * 1024
# Up to here one copy more is cheaper than a list of buffers.
_JOINED_BYTES_MAX = 64 * 1024
# What is received at once while nobody knows how much there will be.
_RECEIVED_BYTES = 64 * 1024
_CONTROL_CHARACTERS = re.compile("[\x00-\x1f\x7f]")


def _line(name, value):
    return "{}: {}\r\n".format(name, _CONTROL_CHARACTERS.sub(" ", value))


_JSON_TYPE = _line("Content-Type", "application/json")


class InvocationRequest(object):
    """One event with what came along in the headers."""

    def __init__(self, **fields):
        self.__dict__.update(fields)

    def __eq__(self, other):
        return self.__dict__ == other.__dict__


class LambdaRuntimeClientError(Exception):
    """The Runtime API refused a request."""

    def __init__(self, endpoint, response_code, response_body):
        self.endpoint = endpoint
        self.response_code = response_code
        self.response_body = response_body
        super().__init__(
            "Request to Lambda Runtime '{}' endpoint failed. Reason: '{}'. Response body: '{}'".format(
                endpoint, response_code, response_body
            )
        )


class _Connection(object):
    """HTTP/1.1 on one socket: requests go out as bytes, responses come back in their order."""

    def __init__(self, address):
        host, _, port = address.rpartition(":")
        self._host, self._port = host.strip("[]").encode("ascii"), int(port)
        self._socket = None
        self._received = b""

    def open(self):
        if self._socket is None:
            self._socket = self._connect()
            self._received = b""

    def send(self, *parts):
        """Sends them in one write, if the kernel takes them in one."""
        self.open()
        if sum(map(len, parts)) < _JOINED_BYTES_MAX:
            self._socket.sendall(b"".join(parts))
            return
        sent = self._socket.sendmsg(parts)
        for part in parts:
            if sent < len(part):
                self._socket.sendall(memoryview(part)[sent:])
            sent = max(0, sent - len(part))

    def _connect(self):
        failure = None
        for family, kind, protocol, _, address in _socket.getaddrinfo(self._host, self._port, 0, _socket.SOCK_STREAM):
            connection = _socket.socket(family, kind, protocol)
            # A function's `socket.setdefaulttimeout` is not about waiting for events.
            connection.settimeout(None)
            try:
                connection.connect(address)
            except OSError as error:
                connection.close()
                failure = error
                continue
            connection.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
            return connection
        raise failure or ConnectionError("the runtime API's address {!r} means nothing".format(self._host))

    def close(self):
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def receive(self):
        """The status, the headers by lower-case name, and the body of the next response."""
        while True:
            head = self._read_until(b"\r\n\r\n").decode("utf-8", "replace").split("\r\n")
            status = int(head[0].split(" ", 2)[1])
            if status >= 200:
                break
        headers = {}
        for line in head[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = self._read_chunks()
        else:
            body = self._read_exactly(int(headers.get("content-length", 0)))
        if headers.get("connection", "").lower() == "close":
            self.close()
        return status, headers, body

    def _more(self, length=_RECEIVED_BYTES, flags=0):
        data = self._socket.recv(length, flags) if self._socket is not None else b""
        if not data:
            raise ConnectionError("the runtime API closed the connection")
        return data

    def _read_until(self, end):
        while True:
            head, found, rest = self._received.partition(end)
            if found:
                self._received = rest
                return head
            self._received += self._more()

    def _read_exactly(self, length):
        received = self._received
        if len(received) < length:
            parts = [received]
            missing = length - len(received)
            while missing > 0:
                # In one piece, unless a signal comes in between.
                parts.append(self._more(missing, _socket.MSG_WAITALL))
                missing -= len(parts[-1])
            received = b"".join(parts)
        self._received = received[length:]
        return received[:length]

    def _read_chunks(self):
        parts = []
        while True:
            size = int(self._read_until(b"\r\n").split(b";")[0], 16)
            if size == 0:
                while self._read_until(b"\r\n"):
                    pass
                return b"".join(parts)
            parts.append(self._read_exactly(size))
            self._read_exactly(2)


class LambdaRuntimeClient(object):
    """Takes events and posts their outcomes."""

    # Functions may replace it, to speak something else than JSON.
    marshaller = LambdaMarshaller()

    def __init__(self, lambda_runtime_address, use_thread_for_polling_next=False):
        # Waiting on a socket in Python lets signals through, so no thread is needed for it.
        self.lambda_runtime_address = lambda_runtime_address
        self.use_thread_for_polling_next = use_thread_for_polling_next
        self._connection = _Connection(lambda_runtime_address)
        common = "Host: {}\r\nUser-Agent: aws-lambda-python/{}-lambent-{}\r\n".format(
            lambda_runtime_address, platform_version(), __version__
        )
        self._common = common
        self._next = "GET {}invocation/next HTTP/1.1\r\n{}\r\n".format(_API, common).encode()
        # The outcome that has been sent but not acknowledged; the request for the next event is right behind it.
        self._unacknowledged = None

    def connect(self):
        """Connects before there is anything to say."""
        self._connection.open()

    def _request(self, path, body, headers):
        head = "POST {}{} HTTP/1.1\r\n{}Content-Length: {}\r\n{}\r\n".format(
            _API, path, self._common, len(body), headers
        )
        return head.encode("utf-8", "replace"), body

    def wait_next_invocation(self):
        """Blocks until the platform has an event."""
        acknowledged = self._unacknowledged
        if acknowledged is None:
            self._connection.send(self._next)
        else:
            self._unacknowledged = None
            self._acknowledge(acknowledged)
        status, headers, body = self._connection.receive()
        if status != 200:
            raise LambdaRuntimeClientError(_API + "invocation/next", status, body)
        get = headers.get
        return InvocationRequest(
            invoke_id=get("lambda-runtime-aws-request-id"),
            x_amzn_trace_id=get("lambda-runtime-trace-id"),
            invoked_function_arn=get("lambda-runtime-invoked-function-arn"),
            deadline_time_in_ms=int(get("lambda-runtime-deadline-ms") or 0),
            client_context=get("lambda-runtime-client-context"),
            cognito_identity=get("lambda-runtime-cognito-identity"),
            tenant_id=get("lambda-runtime-aws-tenant-id"),
            content_type=get("content-type"),
            event_body=body,
            invocation_id=get("lambda-runtime-invocation-id"),
        )

    def _acknowledge(self, outcome):
        """Reads what the platform says to the last outcome, and sees that the next event has been asked for."""
        status, _, body = self._connection.receive()
        if status >= 500:
            raise LambdaRuntimeClientError(outcome, status, body)
        if status != 202:
            # The platform has told the caller already (a result above 6 MB, an invocation that had timed out);
            # the environment is good for the next event. The line is the one that AWS's client writes.
            kind = "success" if outcome == "response" else "error"
            sys.stderr.write(
                "[ERROR] [{}] LAMBDA_RUNTIME Failed to post handler {} response. Http response code: {}.\n".format(
                    int(time.time() * 1000), kind, status
                )
            )
        if self._connection._socket is None:
            self._connection.send(self._next)

    def _send_outcome(self, outcome, invoke_id, body, headers, invocation_id):
        if invocation_id is not None:
            headers += _line("Lambda-Runtime-Invocation-Id", invocation_id)
        path = "invocation/{}/{}".format(invoke_id, outcome)
        self._unacknowledged = outcome
        try:
            self._connection.send(*self._request(path, body, headers), self._next)
        except (BrokenPipeError, ConnectionResetError):
            # A server may refuse a large body before it has read all of it. Its answer is still to be read, and
            # the loop will ask for the next event on a new connection; without an answer the platform is gone.
            self._settle_refused(outcome)

    def _settle_refused(self, outcome):
        status, _, body = self._connection.receive()
        self._connection.close()
        self._unacknowledged = None
        if status >= 500 or status < 400:
            raise LambdaRuntimeClientError(outcome, status, body)

    def post_invocation_result(self, invoke_id, result_data, content_type="application/json", invocation_id=None):
        """Hands over the handler's result."""
        body = result_data if isinstance(result_data, bytes) else result_data.encode("utf-8")
        headers = _JSON_TYPE if content_type == "application/json" else _line("Content-Type", content_type)
        self._send_outcome("response", invoke_id, body, headers, invocation_id)

    def post_invocation_error(self, invoke_id, error_response_data, xray_fault, invocation_id=None):
        """Hands over the handler's failure."""
        headers = _JSON_TYPE
        if xray_fault and len(xray_fault.encode("utf-8", "replace")) < _XRAY_CAUSE_BYTES_MAX:
            headers += _line(_XRAY_CAUSE_HEADER, xray_fault)
        body = error_response_data.encode("utf-8", "replace")
        self._send_outcome("error", invoke_id, body, headers, invocation_id)

    def _call(self, method, path, expected, payload=None, headers=""):
        if method == "GET":
            request = ("GET {}{} HTTP/1.1\r\n{}\r\n".format(_API, path, self._common).encode(),)
        else:
            request = self._request(path, to_json(payload).encode("utf-8", "replace"), headers)
        self._connection.send(*request)
        status, _, body = self._connection.receive()
        if status != expected:
            raise LambdaRuntimeClientError(_API + path, status, body)

    def post_init_error(self, error_response_data, error_type_override=None):
        """Reports that the function could not be loaded; the process must end afterwards."""
        error_type = error_type_override or error_response_data["errorType"]
        self._call("POST", "init/error", 202, error_response_data, _line(ERROR_TYPE_HEADER, error_type))

    def restore_next(self):
        """Blocks until the environment has been restored from its snapshot (SnapStart)."""
        self._call("GET", "restore/next", 200)

    def report_restore_error(self, restore_error_data):
        """Reports that a hook failed after the restore (SnapStart)."""
        headers = _line(ERROR_TYPE_HEADER, FaultException.AFTER_RESTORE_ERROR)
        self._call("POST", "restore/error", 202, restore_error_data, headers)


def platform_version():
    """The interpreter's version, such as 3.13.1."""
    return "{}.{}.{}".format(*sys.version_info[:3])
