"""What follows from objects: functions that are invoked, code that is run from a bucket, records that are kept in one."""

import json
import os
import signal
import threading
import urllib.request

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from support.clients import ACCOUNT, REGION, Clients
from support.functions import arn, probe_zip, unique, until_active
from support.objects import refusal
from support.packages import pack
from support.wait import until

# Reads what was uploaded and writes something smaller beside it, as every tutorial's first function does. Its
# connection is its role's, whatever it is signed with.
THUMBNAILER = """
import datetime, json, os, urllib.parse, urllib.request

def ask(method, bucket, key, body=None):
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    scope = f"key/{now[:8]}/{os.environ['AWS_REGION']}/s3/aws4_request"
    signature = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature={'0' * 64}"
    headers = {"Authorization": signature, "X-Amz-Date": now}
    if os.environ.get("_X_AMZN_TRACE_ID"):
        headers["X-Amzn-Trace-Id"] = os.environ["_X_AMZN_TRACE_ID"]
    url = f"{os.environ['AWS_ENDPOINT_URL']}/{bucket}/{urllib.parse.quote(key)}"
    request = urllib.request.Request(url, data=body, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()

def handler(event, context):
    if "Records" not in event:
        return ask(event["method"], event["bucket"], event.get("key", ""))[0]
    for record in event["Records"]:
        bucket = record["s3"]["bucket"]["name"]
        key = urllib.parse.unquote_plus(record["s3"]["object"]["key"])
        status, image = ask("GET", bucket, key)
        assert status == 200, status
        small = json.dumps({"size": len(image), "event": record}).encode()
        status, text = ask("PUT", bucket, "thumbnails/" + key.split("/", 1)[1], small)
        assert status == 200, text
"""


@pytest.fixture
def world(own_server):
    own_server.start()
    return Clients(own_server)


@pytest.fixture
def s3(world):
    return world.boto("s3", s3={"addressing_style": "path"})


@pytest.fixture
def lambda_client(world):
    return world.boto("lambda")


def make(client, server, name, package, handler="lambda_function.handler"):
    code = package if isinstance(package, dict) else {"ZipFile": package}
    client.create_function(
        FunctionName=name,
        Runtime=server.python(),
        Role=f"arn:aws:iam::{ACCOUNT}:role/r",
        Handler=handler,
        Code=code,
        Timeout=20,
    )
    until_active(client, name)


def permit(client, name, bucket):
    client.add_permission(
        FunctionName=name,
        StatementId=unique("s"),
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
        SourceArn=f"arn:aws:s3:::{bucket}",
        SourceAccount=ACCOUNT,
    )


def body_of(s3, bucket, key):
    try:
        return s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError:
        return None


@pytest.mark.namespaces
def test_an_upload_invokes_a_function_that_writes_back(own_server, s3, lambda_client):
    s3.create_bucket(Bucket="pictures")
    make(lambda_client, own_server, "thumbnailer", pack({"lambda_function.py": THUMBNAILER}))
    configuration = {
        "LambdaFunctionConfigurations": [
            {
                "Id": "thumbs",
                "LambdaFunctionArn": arn("thumbnailer"),
                "Events": ["s3:ObjectCreated:*"],
                "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "images/"}]}},
            }
        ]
    }
    put = {"Bucket": "pictures", "NotificationConfiguration": configuration}
    # Nobody may send a function events that it has not permitted.
    assert refusal(s3.put_bucket_notification_configuration, **put) == ("InvalidArgument", 400)
    permit(lambda_client, "thumbnailer", "pictures")
    s3.put_bucket_notification_configuration(**put)
    shown = s3.get_bucket_notification_configuration(Bucket="pictures")["LambdaFunctionConfigurations"]
    assert shown == configuration["LambdaFunctionConfigurations"]
    s3.put_object(Bucket="pictures", Key="images/a cat+1.jpg", Body=b"x" * 10_000)
    s3.put_object(Bucket="pictures", Key="other/dog.jpg", Body=b"x")
    small = until(lambda: body_of(s3, "pictures", "thumbnails/a cat+1.jpg"), "the thumbnail", timeout=30)
    record = json.loads(small)["event"]
    assert json.loads(small)["size"] == 10_000
    assert (record["eventSource"], record["eventName"], record["awsRegion"]) == ("aws:s3", "ObjectCreated:Put", REGION)
    assert record["s3"]["configurationId"] == "thumbs"
    assert record["s3"]["object"]["key"] == "images/a+cat%2B1.jpg"
    assert record["s3"]["object"]["size"] == 10_000
    assert [one["Key"] for one in s3.list_objects_v2(Bucket="pictures", Prefix="thumb")["Contents"]] == ["thumbnails/a cat+1.jpg"]
    # Functions use buckets; making and removing them is the owner's.
    status = json.loads(lambda_client.invoke(FunctionName="thumbnailer", Payload=json.dumps({"method": "DELETE", "bucket": "pictures"}))["Payload"].read())
    assert status == 403



@pytest.mark.namespaces
def test_a_function_that_feeds_itself_is_stopped(own_server, s3, lambda_client):
    """Lambda Developer Guide, "Use Lambda recursive loop detection to prevent infinite loops"."""
    s3.create_bucket(Bucket="loop")
    make(lambda_client, own_server, "loop", pack({"lambda_function.py": THUMBNAILER}))
    permit(lambda_client, "loop", "loop")
    wish = {"LambdaFunctionArn": arn("loop"), "Events": ["s3:ObjectCreated:*"]}
    s3.put_bucket_notification_configuration(
        Bucket="loop", NotificationConfiguration={"LambdaFunctionConfigurations": [wish]}
    )
    versioned = {"Bucket": "loop", "VersioningConfiguration": {"Status": "Enabled"}}
    s3.put_bucket_versioning(**versioned)
    s3.put_object(Bucket="loop", Key="thumbnails/x", Body=b"x")

    def writes():
        return len(s3.list_object_versions(Bucket="loop").get("Versions", []))

    def dropped():
        with urllib.request.urlopen(f"{own_server.url}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        counts = [line for line in lines if "recursive_invocations_dropped" in line and not line.startswith("#")]
        return any(not line.endswith(" 0") for line in counts)

    until(dropped, "the loop to be stopped", timeout=60)
    # About sixteen turns; the first write is ours.
    assert 10 <= writes() <= 20


def test_notifications_have_rules(own_server, s3, lambda_client):
    s3.create_bucket(Bucket="noted")
    make(lambda_client, own_server, "f", probe_zip(), handler="lambda_function.lambda_handler")
    permit(lambda_client, "f", "noted")

    def put(*wishes):
        configuration = {"LambdaFunctionConfigurations": [{"LambdaFunctionArn": arn("f"), **wish} for wish in wishes]}
        return {"Bucket": "noted", "NotificationConfiguration": configuration}

    created = {"Events": ["s3:ObjectCreated:*"]}
    call = s3.put_bucket_notification_configuration
    assert refusal(call, **put(created, {"Events": ["s3:ObjectCreated:Put"]})) == ("InvalidArgument", 400)
    assert refusal(call, **put({"Events": ["s3:Nonsense"]}))[1] == 400
    assert refusal(call, **put({**created, "LambdaFunctionArn": arn("absent")})) == ("InvalidArgument", 400)
    call(**put(created, {"Events": ["s3:ObjectRemoved:*"]}))
    assert len(s3.get_bucket_notification_configuration(Bucket="noted")["LambdaFunctionConfigurations"]) == 2
    call(Bucket="noted", NotificationConfiguration={})
    assert "LambdaFunctionConfigurations" not in s3.get_bucket_notification_configuration(Bucket="noted")


def test_code_comes_from_a_bucket(own_server, s3, lambda_client):
    s3.create_bucket(Bucket="code")
    s3.put_bucket_versioning(Bucket="code", VersioningConfiguration={"Status": "Enabled"})
    say = "def handler(event, context):\n    return {!r}\n"
    first = s3.put_object(Bucket="code", Key="f.zip", Body=pack({"lambda_function.py": say.format("one")}))["VersionId"]
    s3.put_object(Bucket="code", Key="f.zip", Body=pack({"lambda_function.py": say.format("two")}))
    make(lambda_client, own_server, "f", {"S3Bucket": "code", "S3Key": "f.zip"})
    answer = lambda: json.loads(lambda_client.invoke(FunctionName="f")["Payload"].read())  # noqa: E731
    assert answer() == "two"
    lambda_client.update_function_code(FunctionName="f", S3Bucket="code", S3Key="f.zip", S3ObjectVersion=first)
    until_active(lambda_client, "f")
    assert answer() == "one"
    layer = lambda_client.publish_layer_version(LayerName="l", Content={"S3Bucket": "code", "S3Key": "f.zip"})
    assert layer["Version"] == 1
    for bucket, key, code in [("code", "absent.zip", "NoSuchKey"), ("absent-bucket", "f.zip", "NoSuchBucket")]:
        with pytest.raises(ClientError) as refused:
            lambda_client.update_function_code(FunctionName="f", S3Bucket=bucket, S3Key=key)
        error = refused.value.response["Error"]
        assert error["Code"] == "InvalidParameterValueException"
        assert f"S3 Error Code: {code}." in error["Message"]


def test_records_of_events_go_into_a_bucket(own_server, s3, lambda_client):
    s3.create_bucket(Bucket="records")
    make(lambda_client, own_server, "f", pack({"lambda_function.py": "def handler(event, context):\n    raise ValueError\n"}))
    lambda_client.put_function_event_invoke_config(
        FunctionName="f",
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": "arn:aws:s3:::records"}},
    )
    lambda_client.invoke(FunctionName="f", InvocationType="Event", Payload=b"{}")
    found = until(lambda: s3.list_objects_v2(Bucket="records").get("Contents"), "the record", timeout=30)
    assert found[0]["Key"].startswith("aws/lambda/async/f/")


def test_what_was_acknowledged_survives_kill(own_server):
    """Objects small and large, and parts: whoever had an answer finds every byte after the server was killed."""
    own_server.start()
    clients = Clients(own_server)
    s3 = clients.boto("s3", s3={"addressing_style": "path"})
    s3.create_bucket(Bucket="kept")
    acknowledged, stop = {}, threading.Event()

    def write(worker):
        client = clients.boto("s3", s3={"addressing_style": "path"})
        number = 0
        while not stop.is_set():
            # One key of each worker is overwritten all the time, the others stay.
            key = f"{worker}/{number % 7}"
            body = f"{worker}-{number}-".encode() * (40 if number % 2 else 40_000)
            try:
                client.put_object(Bucket="kept", Key=key, Body=body)
            except (BotoCoreError, ClientError):
                return
            acknowledged[key] = number
            number += 1

    workers = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
    for worker in workers:
        worker.start()
    until(lambda: len(acknowledged) >= 28 and min(acknowledged.values()) >= 7, "objects to be put", timeout=60)
    os.kill(own_server.pid, signal.SIGKILL)
    stop.set()
    for worker in workers:
        worker.join()
    own_server.process.wait()
    own_server.start()
    s3 = Clients(own_server).boto("s3", s3={"addressing_style": "path"})
    for key, number in acknowledged.items():
        body = s3.get_object(Bucket="kept", Key=key)["Body"].read()
        found = int(body.split(b"-")[1])
        # What was on its way when the server died may be there, too; nothing older is.
        assert found in (number, number + 7), (key, found, number)
        assert body == f"{key.split('/')[0]}-{found}-".encode() * (40 if found % 2 else 40_000)
    # Nothing is left of what was not acknowledged: as many files as large objects.
    files = sum(len(names) for _, _, names in os.walk(own_server.data_dir / "s3"))
    sizes = [one["Size"] for one in s3.list_objects_v2(Bucket="kept")["Contents"]]
    assert files == sum(size > 8 * 1024 for size in sizes)


def test_a_queue_hears_of_objects(own_server, world, s3):
    sqs = world.boto("sqs")
    s3.create_bucket(Bucket="heard")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"
    wish = {"QueueArn": queue, "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}
    put = {"Bucket": "heard", "NotificationConfiguration": {"QueueConfigurations": [wish]}}
    assert refusal(s3.put_bucket_notification_configuration, **put) == ("InvalidArgument", 400)
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue,
        "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::heard"}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    s3.put_bucket_notification_configuration(**put)

    def receive():
        messages = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages")
        if not messages:
            return None
        sqs.delete_message(QueueUrl=url, ReceiptHandle=messages[0]["ReceiptHandle"])
        return json.loads(messages[0]["Body"])

    test = until(receive, "the test event")
    assert (test["Event"], test["Bucket"], test["Service"]) == ("s3:TestEvent", "heard", "Amazon S3")
    s3.put_object(Bucket="heard", Key="k", Body=b"12345")
    record = until(receive, "the event")["Records"][0]
    assert (record["eventName"], record["s3"]["object"]["size"]) == ("ObjectCreated:Put", 5)
    s3.copy_object(Bucket="heard", Key="copy", CopySource="heard/k")
    copied = until(receive, "the event")["Records"][0]
    assert copied["eventName"] == "ObjectCreated:Copy"
    assert copied["s3"]["object"]["sequencer"] > record["s3"]["object"]["sequencer"]
    s3.delete_object(Bucket="heard", Key="k")
    removed = until(receive, "the event")["Records"][0]
    assert removed["eventName"] == "ObjectRemoved:Delete" and "size" not in removed["s3"]["object"]


def test_sessions_are_verified_chunk_by_chunk(world, s3):
    s3.create_bucket(Bucket="sessions")
    given = world.boto("sts").get_session_token()["Credentials"]
    at = {"key": given["AccessKeyId"], "token": given["SessionToken"], "s3": {"addressing_style": "path"}}
    session = world.boto("s3", secret=given["SecretAccessKey"], **at)
    body = os.urandom(300_000)
    session.put_object(Bucket="sessions", Key="k", Body=body)
    assert session.get_object(Bucket="sessions", Key="k")["Body"].read() == body
    link = session.generate_presigned_url("get_object", Params={"Bucket": "sessions", "Key": "k"})
    with urllib.request.urlopen(link) as answer:
        assert answer.read() == body
    guess = world.boto("s3", secret="guess", **at)
    assert refusal(guess.get_object, Bucket="sessions", Key="k")[1] == 403
    assert refusal(guess.put_object, Bucket="sessions", Key="k", Body=b"x")[1] == 403


def test_the_default_bus_hears_of_objects(world, s3):
    sqs, events = world.boto("sqs"), world.boto("events")
    s3.create_bucket(Bucket="bused")
    url = sqs.create_queue(QueueName="from-bus")["QueueUrl"]
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:from-bus"
    statement = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{**statement, "Resource": queue}]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    pattern = {"source": ["aws.s3"], "detail": {"bucket": {"name": ["bused"]}, "object": {"key": [{"prefix": "in/"}]}}}
    events.put_rule(Name="uploads", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="uploads", Targets=[{"Id": "1", "Arn": queue}])
    s3.put_bucket_notification_configuration(Bucket="bused", NotificationConfiguration={"EventBridgeConfiguration": {}})
    assert "EventBridgeConfiguration" in s3.get_bucket_notification_configuration(Bucket="bused")
    s3.put_object(Bucket="bused", Key="in/a b", Body=b"123")
    messages = until(
        lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages"), "the event on the bus", timeout=30
    )
    event = json.loads(messages[0]["Body"])
    assert (event["detail-type"], event["source"], event["account"]) == ("Object Created", "aws.s3", ACCOUNT)
    assert event["resources"] == ["arn:aws:s3:::bused"]
    assert event["detail"]["object"]["key"] == "in/a b" and event["detail"]["object"]["size"] == 3
    assert event["detail"]["reason"] == "PutObject"
