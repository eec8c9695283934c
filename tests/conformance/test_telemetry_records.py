"""Every record of the Telemetry API, by the bytes that an extension in Go has read (Lambda Developer Guide, "Lambda Telemetry
API Event schema reference"), in order, through all phases of one environment's life; and `platform.fault` of the Logs API."""

import json
import re

import pytest
from botocore.exceptions import ClientError

from support.functions import source, unique
from support.functions import invoke as call
from support.packages import pack
from support.wait import until
from test_runtimes import CACHE, build

pytestmark = pytest.mark.namespaces

CODE = """import os, time
def handler(event, context):
    if event.get("leave"):
        os._exit(7)
    print("line of the function")
    time.sleep(event.get("sleep", 0))
    if event.get("raise"):
        raise ValueError("no")
    return {"stream": context.log_stream_name}
"""

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
NUMBER = r"\d+(?:\.\d{1,2})?"
TRACING = r'"tracing":\{"type":"X-Amzn-Trace-Id","value":"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0[^"]*"\}'
KIND = '"initializationType":"on-demand"'
SPAN = rf'\{{"durationMs":{NUMBER},"name":"%s","start":"{TIME}"\}}'
SPANS = rf'"spans":\[{",".join(SPAN % name for name in ("responseLatency", "responseDuration", "runtimeOverhead"))}\]'
METRICS = (
    rf'"metrics":\{{"billedDurationMs":\d+,"durationMs":{NUMBER}(?:,"initDurationMs":{NUMBER})?(?:,"maxMemoryUsedMB":\d+)?,'
    r'"memorySizeMB":128\}'
)
OVERHEAD = rf'"spans":\[{SPAN % "extensionOverhead"}\]'


def records(phase=None, status="success", error=""):
    """What each record of an initialisation, or of an invocation, is to be."""
    failed = rf'"errorType":"{error}",' if error else ""
    if phase:
        version = r'"runtimeVersion":"python:3\.\d+","runtimeVersionArn":"arn:aws:lambda:us-east-1::runtime:[0-9a-f]+"'
        of = rf'{KIND},"phase":"{phase}"'
        return [
            ("platform.initStart", rf'\{{"functionName":"[^"]+","functionVersion":"\$LATEST",{of},{version}\}}'),
            ("platform.initRuntimeDone", rf'\{{{of},"status":"success"\}}'),
            ("platform.extension", r'\{"events":\["INVOKE","SHUTDOWN"\],"name":"go","state":"Ready"\}'),
            ("platform.initReport", rf'\{{{KIND},"metrics":\{{"durationMs":{NUMBER}\}},"phase":"{phase}","status":"success"\}}'),
        ]
    done_metrics, spans, overhead = rf'"metrics":\{{"durationMs":{NUMBER}\}}', "", ""
    if status == "success":
        done_metrics, spans = rf'"metrics":\{{"durationMs":{NUMBER},"producedBytes":\d+\}}', f"{SPANS},"
    if status in ("success", "error") and error != r"Runtime\.ExitError":
        overhead = rf"(?:{OVERHEAD},)?"
    return [
        ("platform.start", rf'\{{"requestId":"{ID}",{TRACING},"version":"\$LATEST"\}}'),
        ("platform.runtimeDone", rf'\{{{failed}{done_metrics},"requestId":"{ID}",{spans}"status":"{status}",{TRACING}\}}'),
        ("platform.report", rf'\{{{failed}{METRICS},"requestId":"{ID}",{overhead}"status":"{status}",{TRACING}\}}'),
    ]


def repeated(invocation):
    """With the initialisation that is part of it and comes ahead of its start."""
    return [*records(phase="invoke"), *invocation]


def taken_apart(bodies):
    """The records of the bodies, as text."""
    decoder = json.JSONDecoder()
    for body in bodies:
        assert body[0] == "[" and body[-1] == "]", body
        at = 1
        while at < len(body):
            _, end = decoder.raw_decode(body, at)
            yield body[at:end]
            at = end + 1


@pytest.fixture
def printed(lambda_, logs, make):
    target = CACHE / "extension-go" / "go"
    target.parent.mkdir(parents=True, exist_ok=True)
    build("go", ["build", "-o", str(target), "."], "extension-go", target, {"CGO_ENABLED": "0"})
    layer = lambda_.publish_layer_version(
        LayerName=unique("go"), Content={"ZipFile": pack({"extensions/go": (target.read_bytes(), 0o755)})}
    )
    name = make.create(
        "records", pack({"app.py": CODE}), Handler="app.handler", Timeout=2, Layers=[layer["LayerVersionArn"]]
    )
    # One at a time: an invocation finds the environment as the last one left it, and no other is made beside it.
    lambda_.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)

    class Printed:
        def lines(self):
            events = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
            streams = {event["logStreamName"] for event in events}
            assert len(streams) == 1, "there was another environment"
            return [event["message"].rstrip("\n") for event in events]

        def invoke(self, event=None):
            def answered():
                try:
                    return call(lambda_, name, event or {})
                except ClientError as error:
                    assert error.response["Error"]["Code"] == "TooManyRequestsException"
                    return None

            answer = until(answered, "the environment to be free")
            mine = f"REPORT RequestId: {answer.request_id}"
            until(lambda: any(line.startswith(mine) for line in self.lines()), "the report")
            return answer

    printed = Printed()
    printed.name = name
    return printed


def test_every_record_of_every_phase(lambda_, printed):
    printed.invoke().ok
    assert printed.invoke({"raise": True}).json["errorType"] == "ValueError"
    assert printed.invoke({"sleep": 30}).json["errorType"] == "Sandbox.Timedout"
    printed.invoke().ok
    assert printed.invoke({"leave": True}).json["errorType"] == "Runtime.ExitError"
    printed.invoke().ok
    lambda_.update_function_code(FunctionName=printed.name, ZipFile=pack({"app.py": CODE, "new": ""}))
    until(lambda: printed.lines().count("over") == 3, printed.lines)

    bodies = [line.removeprefix("telemetry ") for line in printed.lines() if line.startswith("telemetry ")]
    found = list(taken_apart(bodies))
    envelope = re.compile(rf'\{{"time":"({TIME})","type":"([a-zA-Z.]+)","record":(.*)\}}')
    parts = [envelope.fullmatch(text).groups() for text in found]
    lines = [record for _, kind, record in parts if kind == "function"]
    # Those that the function printed; of an error the client prints one more.
    assert lines.count('"line of the function"') == 5 and len(lines) == 6, lines
    assert [time for time, _, _ in parts] == sorted(time for time, _, _ in parts), "in the order in which it happened"
    expected = [
        *records(phase="init"),
        *records(),
        *records(status="error", error=r"Runtime\.Unknown"),
        *records(status="timeout"),
        *repeated(records()),
        *records(status="error", error=r"Runtime\.ExitError"),
        *repeated(records()),
    ]
    # It subscribes while the runtime initialises.
    subscriptions = [record for _, kind, record in parts if kind == "platform.telemetrySubscription"]
    assert subscriptions == ['{"name":"go","state":"Subscribed","types":["platform","function"]}'] * 3
    others = ("function", "platform.telemetrySubscription")
    platform = [(kind, record) for _, kind, record in parts if kind not in others]
    assert [kind for kind, _ in platform] == [kind for kind, _ in expected]
    for (kind, record), (_, pattern) in zip(platform, expected, strict=True):
        assert re.fullmatch(pattern, record), f"{kind}:\n{record}\n{pattern}"
    # The spans of an invocation follow each other and are its duration.
    for kind, record in platform:
        record = json.loads(record)
        if kind == "platform.runtimeDone" and record["status"] == "success":
            latency, sending, _ = record["spans"]
            assert latency["durationMs"] + sending["durationMs"] == pytest.approx(record["metrics"]["durationMs"], abs=0.02)
            assert latency["start"] <= sending["start"] <= record["spans"][2]["start"]
    events = [json.loads(line.removeprefix("event ")) for line in printed.lines() if line.startswith("event ")]
    told = [event.get("shutdownReason", event["eventType"]) for event in events]
    invokes = ["INVOKE"]
    assert told == [*invokes * 3, "timeout", *invokes * 2, "failure", *invokes, "spindown"]


def test_the_logs_api_tells_of_faults(lambda_, make, logs):
    body = {"schemaVersion": "2021-03-18", "types": ["platform"], "buffering": {"timeoutMs": 25}}
    layer = lambda_.publish_layer_version(
        LayerName=unique("fault"), Content={"ZipFile": pack({"extensions/observer": (source("extension/observer"), 0o755)})}
    )
    variables = {"OBSERVER": json.dumps({"subscribe": body, "api": "logs"})}
    name = make.create(
        "fault",
        pack({"app.py": CODE}),
        Handler="app.handler",
        Layers=[layer["LayerVersionArn"]],
        Environment={"Variables": variables},
    )
    request_id = call(lambda_, name, {"leave": True}).request_id

    def farewell():
        events = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
        return next((event["message"] for event in events if event["message"].startswith("observer ends: ")), None)

    told = until(farewell, "the extension's end").split(" ", 3)[3].rstrip("\n").split("\x1e")
    records = [what for kind, what in map(json.loads, filter(None, told)) if kind == "telemetry"]
    kinds = [record["type"] for record in records]
    assert kinds[-4:] == ["platform.fault", "platform.runtimeDone", "platform.end", "platform.report"]
    fault = f"RequestId: {request_id} Error: Runtime exited with error: exit status 7\nRuntime.ExitError"
    assert records[-4]["record"] == fault
