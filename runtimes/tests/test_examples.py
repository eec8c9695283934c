"""The examples do what their pages say."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import jvm_and_ruby
from fake_api import Event, request_id
from harness import Client, run

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"


def _files(name, *paths):
    return {path: (EXAMPLES / name / path).read_bytes() for path in paths}


def test_python(python, task):
    files = _files("python-hello", "app.py")
    result = run(python, task, files, "app.handler", [Event(b'{"name":"Ada"}'), Event(b"1")])
    assert result.outcomes[0].json() == {"message": "Hello, Ada!", "function": "f", "requestId": request_id(0)}
    assert result.outcomes[1].json()["message"] == "Hello, world!"
    assert "greeting Ada" in result.frames[0].message


def test_nodejs(any_node, task):
    client, runtime = any_node
    result = run(client, task, _files("nodejs-hello", "index.mjs"), "index.handler", [Event(b'{"name":"Ada"}')], runtime)
    assert result.outcomes[0].json() == {"message": "Hello, Ada!", "function": "f", "requestId": request_id(0)}
    assert "greeting Ada" in result.frames[0].message


def test_shell(task):
    if shutil.which("curl") is None:
        pytest.skip("no curl on PATH")
    client = Client("shell", ["/bin/bash", str(EXAMPLES / "shell-hello" / "bootstrap")], {})
    files = _files("shell-hello", "function.sh")
    result = run(client, task, files, "function.handler", [Event(b'{"a":1}'), Event(b"2")], telemetry=False)
    assert [outcome.json()["event"] for outcome in result.outcomes] == [{"a": 1}, 2]
    assert "answering an event of 7 characters" in result.stderr


def test_native(task):
    if shutil.which("cargo") is None:
        pytest.skip("no cargo on PATH")
    build = ["cargo", "build", "--quiet", "--package", "lambent-example-native"]
    subprocess.run(build, cwd=EXAMPLES, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", EXAMPLES.parent / "target"))
    client = Client("native", [str(target / "debug" / "bootstrap")], {})
    result = run(client, task, {}, "any", [Event(b'{"a":"\xc3\xbc"}'), Event(b"2")], telemetry=False)
    assert [outcome.json()["event"] for outcome in result.outcomes] == [{"a": "ü"}, 2]
    assert result.stdout == "answering {}\nanswering {}\n".format(request_id(0), request_id(1))


def test_ruby(ruby, task):
    files = _files("ruby-hello", "lambda_function.rb")
    result = run(ruby, task, files, "lambda_function.lambda_handler", [Event(b'{"name":"Ada"}'), Event(b"1")], "ruby3.3")
    assert result.outcomes[0].json() == {"message": "Hello, Ada!", "function": "f", "requestId": request_id(0)}
    assert result.outcomes[1].json()["message"] == "Hello, world!"
    assert "greeting Ada" in result.stdout


def test_java(java, task, tmp_path):
    classes = jvm_and_ruby.compile_java(java[0], EXAMPLES / "java-hello" / "example" / "Hello.java", tmp_path)
    result = run(java[0], task, classes, "example.Hello::handle", [Event(b'{"name":"Ada"}'), Event(b"{}")], "java21")
    assert [outcome.json() for outcome in result.outcomes] == [{"message": "Hello, Ada!"}, {"message": "Hello, world!"}]
    assert "greeting Ada" in result.stdout or any("greeting Ada" in frame.message for frame in result.frames)


def test_go(task, tmp_path):
    if shutil.which("go") is None:
        pytest.skip("no go on PATH")
    program = tmp_path / "bootstrap"
    build = ["go", "build", "-tags", "lambda.norpc", "-o", str(program), "."]
    subprocess.run(build, cwd=EXAMPLES / "go-hello", env={**os.environ, "CGO_ENABLED": "0"}, check=True)
    client = Client("go", [str(program)], {})
    result = run(client, task, {}, "bootstrap", [Event(b'{"name":"Ada"}'), Event(b"{}")], telemetry=False)
    assert result.outcomes[0].json() == {"message": "Hello, Ada!", "function": "f", "requestId": request_id(0)}
    assert result.stdout == "greeting Ada\ngreeting world\n"
