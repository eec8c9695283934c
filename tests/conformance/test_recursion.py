"""A function that invokes itself, by whatever way, is stopped after sixteen rounds; one that may is not."""

import base64
import json
import re
import textwrap

import pytest

from support import packages
from support.errors import refused
from support.streams import messages
from support.wait import until

# Calls itself as an SDK does: signed, with the trace header of its own invocation.
SELF = textwrap.dedent("""
    import json, os, urllib.error, urllib.request

    def lambda_handler(event, context):
        print("ROUND", event["n"], os.environ["_X_AMZN_TRACE_ID"])
        if event["n"] >= event["most"]:
            return "enough"
        url = os.environ["AWS_ENDPOINT_URL"] + "/2015-03-31/functions/" + context.function_name + "/invocations"
        request = urllib.request.Request(url, data=json.dumps({**event, "n": event["n"] + 1}).encode())
        signature = "SignedHeaders=host;x-amz-date, Signature=" + "0" * 64
        request.add_header("Authorization", "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/lambda/aws4_request, " + signature)
        request.add_header("X-Amz-Date", "20260101T000000Z")
        request.add_header("X-Amz-Invocation-Type", event["type"])
        request.add_header("X-Amzn-Trace-Id", os.environ["_X_AMZN_TRACE_ID"])
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            print("STOPPED", error.code, error.headers["X-Amzn-ErrorType"], error.read().decode())
""")
TELL = "import json\ndef lambda_handler(event, context):\n    print('TOLD ' + json.dumps(event))\n"


@pytest.fixture
def myself(make):
    return make.create("self", packages.pack({"lambda_function.py": SELF}))


def rounds(logs, name):
    return sorted(int(line.split()[1]) for line in messages(logs, name) if line.startswith("ROUND "))


def start(lambda_, name, kind, most=100):
    event = json.dumps({"n": 1, "type": kind, "most": most})
    return lambda_.invoke(FunctionName=name, InvocationType="Event", Payload=event)


def test_a_loop_of_events_ends_and_its_record_is_sent(lambda_, logs, make, myself):
    receiver = make.create("receiver", packages.pack({"lambda_function.py": TELL}))
    arn = lambda_.get_function_configuration(FunctionName=receiver)["FunctionArn"]
    lambda_.put_function_event_invoke_config(
        FunctionName=myself, DestinationConfig={"OnFailure": {"Destination": arn}}
    )
    start(lambda_, myself, "Event")
    until(lambda: any(line.startswith("TOLD ") for line in messages(logs, receiver)), "the record to arrive", 40)
    assert rounds(logs, myself) == list(range(1, 17))
    (told,) = [json.loads(line[5:]) for line in messages(logs, receiver) if line.startswith("TOLD ")]
    assert told["requestContext"]["condition"] == "RecursiveInvocation"
    assert told["requestPayload"]["n"] == 17


def test_a_caller_in_a_loop_is_refused(lambda_, myself):
    once = json.dumps({"n": 1, "type": "", "most": 1})
    log = base64.b64decode(lambda_.invoke(FunctionName=myself, Payload=once, LogType="Tail")["LogResult"]).decode()
    # What the function is called in its own trace header.
    name = re.search(r"Lineage=([0-9a-f]{8}):0", log).group(1)

    def add_trace(params, **_):
        params["headers"]["X-Amzn-Trace-Id"] = f"Root=1-5759e988-bd862e3fe1be46a994272793;Lineage={name}:15"

    lambda_.meta.events.register("before-call.lambda.Invoke", add_trace)
    try:
        error = refused(lambda_.invoke, FunctionName=myself, Payload=once)
    finally:
        lambda_.meta.events.unregister("before-call.lambda.Invoke", add_trace)
    assert (error.status, error.code) == (400, "RecursiveInvocationException")
    assert error.message.startswith("Lambda has detected your function being invoked in a recursive loop")


def test_who_may_go_on_does(lambda_, logs, myself):
    lambda_.put_function_recursion_config(FunctionName=myself, RecursiveLoop="Allow")
    start(lambda_, myself, "Event", most=20)
    until(lambda: rounds(logs, myself) == list(range(1, 21)), "twenty rounds", 40)
