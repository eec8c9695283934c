"""Published packages for Python, unmodified from PyPI, in functions of the running binary."""

import json
from pathlib import Path

import pytest

from support.functions import unique
from support.installed import http_event, packed, python_packages
from support.packages import pack
from support.server import ISOLATION

HERE = Path(__file__).resolve().parent
# Wheels with native parts (numpy, pydantic) are published for these.
RUNTIMES = ("python3.13", "python3.12", "python3.11")


@pytest.fixture
def deploy(make, runtimes):
    """A function of these files with what the requirements of that name install."""
    usable = [runtime for runtime in RUNTIMES if runtime in runtimes]
    if not usable:
        pytest.skip(f"none of {', '.join(RUNTIMES)} has an interpreter on this host")
    runtime = usable[0]

    def call(group, files, handler, **variables):
        folder = python_packages(HERE / "requirements" / f"{group}.txt", runtime)
        sources = {name: (HERE / "functions" / name).read_text() for name in files}
        return make.create(
            group,
            zip_file=packed(folder, sources),
            Runtime=runtime,
            Handler=handler,
            Timeout=60,
            MemorySize=1024,
            Environment={"Variables": variables},
        )

    return call


def _documents(log):
    """The lines of a log that are JSON objects."""
    return [json.loads(line) for line in log.splitlines() if line.startswith("{")]


def _marked(log, mark):
    return [json.loads(line.partition(mark + " ")[2]) for line in log.splitlines() if line.startswith(mark + " ")]


def test_powertools(deploy, invoke):
    name = deploy("powertools", ["powertools.py"], "powertools.handler")
    answer = invoke(name, http_event("/items/tea"), tail=True)
    assert (answer.ok["statusCode"], json.loads(answer.ok["body"])) == (200, {"name": "tea"})
    documents = _documents(answer.log)
    record = next(document for document in documents if document.get("message") == "seen")
    assert (record["item"], record["level"], record["service"]) == ("tea", "INFO", "shop")
    assert (record["function_request_id"], record["cold_start"]) == (answer.request_id, True)
    metrics = {key for document in documents if "_aws" in document for key in document}
    assert {"Seen", "ColdStart"} <= metrics
    warm = invoke(name, http_event("/items/milk"), tail=True)
    record = next(document for document in _documents(warm.log) if document.get("message") == "seen")
    assert (record["function_request_id"], record["cold_start"]) == (warm.request_id, False)
    failed = invoke(name, http_event("/fail"))
    assert failed.json["errorType"] == "ValueError" and "in fail" in "".join(failed.json["stackTrace"])


def test_sentry(deploy, invoke):
    name = deploy("sentry", ["sentry.py"], "sentry.handler")
    fine = invoke(name, {}, tail=True)
    assert fine.ok == {"fine": True}
    failed = invoke(name, {"fail": True}, tail=True)
    assert (failed.json["errorType"], failed.json["errorMessage"]) == ("ValueError", "for sentry")
    sent = _marked(failed.log, "SENTRY")
    events = [details for kind, exceptions, details in sent if exceptions == ["ValueError"]]
    # Sentry finds the client's function by name and wraps it; this is what it learnt of the invocation.
    assert events and events[0]["aws_request_id"] == failed.request_id and events[0]["function_name"] == name
    assert "transaction" in [kind for kind, _, _ in sent]


def test_opentelemetry(deploy, invoke):
    files = ["opentelemetry_app.py", "opentelemetry_wrapper.py"]
    name = deploy("opentelemetry", files, "opentelemetry_wrapper.lambda_handler")
    answer = invoke(name, {"value": 3}, tail=True)
    assert answer.ok == {"traced": 3}
    spans = _marked(answer.log, "SPAN")
    assert len(spans) == 1 and answer.request_id in spans[0][1].values(), spans


def test_datadog(deploy, invoke):
    # Its handler names the function's own in a variable; without its extension metrics go to the log.
    variables = {"DD_LAMBDA_HANDLER": "datadog_app.handler", "DD_FLUSH_TO_LOG": "true", "DD_TRACE_ENABLED": "false"}
    name = deploy("datadog", ["datadog_app.py"], "datadog_lambda.handler.handler", **variables)
    for value in (4, 5):
        answer = invoke(name, {"value": value}, tail=True)
        assert answer.ok == {"counted": value}
        metrics = [document for document in _documents(answer.log) if document.get("m") == "orders"]
        assert [metric["v"] for metric in metrics] == [value], answer.log


def test_mangum_and_fastapi(deploy, invoke):
    name = deploy("web", ["web.py"], "web.handler")
    answer = invoke(name, http_event("/items/tea")).ok
    assert (answer["statusCode"], json.loads(answer["body"])) == (200, {"name": "tea", "a": 1})
    made = invoke(name, http_event("/orders", "POST", '{"name":"ü","amount":2}')).ok
    assert (made["statusCode"], json.loads(made["body"])) == (201, {"name": "ü", "amount": 2})
    assert invoke(name, http_event("/orders", "POST", '{"name":"x","amount":-1}')).ok["statusCode"] == 409
    assert invoke(name, http_event("/orders", "POST", "{}")).ok["statusCode"] == 422
    assert invoke(name, http_event("/nothing")).ok["statusCode"] == 404


def test_numpy_and_pandas_in_a_layer(make, invoke, lambda_, runtimes):
    usable = [runtime for runtime in RUNTIMES if runtime in runtimes]
    if not usable:
        pytest.skip(f"none of {', '.join(RUNTIMES)} has an interpreter on this host")
    folder = python_packages(HERE / "requirements" / "data.txt", usable[0])
    content = {"ZipFile": packed(folder, {}, "python/")}
    layer = lambda_.publish_layer_version(LayerName=unique("data"), Content=content)["LayerVersionArn"]
    code = pack({"data.py": (HERE / "functions" / "data.py").read_text()})
    settings = {"Runtime": usable[0], "Handler": "data.handler", "Timeout": 60, "MemorySize": 1024}
    name = make.create("data", zip_file=code, Layers=[layer], **settings)
    answer = invoke(name, {"values": [1, 2, 6]}).ok
    assert answer == {"mean": 3.0, "product": [3, 7], "frame": [{"value": 1}, {"value": 2}, {"value": 6}]}


@pytest.mark.skipif(ISOLATION == "process", reason="without a sandbox the variables of this process' SDK would decide")
def test_boto3_calls_the_platform_unaided(deploy, invoke, probe):
    name = deploy("boto3", ["calls.py"], "calls.handler")
    first = invoke(name, {"other": probe}).ok
    again = invoke(name, {"other": probe}).ok
    assert first["answer"] == again["answer"] == 5 and again["groups"] == [f"/aws/lambda/{name}"]
