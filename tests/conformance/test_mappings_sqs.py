"""Queues whose messages functions are given (Lambda Developer Guide: "Using Lambda with Amazon SQS", "Handling errors for an
SQS event source", "Control which events Lambda sends to your function"). The same tests for this server's own queues and
for queues at an endpoint."""

import json

import pytest
from botocore.exceptions import ClientError

from support.clients import ACCOUNT, Clients
from support.errors import refused
from support.mappings import Mapped
from support.server import Server
from support.wait import until

IN_USE, PARAMETER = "ResourceInUseException", "InvalidParameterValueException"


@pytest.fixture(scope="module", params=["own", "moto"])
def world(request):
    """A server, whose account, and a client of the queues."""
    server = Server()
    moto = None
    config = "event_time_scale = 0.05\n"
    if request.param == "moto":
        pytest.importorskip("moto", reason="moto, which stands for queues elsewhere, is not installed")
        from support.moto import MOTO_ACCOUNT, Moto

        moto = Moto(server.home)
        config += f'[endpoints]\nsqs = "{moto.url}"\n'
    (server.home / "lambent.toml").write_text(config)
    try:
        clients = Clients(server.start())
        account = MOTO_ACCOUNT if moto else ACCOUNT
        sqs = moto.boto("sqs") if moto else clients.boto("sqs", key=account)
        if not moto:
            try:
                sqs.list_queues()
            except ClientError as error:
                pytest.skip(f"this server has no queues of its own: {error}")
        yield clients, account, sqs, server.python()
        assert server.process.poll() is None, f"the server ended by itself:\n{server.output()}"
    finally:
        server.remove()
        if moto:
            moto.end()


@pytest.fixture
def mapped(world):
    mapped = Mapped(*world)
    yield mapped
    mapped.clean()


def drained(queue, timeout=60):
    until(queue.is_empty, lambda: f"the queue to be empty, it has {queue.counts()}", timeout, interval=0.1)


def test_messages_become_events_and_are_deleted(mapped):
    function, queue = mapped.function(), mapped.queue()
    mapping = mapped.map(function, queue)
    assert mapped.state(mapping) in ("Creating", "Enabled")
    mapped.until_state(mapping, "Enabled")
    queue.sqs.send_message(
        QueueUrl=queue.url,
        MessageBody='a "quoted" \u00e9',
        MessageAttributes={
            "text": {"DataType": "String", "StringValue": "v"},
            "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\x01"},
        },
    )
    queue.send("two", "three")
    drained(queue)
    assert sorted(mapped.bodies(function)) == sorted(['a "quoted" \u00e9', "two", "three"])
    records = [record for event in mapped.told(function, "EVENT") for record in event["Records"]]
    (record,) = [record for record in records if record["messageAttributes"]]
    assert set(record) == {
        "messageId", "receiptHandle", "body", "attributes", "messageAttributes", "md5OfMessageAttributes", "md5OfBody",
        "eventSource", "eventSourceARN", "awsRegion",
    }
    assert (record["eventSource"], record["eventSourceARN"]) == ("aws:sqs", queue.arn)
    assert record["messageAttributes"] == {
        "text": {"stringValue": "v", "stringListValues": [], "binaryListValues": [], "dataType": "String"},
        "bytes": {"binaryValue": "AAE=", "stringListValues": [], "binaryListValues": [], "dataType": "Binary"},
    }
    assert all(isinstance(value, str) for value in record["attributes"].values())
    assert {"ApproximateReceiveCount", "SentTimestamp", "SenderId", "ApproximateFirstReceiveTimestamp"} <= set(
        record["attributes"]
    )


def test_a_failed_batch_comes_again_and_then_goes_to_the_dead_letters(mapped):
    dead = mapped.queue()
    redrive = json.dumps({"deadLetterTargetArn": dead.arn, "maxReceiveCount": "2"})
    queue = mapped.queue(VisibilityTimeout="2", RedrivePolicy=redrive)
    function = mapped.function(timeout=1)
    mapped.map(function, queue)
    queue.send("once 1")
    until(lambda: "once 1" in mapped.bodies(function, "DONE"), "the message to succeed", 40)
    queue.send("raise 1")
    until(lambda: dead.counts()[0] == 1, "the dead letter", 40)
    assert dead.take(1) == ["raise 1"]
    assert mapped.bodies(function).count("raise 1") == 2
    drained(queue)


def test_only_reported_messages_come_again(mapped):
    dead = mapped.queue()
    redrive = json.dumps({"deadLetterTargetArn": dead.arn, "maxReceiveCount": "2"})
    queue = mapped.queue(VisibilityTimeout="2", RedrivePolicy=redrive)
    function = mapped.function(timeout=1)
    # All of them are there before the first batch is made.
    queue.send("ok 1", "fail 2", "failonce 3", "ok 4")
    mapped.map(function, queue, FunctionResponseTypes=["ReportBatchItemFailures"], MaximumBatchingWindowInSeconds=1)
    until(lambda: dead.counts()[0] == 1, "the dead letter", 40)
    assert dead.take(1) == ["fail 2"]
    drained(queue)
    bodies = mapped.bodies(function)
    assert {body: bodies.count(body) for body in set(bodies)} == {"ok 1": 1, "fail 2": 2, "failonce 3": 2, "ok 4": 1}


def test_what_a_filter_does_not_let_pass_is_deleted(mapped):
    function, queue = mapped.function(), mapped.queue()
    pattern = json.dumps({"body": {"kind": ["a"], "n": [{"numeric": [">", 3]}]}})
    mapped.map(function, queue, FilterCriteria={"Filters": [{"Pattern": pattern}]})
    queue.send(*(json.dumps({"kind": kind, "n": n}) for kind in "ab" for n in (3, 4)), "no json")
    drained(queue)
    assert mapped.bodies(function) == [json.dumps({"kind": "a", "n": 4})]


def test_batches_are_as_large_and_wait_as_long_as_configured(mapped):
    function, queue = mapped.function(), mapped.queue()
    queue.send(*(f"n {n}" for n in range(25)))
    mapped.map(function, queue, BatchSize=25, MaximumBatchingWindowInSeconds=20)
    # The 25th completes the batch; it does not wait for its window.
    until(lambda: mapped.told(function, "DONE"), "the batch", 15)
    assert [len(batch["bodies"]) for batch in mapped.told(function, "BATCH")] == [25]
    drained(queue)
    one, single = mapped.function(), mapped.queue()
    single.send("a", "b", "c")
    mapped.map(one, single, BatchSize=1)
    drained(single)
    assert sorted(mapped.bodies(one)) == ["a", "b", "c"] and len(mapped.told(one, "BATCH")) == 3


def test_a_mapping_is_disabled_changed_enabled_and_deleted_while_it_runs(mapped):
    function, queue = mapped.function(), mapped.queue()
    mapping = mapped.map(function, queue, BatchSize=1)
    client = mapped.lambda_
    mapped.until_state(mapping, "Enabled")
    queue.send("sleep 1")
    until(lambda: mapped.told(function, "BATCH"), "the batch to begin")
    disabled = client.update_event_source_mapping(UUID=mapping, Enabled=False)
    assert (disabled["State"], disabled["StateTransitionReason"]) == ("Disabling", "USER_INITIATED")
    assert refused(client.update_event_source_mapping, UUID=mapping, BatchSize=2).code == IN_USE
    assert refused(client.delete_event_source_mapping, UUID=mapping).code == IN_USE
    mapped.until_state(mapping, "Disabled")
    # What was under way has been finished, and deleted.
    assert mapped.bodies(function, "DONE") == ["sleep 1"]
    assert queue.is_empty()
    queue.send("waits")
    changed = client.update_event_source_mapping(UUID=mapping, BatchSize=7)
    assert (changed["State"], changed["BatchSize"]) == ("Updating", 7)
    mapped.until_state(mapping, "Disabled")
    assert (queue.counts(), mapped.bodies(function)) == ((1, 0), ["sleep 1"])
    assert client.update_event_source_mapping(UUID=mapping, Enabled=True)["State"] == "Enabling"
    drained(queue)
    assert mapped.bodies(function) == ["sleep 1", "waits"]
    other = mapped.function()
    mapped.until_state(mapping, "Enabled")
    client.update_event_source_mapping(UUID=mapping, FunctionName=other)
    mapped.until_state(mapping, "Enabled")
    queue.send("for the other")
    drained(queue)
    assert mapped.bodies(other) == ["for the other"]
    assert client.delete_event_source_mapping(UUID=mapping)["State"] == "Deleting"
    assert mapped.state_or_none(mapping) in ("Deleting", None)
    until(lambda: mapped.state_or_none(mapping) is None, "the mapping to be gone", 30)
    queue.send("nobody's")
    again = mapped.map(function, queue, Enabled=False)
    mapped.until_state(again, "Disabled")
    assert queue.counts() == (1, 0)
