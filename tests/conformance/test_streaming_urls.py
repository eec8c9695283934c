"""Function URLs with `InvokeMode` RESPONSE_STREAM (Lambda Developer Guide: "Invoking a response streaming enabled
function using Lambda function URLs")."""

import http.client
import json
import subprocess
from urllib.parse import urlsplit

import pytest

from conftest import Maker
from support.functions import arn, source
from support.packages import pack
from support.urls import connect, open_url, request
from support.wait import until

JSON = ("content-type", "application/json")


@pytest.fixture(scope="module")
def node(runtimes):
    ids = sorted(name for name in runtimes if name.startswith("nodejs"))
    if not ids:
        pytest.skip("no Node.js on this host")
    return ids[-1]


@pytest.fixture(scope="module")
def url(lambda_, python, node):
    """Of a streaming Node.js function."""
    maker = Maker(lambda_, python)
    name = maker.create("stream", pack({"index.mjs": source("stream/index.mjs")}), Runtime=node, Handler="index.handler")
    yield open_url(lambda_, name, InvokeMode="RESPONSE_STREAM")
    maker.clean()


def custom(make, **settings):
    """A custom runtime that streams what its event says, which is in the request's body."""
    zip_file = pack({"bootstrap": (source("stream/bootstrap"), 0o755)})
    return make.create("stream", zip_file, Runtime="provided.al2023", Handler="any", Timeout=20, **settings)


def streamed(url, wanted):
    return request(url, "POST", "/", json.dumps(wanted).encode(), [JSON])


def opened(url, wanted):
    """An answer whose body is still to be read, and its connection."""
    connection, body = connect(url), json.dumps(wanted)
    connection.request("POST", "/", body, {"Host": urlsplit(url).netloc, "Content-Type": "application/json"})
    return connection.getresponse(), connection


def test_a_prelude_is_the_head(url):
    head = {"status": 201, "headers": {"Content-Type": "text/plain", "X-One": "1"}, "cookies": ["a=1", "b=2"]}
    answer = streamed(url, {**head, "texts": ["one ", "two"]})
    assert (answer.status, answer.body) == (201, b"one two")
    assert (answer.headers["content-type"], answer.headers["x-one"]) == ("text/plain", "1")
    assert answer.headers.get_all("set-cookie") == ["a=1", "b=2"]
    assert answer.headers["transfer-encoding"] == "chunked" and answer.headers["x-amzn-requestid"]


def test_without_a_prelude_the_bytes_are_the_body(url):
    answer = streamed(url, {"texts": ["raw"]})
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"raw", "application/octet-stream")
    typed = streamed(url, {"texts": ["raw"], "type": "text/csv"})
    assert typed.headers["content-type"] == "text/csv"


def test_a_function_that_does_not_stream_is_sent_as_it_is(lambda_, make, node):
    zip_file = pack({"index.mjs": source("stream/index.mjs")})
    name = make.create("whole", zip_file, Runtime=node, Handler="index.whole")
    answer = request(open_url(lambda_, name, InvokeMode="RESPONSE_STREAM"))
    assert (answer.status, answer.json) == (200, {"statusCode": 201, "body": "whole"})


def test_bytes_arrive_while_the_function_runs(lambda_, make):
    name = custom(make)
    url = open_url(lambda_, name, InvokeMode="RESPONSE_STREAM")
    prelude = [{"text": '{"statusCode": 206, "headers": '}, {"text": "{}}"}, {"nuls": True}]
    steps = [*prelude, {"text": "first"}, {"gate": "go"}, {"text": "second"}]
    event = {"type": "application/vnd.awslambda.http-integration-response", "steps": steps}
    response, connection = opened(url, event)
    assert response.status == 206 and response.read(5) == b"first"
    # The function waits for what happens only now.
    lambda_.tag_resource(Resource=arn(name), Tags={"go": "on"})
    assert response.read() == b"second"
    connection.close()


@pytest.mark.parametrize("step", [{"cut": True}, {"trailers": {"type": "Function.Broken", "body": "{}"}}, {"exit": 1}])
def test_a_stream_that_fails_ends_before_its_end(lambda_, make, step):
    name = custom(make)
    url = open_url(lambda_, name, InvokeMode="RESPONSE_STREAM")
    response, connection = opened(url, {"steps": [{"text": "xy"}, {"gate": "go"}, step]})
    assert response.status == 200 and response.read(1) == b"x"
    lambda_.tag_resource(Resource=arn(name), Tags={"go": "on"})
    with pytest.raises(http.client.IncompleteRead) as broken:
        response.read()
    assert broken.value.partial == b"y"
    connection.close()


def test_what_came_before_a_failure_is_sent(url):
    response, connection = opened(url, {"failing": "late", "texts": ["x"]})
    with pytest.raises(http.client.IncompleteRead) as broken:
        response.read()
    assert (response.status, broken.value.partial) == (200, b"x")
    connection.close()


@pytest.mark.parametrize(
    "steps",
    [
        [{"text": "no prelude"}],
        [{"text": "[]"}, {"nuls": True}, {"text": "x"}],
        [{"text": '{"statusCode": 99}'}, {"nuls": True}],
        [{"text": '{"headers": {"a": "x\\r\\nb: y"}}'}, {"nuls": True}],
        [{"bytes": 1_000_000}],
    ],
)
def test_what_is_no_prelude_is_a_bad_gateway(lambda_, make, steps):
    url = open_url(lambda_, custom(make), InvokeMode="RESPONSE_STREAM")
    answer = streamed(url, {"type": "application/vnd.awslambda.http-integration-response", "steps": steps})
    assert (answer.status, answer.body) == (502, b"Internal Server Error")


def test_an_error_before_the_first_byte_is_a_bad_gateway(url):
    assert streamed(url, {"failing": "early", "texts": []}).status == 502


def test_a_slow_client_holds_the_function_back(server, lambda_, make, logs):
    """What is not read is not written: the server keeps a few pieces of it and no more."""
    name = custom(make, MemorySize=256)
    url = open_url(lambda_, name, InvokeMode="RESPONSE_STREAM")
    response, connection = opened(url, {"steps": [{"bytes": 150_000_000}]})
    assert len(response.read(1_000_000)) == 1_000_000
    before = resident(server)
    left = len(response.read())
    assert left == 149_000_000
    assert resident(server) - before < 30_000_000
    connection.close()


def resident(server):
    with open(f"/proc/{server.pid}/statm") as statm:
        return int(statm.read().split()[1]) * 4096


def test_a_buffered_url_of_a_streaming_function_has_the_whole(lambda_, make, node):
    zip_file = pack({"index.mjs": source("stream/index.mjs")})
    name = make.create("joined", zip_file, Runtime=node, Handler="index.handler")
    url = open_url(lambda_, name)
    answer = streamed(url, {"texts": ['{"statusCode": 202, ', '"body": "joined"}']})
    assert (answer.status, answer.body) == (202, b"joined")


def test_nodes_fetch_reads_a_stream(url):
    # Not every resolver knows that names below localhost lead to this machine.
    script = f"""
        import dns from "node:dns";
        dns.lookup = (name, options, callback) => callback(null, [{{ address: "127.0.0.1", family: 4 }}]);
        const answer = await fetch("{url}", {{ method: "POST", headers: {{ "content-type": "application/json" }},
            body: JSON.stringify({{ status: 200, headers: {{ "x-one": "1" }}, texts: ["a", "b", "c"] }}) }});
        let text = "";
        for await (const piece of answer.body) text += Buffer.from(piece).toString();
        console.log(answer.status, answer.headers.get("x-one"), text);
    """
    command = ["node", "--input-type=module", "-e", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout.split() == ["200", "1", "abc"], done.stderr


def test_a_function_goes_on_when_its_client_is_gone(lambda_, make, logs):
    from support.streams import messages

    name = custom(make)
    url = open_url(lambda_, name, InvokeMode="RESPONSE_STREAM")
    response, connection = opened(url, {"steps": [{"text": "x"}, {"gate": "go"}, {"bytes": 3_000_000}]})
    assert response.read(1) == b"x"
    response.close()
    connection.close()
    lambda_.tag_resource(Resource=arn(name), Tags={"go": "on"})
    until(lambda: "answered 202" in messages(logs, name), "the function to have written all of it")
