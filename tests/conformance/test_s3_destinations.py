"""Whom S3 tells of objects: topics, queues and the default bus (S3 User Guide, "Event message structure", "Event notification
types and destinations", "Using EventBridge")."""

import json
import re

import pytest

from support.clients import ACCOUNT, REGION
from support.functions import unique
from support.objects import Buckets, refusal
from support.wait import until

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


@pytest.fixture(scope="module")
def s3(clients):
    return clients.boto("s3", s3={"addressing_style": "path"})


@pytest.fixture(scope="module")
def sqs(clients):
    return clients.boto("sqs")


@pytest.fixture(scope="module")
def sns(clients):
    return clients.boto("sns")


@pytest.fixture
def bucket(s3):
    buckets = Buckets(s3)
    yield buckets.create()
    buckets.clean()


class Queue:
    """A queue that anybody who is permitted sends to."""

    def __init__(self, sqs):
        self.sqs = sqs
        self.name = unique("told")
        self.url = sqs.create_queue(QueueName=self.name)["QueueUrl"]
        self.arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{self.name}"

    def permit(self, service, source, account=ACCOUNT):
        condition = {"ArnLike": {"aws:SourceArn": source}, "StringEquals": {"aws:SourceAccount": account}}
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": service},
            "Action": "sqs:SendMessage",
            "Resource": self.arn,
            "Condition": condition,
        }
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        self.sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"Policy": json.dumps(policy)})

    def next(self):
        def receive():
            for message in self.sqs.receive_message(QueueUrl=self.url, WaitTimeSeconds=1).get("Messages", []):
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
                return json.loads(message["Body"])
            return None

        return until(receive, "a message")

    def delete(self):
        self.sqs.delete_queue(QueueUrl=self.url)


@pytest.fixture
def queue(sqs):
    queue = Queue(sqs)
    yield queue
    queue.delete()


def configure(s3, bucket, **configuration):
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)


def check_test_event(event, bucket):
    assert re.fullmatch(TIME, event.pop("Time")) and event.pop("RequestId") and event.pop("HostId")
    assert event == {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": bucket}


def check_record(event, bucket, name, obj, configuration):
    """Against the structure that the User Guide shows, every member of it and no other."""
    (record,) = event["Records"]
    assert list(event) == ["Records"]
    assert re.fullmatch(TIME, record.pop("eventTime"))
    elements = record.pop("responseElements")
    assert sorted(elements) == ["x-amz-id-2", "x-amz-request-id"] and all(elements.values())
    shown = record["s3"]["object"]
    assert re.fullmatch("[0-9A-F]{16,}", shown.pop("sequencer"))
    assert record == {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": REGION,
        "eventName": name,
        "userIdentity": {"principalId": f"AWS:{ACCOUNT}"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": configuration,
            "bucket": {"name": bucket, "ownerIdentity": {"principalId": ACCOUNT}, "arn": f"arn:aws:s3:::{bucket}"},
            "object": obj,
        },
    }


MD5_OF_FIVE = "827ccb0eea8a706c4c34a16891f84e7b"


def test_a_queue_is_told_of_what_it_asked_for(s3, bucket, queue):
    filters = [{"Name": "prefix", "Value": "in/"}, {"Name": "suffix", "Value": ".txt"}]
    wish = {
        "Id": "texts",
        "QueueArn": queue.arn,
        "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:Delete"],
        "Filter": {"Key": {"FilterRules": filters}},
    }
    # Nobody's queue is sent to without having permitted it, nor by a bucket or an account that it does not name.
    call = {"Bucket": bucket, "NotificationConfiguration": {"QueueConfigurations": [wish]}}
    put = s3.put_bucket_notification_configuration
    assert refusal(put, **call) == ("InvalidArgument", 400)
    queue.permit("s3.amazonaws.com", "arn:aws:s3:::another")
    assert refusal(put, **call) == ("InvalidArgument", 400)
    queue.permit("s3.amazonaws.com", f"arn:aws:s3:::{bucket}", account="123456789012")
    assert refusal(put, **call) == ("InvalidArgument", 400)
    queue.permit("sns.amazonaws.com", f"arn:aws:s3:::{bucket}")
    assert refusal(put, **call) == ("InvalidArgument", 400)
    queue.permit("s3.amazonaws.com", f"arn:aws:s3:::{bucket}")
    put(**call)
    check_test_event(queue.next(), bucket)
    # What the filters leave out comes first: were it told, it would be read first.
    for key in ("in/x.jpg", "x.txt", "out/in/x.txt"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"12345")
    s3.put_object(Bucket=bucket, Key="in/a ü+1.txt", Body=b"12345")
    created = {"key": "in/a+%C3%BC%2B1.txt", "size": 5, "eTag": MD5_OF_FIVE}
    check_record(queue.next(), bucket, "ObjectCreated:Put", dict(created), "texts")
    s3.copy_object(Bucket=bucket, Key="in/copy.txt", CopySource={"Bucket": bucket, "Key": "x.txt"})
    check_record(queue.next(), bucket, "ObjectCreated:Copy", {**created, "key": "in/copy.txt"}, "texts")
    upload = {"Bucket": bucket, "Key": "in/parts.txt"}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    part = {"PartNumber": 1, "ETag": s3.upload_part(**upload, PartNumber=1, Body=b"12345")["ETag"]}
    etag = s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [part]})["ETag"].strip('"')
    parts = {"key": "in/parts.txt", "size": 5, "eTag": etag}
    check_record(queue.next(), bucket, "ObjectCreated:CompleteMultipartUpload", parts, "texts")
    s3.delete_object(Bucket=bucket, Key="in/copy.txt")
    check_record(queue.next(), bucket, "ObjectRemoved:Delete", {"key": "in/copy.txt"}, "texts")


def test_versions_are_told(s3, bucket, queue):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    queue.permit("s3.amazonaws.com", f"arn:aws:s3:::{bucket}")
    wish = {"Id": "all", "QueueArn": queue.arn, "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}
    configure(s3, bucket, QueueConfigurations=[wish])
    check_test_event(queue.next(), bucket)
    version = s3.put_object(Bucket=bucket, Key="k", Body=b"12345")["VersionId"]
    obj = {"key": "k", "size": 5, "eTag": MD5_OF_FIVE, "versionId": version}
    check_record(queue.next(), bucket, "ObjectCreated:Put", obj, "all")
    marker = s3.delete_object(Bucket=bucket, Key="k")["VersionId"]
    check_record(queue.next(), bucket, "ObjectRemoved:DeleteMarkerCreated", {"key": "k", "versionId": marker}, "all")
    s3.delete_object(Bucket=bucket, Key="k", VersionId=version)
    check_record(queue.next(), bucket, "ObjectRemoved:Delete", {"key": "k", "versionId": version}, "all")


def test_a_topic_is_told(s3, sns, bucket, queue):
    topic = sns.create_topic(Name=unique("objects"))["TopicArn"]
    try:
        queue.permit("sns.amazonaws.com", topic)
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue.arn)
        wish = {"Id": "t", "TopicArn": topic, "Events": ["s3:ObjectCreated:Put"]}
        call = {"Bucket": bucket, "NotificationConfiguration": {"TopicConfigurations": [wish]}}
        put = s3.put_bucket_notification_configuration
        # A topic's own policy permits its account, and no service.
        assert refusal(put, **call) == ("InvalidArgument", 400)
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "s3.amazonaws.com"},
            "Action": "sns:Publish",
            "Resource": topic,
            "Condition": {"ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{bucket}"}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
        put(**call)
        test = queue.next()
        assert (test["Type"], test["TopicArn"], test["Subject"]) == ("Notification", topic, "Amazon S3 Notification")
        check_test_event(json.loads(test["Message"]), bucket)
        s3.put_object(Bucket=bucket, Key="k", Body=b"12345")
        message = queue.next()
        assert message["Subject"] == "Amazon S3 Notification"
        obj = {"key": "k", "size": 5, "eTag": MD5_OF_FIVE}
        check_record(json.loads(message["Message"]), bucket, "ObjectCreated:Put", obj, "t")
        # A destination that is gone is refused, too.
        gone = {**wish, "TopicArn": f"{topic}-gone"}
        call["NotificationConfiguration"]["TopicConfigurations"] = [gone]
        assert refusal(put, **call) == ("InvalidArgument", 400)
    finally:
        sns.delete_topic(TopicArn=topic)


def test_the_default_bus_is_told(s3, clients, bucket, queue):
    events = clients.boto("events")
    rule = unique("objects")
    arn = events.put_rule(Name=rule, EventPattern=json.dumps({"source": ["aws.s3"], "detail": {"bucket": {"name": [bucket]}}}))["RuleArn"]
    try:
        queue.permit("events.amazonaws.com", arn)
        events.put_targets(Rule=rule, Targets=[{"Id": "1", "Arn": queue.arn}])
        configure(s3, bucket, EventBridgeConfiguration={})
        s3.put_object(Bucket=bucket, Key="a ü", Body=b"12345")

        def check(event, kind, detail, obj):
            """Against the examples of the User Guide, "EventBridge event message structure"."""
            assert re.fullmatch(r"[0-9a-f-]{36}", event.pop("id")) and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", event.pop("time"))
            inner = event.pop("detail")
            assert event == {
                "version": "0",
                "detail-type": kind,
                "source": "aws.s3",
                "account": ACCOUNT,
                "region": REGION,
                "resources": [f"arn:aws:s3:::{bucket}"],
            }
            assert inner.pop("request-id") and re.fullmatch("[0-9A-F]{16,}", inner["object"].pop("sequencer"))
            assert inner == {
                "version": "0",
                "bucket": {"name": bucket},
                "object": obj,
                "requester": ACCOUNT,
                "source-ip-address": "127.0.0.1",
                **detail,
            }

        check(queue.next(), "Object Created", {"reason": "PutObject"}, {"key": "a ü", "size": 5, "etag": MD5_OF_FIVE})
        s3.delete_object(Bucket=bucket, Key="a ü")
        deleted = {"reason": "DeleteObject", "deletion-type": "Permanently Deleted"}
        check(queue.next(), "Object Deleted", deleted, {"key": "a ü"})
    finally:
        events.remove_targets(Rule=rule, Ids=["1"])
        events.delete_rule(Name=rule)


def test_a_destination_that_closes_later_hears_nothing(s3, bucket, queue, sqs):
    """Permissions are asked when they are used, too."""
    queue.permit("s3.amazonaws.com", f"arn:aws:s3:::{bucket}")
    wish = {"Id": "w", "QueueArn": queue.arn, "Events": ["s3:ObjectCreated:*"]}
    configure(s3, bucket, QueueConfigurations=[wish])
    check_test_event(queue.next(), bucket)
    sqs.set_queue_attributes(QueueUrl=queue.url, Attributes={"Policy": ""})
    s3.put_object(Bucket=bucket, Key="unheard", Body=b"12345")
    # Each object of a queue is told by itself: wait for another queue to have heard of a later one.
    other = Queue(sqs)
    try:
        other.permit("s3.amazonaws.com", f"arn:aws:s3:::{bucket}")
        configure(s3, bucket, QueueConfigurations=[{**wish, "QueueArn": other.arn}])
        check_test_event(other.next(), bucket)
        s3.put_object(Bucket=bucket, Key="heard", Body=b"12345")
        check_record(other.next(), bucket, "ObjectCreated:Put", {"key": "heard", "size": 5, "eTag": MD5_OF_FIVE}, "w")
    finally:
        other.delete()
    assert "Messages" not in sqs.receive_message(QueueUrl=queue.url)
