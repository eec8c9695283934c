"""Published packages for Node.js, unmodified from npm, in functions of the running binary."""

import json
from pathlib import Path

import pytest

from support.functions import source
from support.installed import http_event, node_packages, packed
from support.packages import pack
from support.server import ISOLATION
from support.urls import open_url, request

HERE = Path(__file__).resolve().parent
# The newest first. What hooks `require` does not see handlers from nodejs24.x on, on AWS neither.
RUNTIMES = ("nodejs22.x", "nodejs20.x")


@pytest.fixture
def deploy(make, runtimes):
    """A function of these files with what the manifest of that name installs."""
    usable = [runtime for runtime in RUNTIMES if runtime in runtimes]
    if not usable:
        pytest.skip(f"none of {', '.join(RUNTIMES)} has an interpreter on this host")

    def call(group, files, handler, **variables):
        folder = node_packages(HERE / "installs" / f"{group}.json")
        sources = {name: (HERE / "functions" / name).read_text() for name in files}
        return make.create(
            group,
            zip_file=packed(folder, sources),
            Runtime=usable[0],
            Handler=handler,
            Timeout=60,
            MemorySize=1024,
            Environment={"Variables": variables},
        )

    return call


def _documents(log):
    """The lines of a log that are JSON objects, whether or not the console's columns precede them."""
    lines = [line.rsplit("\t", 1)[-1] for line in log.splitlines()]
    return [json.loads(line) for line in lines if line.startswith("{")]


def _marked(log, mark):
    return [json.loads(line.partition(mark + " ")[2]) for line in log.splitlines() if f"\t{mark} " in line]


def test_powertools(deploy, invoke):
    name = deploy("powertools", ["powertools.mjs"], "powertools.handler")
    for cold in (True, False):
        answer = invoke(name, http_event("/items/tea"), tail=True)
        assert (answer.ok["statusCode"], json.loads(answer.ok["body"])) == (200, {"name": "tea"})
        documents = _documents(answer.log)
        record = next(document for document in documents if document.get("message") == "seen")
        assert (record["item"], record["level"], record["service"]) == ("tea", "INFO", "shop")
        assert (record["function_request_id"], record["cold_start"]) == (answer.request_id, cold)
        metrics = {key for document in documents if "_aws" in document for key in document}
        assert "Seen" in metrics and ("ColdStart" in metrics) == cold


def test_sentry(deploy, invoke):
    name = deploy("sentry", ["sentry.mjs"], "sentry.handler")
    assert invoke(name, {}).ok == {"fine": True}
    failed = invoke(name, {"fail": True}, tail=True)
    assert (failed.json["errorType"], failed.json["errorMessage"]) == ("RangeError", "for sentry")
    events = [details for _, exceptions, details in _marked(failed.log, "SENTRY") if exceptions == ["RangeError"]]
    assert events and events[0]["aws_request_id"] == failed.request_id, failed.log


def test_opentelemetry(deploy, invoke):
    files = ["opentelemetry.cjs", "traced.js"]
    name = deploy("opentelemetry", files, "traced.handler", NODE_OPTIONS="--require /var/task/opentelemetry.cjs")
    answer = invoke(name, {"value": 3}, tail=True)
    assert answer.ok == {"traced": 3}
    spans = _marked(answer.log, "SPAN")
    assert len(spans) == 1 and answer.request_id in spans[0][1].values(), answer.log


def test_datadog(deploy, invoke):
    # Its handler is deep in its package and names the function's own in a variable.
    variables = {"DD_LAMBDA_HANDLER": "datadog_app.handler", "DD_FLUSH_TO_LOG": "true", "DD_TRACE_ENABLED": "false"}
    handler = "node_modules/datadog-lambda-js/dist/handler.handler"
    name = deploy("datadog", ["datadog_app.js"], handler, **variables)
    for value in (4, 5):
        answer = invoke(name, {"value": value}, tail=True)
        assert answer.ok == {"counted": value}
        metrics = [document for document in _documents(answer.log) if document.get("m") == "orders"]
        assert [metric["v"] for metric in metrics] == [value], answer.log


def test_serverless_http_and_express(deploy, invoke):
    name = deploy("web", ["express.cjs"], "express.handler")
    answer = invoke(name, http_event("/items/tea")).ok
    assert (answer["statusCode"], json.loads(answer["body"])) == (200, {"name": "tea", "a": "1"})
    made = invoke(name, http_event("/orders", "POST", '{"name":"ü"}')).ok
    assert (made["statusCode"], json.loads(made["body"])) == (201, {"name": "ü"})
    assert invoke(name, http_event("/nothing")).ok["statusCode"] == 404


def test_hono(deploy, invoke):
    name = deploy("web", ["hono.mjs"], "hono.handler")
    answer = invoke(name, http_event("/items/tea"))
    assert json.loads(answer.ok["body"]) == {"name": "tea", "a": "1", "id": answer.request_id}
    made = invoke(name, http_event("/orders", "POST", '{"name":"ü"}')).ok
    assert (made["statusCode"], json.loads(made["body"])) == (201, {"name": "ü"})


def test_hono_streams(deploy, invoke):
    name = deploy("web", ["hono.mjs"], "hono.streaming")
    prelude, body = invoke(name, http_event("/stream")).payload.split(bytes(8))
    assert json.loads(prelude)["statusCode"] == 200 and body == b"one two"


def test_hono_behind_a_url(deploy, lambda_):
    name = deploy("web", ["hono.mjs"], "hono.handler")
    url = open_url(lambda_, name)
    assert request(url, path="/items/tea?a=1").json["name"] == "tea"
    made = request(url, "POST", "/orders", '{"name":"ü"}'.encode(), [("content-type", "application/json")])
    assert (made.status, made.json) == (201, {"name": "ü"})


def test_hono_streams_behind_a_url(deploy, lambda_):
    name = deploy("web", ["hono.mjs"], "hono.streaming")
    answer = request(open_url(lambda_, name, InvokeMode="RESPONSE_STREAM"), path="/stream")
    assert (answer.status, answer.body) == (200, b"one two")
    assert answer.headers["content-type"].startswith("text/plain")


def test_middy(deploy, invoke):
    name = deploy("web", ["middy.mjs"], "middy.handler")
    answer = invoke(name, http_event("/orders", "POST", '{"name":"ü"}'))
    assert answer.ok == {"statusCode": 200, "body": '"ü"', "after": answer.request_id}


@pytest.mark.skipif(ISOLATION == "process", reason="without a sandbox the variables of this process' SDK would decide")
def test_the_sdk_calls_the_platform_unaided(deploy, invoke, probe):
    name = deploy("sdk", ["calls.mjs"], "calls.handler")
    invoke(name, {"other": probe})
    again = invoke(name, {"other": probe}).ok
    assert again == {"answer": 5, "groups": [f"/aws/lambda/{name}"]}


@pytest.mark.skipif(ISOLATION == "process", reason="without a sandbox the variables of this process' SDK would decide")
def test_the_sdk_reads_a_stream(deploy, invoke, make):
    zip_file = pack({"bootstrap": (source("stream/bootstrap"), 0o755)})
    other = make.create("stream", zip_file, Runtime="provided.al2023", Handler="any")
    name = deploy("sdk", ["streams.mjs"], "streams.handler")
    steps = [{"text": "one "}, {"text": "two"}]
    whole = invoke(name, {"other": other, "payload": {"steps": steps}}).ok
    assert whole == {"text": "one two", "version": "$LATEST"}
    steps.append({"trailers": {"type": "Function.Broken", "body": "{}"}})
    assert invoke(name, {"other": other, "payload": {"steps": steps}}).ok["error"] == "Function.Broken"
