"""Our Python client on the wire and on every interpreter there is."""

import re
import sys

import pytest

from conftest import PYTHONS
from fake_api import FUNCTION_ARN, Event, request_id
from harness import CLIENTS, Client, run, write_files

ECHO = {"app.py": "def handler(event, context):\n    return event\n"}


def test_requests_are_these_bytes(python, task):
    result = run(python, task, ECHO, "app.handler", [Event(b'{"a": 1}'), Event(b"2")])
    first, response, following, *_ = result.requests
    assert (first.method, first.path) == ("GET", "/2018-06-01/runtime/invocation/next")
    assert set(first.headers) == {"host", "user-agent"}
    assert response.path == "/2018-06-01/runtime/invocation/{}/response".format(request_id(0))
    assert response.body == b'{"a": 1}'
    assert set(response.headers) == {"host", "user-agent", "content-length", "content-type"}
    assert response.headers["user-agent"].startswith("aws-lambda-python/")
    # The next event is asked for in the same write.
    assert following.path.endswith("/next") and following.pipelined
    assert [request.pipelined for request in result.requests] == [False, False, True, False, True]


def test_what_is_within_itself_is_never_taken_for_a_tree(any_python, task):
    """Written without noting parents it would be written as often as the interpreter nests calls, with all it holds."""
    client, runtime = any_python
    code = (
        "from awslambdaric.lambda_runtime_marshaller import _look\n"
        "def loops():\n"
        "    root = []; root.append(root); yield root\n"
        "    inner = {}; inner['a'] = [inner]; yield [1, 'r', inner]\n"
        "    part = []; pair = (part, 2); part.append(pair); yield {'b': [pair]}\n"
        "    part = []; many = tuple(range(300)) + (part,); part.append(many); yield [many]\n"
        "    root = {'a': {}}; root['a']['b'] = ({'c': root},); yield root\n"
        "def handler(event, context):\n"
        "    return [_look(loop) for loop in loops()] + [_look(event)]\n"
    )
    result = run(client, task, {"app.py": code}, "app.handler", [Event(b'{"a": [[], {}, [1.5, "r", {"b": null}]]}')], runtime)
    assert result.results == ["[" + "[true, false], " * 5 + "[true, true]]"]


def test_every_interpreter_runs_functions(any_python, task):
    client, runtime = any_python
    code = (
        "import logging\n"
        "def handler(event, context):\n"
        "    logging.warning('warned')\n"
        "    if event == 'fail':\n        raise ValueError('no')\n"
        "    return {'text': '\\u00fc', 'arn': context.invoked_function_arn}\n"
    )
    result = run(client, task, {"app.py": code}, "app.handler", [Event(), Event(b'"fail"')], runtime)
    text = "ü" if int(runtime.split(".")[1]) >= 12 else "\\u00fc"
    assert result.results[0] == '{{"text": "{}", "arn": "{}"}}'.format(text, FUNCTION_ARN)
    error = result.outcomes[1].json()
    assert (error["errorType"], error["errorMessage"], error["requestId"]) == ("ValueError", "no", request_id(1))
    assert len(error["stackTrace"]) == 1 and "line 5, in handler" in error["stackTrace"][0]
    assert [hex(frame.type) for frame in result.frames] == ["0xa55a0003", "0xa55a0003", "0xa55a0017"]
    assert result.stderr == ""


def test_large_events_and_results_arrive_whole(python, task):
    event = b'"' + b"x" * 5_000_000 + b'"'
    result = run(python, task, ECHO, "app.handler", [Event(event), Event(event, chunked=True), Event(b"1")])
    assert [request.body for request in result.outcomes] == [event, event, b"1"]


@pytest.mark.parametrize("status", [413, 400, 403])
def test_a_refused_result_does_not_end_the_environment(python, task, status):
    result = run(python, task, ECHO, "app.handler", [Event(b"1", answer=status), Event(b"2")])
    assert result.results == ["1", "2"]
    assert re.fullmatch(
        r"\[ERROR\] \[\d+\] LAMBDA_RUNTIME Failed to post handler success response. Http response code: %d.\n" % status,
        result.stderr,
    )
    assert result.waited


def test_a_broken_platform_ends_the_process(python, task):
    result = run(python, task, ECHO, "app.handler", [Event(b"1", answer=500), Event(b"2")])
    assert not result.waited and result.exit_code == 1
    assert "LambdaRuntimeClientError" in result.stderr


def test_a_result_that_utf8_cannot_hold_is_the_function_s_error(python, task):
    # AWS's client ends the process here; an error that the caller can read is better.
    code = {"app.py": "def handler(e, c): return '\\ud800'"}
    result = run(python, task, code, "app.handler", [Event(), Event()], "python3.13")
    assert [request.json()["errorType"] for request in result.outcomes] == ["Runtime.MarshalError"] * 2


def test_an_invocation_id_is_echoed(python, task):
    events = [Event(headers={"Lambda-Runtime-Invocation-Id": "abc"}), Event()]
    result = run(python, task, ECHO, "app.handler", events)
    assert [request.headers.get("lambda-runtime-invocation-id") for request in result.outcomes] == ["abc", None]


def test_headers_cannot_be_smuggled_in_by_names(python, task):
    code = {"app.py": "raise type('A\\r\\nX-Evil: 1\\r\\n\\r\\n', (Exception,), {})('m')"}
    result = run(python, task, code, "app.handler")
    assert "x-evil" not in result.init_errors[0].headers
    assert result.init_errors[0].headers["lambda-runtime-function-error-type"].startswith("A")


def test_a_function_finds_its_own_code_first(python, task):
    # `colorsys` is in the standard library too; the function's own comes first, as on AWS.
    files = {"app.py": "import sys, colorsys\ndef handler(e, c): return [colorsys.OWN, sys.path[0]]", "colorsys.py": "OWN = 1"}
    assert run(python, task, files, "app.handler").outcomes[0].json() == [1, str(task)]


def test_a_default_timeout_of_the_function_does_not_end_the_wait_for_events(python, task):
    code = {"app.py": "import socket\nsocket.setdefaulttimeout(0.01)\ndef handler(e, c): return e"}
    events = [Event(b"1"), Event(b"2", held_back_seconds=0.2)]
    assert run(python, task, code, "app.handler", events).results == ["1", "2"]


def test_modules_of_the_function_do_not_replace_the_client_s(python, task):
    files = {"app.py": "def handler(e, c): raise ValueError('x')", "traceback.py": "1/0", "socket.py": "1/0", "json.py": "1/0"}
    assert run(python, task, files, "app.handler").outcomes[0].json()["errorMessage"] == "x"


def test_vendors_can_replace_the_client_s_functions(python, task):
    # What Sentry's SDK does when it is initialised in the function's module.
    code = """
import sys
bootstrap = sys.modules["__main__"].awslambdaricmain.bootstrap
handle = bootstrap.handle_event_request
def patched(client, handler, *args, **kwargs):
    return handle(client, lambda e, c: {"wrapped": handler(e, c)}, *args, **kwargs)
bootstrap.handle_event_request = patched
post = bootstrap.LambdaRuntimeClient.post_invocation_result
def flushed(*args, **kwargs):
    print("flushed")
    return post(*args, **kwargs)
bootstrap.LambdaRuntimeClient.post_invocation_result = flushed
def handler(event, context):
    return event
"""
    result = run(python, task, {"app.py": code}, "app.handler", [Event(b"1")])
    assert (result.results, result.stdout) == (['{"wrapped": 1}'], "flushed\n")


def test_runs_as_a_module_too(task):
    client = Client("module", [sys.executable, "-m", "awslambdaric"], {"PYTHONPATH": str(CLIENTS / "python")}, True)
    assert run(client, task, ECHO, "app.handler", [Event(b"7")]).results == ["7"]


def test_wrapper_scripts_insert_options_before_the_last_word(python, task):
    # What AWS's documentation shows for AWS_LAMBDA_EXEC_WRAPPER.
    wrapper = '#!/bin/bash\nargs=("$@")\nexec "${args[0]}" -X importtime "${args[@]:$#-1}"\n'
    write_files(task, {"wrapper": wrapper})
    client = Client("wrapped", ["/bin/bash", str(task / "wrapper"), *python.argv], {})
    result = run(client, task, ECHO, "app.handler", [Event(b"1")])
    assert result.results == ["1"] and "import time:" in result.stderr


def test_snapshot_hooks_run_around_the_snapshot(python, task):
    code = """
from snapshot_restore_py import register_after_restore, register_before_snapshot
seen = []
register_before_snapshot(seen.append, "first")
register_before_snapshot(seen.append, "second")
@register_after_restore
def restored():
    seen.append("restored")
def handler(event, context):
    return seen
"""
    result = run(python, task, {"app.py": code}, "app.handler", env={"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"})
    assert [request.kind for request in result.requests][:2] == ["restore/next", "next"]
    assert result.outcomes[0].json() == ["second", "first", "restored"]


def test_concurrent_environments_are_refused_clearly(python, task):
    result = run(python, task, ECHO, "app.handler", env={"AWS_LAMBDA_MAX_CONCURRENCY": "8"})
    assert result.exit_code == 1 and "one invocation at a time" in result.stderr


def test_several_interpreters_were_tried():
    assert PYTHONS, "no CPython of 3.8 or later was found"
