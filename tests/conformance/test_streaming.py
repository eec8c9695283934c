"""Response streaming (Lambda Developer Guide: "Response streaming for Lambda functions", "Building a custom runtime for
AWS Lambda"; API Reference: InvokeWithResponseStream)."""

import base64
import json
import subprocess
import time

import pytest

from conftest import Maker
from support.clients import Clients
from support.errors import refused
from support.functions import arn, source
from support.packages import pack
from support.streams import messages
from support.wait import until
from test_runtimes import rust_program


@pytest.fixture(scope="module")
def streaming(lambda_, python):
    """A custom runtime that streams what its event says."""
    maker = Maker(lambda_, python)
    yield maker.create("stream", stream_zip(), Runtime="provided.al2023", Handler="any", Timeout=10)
    maker.clean()


def stream_zip():
    return pack({"bootstrap": (source("stream/bootstrap"), 0o755)})


class Streamed:
    """The answer of one streaming invocation, read event by event."""

    def __init__(self, client, name, event, **options):
        self.answer = client.invoke_with_response_stream(FunctionName=name, Payload=json.dumps(event), **options)
        self.events = iter(self.answer["EventStream"])
        self.complete = None

    def chunk(self):
        """The next chunk; None at the end."""
        event = next(self.events, None)
        if event is None or "InvokeComplete" in event:
            self.complete = event and event["InvokeComplete"]
            assert next(self.events, None) is None, "nothing follows the end"
            return None
        return event["PayloadChunk"]["Payload"]

    def rest(self):
        """All that comes, joined."""
        return b"".join(iter(self.chunk, None))


def test_bytes_arrive_while_the_function_runs(lambda_, make):
    name = make.create("gated", stream_zip(), Runtime="provided.al2023", Handler="any", Timeout=20)
    stream = Streamed(lambda_, name, {"steps": [{"text": "first"}, {"gate": "go"}, {"text": "second"}]})
    assert stream.answer["StatusCode"] == 200 and stream.answer["ExecutedVersion"] == "$LATEST"
    assert stream.answer["ResponseStreamContentType"] == "application/vnd.amazon.eventstream"
    # The function waits for what happens only now.
    assert stream.chunk() == b"first"
    lambda_.tag_resource(Resource=arn(name), Tags={"go": "on"})
    assert stream.rest() == b"second"
    assert stream.complete == {}


def test_the_sdk_for_rust_reads_it_piece_by_piece(server, lambda_, make):
    name = make.create("gated", stream_zip(), Runtime="provided.al2023", Handler="any", Timeout=20)
    event = json.dumps({"steps": [{"text": "first"}, {"gate": "go"}, {"text": "second"}]})
    client = subprocess.Popen([rust_program("sdk-rust"), server.url, name, event], stdout=subprocess.PIPE, text=True)
    try:
        assert client.stdout.readline() == "STATUS 200 $LATEST\n"
        assert client.stdout.readline() == "CHUNK first\n"
        lambda_.tag_resource(Resource=arn(name), Tags={"go": "on"})
        assert client.stdout.read() == "CHUNK second\nEND well\n"
        assert client.wait(20) == 0
    finally:
        client.kill()
        client.wait()


def test_a_buffered_caller_gets_the_joined_bytes(lambda_, streaming, invoke):
    event = {"steps": [{"text": '{"a":'}, {"text": "1}"}]}
    assert invoke(streaming, event).ok == {"a": 1}
    large = invoke(streaming, {"steps": [{"bytes": 7_000_000}]})
    assert large.error == "Unhandled" and large.json["errorType"] == "Function.ResponseSizeTooLarge"


def test_a_streaming_caller_of_a_buffered_function_gets_it_whole(lambda_, probe, invoke):
    stream = Streamed(lambda_, probe, {"do": "echo", "value": {"x": [1, 2]}})
    chunk = stream.chunk()
    assert chunk == invoke(probe, {"do": "echo", "value": {"x": [1, 2]}}).payload
    assert stream.chunk() is None and stream.complete == {}


def test_the_log_comes_with_the_end(lambda_, streaming):
    stream = Streamed(lambda_, streaming, {"steps": [{"text": "x"}]}, LogType="Tail")
    assert stream.rest() == b"x"
    log = base64.b64decode(stream.complete["LogResult"]).decode()
    request_id = stream.answer["ResponseMetadata"]["RequestId"]
    assert f"START RequestId: {request_id}" in log and f"REPORT RequestId: {request_id}" in log


ENDS = {
    "trailers": (
        [{"text": "x"}, {"trailers": {"type": "Function.Broken", "body": '{"errorMessage":"no"}'}}],
        ("Function.Broken", '{"errorMessage":"no"}'),
    ),
    "broken off": ([{"text": "x"}, {"cut": True}], ("Runtime.TruncatedResponse", "RequestId: ")),
    "timeout": ([{"text": "x"}, {"sleep": 60}], ("Sandbox.Timedout", "Task timed out after 3.00 seconds")),
}


@pytest.mark.parametrize("case", ENDS)
def test_errors_in_mid_stream_come_with_the_end(lambda_, make, case):
    steps, (code, details) = ENDS[case]
    name = make.create("ends", stream_zip(), Runtime="provided.al2023", Handler="any", Timeout=3)
    stream = Streamed(lambda_, name, {"steps": steps})
    assert stream.rest() == b"x"
    assert stream.complete["ErrorCode"] == code
    assert details in stream.complete["ErrorDetails"]
    # The environment, or another one, is there for the next.
    assert Streamed(lambda_, name, {"steps": [{"text": "again"}]}).rest() == b"again"


def test_a_runtime_that_dies_ends_the_stream(lambda_, streaming):
    stream = Streamed(lambda_, streaming, {"steps": [{"text": "x"}, {"exit": 3}]})
    assert stream.rest() == b"x"
    # Whichever is seen first: the connection breaks by the death.
    assert stream.complete["ErrorCode"] in ("Runtime.ExitError", "Runtime.TruncatedResponse")
    assert Streamed(lambda_, streaming, {"steps": [{"text": "again"}]}).rest() == b"again"


def test_an_error_before_the_first_byte_is_the_end(lambda_, streaming):
    error = {"errorType": "Function.Early", "errorMessage": "before"}
    stream = Streamed(lambda_, streaming, {"error": error})
    assert stream.answer["StatusCode"] == 200 and stream.rest() == b""
    assert stream.complete["ErrorCode"] == "Function.Early"
    assert json.loads(stream.complete["ErrorDetails"]) == error


def test_a_second_answer_is_refused_while_the_first_streams(lambda_, make):
    name = make.create("twice", stream_zip(), Runtime="provided.al2023", Handler="any", Timeout=20)
    stream = Streamed(lambda_, name, {"steps": [{"text": "x"}, {"gate": "go"}, {"second": True}]})
    assert stream.chunk() == b"x"
    lambda_.tag_resource(Resource=arn(name), Tags={"go": "on"})
    assert stream.rest() == b"403 InvalidStateTransition" and stream.complete == {}


def test_an_unknown_mode_is_an_error(lambda_, streaming):
    stream = Streamed(lambda_, streaming, {"mode": "trickling", "steps": [{"text": "x"}]})
    assert stream.rest() == b"" and stream.complete["ErrorCode"] == "Runtime.InvalidResponseModeHeader"


def test_two_hundred_megabytes_pass_and_no_more(lambda_, make):
    limit = 200 * 1024 * 1024
    name = make.create("large", stream_zip(), Runtime="provided.al2023", Handler="any", Timeout=120)
    for more in (0, 1):
        stream = Streamed(lambda_, name, {"steps": [{"bytes": limit + more}]})
        assert sum(len(chunk) for chunk in iter(stream.chunk, None)) == limit
        assert stream.complete.get("ErrorCode") == ("Function.ResponseSizeTooLarge" if more else None)


def test_a_function_goes_on_when_its_caller_is_gone(lambda_, make, logs):
    name = make.create("alone", stream_zip(), Runtime="provided.al2023", Handler="any", Timeout=20)
    stream = Streamed(lambda_, name, {"steps": [{"text": "x"}, {"gate": "go"}, {"bytes": 3_000_000}]})
    assert stream.chunk() == b"x"
    stream.answer["EventStream"].close()
    lambda_.tag_resource(Resource=arn(name), Tags={"go": "on"})
    until(lambda: "answered 202" in messages(logs, name), "the function to have written all of it")
    until(lambda: any(line.startswith("REPORT ") for line in messages(logs, name)), "its REPORT")


def test_a_rate_holds_what_follows_the_first_six_megabytes(own_server):
    (own_server.home / "lambent.toml").write_text("stream_bytes_per_second = 2097152\n")
    own_server.arguments += ["--config", own_server.home / "lambent.toml"]
    own_server.start()
    client = Clients(own_server).boto("lambda")
    name = Maker(client, own_server.python()).create("rate", stream_zip(), Runtime="provided.al2023", Handler="any")
    began = time.monotonic()
    stream = Streamed(client, name, {"steps": [{"bytes": 8 * 1024 * 1024}]})
    assert len(stream.rest()) == 8 * 1024 * 1024 and stream.complete == {}
    # However slow the machine is, it cannot be sooner than the second that two megabytes take.
    assert time.monotonic() - began >= 0.9


def test_parameters_are_those_of_invoke(lambda_, streaming, make):
    dry = lambda_.invoke_with_response_stream(FunctionName=streaming, InvocationType="DryRun")
    assert dry["StatusCode"] == 204
    gone = refused(lambda_.invoke_with_response_stream, FunctionName="no-such-function")
    assert (gone.status, gone.code) == (404, "ResourceNotFoundException")
    bad = refused(lambda_.invoke_with_response_stream, FunctionName=streaming, Payload=b"{")
    assert (bad.status, bad.code) == (400, "InvalidRequestContentException")
    lambda_.publish_version(FunctionName=streaming)
    qualified = Streamed(lambda_, streaming, {"steps": [{"text": "one"}]}, Qualifier="1")
    assert qualified.answer["ExecutedVersion"] == "1" and qualified.rest() == b"one"
    assert refused(lambda_.invoke_with_response_stream, FunctionName=streaming, InvocationType="Event").status == 400
