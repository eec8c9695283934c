"""Unmodified functions of every kind: AWS's own libraries in Go and Rust, managed runtimes, C++, a shell script."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from support.functions import REPOSITORY, SOURCES, source
from support.packages import pack
from support.server import ISOLATION, with_either_rights
from support.urls import open_url, request
from support.wait import until

CACHE = Path(os.environ.get("LAMBENT_TEST_CACHE", REPOSITORY / "target" / "test-functions"))


def build(program, arguments, folder, output, environment):
    """Builds a native function once; cargo and go know themselves when nothing has changed."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    CACHE.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [program, *arguments],
        cwd=SOURCES / folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{folder} does not build:\n{done.stderr}"
    return Path(output)


def native(program):
    """A function that is one program."""
    return {
        "zip_file": pack({"bootstrap": (program.read_bytes(), 0o755)}),
        "Handler": "bootstrap",
        "Runtime": "provided.al2023",
    }


def python_function(runtimes):
    return {
        "zip_file": pack({"app.py": source("python/app.py")}),
        "Handler": "app.handler",
        "Runtime": newest(runtimes, "python"),
    }


def node_function(runtimes):
    return {
        "zip_file": pack({"index.mjs": source("nodejs/index.mjs")}),
        "Handler": "index.handler",
        "Runtime": newest(runtimes, "nodejs"),
    }


def shell_function(_):
    bootstrap = source("shell/bootstrap")
    if ISOLATION == "process":
        # In the sandbox `sh` is bash, as on Amazon Linux; without it, it is whatever the host has.
        bootstrap = bootstrap.replace("#!/bin/sh", "#!/bin/bash")
    files = {"bootstrap": (bootstrap, 0o755), "function.sh": source("shell/function.sh")}
    return {"zip_file": pack(files), "Handler": "function.handler", "Runtime": "provided.al2023"}


def go_function(_):
    output = CACHE / "go" / "bootstrap"
    program = build(
        "go",
        ["build", "-trimpath", "-tags", "lambda.norpc", "-o", str(output), "."],
        "go",
        output,
        {"CGO_ENABLED": "0"},
    )
    return native(program)


def cpp_function(_):
    output = CACHE / "cpp" / "bootstrap"
    output.parent.mkdir(parents=True, exist_ok=True)
    arguments = ["-std=c++17", "-O1", "-static-libstdc++", "-static-libgcc", "-Wall", "-Werror", "-o", str(output)]
    return native(build("g++", [*arguments, "bootstrap.cpp"], "cpp", output, {}))


def rust_program(folder, program=None):
    """Builds a program in Rust."""
    target = CACHE / folder
    output = target / "debug" / (program or folder)
    return build("cargo", ["build", "--quiet", "--locked"], folder, output, {"CARGO_TARGET_DIR": str(target)})


def rust_function(_, folder="rust", program="bootstrap"):
    return native(rust_program(folder, program))


def ruby_function(runtimes):
    return {
        "zip_file": pack({"app.rb": source("ruby/app.rb")}),
        "Handler": "app.handler",
        "Runtime": newest(runtimes, "ruby"),
    }


def newest(runtimes, family):
    ids = [name for name in runtimes if name.startswith(family)]
    if not ids:
        pytest.skip(f"no interpreter for {family} on this host")
    return max(ids, key=lambda name: [int(part) for part in name[len(family) :].removesuffix(".x").split(".")])


FUNCTIONS = {
    "python": (python_function, "ValueError"),
    "nodejs": (node_function, "RangeError"),
    "ruby": (ruby_function, "Function<ArgumentError>"),
    "shell": (shell_function, "Function.Failed"),
    "go": (go_function, "errorString"),
    "cpp": (cpp_function, "std::invalid_argument"),
    "rust": (rust_function, "core::marker::Sync>"),
}


@with_either_rights
@pytest.mark.parametrize("language", FUNCTIONS)
def test_a_function_of_each_kind_lives(language, make, invoke, runtimes, lambda_):
    definition, error_type = FUNCTIONS[language]
    name = make.create(
        language, Timeout=3, MemorySize=256, Environment={"Variables": {"GREETING": "hei"}}, **definition(runtimes)
    )
    cold = invoke(name, {"value": [1, "ü"]}, tail=True)
    assert (cold.version, cold.ok["value"], cold.ok["greeting"]) == ("$LATEST", [1, "ü"], "hei")
    assert cold.ok["request_id"] == cold.request_id
    assert float(cold.report["Init Duration"].split()[0]) > 0
    assert cold.report["Memory Size"] == "256 MB"
    assert "printed by the function" in cold.log
    kinds = [line.split(" ")[0] for line in cold.log.splitlines()]
    assert [kind for kind in kinds if kind in ("START", "END", "REPORT")] == ["START", "END", "REPORT"]

    def warm():
        # A runtime that is slow to ask for its next event, such as one of shell and curl, may be passed over.
        answer = invoke(name, {"value": None}, tail=True)
        assert answer.ok["value"] is None
        return "Init Duration" not in answer.report

    until(warm, "an environment to be used again")
    failed = invoke(name, {"fail": "on purpose"}, tail=True)
    assert failed.error == "Unhandled"
    assert failed.json["errorMessage"] == "on purpose" and failed.json["errorType"].endswith(error_type), failed
    slow = invoke(name, {"sleep": 30}, tail=True)
    assert slow.json["errorMessage"] == f"RequestId: {slow.request_id} Error: Task timed out after 3.00 seconds"
    again = invoke(name, {"value": 1}, tail=True)
    assert again.ok["value"] == 1, "a reset environment serves again"


def test_every_python_and_node_of_the_host_works(make, invoke, runtimes):
    for runtime in runtimes:
        if runtime.startswith("python"):
            definition = {**python_function(runtimes), "Runtime": runtime}
        elif runtime.startswith("nodejs"):
            definition = {**node_function(runtimes), "Runtime": runtime}
        else:
            continue
        name = make.create("each", **definition)
        answer = invoke(name, {"value": 1})
        assert answer.ok["value"] == 1 and answer.ok["runtime"] == f"AWS_Lambda_{runtime}", runtime


def http_event(method, path, query="", body=None):
    """What an HTTP API sends (API Gateway Developer Guide, payload format version 2.0)."""
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"host": "example.com", "content-type": "application/json"},
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "api",
            "domainName": "example.com",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "t"},
            "requestId": "id",
            "routeKey": "$default",
            "stage": "$default",
            "time": "01/Jan/2026:00:00:00 +0000",
            "timeEpoch": 1767225600000,
        },
        "isBase64Encoded": False,
    }
    if query:
        event["queryStringParameters"] = dict(part.split("=") for part in query.split("&"))
    return event if body is None else {**event, "body": body}


def test_a_web_application_of_axum_answers_http_events(make, invoke, runtimes):
    name = make.create("axum", MemorySize=256, **rust_function(runtimes, "axum", "axum-function"))
    shown = invoke(name, http_event("GET", "/hello/Ada", "a=1")).ok
    assert shown["statusCode"] == 200 and shown["headers"]["content-type"] == "application/json", shown
    assert json.loads(shown["body"]) == {"hello": "Ada", "query": {"a": "1"}}
    assert invoke(name, http_event("POST", "/echo", body='{"b":[1]}')).ok["statusCode"] == 201
    assert invoke(name, http_event("GET", "/nowhere")).ok["statusCode"] == 404


@pytest.mark.parametrize("mode", ["BUFFERED", "RESPONSE_STREAM"])
def test_a_web_application_of_axum_answers_behind_a_url(lambda_, make, runtimes, mode):
    variables = {"STREAM": "1"} if mode == "RESPONSE_STREAM" else {}
    function = rust_function(runtimes, "axum", "axum-function")
    name = make.create("axum", MemorySize=256, Environment={"Variables": variables}, **function)
    url = open_url(lambda_, name, InvokeMode=mode)
    shown = request(url, path="/hello/Ada%20L?a=1&a=2&b=%C3%A4")
    assert (shown.status, shown.headers["content-type"]) == (200, "application/json")
    assert shown.json["hello"] == "Ada L" and shown.json["query"]["b"] == "ä"
    body = '{"b":["ü"]}'.encode()
    made = request(url, "POST", "/echo", body, [("content-type", "application/json")])
    assert (made.status, made.json) == (201, {"b": ["ü"]})
    assert request(url, path="/nowhere").status == 404
