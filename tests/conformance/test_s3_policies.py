"""What a bucket's policy decides of requests with a key, with a link and with nothing (S3 User Guide, "Examples of Amazon S3
bucket policies"; Service Authorization Reference, "Condition keys for Amazon S3")."""

import json
import urllib.error
import urllib.parse
import urllib.request

import pytest

from support.clients import ACCOUNT
from support.objects import Buckets, refusal

STRANGER = "123456789012"


@pytest.fixture(scope="module")
def s3(clients):
    return clients.boto("s3", s3={"addressing_style": "path"}, signature_version="s3v4")


@pytest.fixture(scope="module")
def stranger(clients):
    return clients.boto("s3", key=STRANGER, s3={"addressing_style": "path"})


@pytest.fixture
def bucket(s3):
    buckets = Buckets(s3)
    name = buckets.create()
    s3.put_object(Bucket=name, Key="home/k", Body=b"12345")
    yield name
    s3.delete_bucket_policy(Bucket=name)
    buckets.clean()


def put_policy(s3, bucket, *statements):
    own = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    statements = [{"Principal": "*", "Resource": own, **statement} for statement in statements]
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))


def status(url, **headers):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_anybody_may_what_the_policy_gives_everybody(server, s3, bucket):
    url = f"{server.url}/{bucket}/home/k"
    assert status(url) == 403
    read = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/home/*"}
    # Without a condition it is public, which new buckets prevent.
    assert refusal(s3.put_bucket_policy, Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [{**read, "Principal": "*"}]})) == ("AccessDenied", 403)
    s3.delete_public_access_block(Bucket=bucket)
    put_policy(s3, bucket, read)
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is True
    assert status(url) == 200
    assert status(f"{server.url}/{bucket}/other") == 403
    assert status(f"{server.url}/{bucket}") == 403
    put_policy(s3, bucket, {**read, "Condition": {"StringLike": {"aws:Referer": ["http://www.example.com/*"]}}})
    assert status(url, Referer="http://www.example.com/page") == 200
    assert status(url, Referer="http://other.example/") == 403
    assert status(url) == 403
    put_policy(s3, bucket, {**read, "Condition": {"NotIpAddress": {"aws:SourceIp": "127.0.0.0/8"}}})
    assert status(url) == 403


def test_links_are_held_to_the_policy(s3, bucket):
    def link():
        return s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "home/k"})

    assert status(link()) == 200
    put_policy(s3, bucket, {"Effect": "Deny", "Action": "s3:*", "Condition": {"StringEquals": {"s3:authType": "REST-QUERY-STRING"}}})
    assert status(link()) == 403
    assert s3.get_object(Bucket=bucket, Key="home/k")["ContentLength"] == 5
    age = {"NumericGreaterThan": {"s3:signatureAge": 600_000}}
    put_policy(s3, bucket, {"Effect": "Deny", "Action": "s3:*", "Condition": age})
    assert status(link()) == 200
    put_policy(s3, bucket, {"Effect": "Deny", "Action": "s3:*", "Condition": {"NumericGreaterThanEquals": {"s3:signatureAge": 0}}})
    assert status(link()) == 403


def test_uploads_can_be_asked_to_be_encrypted(s3, bucket):
    def deny(condition):
        return {"Effect": "Deny", "Action": "s3:PutObject", "Condition": condition}

    key = "s3:x-amz-server-side-encryption"
    put_policy(s3, bucket, deny({"Null": {key: "true"}}), deny({"StringNotEqualsIfExists": {key: "AES256"}}))
    assert refusal(s3.put_object, Bucket=bucket, Key="home/k", Body=b"x") == ("AccessDenied", 403)
    s3.put_object(Bucket=bucket, Key="home/k", Body=b"x", ServerSideEncryption="AES256")
    put_policy(s3, bucket, deny({"Null": {"s3:if-none-match": "true"}}))
    assert refusal(s3.put_object, Bucket=bucket, Key="home/k", Body=b"x") == ("AccessDenied", 403)
    s3.put_object(Bucket=bucket, Key="home/new", Body=b"x", IfNoneMatch="*")


def test_listing_is_given_by_prefix(s3, stranger, bucket):
    assert refusal(stranger.list_objects_v2, Bucket=bucket, Prefix="home/") == ("AccessDenied", 403)
    condition = {"StringLike": {"s3:prefix": ["home/*"]}, "NumericLessThanEquals": {"s3:max-keys": "10"}}
    principal = {"AWS": f"arn:aws:iam::{STRANGER}:root"}
    put_policy(s3, bucket, {"Effect": "Allow", "Principal": principal, "Action": "s3:ListBucket", "Condition": condition})
    assert stranger.list_objects_v2(Bucket=bucket, Prefix="home/", MaxKeys=10)["KeyCount"] == 1
    for other in ({"Prefix": "", "MaxKeys": 10}, {"MaxKeys": 10}, {"Prefix": "home/"}, {"Prefix": "home/", "MaxKeys": 11}):
        assert refusal(stranger.list_objects_v2, Bucket=bucket, **other) == ("AccessDenied", 403), other
    assert refusal(stranger.get_object, Bucket=bucket, Key="home/k") == ("AccessDenied", 403)


def test_a_version_is_copied_by_who_may_read_versions(s3, stranger, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket=bucket, Key="home/k", Body=b"1")["VersionId"]
    resource = f"arn:aws:s3:::{bucket}/*"
    write = {"Effect": "Allow", "Principal": {"AWS": STRANGER}, "Action": "s3:PutObject", "Resource": resource}
    read = {**write, "Action": "s3:GetObject"}
    put_policy(s3, bucket, write, read)
    now, then = ({"Bucket": bucket, "Key": "home/k"}, {"Bucket": bucket, "Key": "home/k", "VersionId": version})
    stranger.copy_object(Bucket=bucket, Key="copy", CopySource=now)
    assert refusal(stranger.copy_object, Bucket=bucket, Key="copy", CopySource=then) == ("AccessDenied", 403)
    put_policy(s3, bucket, write, {**read, "Action": "s3:GetObjectVersion"})
    stranger.copy_object(Bucket=bucket, Key="copy", CopySource=then)
    assert refusal(stranger.copy_object, Bucket=bucket, Key="copy", CopySource=now) == ("AccessDenied", 403)


def test_tags_and_callers_can_be_asked_for(s3, stranger, bucket):
    allow = {"Effect": "Allow", "Action": ["s3:PutObject", "s3:PutObjectTagging"], "Principal": {"AWS": STRANGER}}
    condition = {"StringEquals": {"s3:RequestObjectTag/team": "red", "aws:PrincipalAccount": STRANGER, "aws:ResourceAccount": ACCOUNT}}
    put_policy(s3, bucket, {**allow, "Condition": condition})
    stranger.put_object(Bucket=bucket, Key="theirs", Body=b"x", Tagging="team=red")
    for tagging in ("team=blue", "other=red", ""):
        assert refusal(stranger.put_object, Bucket=bucket, Key="theirs", Body=b"x", Tagging=tagging) == ("AccessDenied", 403)


def test_an_owner_is_denied_too_and_can_mend_it(s3, bucket):
    put_policy(s3, bucket, {"Effect": "Deny", "Action": "s3:*"})
    for call in (s3.get_object, s3.delete_object):
        assert refusal(call, Bucket=bucket, Key="home/k") == ("AccessDenied", 403)
    assert refusal(s3.list_objects_v2, Bucket=bucket) == ("AccessDenied", 403)
    s3.delete_bucket_policy(Bucket=bucket)
    assert s3.get_object(Bucket=bucket, Key="home/k")["ContentLength"] == 5
