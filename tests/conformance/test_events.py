"""Invocations that nobody waits for: kept before the answer, tried again as AWS does, their records sent on."""

import json
import re

import pytest

from support import packages
from support.clients import Clients
from support.errors import refused
from support.functions import until_active
from support.server import Server
from support.streams import messages
from support.wait import until

# A minute of waiting is 0.3 s, the default age of six hours 108 s.
SCALE = 0.005

# Says what it was given, and does what that says.
TELLER = """
import json, time

def lambda_handler(event, context):
    print("TOLD " + json.dumps({"event": event, "id": context.aws_request_id, "arn": context.invoked_function_arn}))
    time.sleep(event.get("sleep", 0))
    if event.get("fail"):
        raise ValueError("as told")
    return {"got": event.get("n")}
"""


@pytest.fixture(scope="module")
def server():
    server = Server()
    (server.home / "lambent.toml").write_text(f"event_time_scale = {SCALE}\n")
    yield server.start()
    server.remove()


@pytest.fixture(scope="module")
def clients(server):
    return Clients(server)


@pytest.fixture(scope="module")
def lambda_(clients):
    return clients.boto("lambda")


@pytest.fixture(scope="module")
def logs(clients):
    return clients.boto("logs")


@pytest.fixture(scope="module")
def python(server):
    return server.python()


@pytest.fixture
def teller(make):
    return make.create("teller", packages.pack({"lambda_function.py": TELLER}))


@pytest.fixture
def receiver(make):
    return make.create("receiver", packages.pack({"lambda_function.py": TELLER}))


def told(logs, name):
    return [json.loads(line[5:]) for line in messages(logs, name) if line.startswith("TOLD ")]


def send(lambda_, name, event, **options):
    return lambda_.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(event), **options)


def arn(lambda_, name):
    return lambda_.get_function_configuration(FunctionName=name)["FunctionArn"]


def test_the_answer_has_no_result_and_the_function_gets_the_event(lambda_, logs, teller):
    answer = send(lambda_, teller, {"n": 1})
    assert (answer["StatusCode"], answer["Payload"].read()) == (202, b"")
    assert not {"ExecutedVersion", "FunctionError", "LogResult"} & set(answer)
    until(lambda: told(logs, teller), "the function to have the event")
    (seen,) = told(logs, teller)
    assert seen["event"] == {"n": 1}
    assert seen["id"] == answer["ResponseMetadata"]["RequestId"], "caller and function share the request's id"
    assert seen["arn"] == arn(lambda_, teller)


def test_the_older_operation_does_the_same(lambda_, logs, teller):
    answer = lambda_.invoke_async(FunctionName=teller, InvokeArgs=b'{"n": 2}')
    assert answer["Status"] == 202 and answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    until(lambda: told(logs, teller), "the function to have the event")


@pytest.mark.parametrize(
    "options, status, code, text",
    [
        ({"FunctionName": "nobody"}, 404, "ResourceNotFoundException", "Function not found: arn:aws:lambda:us-east-1:"),
        ({"Qualifier": "7"}, 404, "ResourceNotFoundException", "Function not found: arn:aws:lambda:us-east-1:"),
        ({"Payload": b"{"}, 400, "InvalidRequestContentException", "Could not parse request body into json"),
        (
            {"Payload": b'"' + b"x" * 1_048_575 + b'"'},
            413,
            "RequestTooLargeException",
            "1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)",
        ),
    ],
)
def test_what_cannot_be_delivered_is_refused(lambda_, teller, options, status, code, text):
    error = refused(lambda_.invoke, **{"FunctionName": teller, "InvocationType": "Event", **options})
    assert (error.status, error.code) == (status, code)
    assert text in error.message


def test_the_largest_event_arrives(lambda_, logs, teller):
    send(lambda_, teller, {"n": 3, "pad": "x" * (1_048_576 - 30)})
    until(lambda: any("END RequestId" in line for line in messages(logs, teller)), "the event to be handled")


def test_a_failing_function_is_tried_three_times_and_its_record_sent(lambda_, logs, teller, receiver):
    lambda_.put_function_event_invoke_config(
        FunctionName=teller, DestinationConfig={"OnFailure": {"Destination": arn(lambda_, receiver)}}
    )
    answer = send(lambda_, teller, {"fail": True})
    until(lambda: told(logs, receiver), "the record to arrive")
    attempts = told(logs, teller)
    assert [attempt["id"] for attempt in attempts] == [answer["ResponseMetadata"]["RequestId"]] * 3
    (record,) = [seen["event"] for seen in told(logs, receiver)]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record.pop("timestamp"))
    failure = record.pop("responsePayload")
    assert (failure["errorMessage"], failure["errorType"]) == ("as told", "ValueError")
    assert record == {
        "version": "1.0",
        "requestContext": {
            "requestId": answer["ResponseMetadata"]["RequestId"],
            "functionArn": arn(lambda_, teller) + ":$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": {"fail": True},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
    }


def test_a_success_is_told_to_its_destination(lambda_, logs, teller, receiver):
    lambda_.put_function_event_invoke_config(
        FunctionName=teller, DestinationConfig={"OnSuccess": {"Destination": arn(lambda_, receiver)}}
    )
    send(lambda_, teller, {"n": 5})
    until(lambda: told(logs, receiver), "the record to arrive")
    record = told(logs, receiver)[0]["event"]
    assert record["requestContext"]["condition"] == "Success"
    assert record["requestContext"]["approximateInvokeCount"] == 1
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST"}
    assert record["responsePayload"] == {"got": 5}


def test_fewer_retries_and_other_settings_of_an_alias(lambda_, logs, teller, receiver):
    version = lambda_.publish_version(FunctionName=teller)["Version"]
    until_active(lambda_, teller)
    lambda_.create_alias(FunctionName=teller, Name="live", FunctionVersion=version)
    lambda_.put_function_event_invoke_config(
        FunctionName=teller,
        Qualifier="live",
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": arn(lambda_, receiver)}},
    )
    send(lambda_, teller, {"fail": True}, Qualifier="live")
    until(lambda: told(logs, receiver), "the record to arrive")
    context = told(logs, receiver)[0]["event"]["requestContext"]
    assert context["approximateInvokeCount"] == 1
    assert context["functionArn"] == arn(lambda_, teller) + ":live"
    assert [seen["arn"] for seen in told(logs, teller)] == [arn(lambda_, teller) + ":live"]


def test_an_event_that_would_become_too_old_is_given_up(lambda_, logs, teller, receiver):
    lambda_.put_function_event_invoke_config(
        FunctionName=teller,
        MaximumEventAgeInSeconds=60,
        DestinationConfig={"OnFailure": {"Destination": arn(lambda_, receiver)}},
    )
    # The second attempt would be a minute after the first, which took a moment itself.
    send(lambda_, teller, {"fail": True})
    until(lambda: told(logs, receiver), "the record to arrive")
    context = told(logs, receiver)[0]["event"]["requestContext"]
    assert (context["condition"], context["approximateInvokeCount"]) == ("EventAgeExceeded", 1)


def test_a_function_without_concurrency_is_not_attempted(lambda_, logs, teller, receiver):
    lambda_.put_function_event_invoke_config(
        FunctionName=teller, DestinationConfig={"OnFailure": {"Destination": arn(lambda_, receiver)}}
    )
    lambda_.put_function_concurrency(FunctionName=teller, ReservedConcurrentExecutions=0)
    send(lambda_, teller, {"n": 6})
    until(lambda: told(logs, receiver), "the record to arrive")
    record = told(logs, receiver)[0]["event"]
    assert record["requestContext"]["condition"] == "ZeroReservedConcurrency"
    assert record["requestContext"]["approximateInvokeCount"] == 0
    assert not {"responseContext", "responsePayload"} & set(record)
    assert told(logs, teller) == []


def test_throttled_events_wait_for_their_turn(lambda_, logs, teller):
    lambda_.put_function_concurrency(FunctionName=teller, ReservedConcurrentExecutions=1)
    for number in range(8):
        send(lambda_, teller, {"n": number, "sleep": 0.2})
    until(lambda: len(told(logs, teller)) >= 8, "all events to be handled", 60)
    assert sorted(seen["event"]["n"] for seen in told(logs, teller)) == list(range(8)), "each of them once"
