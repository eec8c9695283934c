"""The server's own log, and what it sends to a collector."""

import http.server
import json
import threading

import pytest

from support import functions
from support.clients import Clients
from support.functions import ROLE, probe_zip, unique, until_active
from support.wait import until

SECRET = "a-secret-that-belongs-in-no-log"


def fields(message):
    """A message of Protocol Buffers as number → values (protobuf.dev, "Encoding")."""
    found, place = {}, 0

    def varint():
        nonlocal place
        value = shift = 0
        while True:
            byte = message[place]
            place += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while place < len(message):
        tag = varint()
        match tag & 7:
            case 0:
                value = varint()
            case 1:
                value, place = message[place : place + 8], place + 8
            case 2:
                length = varint()
                value, place = message[place : place + length], place + length
            case 5:
                value, place = message[place : place + 4], place + 4
        found.setdefault(tag >> 3, []).append(value)
    return found


def attributes(pairs):
    """`KeyValue`s with text, numbers and booleans."""
    read = {}
    for pair in map(fields, pairs):
        value = fields(pair[2][0])
        text = value.get(1, [None])[0]
        read[pair[1][0].decode()] = text.decode() if text is not None else next(iter(value.values()))[0]
    return read


class Collector(http.server.ThreadingHTTPServer):
    """Takes OTLP over HTTP, as much as these tests look at."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Take)
        self.received = []
        self.thread = threading.Thread(target=self.serve_forever)
        self.thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def bodies(self, path):
        return [body for where, _, body in list(self.received) if where == path]

    def spans(self):
        """Every span so far, by its name."""
        spans = {}
        for body in self.bodies("/v1/traces"):
            for resource_spans in map(fields, fields(body).get(1, [])):
                resource = attributes(fields(resource_spans[1][0]).get(1, []))
                for scope in map(fields, resource_spans.get(2, [])):
                    for span in map(fields, scope.get(2, [])):
                        entry = {
                            "trace": span[1][0].hex(),
                            "id": span[2][0].hex(),
                            "parent": span.get(4, [b""])[0].hex(),
                            "attributes": attributes(span.get(9, [])),
                            "resource": resource,
                        }
                        spans.setdefault(span[5][0].decode(), []).append(entry)
        return spans

    def close(self):
        self.shutdown()
        self.thread.join()
        self.server_close()


class Take(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.received.append((self.path, dict(self.headers), body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def collector():
    collector = Collector()
    yield collector
    collector.close()


def create(server, **settings):
    client, name = Clients(server).boto("lambda"), unique("told")
    client.create_function(
        FunctionName=name, Runtime=server.python(), Role=ROLE, Handler="lambda_function.lambda_handler", Timeout=20,
        Code={"ZipFile": probe_zip()}, **settings,
    )  # fmt: skip
    until_active(client, name)
    return client, name


def test_a_collector_gets_the_trace_of_a_request(own_server, collector):
    own_server.environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=mine",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "OTEL_METRIC_EXPORT_INTERVAL": "200",
    }
    server = own_server.start()
    client, name = create(server)
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    client.meta.events.register(
        "before-send.lambda.Invoke",
        lambda request, **_: request.headers.update(traceparent=f"00-{trace}-{parent}-01"),
    )
    event = {"do": "echo", "value": SECRET}
    assert functions.invoke(client, name, event).ok == SECRET
    assert functions.invoke(client, name, {"do": "fail"}).error

    def complete():
        spans = collector.spans()
        return len(spans.get("invoke", [])) == 2 and len(spans.get("lambda.Invoke", [])) == 2 and spans

    spans = until(complete, lambda: f"two traces in {collector.spans().keys()}")
    ids = [span["id"] for each in spans.values() for span in each]
    assert len(ids) == len(set(ids)), "each span is sent once"
    cold, failed = spans["lambda.Invoke"]
    assert (cold["trace"], cold["parent"]) == (trace, parent) == (failed["trace"], failed["parent"])
    assert cold["resource"]["service.name"] == "lambent"
    assert cold["resource"]["deployment.environment.name"] == "test"
    assert cold["attributes"]["rpc.method"] == "Invoke" and cold["attributes"]["http.response.status_code"] == 200
    invoke, again = spans["invoke"]
    assert (invoke["trace"], invoke["parent"]) == (trace, cold["id"])
    assert invoke["attributes"]["faas.invoked_name"] == name
    assert (invoke["attributes"]["faas.coldstart"], again["attributes"]["faas.coldstart"]) == (1, 0)
    assert again["attributes"]["error.type"]
    (launch,) = spans["launch"]
    assert (launch["trace"], launch["parent"]) == (trace, invoke["id"])
    assert spans["lambda.CreateFunction"][0]["parent"] == ""

    until(lambda: any(name.encode() in body for body in collector.bodies("/v1/metrics")), "the counts")
    assert any(b"faas.invocations" in body for body in collector.bodies("/v1/metrics"))
    assert all(headers["x-tenant"] == "mine" for _, headers, _ in collector.received)
    assert not any(SECRET.encode() in body for _, _, body in collector.received)
    assert server.stop() == 0


def test_a_collector_that_is_gone_is_named_once_and_hurts_nobody(own_server):
    own_server.environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_BSP_SCHEDULE_DELAY": "50"}
    server = own_server.start()
    client, name = create(server)
    until(lambda: "telemetry cannot be sent" in server.output(), "the warning")
    for number in range(5):
        assert functions.invoke(client, name, {"do": "echo", "value": number}).ok == number
    assert server.stop() == 0
    assert server.output().count("telemetry cannot be sent") == 1, server.output()


def test_what_cannot_be_sent_keeps_the_server_from_starting(own_server):
    own_server.environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector.example"}
    done = own_server.run("up", "--listen", "127.0.0.1:0", "--data-dir", own_server.data_dir)
    assert done.returncode != 0 and "OTEL_EXPORTER_OTLP_ENDPOINT" in done.stderr, done
    assert "launcher" not in done.stderr, "nothing was begun that then had to end"


def test_the_log_has_a_line_for_each_request_and_no_secret(own_server):
    own_server.arguments += ["--log", "debug", "--log-format", "json"]
    server = own_server.start()
    client, name = create(server, Environment={"Variables": {"PASSWORD": SECRET}})
    answer = functions.invoke(client, name, {"do": "echo", "value": SECRET})
    assert answer.ok == SECRET
    assert server.stop() == 0
    lines = [json.loads(line) for line in server.output().splitlines() if line.startswith("{")]
    (line,) = [line for line in lines if line.get("request_id") == answer.request_id]
    assert (line["level"], line["service"], line["operation"], line["status"]) == ("DEBUG", "lambda", "Invoke", 200)
    assert any(line["message"].startswith("stopping") for line in lines)
    assert SECRET not in server.output()
