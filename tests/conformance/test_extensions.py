"""Extensions (Lambda Developer Guide: "Using the Lambda Extensions API to create extensions", "Accessing real-time telemetry
data for extensions using the Telemetry API"). The extension is tests/functions/extension/observer."""

import concurrent.futures
import json
import re
import time
import urllib.request
from pathlib import Path

import pytest

from support import functions
from support.clients import ACCOUNT
from support.functions import probe_zip, source, unique
from support.installed import node_packages
from support.packages import pack
from support.server import with_either_rights
from support.wait import until
from test_runtimes import CACHE, build, newest

pytestmark = pytest.mark.namespaces
EVERYTHING = {"schemaVersion": "2022-12-13", "types": ["platform", "function", "extension"], "buffering": {"timeoutMs": 25}}


@pytest.fixture
def extended(make, lambda_):
    """Makes a probe function with extensions in a layer: `extended(observer={...}, files={...}, **settings)`."""

    def create(observer=None, files=None, names=("observer",), **settings):
        files = files or {f"extensions/{name}": (source("extension/observer"), 0o755) for name in names}
        layer = lambda_.publish_layer_version(LayerName=unique("extensions"), Content={"ZipFile": pack(files)})
        variables = {"OBSERVER": json.dumps(observer or {})}
        return make.create(
            "extended", Layers=[layer["LayerVersionArn"]], Environment={"Variables": variables}, **settings
        )

    return create


@pytest.fixture
def invoke(invoke, lambda_, logs):
    """Invokes, and waits until extensions are done as well: the next invocation would go to another environment."""

    def call(name, event=None, **options):
        answer = invoke(name, event, **options)
        mine = f"REPORT RequestId: {answer.request_id}"
        until(lambda: any(line.startswith(mine) for line in messages(logs, name)), "the invocation's report")
        return answer

    call.client = lambda_
    return call


@pytest.fixture
def invoke_only(lambda_):
    return lambda name, event=None: functions.invoke(lambda_, name, event)


def kept(invoke, name, observer="observer"):
    """What the extension has been told so far: (kind, what)."""
    lines = invoke(name, {"do": "read", "path": f"/tmp/{observer}.jsonl"}).ok
    return [json.loads(line) for line in lines.splitlines()]


def of(kind, told):
    return [what for found, what in told if found == kind]


def messages(logs, name):
    events = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
    return [event["message"].rstrip("\n") for event in events]


def farewell(logs, name, observer="observer"):
    """What the extension printed at its end: the reason, and all that it was told."""

    def said():
        return next((line for line in messages(logs, name) if line.startswith(f"{observer} ends: ")), None)

    reason, told = re.fullmatch(r"\S+ ends: (\S+) (.*)", until(said, "the extension to be told of its end")).groups()
    return reason, [json.loads(line) for line in told.split("\x1e") if line]


def test_an_extension_registers_and_hears_of_every_invocation(invoke, extended, logs):
    name = extended()
    answers = [invoke(name) for _ in range(2)]
    told = kept(invoke, name)
    ((status, registered),) = of("registered", told)
    assert status == 200
    assert registered == {
        "functionName": name,
        "functionVersion": "$LATEST",
        "handler": "lambda_function.lambda_handler",
        "accountId": ACCOUNT,
    }
    events = of("event", told)
    assert [event["requestId"] for event in events[:2]] == [answer.request_id for answer in answers]
    for event in events:
        assert list(event) == ["eventType", "deadlineMs", "requestId", "invokedFunctionArn", "tracing"]
        assert event["eventType"] == "INVOKE" and event["invokedFunctionArn"] == functions.arn(name)
        assert 0 < event["deadlineMs"] / 1000 - time.time() < 20
        assert event["tracing"]["type"] == "X-Amzn-Trace-Id" and event["tracing"]["value"].startswith("Root=1-")
    lines = until(lambda: [line for line in messages(logs, name) if "EXTENSION" in line], "the record of the extension")
    assert lines == ["EXTENSION\tName: observer\tState: Ready\tEvents: [INVOKE, SHUTDOWN]"]
    assert "observer says hello" in messages(logs, name)


def test_extensions_see_the_function_s_variables_but_the_runtime_s_own(invoke, extended):
    name = extended()
    invoke(name)
    (seen,) = of("environment", kept(invoke, name))
    assert seen["AWS_LAMBDA_FUNCTION_NAME"] == name and seen["OBSERVER"] and seen["AWS_SESSION_TOKEN"]
    withheld = {
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_XRAY_CONTEXT_MISSING",
        "AWS_XRAY_DAEMON_ADDRESS",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    }
    assert not withheld & set(seen) and not [name for name in seen if name.startswith("_")]


def test_the_caller_does_not_wait_for_extensions_and_the_report_counts_them(invoke, invoke_only, extended, logs):
    name = extended(observer={"work": 1})
    invoke(name)
    began = time.monotonic()
    answer = invoke_only(name)
    assert time.monotonic() - began < 0.9, "the answer came before the extension was done"

    def reported():
        mine = [line for line in messages(logs, name) if line.startswith(f"REPORT RequestId: {answer.request_id}")]
        return mine and float(re.search(r"\tDuration: ([\d.]+) ms", mine[0])[1])

    assert until(reported, "the report") >= 1000


def test_extensions_count_against_the_timeout_and_are_told_so(invoke, extended, logs):
    name = extended(observer={"at": "invoke", "do": "nothing"}, names=["stuck"], Timeout=1)
    answer = invoke(name)
    assert answer.error is None, "the function had answered"

    def reported():
        return [line for line in messages(logs, name) if line.startswith("REPORT ") and "Status: timeout" in line]

    (report,) = until(reported, "the report of a timeout")
    assert "\tDuration: 1000.00 ms\t" in report


HOLDER = """
import os, time

def handler(event, context):
    if event.get("leave"):
        os._exit(3)
    time.sleep(event.get("hold", 0))
    with open("/tmp/observer.jsonl") as file:
        return {"stream": context.log_stream_name, "told": file.read()}
"""


@pytest.mark.parametrize(
    ("event", "reason", "error"),
    [({"hold": 30}, "timeout", "Sandbox.Timedout"), ({"leave": True}, "failure", "Runtime.ExitError")],
)
def test_the_end_of_the_runtime_is_told_and_all_start_anew(invoke, invoke_only, extended, logs, event, reason, error):
    package = pack({"app.py": HOLDER})
    name = extended(observer={"subscribe": EVERYTHING}, Timeout=3, zip_file=package, Handler="app.handler")
    first = invoke(name).ok
    failed = invoke(name, event)
    assert failed.json["errorType"] == error
    told_reason, told = farewell(logs, name)
    assert told_reason == reason
    assert of("event", told)[-1]["shutdownReason"] == reason
    # The platform's records of the invocation that failed reach the extension before its end.
    done = [record for record in of("telemetry", told) if record["type"] == "platform.runtimeDone"]
    assert done[-1]["record"]["requestId"] == failed.request_id
    assert done[-1]["record"]["status"] == ("timeout" if reason == "timeout" else "error")

    others = iter(range(1, 100))

    def again():
        # Until the extension has ended, invocations go to other environments; one more than those at once goes to this.
        with concurrent.futures.ThreadPoolExecutor() as pool:
            answers = [pool.submit(invoke_only, name, {"hold": 1}) for _ in range(next(others) + 1)]
        here = [answer.result().ok for answer in answers if answer.result().ok["stream"] == first["stream"]]
        return here and [json.loads(line) for line in here[0]["told"].splitlines()]

    starts = [record for record in of("telemetry", until(again, "the environment to be used again", 60))]
    phases = [record["record"]["phase"] for record in starts if record["type"] == "platform.initStart"]
    assert phases == ["init", "invoke"], "the initialisation is repeated inside of the invocation"


@pytest.mark.parametrize(
    ("observer", "error", "message"),
    [
        ({"at": "start", "do": "exit"}, "Extension.Crash", "exit status 3"),
        ({"at": "init", "do": "crash"}, "Extension.Crash", "signal: killed"),
        ({"at": "init", "do": "init-error"}, "Extension.InitError", "exit status 1"),
        ({"at": "invoke", "do": "exit-error"}, "Extension.ExitError", "exit status 1"),
    ],
)
def test_an_extension_that_fails_fails_the_invocation(invoke, extended, observer, error, message):
    name = extended(observer=observer)
    # Of an invocation that extensions fail beside, the answer may be faster.
    event = {"do": "sleep", "seconds": 15} if observer["at"] == "invoke" else {}
    for _ in range(2):
        answer = invoke(name, event)
        assert answer.json["errorType"] == error, answer.json
        assert answer.json["errorMessage"] == f"RequestId: {answer.request_id} Error: {message}"


def test_what_cannot_be_started_is_a_launch_error(invoke, extended, logs):
    name = extended(files={"extensions/plain": ("#!/bin/sh\n", 0o644)})
    answer = invoke(name)
    assert answer.json == {
        "errorType": "Extension.LaunchError",
        "errorMessage": f"RequestId: {answer.request_id} Error: fork/exec /opt/extensions/plain: permission denied",
    }
    line = "EXTENSION\tName: plain\tState: LaunchError\tEvents: []\tError Type: PermissionDenied"
    until(lambda: line in messages(logs, name), "the record of the extension")


@with_either_rights
def test_telemetry_comes_record_by_record(invoke, extended):
    name = extended(observer={"subscribe": EVERYTHING})
    answer = invoke(name, {"do": "sleep", "seconds": 0, "print": "hello"})

    def told():
        found = kept(invoke, name)
        records = of("telemetry", found)
        reports = [record for record in records if record["type"] == "platform.report"]
        return reports and found

    found = until(told, "the report of the first invocation")
    assert of("subscribed", found) == [[200, '"OK"']]
    records = of("telemetry", found)
    for record in records:
        assert list(record) == ["time", "type", "record"] and re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z", record["time"])
    kinds = [record["type"] for record in records]
    assert kinds[: kinds.index("platform.report") + 1] == [
        "platform.initStart",
        "platform.telemetrySubscription",
        "extension",
        "platform.initRuntimeDone",
        "platform.extension",
        "platform.initReport",
        "platform.start",
        "function",
        "platform.runtimeDone",
        "platform.report",
    ]
    record = {record["type"]: record["record"] for record in records[: kinds.index("platform.report") + 1]}
    assert record["platform.initStart"]["phase"] == "init" and record["platform.initStart"]["functionName"] == name
    assert record["platform.telemetrySubscription"] == {
        "name": "observer",
        "state": "Subscribed",
        "types": ["platform", "function", "extension"],
    }
    assert record["extension"] == "observer says hello" and record["function"] == "hello"
    assert record["platform.extension"] == {"name": "observer", "state": "Ready", "events": ["INVOKE", "SHUTDOWN"]}
    assert record["platform.initReport"]["status"] == "success" and record["platform.initReport"]["metrics"]["durationMs"] > 0
    assert record["platform.start"]["requestId"] == answer.request_id
    done, report = record["platform.runtimeDone"], record["platform.report"]
    assert (done["requestId"], done["status"]) == (answer.request_id, "success")
    assert done["metrics"]["producedBytes"] == len(answer.payload)
    assert [span["name"] for span in done["spans"]] == ["responseLatency", "responseDuration", "runtimeOverhead"]
    assert report["requestId"] == answer.request_id and report["metrics"]["memorySizeMB"] == 128
    assert report["metrics"]["durationMs"] >= done["metrics"]["durationMs"]


def test_the_logs_api_and_tcp_speak_the_older_words(invoke, extended):
    body = {"schemaVersion": "2020-08-15", "types": ["platform", "function"], "buffering": {"timeoutMs": 25}}
    name = extended(observer={"subscribe": body, "api": "logs", "protocol": "TCP"})
    invoke(name, {"do": "sleep", "seconds": 0, "print": "hello"})

    def told():
        records = of("telemetry", kept(invoke, name))
        kinds = [record["type"] for record in records]
        return "platform.report" in kinds and kinds

    kinds = until(told, "the report")
    expected = ["platform.logsSubscription", "platform.extension", "platform.start", "function", "platform.end", "platform.report"]
    assert kinds[: len(expected)] == expected


def test_ten_extensions_run_and_eleven_do_not(invoke, extended):
    names = [f"observer{n}" for n in range(10)]
    name = extended(names=names)
    invoke(name).ok
    assert all(len(of("event", kept(invoke, name, observer))) for observer in names)
    answer = invoke(extended(names=[*names, "one-more"]))
    assert answer.json["errorType"] == "Extension.LaunchError"


PARTING = {
    "python": {
        "app.py": """
import os, signal, sys

def leave(*_):
    print("the runtime was told", flush=True)
    sys.exit(0)

signal.signal(signal.SIGTERM, leave)

def handler(event, context):
    return 1
"""
    },
    "nodejs": {
        "app.mjs": """
process.on("SIGTERM", () => { console.log("the runtime was told"); process.exit(0); });
export const handler = async () => 1;
"""
    },
}


@pytest.mark.parametrize("family", PARTING)
def test_the_end_of_an_idle_environment_is_told_to_the_runtime_then_to_extensions(
    invoke, extended, lambda_, logs, runtimes, family
):
    package, runtime = pack(PARTING[family]), newest(runtimes, family)
    name = extended(observer={"subscribe": EVERYTHING}, zip_file=package, Handler="app.handler", Runtime=runtime)
    answer = invoke(name)
    # New code: the environment of the old one ends.
    lambda_.update_function_code(FunctionName=name, ZipFile=pack({**PARTING[family], "new": ""}))
    reason, told = farewell(logs, name)
    assert reason == "spindown" and 0 < of("event", told)[-1]["deadlineMs"] / 1000
    assert any(line.endswith("the runtime was told") for line in messages(logs, name))
    # The last report is delivered at the latest with the end.
    reports = [record for record in of("telemetry", told) if record["type"] == "platform.report"]
    assert [report["record"]["requestId"] for report in reports] == [answer.request_id]


def test_segments_for_x_ray_are_kept_and_floods_are_not(server, invoke, make):
    package = pack(
        {
            "app.py": """
import os, socket, urllib.request

def handler(event, context):
    host, port = os.environ["AWS_XRAY_DAEMON_ADDRESS"].split(":")
    daemon = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for n in range(event["count"]):
        daemon.sendto(b'{"format": "json", "version": 1}\\n{"name": "%s"}' % event["name"].encode(), (host, int(port)))
    daemon.sendto(b"no segment", (host, int(port)))
    url = f"http://{os.environ['AWS_LAMBDA_METADATA_API']}/2026-01-15/metadata/execution-environment"
    token = os.environ["AWS_LAMBDA_METADATA_TOKEN"]
    with urllib.request.urlopen(urllib.request.Request(url, headers={"authorization": f"Bearer {token}"})) as answer:
        return [answer.headers["cache-control"], answer.read().decode()]
"""
        }
    )
    name = make.create("traced", zip_file=package, Handler="app.handler")
    answer = invoke(name, {"count": 3, "name": name}).ok
    assert answer == ["private, max-age=43200, immutable", '{"AvailabilityZoneID":"use1-az1"}']

    def segments():
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/_lambent/traces", timeout=10) as answer:
            kept = json.load(answer)["segments"]
        mine = [segment for segment in kept if (segment["document"] or {}).get("name") == name]
        return len(mine) == 3 and mine

    assert {segment["origin"] for segment in until(segments, "three segments")} == {"function"}
    invoke(name, {"count": 20_000, "name": "flood"}).ok


def test_extensions_of_json_functions_are_told_objects(invoke, extended, logs):
    name = extended(observer={"subscribe": EVERYTHING}, LoggingConfig={"LogFormat": "JSON"})
    # The probe prints plainly; what is no object stays a string.
    answer = functions.invoke(invoke.client, name, {"do": "sleep", "seconds": 0, "print": '{"own": 1}'})
    answer.ok

    def told():
        file = functions.invoke(invoke.client, name, {"do": "read", "path": "/tmp/observer.jsonl"}).ok
        records = of("telemetry", [json.loads(line) for line in file.splitlines()])
        return [record["record"] for record in records if record["type"] == "function"]

    assert {"own": 1} in until(told, "the function's line")
    lines = [line for line in messages(logs, name) if '"platform.extension"' in line]
    assert json.loads(lines[0])["record"]["state"] == "Ready"


@pytest.fixture(scope="module")
def program():
    """The extension with AWS's own library."""
    target = CACHE / "extension-rust"
    built = target / "debug" / "telemetry-keeper"
    build("cargo", ["build", "--quiet", "--locked"], "extension-rust", built, {"CARGO_TARGET_DIR": str(target)})
    return built.read_bytes()


def test_aws_s_own_library_takes_the_logs_api(invoke, make, program, lambda_, logs):
    layer = lambda_.publish_layer_version(
        LayerName=unique("logs"), Content={"ZipFile": pack({"extensions/rust": (program, 0o755)})}
    )
    variables = {"Variables": {"LOGS_API": "1"}}
    name = make.create("logs", Layers=[layer["LayerVersionArn"]], Environment=variables)
    answer = invoke(name, {"do": "sleep", "seconds": 0, "print": "hello"})

    def told():
        lines = invoke(name, {"do": "read", "path": "/tmp/rust.jsonl"}).ok.splitlines()
        found = of("log", [json.loads(line) for line in lines])
        return any(record.startswith("PlatformReport") for record in found) and found

    found = until(told, "the report")
    kinds = [record.partition(" ")[0].partition("(")[0] for record in found]
    expected = ["PlatformLogsSubscription", "PlatformExtension", "PlatformStart", "Function", "PlatformRuntimeDone"]
    assert [kind for kind in kinds if kind in expected][: len(expected)] == expected, kinds
    assert any("hello" in record for record in found if record.startswith("Function"))
    assert any(answer.request_id in record for record in found if record.startswith("PlatformReport"))


SENTRY = """
import http from "node:http";
const listen = (port, take) => new Promise((resolve) => {
  const server = http.createServer((request, response) => {
    let body = "";
    request.on("data", (piece) => (body += piece));
    request.on("end", () => { response.end("{}"); take({ path: request.url, body }); });
  }).listen(port, "127.0.0.1", () => resolve(server));
});
export const handler = async () => {
  let arrived;
  const received = new Promise((resolve) => (arrived = resolve));
  const server = await listen(9999, arrived);
  // As Sentry's SDK sends it: to the extension, which sends it on when the function has answered, and before.
  const body = JSON.stringify({ dsn: process.env.SENTRY_DSN }) + "\\n{}\\n";
  const answer = await fetch("http://localhost:9000/envelope", { method: "POST", body });
  const found = await received;
  server.close();
  return { status: answer.status, ...found };
};
"""


def test_a_published_extension(invoke, make, lambda_, logs, runtimes):
    """Sentry's Lambda extension, of its npm package in the version that the manifest names: it takes what the SDK sends
    and forwards it, here to a listener in the function, as nothing else is reached."""
    folder = node_packages(Path(__file__).parent / "packages_nodejs" / "installs" / "sentry.json")
    extension = folder / "node_modules" / "@sentry" / "aws-serverless" / "build" / "lambda-extension"
    files = {
        "extensions/sentry-extension": ((extension / "sentry-extension").read_bytes(), 0o755),
        "sentry-extension/index.mjs": ((extension / "index.mjs").read_bytes(), 0o755),
    }
    layer = lambda_.publish_layer_version(LayerName=unique("sentry"), Content={"ZipFile": pack(files)})
    dsn = "http://key@127.0.0.1:9999/1"
    name = make.create(
        "sentry",
        pack({"index.mjs": SENTRY}),
        Runtime=newest(runtimes, "nodejs"),
        Handler="index.handler",
        MemorySize=512,
        Layers=[layer["LayerVersionArn"]],
        Environment={"Variables": {"SENTRY_DSN": dsn}},
    )
    for _ in range(2):
        found = invoke(name).ok
        assert (found["status"], found["path"]) == (200, "/api/1/envelope/?sentry_version=7&sentry_key=key")
        assert json.loads(found["body"].splitlines()[0]) == {"dsn": dsn}
    ready = "EXTENSION\tName: sentry-extension\tState: Ready\tEvents: [INVOKE, SHUTDOWN]"
    assert ready in messages(logs, name)


def test_an_extension_with_aws_s_own_library(invoke, extended, program, lambda_, logs):
    name = extended(files={"extensions/rust": (program, 0o755)})
    answers = [invoke(name, {"do": "sleep", "seconds": 0, "print": "hello"}) for _ in range(2)]
    lambda_.update_function_code(FunctionName=name, ZipFile=probe_zip("two"))
    reason_and_told = until(
        lambda: next((line for line in messages(logs, name) if line.startswith("rust ends: ")), None), "its end"
    )
    told = [json.loads(line) for line in reason_and_told.removeprefix("rust ends: ").split("\x1e") if line]
    assert of("invoke", told) == [answer.request_id for answer in answers] and of("shutdown", told) == ["spindown"]
    records = of("telemetry", told)
    # Read by the library's types, and written again.
    assert [record["type"] for record in records][:5] == [
        "platform.initStart",
        "platform.telemetrySubscription",
        "platform.initRuntimeDone",
        "platform.extension",
        "platform.initReport",
    ]
    reports = [record["record"] for record in records if record["type"] == "platform.report"]
    assert [report["requestId"] for report in reports] == [answer.request_id for answer in answers]
    assert reports[0]["metrics"]["initDurationMs"] > 0 and "initDurationMs" not in reports[1]["metrics"]
    assert [record["record"] for record in records if record["type"] == "function"] == ["hello", "hello"]
