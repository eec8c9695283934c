"""Attacks without a sandbox: the program run as it is, served by an API that believes everything."""

import contextlib
import http.server
import json
import queue
import socketserver
import subprocess
import sys
import threading
import time

from support.server import REPOSITORY

REQUEST_ID = "5b1f0c3e-0000-4000-8000-000000000001"
CLIENT = REPOSITORY / "runtimes" / "python" / "bootstrap.py"


class Believer(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """A Runtime API that hands out one event and takes every call for true."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, event):
        super().__init__(("127.0.0.1", 0), Handler)
        self.events = queue.SimpleQueue()
        self.events.put(json.dumps(event).encode())
        self.answers = queue.SimpleQueue()

    @property
    def address(self):
        return f"127.0.0.1:{self.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if not self.path.endswith("/invocation/next"):
            return self.say(200, b'{"Functions": []}')
        event = self.server.events.get()
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": REQUEST_ID,
            "Lambda-Runtime-Deadline-Ms": "9999999999999",
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:000000000000:function:bare",
            "Lambda-Runtime-Trace-Id": "Root=1-00000000-000000000000000000000000;Parent=0000000000000000;Sampled=0",
        }
        return self.say(200, event, headers)

    def do_POST(self):
        # `int` takes a negative length and one with a sign, as naive servers do.
        length = self.headers.get("Content-Length")
        body = self.rfile.read(max(0, int(length))) if length else b""
        error = self.headers.get("Lambda-Runtime-Function-Error-Type")
        if self.path.endswith((f"{REQUEST_ID}/response", f"{REQUEST_ID}/error")):
            self.server.answers.put((error, body))
        self.say(202, b"{}")

    do_DELETE = do_GET

    def say(self, status, body, headers=None):
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

    def handle(self):
        # Attacks break connections off.
        with contextlib.suppress(ConnectionError, ValueError, TimeoutError):
            super().handle()


def command(language, native):
    if language == "python":
        return [sys.executable, str(CLIENT)]
    return [str(native)]


@contextlib.contextmanager
def running(language, event, native, *, endpoint=None, pass_fds=(), output=subprocess.DEVNULL):
    """The attacking program, as root and in no sandbox. Gives its process and the believer."""
    believer = Believer(event)
    thread = threading.Thread(target=believer.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "AWS_LAMBDA_RUNTIME_API": believer.address,
        "AWS_ENDPOINT_URL": endpoint or f"http://{believer.address}",
        "LAMBDA_TASK_ROOT": str(REPOSITORY / "tests" / "functions" / "escape"),
        "_HANDLER": "lambda_function.lambda_handler",
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_LAMBDA_FUNCTION_NAME": "bare",
    }
    process = subprocess.Popen(
        command(language, native),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        pass_fds=pass_fds,
        cwd="/tmp",
        start_new_session=True,
    )
    try:
        yield process, believer
    finally:
        process.kill()
        process.wait()
        believer.shutdown()
        believer.server_close()
        thread.join()


def answer(process, believer, timeout=60):
    """The first answer of the program, or what it said when it ended without one."""
    end = time.monotonic() + timeout
    while True:
        try:
            return believer.answers.get(timeout=0.2)
        except queue.Empty:
            assert process.poll() is None, f"ended with {process.returncode}"
            assert time.monotonic() < end, "no answer"
