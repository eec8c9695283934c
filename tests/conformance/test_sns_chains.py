"""Topics in chains: functions that publish, loops through a topic, destinations that are topics."""

import json
import textwrap

import pytest

from support import packages
from support.clients import ACCOUNT, REGION, Clients
from support.functions import ROLE, unique, until_active
from support.server import Server
from support.streams import messages
from support.wait import until

# Publishes as an SDK does: signed, with the trace header of its own invocation.
PUBLISHER = textwrap.dedent("""
    import os, urllib.error, urllib.parse, urllib.request

    def call(**parameters):
        form = urllib.parse.urlencode({**parameters, "Version": "2010-03-31"}).encode()
        request = urllib.request.Request(os.environ["AWS_ENDPOINT_URL"] + "/", data=form)
        signature = "SignedHeaders=host;x-amz-date, Signature=" + "0" * 64
        request.add_header("Authorization", "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/sns/aws4_request, " + signature)
        request.add_header("X-Amz-Date", "20260101T000000Z")
        request.add_header("X-Amzn-Trace-Id", os.environ["_X_AMZN_TRACE_ID"])
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    def lambda_handler(event, context):
        print("ROUND")
        topic = os.environ["TOPIC"]
        print("PUBLISHED", call(Action="Publish", TopicArn=topic, Message="again"))
        print("SUBSCRIBED", call(Action="Subscribe", TopicArn=topic, Protocol="http", Endpoint="http://127.0.0.1:1"))
        return "done"
""")
QUIET = "def lambda_handler(event, context):\n    if event.get('fail'):\n        raise ValueError('no')\n    return 'fine'\n"


@pytest.fixture(scope="module")
def server():
    server = Server()
    (server.home / "lambent.toml").write_text("event_time_scale = 0.01\n")
    yield server.start()
    server.remove()


@pytest.fixture(scope="module")
def clients(server):
    return Clients(server)


@pytest.fixture(scope="module")
def sns(clients):
    return clients.boto("sns")


@pytest.fixture(scope="module")
def create(server, clients):
    lambda_ = clients.boto("lambda")

    def create(source, **variables):
        name = unique("chain")
        lambda_.create_function(
            FunctionName=name,
            Runtime=server.python(),
            Role=ROLE,
            Handler="app.lambda_handler",
            Code={"ZipFile": packages.pack({"app.py": source})},
            Environment={"Variables": variables},
        )
        until_active(lambda_, name)
        lambda_.add_permission(
            FunctionName=name, StatementId="sns", Action="lambda:InvokeFunction", Principal="sns.amazonaws.com"
        )
        return name

    return create


def test_a_loop_through_a_topic_ends_and_functions_subscribe_nobody(sns, clients, create):
    topic = sns.create_topic(Name=unique("loop"))["TopicArn"]
    name, logs = create(PUBLISHER, TOPIC=topic), clients.boto("logs")
    endpoint = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=endpoint)
    sns.publish(TopicArn=topic, Message="begin")

    def lines(word):
        return [line for line in messages(logs, name) if line.startswith(word)]

    until(lambda: len(lines("SUBSCRIBED")) >= 16, lambda: f"{len(lines('ROUND'))} rounds", 40)
    dropped = "lambent_function_recursive_invocations_dropped_total{"
    until(
        lambda: any(dropped in line and name in line for line in metrics(clients)),
        lambda: [line for line in metrics(clients) if name in line and "recurs" in line],
    )
    assert len(lines("ROUND")) == 16
    assert set(lines("PUBLISHED")) == {"PUBLISHED 200"}
    assert set(lines("SUBSCRIBED")) == {"SUBSCRIBED 403"}


def metrics(clients):
    return clients.http("GET", "/metrics", sign=False).body.decode().splitlines()


def test_a_destination_is_a_topic_of_this_server(sns, clients, create):
    sqs, lambda_ = clients.boto("sqs"), clients.boto("lambda")
    name, queue_name = create(QUIET), unique("queue")
    topic = sns.create_topic(Name=unique("records"))["TopicArn"]
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue_name}"
    allow = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": queue}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    url = sqs.create_queue(QueueName=queue_name, Attributes={"Policy": policy})["QueueUrl"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue, Attributes={"RawMessageDelivery": "true"})
    lambda_.put_function_event_invoke_config(
        FunctionName=name,
        MaximumRetryAttempts=0,
        DestinationConfig={"OnSuccess": {"Destination": topic}, "OnFailure": {"Destination": topic}},
    )
    for event, condition in [({}, "Success"), ({"fail": True}, "RetriesExhausted")]:
        lambda_.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(event))
        receive = lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages")  # noqa: E731
        (message,) = until(receive, "the record to arrive", 40)
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        assert json.loads(message["Body"])["requestContext"]["condition"] == condition
