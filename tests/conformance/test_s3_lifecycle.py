"""Lifecycle rules (S3 User Guide, "Managing the lifecycle of objects"). What takes days is tried in crates/s3 with a clock of
its own; here rules are over when they are put."""

import datetime
import json

import pytest

from support.clients import ACCOUNT, REGION
from support.functions import unique
from support.objects import Buckets, refusal
from support.wait import until

LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)


@pytest.fixture(scope="module")
def s3(clients):
    return clients.boto("s3", s3={"addressing_style": "path"})


@pytest.fixture
def bucket(s3):
    buckets = Buckets(s3)
    yield buckets.create()
    buckets.clean()


def put(s3, bucket, *rules):
    rules = [{"Status": "Enabled", "Filter": {}, **rule} for rule in rules]
    return s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})


def keys(s3, bucket):
    return [one["Key"] for one in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def test_what_is_over_goes_when_a_rule_says_so(s3, bucket):
    for key in ("logs/small", "logs/tagged", "logs/large", "other"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x" * (20_000 if "large" in key else 10), Tagging="keep=no" if "tagged" in key else "")
    put(s3, bucket, {"Filter": {"And": {"Prefix": "logs/", "ObjectSizeGreaterThan": 10_000}}, "Expiration": {"Date": LONG_AGO}})
    until(lambda: keys(s3, bucket) == ["logs/small", "logs/tagged", "other"], "the large one to expire")
    put(s3, bucket, {"Filter": {"Tag": {"Key": "keep", "Value": "no"}}, "Expiration": {"Date": LONG_AGO}})
    until(lambda: keys(s3, bucket) == ["logs/small", "other"], "the tagged one to expire")
    shown = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"][0]
    assert shown["Expiration"] == {"Date": LONG_AGO} and shown["ID"]


def test_answers_say_when_an_object_expires(s3, bucket):
    put(s3, bucket, {"ID": "a rule", "Filter": {"Prefix": "a/"}, "Expiration": {"Days": 2}})
    day = datetime.datetime.now(datetime.timezone.utc).date()
    answers = [s3.put_object(Bucket=bucket, Key="a/k", Body=b"x"), s3.get_object(Bucket=bucket, Key="a/k"), s3.head_object(Bucket=bucket, Key="a/k")]
    answers.append(s3.copy_object(Bucket=bucket, Key="a/copy", CopySource=f"{bucket}/a/k"))
    # Midnight may pass between two lines.
    ends = [(day + datetime.timedelta(days=days)).strftime("%a, %d %b %Y 00:00:00 GMT") for days in (3, 4)]
    for answer in answers:
        assert answer["Expiration"] in [f'expiry-date="{end}", rule-id="a%20rule"' for end in ends]
    assert "Expiration" not in s3.put_object(Bucket=bucket, Key="b", Body=b"x")


def test_versions_are_hidden_by_a_marker(s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["VersionId"]
    s3.delete_object(Bucket=bucket, Key="gone")
    put(s3, bucket, {"Filter": {"Prefix": "k"}, "Expiration": {"Date": LONG_AGO}}, {"Expiration": {"ExpiredObjectDeleteMarker": True}})

    def versions():
        found = s3.list_object_versions(Bucket=bucket)
        return [one["VersionId"] for one in found.get("Versions", [])], [one["Key"] for one in found.get("DeleteMarkers", [])]

    until(lambda: versions() == ([first], ["k"]), "the object to be hidden, and the marker that hid nothing to go")


def test_uploads_say_when_they_are_given_up(s3, bucket):
    put(s3, bucket, {"ID": "r", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}})
    begun = s3.create_multipart_upload(Bucket=bucket, Key="k")
    assert begun["AbortRuleId"] == "r" and 6 < (begun["AbortDate"] - datetime.datetime.now(datetime.timezone.utc)).days + 1 < 9
    parts = s3.list_parts(Bucket=bucket, Key="k", UploadId=begun["UploadId"])
    assert parts["AbortDate"] == begun["AbortDate"]
    s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=begun["UploadId"])


def test_expirations_are_told(s3, clients, bucket):
    sqs = clients.boto("sqs")
    url = sqs.create_queue(QueueName=unique("expired"))["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    assert queue.startswith(f"arn:aws:sqs:{REGION}:{ACCOUNT}:")
    statement = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": queue}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})})
    wish = {"Id": "w", "QueueArn": queue, "Events": ["s3:LifecycleExpiration:*"]}
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [wish]})
    s3.put_object(Bucket=bucket, Key="a b", Body=b"x")
    put(s3, bucket, {"Expiration": {"Date": LONG_AGO}})

    def expired():
        for message in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages", []):
            body = json.loads(message["Body"])
            if "Records" in body:
                return body["Records"][0]

    record = until(expired, "the event")
    assert (record["eventName"], record["eventVersion"]) == ("LifecycleExpiration:Delete", "2.3")
    assert record["s3"]["object"]["key"] == "a+b" and record["userIdentity"]["principalId"] == "s3.amazonaws.com"
    sqs.delete_queue(QueueUrl=url)


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"Expiration": {"Days": 0}},
        {"Expiration": {"Date": LONG_AGO + datetime.timedelta(hours=1)}},
        {"Expiration": {"Days": 1, "ExpiredObjectDeleteMarker": True}},
        {"Filter": {"Tag": {"Key": "a", "Value": "b"}}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}},
        {"NoncurrentVersionExpiration": {"NoncurrentDays": 1, "NewerNoncurrentVersions": 101}},
    ],
)
def test_what_is_no_rule(s3, bucket, rule):
    call = s3.put_bucket_lifecycle_configuration
    rules = {"Rules": [{"Status": "Enabled", "Filter": {}, **rule}]}
    assert refusal(call, Bucket=bucket, LifecycleConfiguration=rules)[1] == 400
