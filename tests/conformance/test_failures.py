"""Functions that fail: what the caller, the log and the next invocation see."""

import json
import re
import shutil
import subprocess
import textwrap

import pytest

from support.errors import refused
from support.packages import pack
from support.server import ISOLATION, with_either_rights
from support.streams import messages
from support.wait import until

ID = "{id}"


def failed(answer, error_type, message):
    """A function error is an HTTP 200 with a header; the body names type and message."""
    assert (answer.status, answer.error) == (200, "Unhandled"), answer
    assert answer.json["errorType"] == error_type, answer
    assert answer.json["errorMessage"] == message.replace(ID, answer.request_id), answer


def test_an_exception_is_the_runtimes_document(invoke, probe):
    answer = invoke(probe, {"do": "fail", "text": "no luck"}, tail=True)
    failed(answer, "ValueError", "no luck")
    assert list(answer.json) == ["errorMessage", "errorType", "requestId", "stackTrace"]
    assert answer.json["requestId"] == answer.request_id
    assert "lambda_function.py" in answer.json["stackTrace"][-1]
    assert "[ERROR] ValueError: no luck" in answer.log
    assert answer.report["Status"] == "error"


def test_a_timeout_ends_the_process_and_keeps_tmp(invoke, make):
    name = make.create("timeout", Timeout=3)
    assert invoke(name, {"do": "write", "path": "/tmp/kept", "text": "a"}).ok == "a"
    before = invoke(name).ok["environment"]
    # Long enough for the next invocation to initialise within it on a busy machine.
    answer = invoke(name, {"do": "sleep", "seconds": 60}, tail=True)
    failed(answer, "Sandbox.Timedout", "RequestId: {id} Error: Task timed out after 3.00 seconds")
    assert list(answer.json) == ["errorType", "errorMessage"]
    assert (answer.report["Status"], answer.report["Duration"].split(".")[0]) == ("timeout", "3000")
    assert invoke(name).ok["environment"] != before, "memory does not survive the reset"
    assert invoke(name, {"do": "write", "path": "/tmp/kept", "text": "b"}).ok == "ab", "/tmp does"


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"do": "leave", "code": 0}, "Runtime exited without providing a reason"),
        ({"do": "leave", "code": 3}, "Runtime exited with error: exit status 3"),
        ({"do": "kill", "signal": "SIGKILL"}, "Runtime exited with error: signal: killed"),
        ({"do": "kill", "signal": "SIGSEGV"}, "Runtime exited with error: signal: segmentation fault"),
        ({"do": "kill", "signal": "SIGABRT"}, "Runtime exited with error: signal: aborted"),
        ({"do": "kill", "signal": "SIGTERM"}, "Runtime exited with error: signal: terminated"),
    ],
    ids=lambda value: value.split(" ", 1)[1].replace(" ", "-") if isinstance(value, str) else "",
)
def test_a_process_that_ends_is_an_exit_error(invoke, probe, event, reason):
    answer = invoke(probe, event, tail=True)
    failed(answer, "Runtime.ExitError", f"RequestId: {{id}} Error: {reason}")
    assert (answer.report["Status"], answer.report["Error Type"]) == ("error", "Runtime.ExitError")
    assert invoke(probe).ok["count"] == 1, "the next invocation has a fresh process"


@pytest.mark.namespaces
@with_either_rights
def test_memory_is_bounded(invoke, make):
    name = make.create("memory", MemorySize=128)
    assert invoke(name, {"do": "memory", "mb": 40}).ok == 40
    answer = invoke(name, {"do": "memory", "mb": 400}, tail=True)
    assert answer.json["errorType"] in ("Runtime.OutOfMemory", "Runtime.ExitError")
    assert answer.json["errorMessage"].endswith("signal: killed")
    assert 100 <= int(answer.report["Max Memory Used"].split()[0]) <= 128
    assert invoke(name, {"do": "memory", "mb": 40}).ok == 40, "the environment is usable again"


def test_a_response_above_the_limit_is_named(invoke, probe):
    answer = invoke(probe, {"do": "big", "size": 6_291_556 - 1}, tail=True)
    assert answer.error == "Unhandled"
    assert answer.json == {
        "errorType": "Function.ResponseSizeTooLarge",
        "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
    }
    assert answer.report["Error Type"] == "Function.ResponseSizeTooLarge"


@pytest.mark.parametrize(
    ("handler", "code", "error_type"),
    [
        ("absent.handler", "", "Runtime.ImportModuleError"),
        ("app.absent", "def handler(event, context): pass\n", "Runtime.HandlerNotFound"),
        ("app.handler", "def handler(:\n", "Runtime.UserCodeSyntaxError"),
        ("nodot", "", "Runtime.MalformedHandlerName"),
        ("app.handler", "raise KeyError('at import')\n", "KeyError"),
    ],
)
def test_a_function_that_does_not_start_says_why(invoke, make, handler, code, error_type):
    name = make.create("broken", zip_file=pack({"app.py": code}), Handler=handler)
    for _ in range(2):
        answer = invoke(name, tail=True)
        assert (answer.status, answer.error) == (200, "Unhandled")
        assert answer.json["errorType"] == error_type, answer
        assert answer.report["Status"] == "error"


def test_what_fails_to_start_is_tried_again_within_the_invocation(invoke, make):
    # As CloudWatch Logs and the console's "Function Logs" show it: both tries, then START.
    name = make.create("twice", zip_file=pack({"app.py": "import absent\n"}), Handler="app.handler")
    lines = invoke(name, tail=True).log.splitlines()
    reports = [line.split("\t")[1:] for line in lines if line.startswith("INIT_REPORT ")]
    why = ["Status: error", "Error Type: Runtime.ImportModuleError"]
    assert reports == [["Phase: init", *why], ["Phase: invoke", *why]], lines
    assert sum(line.startswith("[ERROR] Runtime.ImportModuleError: ") for line in lines) == 2, lines
    assert [line.split(" ")[0] for line in lines[-3:]] == ["START", "END", "REPORT"], lines
    assert "Init Duration" not in lines[-1]

    # What failed need not fail again: /tmp is what the first try has left.
    code = """
        import pathlib
        tried = pathlib.Path("/tmp/tried")
        if not tried.exists():
            tried.touch()
            raise ConnectionError("the database is not awake yet")
        def handler(event, context):
            return "awake"
    """
    name = make.create("second", zip_file=pack({"app.py": textwrap.dedent(code)}), Handler="app.handler")
    answer = invoke(name, tail=True)
    assert answer.ok == "awake"
    assert answer.log.index("ConnectionError") < answer.log.index("START RequestId: ")


def test_a_module_for_another_python_is_named_with_its_remedy(invoke, make):
    # As installed on a laptop: the interpreter's words alone do not say what is wrong.
    compiled = "core/_core.cpython-36m-darwin.so"
    files = {"app.py": "from core import _core\n", "core/__init__.py": "", compiled: "x"}
    name = make.create("laptop", zip_file=pack(files), Handler="app.handler")
    answer = invoke(name, tail=True)
    assert answer.json["errorMessage"].startswith("Unable to import module 'app': cannot import name '_core'")
    advice = [line for line in answer.log.splitlines() if f"/{compiled} is for another Python" in line]
    assert advice and "pip install" in advice[0], answer.log


def test_an_endless_start_is_bounded_by_init_and_function_timeout(invoke, make, logs):
    # Ten seconds of initialisation, then once more inside of the invocation with the function's own timeout.
    package = pack({"app.py": "import time; time.sleep(600)\n"})
    name = make.create("slow-start", zip_file=package, Handler="app.handler", Timeout=1)
    answer = invoke(name, tail=True)
    failed(answer, "Sandbox.Timedout", "RequestId: {id} Error: Task timed out after 1.00 seconds")

    def init_reports():
        lines = [line for line in messages(logs, name) if line.startswith("INIT_REPORT ")]
        return len(lines) == 2 and [
            dict(re.findall(r"([A-Z][A-Za-z ]+): ([^\t]+)", line.removeprefix("INIT_REPORT "))) for line in lines
        ]

    outside, inside = until(init_reports, "both initialisations to be reported")
    assert (outside["Phase"], outside["Status"]) == ("init", "timeout")
    assert 9_900 <= float(outside["Init Duration"].split()[0]) <= 10_500
    assert (inside["Phase"], inside["Status"]) == ("invoke", "timeout")
    assert 900 <= float(inside["Init Duration"].split()[0]) <= 1_500


# For a processor that nobody has: e_machine 0x1234.
FOREIGN_PROGRAM = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\x34\x12" + bytes(200)
BOOTSTRAPS = {
    "absent": (
        {"other": "x"},
        "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]",
        "Couldn't find valid bootstrap(s)",
    ),
    "not-executable": (
        {"bootstrap": ("#!/bin/sh\n", 0o644)},
        "fork/exec /var/task/bootstrap: permission denied",
        "run `chmod +x` before zipping it",
    ),
    "no-program": (
        {"bootstrap": ("\x7fNOT", 0o755)},
        "fork/exec /var/task/bootstrap: exec format error",
        "neither an executable nor a script",
    ),
    "foreign-program": (
        {"bootstrap": (FOREIGN_PROGRAM, 0o755)},
        "fork/exec /var/task/bootstrap: exec format error",
        "is compiled for another processor, and this machine is",
    ),
    "windows-lines": (
        {"bootstrap": ("#!/bin/sh\r\necho hello\r\n", 0o755)},
        "fork/exec /var/task/bootstrap: no such file or directory",
        "end with CR LF",
    ),
}


@pytest.mark.parametrize(("files", "message", "remedy"), BOOTSTRAPS.values(), ids=BOOTSTRAPS)
def test_a_bootstrap_that_cannot_run_is_an_invalid_entrypoint(invoke, make, logs, files, message, remedy):
    name = make.create("bootstrap", zip_file=pack(files), Runtime="provided.al2023", Handler="any")
    answer = invoke(name)
    message = f"RequestId: {{id}} Error: {message}"
    if ISOLATION == "process" and "fork/exec" in message:
        # Without a root of its own the function's path is the host's.
        shown = answer.json["errorMessage"].split("fork/exec ")[1].split("/bootstrap")[0]
        message = message.replace("/var/task", shown)
    failed(answer, "Runtime.InvalidEntrypoint", message)

    def advised():
        events = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
        return any(event["message"].startswith("the runtime cannot be started: ") and remedy in event["message"] for event in events)

    until(advised, "the log to say what to do")


def test_a_missing_library_is_named(invoke, make, logs, tmp_path):
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    (tmp_path / "empty.c").write_text("int nothing(void) { return 0; }")
    (tmp_path / "main.c").write_text("int nothing(void); int main(void) { return nothing(); }")
    for words in (["-shared", "-o", "libabsent.so", "empty.c"], ["-o", "bootstrap", "main.c", "-L.", "-labsent"]):
        subprocess.run(["gcc", *words], cwd=tmp_path, check=True)
    package = pack({"bootstrap": ((tmp_path / "bootstrap").read_bytes(), 0o755)})
    name = make.create("library", zip_file=package, Runtime="provided.al2023", Handler="any")
    failed(invoke(name), "Runtime.ExitError", "RequestId: {id} Error: Runtime exited with error: exit status 127")

    def told():
        lines = messages(logs, name)
        missing = any("libabsent.so: cannot open shared object file" in line for line in lines)
        return missing and any("link statically" in line for line in lines)

    until(told, "the log to say what is missing and what to do")


def test_a_runtime_without_interpreter_names_what_is_missing(invoke, make, runtimes):
    for runtime in ("ruby3.4", "java21", *(f"python3.{minor}" for minor in range(9, 15))):
        if runtime in runtimes:
            continue
        name = make.create("missing", Runtime=runtime, zip_file=pack({"app.py": "x"}))
        answer = invoke(name)
        assert (answer.status, answer.error) == (200, "Unhandled")
        assert runtime in answer.json["errorMessage"], answer


def test_events_that_are_no_json_or_too_large_never_arrive(lambda_, probe, invoke):
    before = invoke(probe).ok["count"]
    for body in (b"{", b"not json", b'{"a":}', b"\xff\xfe"):
        error = refused(lambda_.invoke, FunctionName=probe, Payload=body)
        assert (error.code, error.status) == ("InvalidRequestContentException", 400), body
        assert error.message.startswith("Could not parse request body into json: Could not parse payload into json: ")
    size = 6 * 1024 * 1024
    fits = json.dumps({"do": "echo", "padding": ""}).encode()
    fits = fits[:-2] + b"x" * (size - len(fits)) + fits[-2:]
    assert invoke(probe, fits).ok is None
    error = refused(lambda_.invoke, FunctionName=probe, Payload=fits + b" ")
    assert (error.code, error.status) == ("RequestTooLargeException", 413)
    expected = f"{size + 1} byte payload is too large for the RequestResponse invocation type (limit {size} bytes)"
    assert error.message == expected
    assert invoke(probe).ok["count"] == before + 2


def test_the_server_and_other_functions_survive_all_of_it(server, invoke, probe):
    assert invoke(probe).ok["name"] == probe
    assert server.process.poll() is None
