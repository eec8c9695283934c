"""Where events and their records are sent on to: queues, topics, buses, buckets, functions of other accounts."""

import http.server
import json
import re
import socket
import threading

import pytest
from botocore.exceptions import ClientError

from support import packages
from support.clients import ACCOUNT, REGION, Clients
from support.errors import refused
from support.functions import ROLE, unique, until_active
from support.server import Server
from support.streams import messages
from support.wait import until

pytest.importorskip("moto", reason="moto, which stands for the services outside, is not installed")

from support.moto import MOTO_ACCOUNT, Moto, Queue  # noqa: E402

# Says what it was given, and fails where that says so.
TELLER = """
import json

def lambda_handler(event, context):
    print("TOLD " + json.dumps(event))
    if event.get("fail"):
        raise ValueError(event["fail"])
    return {"got": event.get("n")}
"""

# A minute of waiting is 0.3 s.
SCALE = 0.005


@pytest.fixture(scope="module")
def late():
    """A port at which nobody answers yet."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def server(late):
    server = Server()
    moto = Moto(server.home)
    services = "\n".join(f'{service} = "{moto.url}"' for service in ("sqs", "sns", "events", "s3"))
    (server.home / "lambent.toml").write_text(
        f"event_time_scale = {SCALE}\n[endpoints]\n{services}\n"
        f'"arn:aws:sqs:{REGION}:{MOTO_ACCOUNT}:late" = "http://127.0.0.1:{late}/below"\n'
        f'"arn:aws:sqs:{REGION}:{MOTO_ACCOUNT}:never" = "http://127.0.0.1:1"\n'
    )
    server.moto = moto
    yield server.start()
    server.remove()
    moto.end()


@pytest.fixture(scope="module")
def clients(server):
    return Clients(server)


@pytest.fixture(scope="module")
def lambda_(clients):
    return clients.boto("lambda", key=MOTO_ACCOUNT)


@pytest.fixture(scope="module")
def python(server):
    return server.python()


@pytest.fixture
def queue(server):
    return Queue(server.moto, unique("queue"))


def deploy(client, python, **options):
    name = unique("teller")
    client.create_function(
        FunctionName=name,
        Runtime=python,
        Role=ROLE.replace(ACCOUNT, MOTO_ACCOUNT),
        Handler="lambda_function.lambda_handler",
        Code={"ZipFile": packages.pack({"lambda_function.py": TELLER})},
        **options,
    )
    until_active(client, name)
    return name


@pytest.fixture
def teller(lambda_, python):
    name = deploy(lambda_, python)
    yield name
    lambda_.delete_function(FunctionName=name)


def send(lambda_, name, event):
    answer = lambda_.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(event))
    return answer["ResponseMetadata"]["RequestId"]


def destination(lambda_, name, **arns):
    config = {key: {"Destination": arn} for key, arn in arns.items()}
    lambda_.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0, DestinationConfig=config)


def qualified(name):
    return f"arn:aws:lambda:{REGION}:{MOTO_ACCOUNT}:function:{name}:$LATEST"


def check_failure(record, name, request_id):
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["timestamp"])
    assert record["requestContext"] == {
        "requestId": request_id,
        "functionArn": qualified(name),
        "condition": "RetriesExhausted",
        "approximateInvokeCount": 1,
    }
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
    assert record["responsePayload"]["errorMessage"] == record["requestPayload"]["fail"]


def test_a_dead_letter_is_the_event_with_its_attributes(lambda_, teller, queue):
    lambda_.update_function_configuration(FunctionName=teller, DeadLetterConfig={"TargetArn": queue.arn})
    until_active(lambda_, teller)
    assert lambda_.get_function_configuration(FunctionName=teller)["DeadLetterConfig"] == {"TargetArn": queue.arn}
    request_id = send(lambda_, teller, {"fail": "as told", "pad": "\u00e9\n"})
    message = queue.one()
    assert json.loads(message["Body"]) == {"fail": "as told", "pad": "\u00e9\n"}
    attributes = {key: (value["DataType"], value["StringValue"]) for key, value in message["MessageAttributes"].items()}
    assert attributes == {
        "RequestID": ("String", request_id),
        "ErrorCode": ("Number", "200"),
        "ErrorMessage": ("String", "as told"),
    }
    assert queue.is_empty()


def test_what_is_switched_off_goes_to_the_dead_letters_as_throttled(lambda_, teller, queue):
    lambda_.update_function_configuration(FunctionName=teller, DeadLetterConfig={"TargetArn": queue.arn})
    until_active(lambda_, teller)
    lambda_.put_function_concurrency(FunctionName=teller, ReservedConcurrentExecutions=0)
    send(lambda_, teller, {"n": 1})
    assert queue.one()["MessageAttributes"]["ErrorCode"]["StringValue"] == "429"


def test_a_topic_takes_dead_letters_and_records(server, lambda_, teller, queue):
    sns = server.moto.boto("sns")
    topic = sns.create_topic(Name=unique("topic"))["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue.arn)
    lambda_.update_function_configuration(FunctionName=teller, DeadLetterConfig={"TargetArn": topic})
    until_active(lambda_, teller)
    destination(lambda_, teller, OnFailure=topic, OnSuccess=topic)
    request_id = send(lambda_, teller, {"fail": "a&b=c"})
    # Both receive where both are configured, in any order.
    notes = sorted((json.loads(queue.one()["Body"]) for _ in range(2)), key=lambda note: len(note["Message"]))
    assert json.loads(notes[0]["Message"]) == {"fail": "a&b=c"}
    assert notes[0]["MessageAttributes"]["RequestID"] == {"Type": "String", "Value": request_id}
    assert notes[0]["MessageAttributes"]["ErrorMessage"] == {"Type": "String", "Value": "a&b=c"}
    check_failure(json.loads(notes[1]["Message"]), teller, request_id)
    send(lambda_, teller, {"n": 1})
    record = json.loads(json.loads(queue.one()["Body"])["Message"])
    assert record["requestContext"]["condition"] == "Success"


def test_a_queue_takes_records(lambda_, teller, queue):
    destination(lambda_, teller, OnFailure=queue.arn, OnSuccess=queue.arn)
    request_id = send(lambda_, teller, {"fail": "x"})
    message = queue.one()
    assert "MessageAttributes" not in message
    check_failure(json.loads(message["Body"]), teller, request_id)
    send(lambda_, teller, {"n": 7})
    record = json.loads(queue.one()["Body"])
    assert (record["requestContext"]["condition"], record["responsePayload"]) == ("Success", {"got": 7})


def test_a_bus_takes_events(server, lambda_, teller, queue):
    events = server.moto.boto("events")
    bus = unique("bus")
    bus_arn = events.create_event_bus(Name=bus)["EventBusArn"]
    events.put_rule(Name="all", EventBusName=bus, EventPattern=json.dumps({"source": ["lambda"]}))
    events.put_targets(Rule="all", EventBusName=bus, Targets=[{"Id": "1", "Arn": queue.arn}])
    destination(lambda_, teller, OnFailure=bus_arn, OnSuccess=bus_arn)
    request_id = send(lambda_, teller, {"fail": "x"})
    event = json.loads(queue.one()["Body"])
    assert (event["source"], event["resources"]) == ("lambda", [bus_arn, qualified(teller)])
    assert event["detail-type"] == "Lambda Function Invocation Result - Failure"
    check_failure(event["detail"], teller, request_id)
    send(lambda_, teller, {"n": 1})
    assert json.loads(queue.one()["Body"])["detail-type"] == "Lambda Function Invocation Result - Success"


def test_a_bucket_takes_records_of_failures(server, lambda_, teller):
    s3, bucket = server.moto.boto("s3"), unique("bucket").lower()
    s3.create_bucket(Bucket=bucket)
    destination(lambda_, teller, OnFailure=f"arn:aws:s3:::{bucket}")
    request_id = send(lambda_, teller, {"fail": "x"})
    (found,) = until(lambda: s3.list_objects_v2(Bucket=bucket).get("Contents"), "the object to be there", 60)
    stamp, uuid = r"\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    assert re.fullmatch(rf"aws/lambda/async/{teller}/\d{{4}}/\d\d/\d\d/{stamp}-{uuid}", found["Key"]), found["Key"]
    check_failure(json.loads(s3.get_object(Bucket=bucket, Key=found["Key"])["Body"].read()), teller, request_id)


def test_a_function_of_another_account_is_invoked_where_its_policy_allows(clients, lambda_, teller, python):
    other, logs = clients.boto("lambda"), clients.boto("logs")
    receiver = deploy(other, python)
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{receiver}"
    permission = {"FunctionName": receiver, "StatementId": "s", "Principal": MOTO_ACCOUNT}
    with pytest.raises(ClientError, match="does not have permissions to call InvokeFunction on Lambda"):
        destination(lambda_, teller, OnSuccess=arn)
    other.add_permission(Action="lambda:InvokeFunction", **permission)
    destination(lambda_, teller, OnSuccess=arn)
    other.remove_permission(FunctionName=receiver, StatementId="s")
    send(lambda_, teller, {"n": 1})
    other.add_permission(Action="lambda:InvokeFunction", **permission)
    # It was refused before, or was not: either way it arrives.
    until(lambda: any(line.startswith("TOLD ") for line in messages(logs, receiver)), "the record to arrive", 60)
    other.delete_function(FunctionName=receiver)


class Endpoint(http.server.BaseHTTPRequestHandler):
    """Takes every request."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.heard.append((self.path, dict(self.headers), body))
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


def test_what_cannot_be_sent_is_sent_later_also_after_a_kill(server, late, python):
    client = Clients(server).boto("lambda", key=MOTO_ACCOUNT)
    name = deploy(client, python, DeadLetterConfig={"TargetArn": f"arn:aws:sqs:{REGION}:{MOTO_ACCOUNT}:late"})
    client.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0)
    send(client, name, {"fail": "x"})
    until(lambda: "a delivery failed and is tried again" in server.output(), lambda: server.output(), 60)
    server.kill()
    server.start()
    endpoint = http.server.ThreadingHTTPServer(("127.0.0.1", late), Endpoint)
    endpoint.heard = []
    thread = threading.Thread(target=endpoint.serve_forever, daemon=True)
    thread.start()
    until(lambda: endpoint.heard, lambda: server.output(), 60)
    endpoint.shutdown()
    endpoint.server_close()
    thread.join()
    ((path, headers, body),) = endpoint.heard
    assert (path, headers["x-amz-target"]) == ("/below/", "AmazonSQS.SendMessage")
    assert json.loads(body)["QueueUrl"] == f"http://127.0.0.1:{late}/below/{MOTO_ACCOUNT}/late"
    assert re.match(rf"AWS4-HMAC-SHA256 Credential={MOTO_ACCOUNT}/\d{{8}}/{REGION}/sqs/aws4_request,", headers["authorization"])
    assert headers["x-amzn-trace-id"].startswith("Root=")


def test_what_never_arrives_is_counted(clients, lambda_, python, late):
    never = f"arn:aws:sqs:{REGION}:{MOTO_ACCOUNT}:never"
    client = clients.boto("lambda", key=MOTO_ACCOUNT)
    name = deploy(client, python, DeadLetterConfig={"TargetArn": never})
    config = {"OnFailure": {"Destination": never}}
    client.put_function_event_invoke_config(
        FunctionName=name, MaximumRetryAttempts=0, MaximumEventAgeInSeconds=600, DestinationConfig=config
    )
    send(client, name, {"fail": "x"})

    def counted(metric):
        page = clients.http("GET", "/metrics", sign=False).body.decode()
        lines = [line for line in page.splitlines() if metric in line and f'"{name}"' in line]
        return any(line.endswith(" 1") for line in lines)

    for metric in ("destination_delivery_failures", "dead_letter_errors"):
        until(lambda metric=metric: counted(metric), f"{metric} to be counted", 60)


def test_a_role_that_may_not_send_is_refused(own_server):
    """When the destination is configured, as AWS asks then; and whatever IAM does not know may send in its account."""
    clients = Clients(own_server.start())
    client, iam = clients.boto("lambda"), clients.boto("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = iam.create_role(RoleName="sender", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    name, queue = unique("refused"), f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"
    create = {
        "FunctionName": name,
        "Runtime": own_server.python(),
        "Role": role,
        "Handler": "lambda_function.lambda_handler",
        "Code": {"ZipFile": packages.pack({"lambda_function.py": TELLER})},
    }
    words = "The provided execution role does not have permissions to call {} on {}"
    error = refused(client.create_function, **create, DeadLetterConfig={"TargetArn": queue})
    assert (error.status, error.code) == (400, "InvalidParameterValueException")
    assert error.message == words.format("SendMessage", "SQS")
    client.create_function(**create)
    until_active(client, name)
    for destination, operation, service in [
        (queue, "SendMessage", "SQS"),
        (f"arn:aws:sns:{REGION}:{ACCOUNT}:t", "Publish", "SNS"),
        (f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/b", "PutEvents", "EventBridge"),
        ("arn:aws:s3:::bucket", "PutObject", "S3"),
        (f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:other", "InvokeFunction", "Lambda"),
    ]:
        config = {"OnFailure": {"Destination": destination}}
        error = refused(client.put_function_event_invoke_config, FunctionName=name, DestinationConfig=config)
        assert (error.status, error.code) == (400, "InvalidParameterValueException"), destination
        assert error.message == words.format(operation, service)
    update = {"FunctionName": name, "DeadLetterConfig": {"TargetArn": queue}}
    assert refused(client.update_function_configuration, **update).message == words.format("SendMessage", "SQS")

    allow = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": queue}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    iam.put_role_policy(RoleName="sender", PolicyName="send", PolicyDocument=document)
    client.update_function_configuration(**update)
    config = {"OnFailure": {"Destination": queue}}
    client.put_function_event_invoke_config(FunctionName=name, DestinationConfig=config)
    client.create_function(**{**create, "FunctionName": f"{name}-2", "Role": ROLE}, DeadLetterConfig={"TargetArn": queue})
