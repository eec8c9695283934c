"""Buckets and objects with stock clients (S3 API Reference; S3 User Guide)."""

import base64
import hashlib
import http.client
import os
import zlib

import boto3.s3.transfer
import pytest
from botocore.config import Config

from support.clients import REGION
from support.objects import Buckets, empty, refusal
from support.functions import unique


@pytest.fixture(scope="module")
def s3(clients):
    """boto3's client with bucket names in paths."""
    return clients.boto("s3", s3={"addressing_style": "path"})


@pytest.fixture
def buckets(s3):
    buckets = Buckets(s3)
    yield buckets
    buckets.clean()


@pytest.fixture
def bucket(buckets):
    return buckets.create()


def test_buckets_are_made_found_and_removed(s3, clients, buckets):
    name = buckets.create()
    assert s3.head_bucket(Bucket=name)["BucketRegion"] == REGION
    assert s3.get_bucket_location(Bucket=name)["LocationConstraint"] is None
    assert name in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    # Once more is no error in us-east-1, and one for somebody else.
    s3.create_bucket(Bucket=name)
    stranger = clients.boto("s3", key="123456789012", s3={"addressing_style": "path"})
    assert refusal(stranger.create_bucket, Bucket=name) == ("BucketAlreadyExists", 409)
    assert refusal(stranger.head_bucket, Bucket=name) == ("403", 403)
    abroad = clients.boto("s3", region="eu-west-1", s3={"addressing_style": "path"})
    assert refusal(abroad.create_bucket, Bucket=unique("b")) == ("IllegalLocationConstraintException", 400)
    west = unique("west")
    constraint = {"LocationConstraint": "eu-west-1"}
    abroad.create_bucket(Bucket=west, CreateBucketConfiguration=constraint)
    buckets.names.append(west)
    assert s3.get_bucket_location(Bucket=west)["LocationConstraint"] == "eu-west-1"
    assert refusal(abroad.create_bucket, Bucket=west, CreateBucketConfiguration=constraint) == (
        "BucketAlreadyOwnedByYou",
        409,
    )
    for bad in ("ab", "Upper", "under_score", "192.168.0.1"):
        assert refusal(s3.create_bucket, Bucket=bad) == ("InvalidBucketName", 400), bad
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    assert refusal(s3.delete_bucket, Bucket=name) == ("BucketNotEmpty", 409)
    s3.delete_object(Bucket=name, Key="k")
    s3.delete_bucket(Bucket=name)
    assert refusal(s3.head_bucket, Bucket=name) == ("404", 404)
    assert refusal(s3.put_object, Bucket=name, Key="k") == ("NoSuchBucket", 404)


@pytest.mark.parametrize("size", [0, 1, 8 * 1024, 8 * 1024 + 1, 1024 * 1024 + 7])
def test_what_is_put_comes_back(s3, bucket, size):
    body = os.urandom(size)
    key = "a folder/ü+%20?&=.bin"
    put = s3.put_object(
        Bucket=bucket,
        Key=key,
        Body=body,
        ContentType="text/x-test",
        CacheControl="max-age=5",
        ContentDisposition="attachment",
        ContentLanguage="de",
        ContentEncoding="gzip",
        Metadata={"one": "1", "two": "b c"},
    )
    etag = f'"{hashlib.md5(body).hexdigest()}"'
    assert put["ETag"] == etag
    # The SDK sends CRC32 by itself.
    assert put["ChecksumCRC32"] == base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
    head = s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    got = s3.get_object(Bucket=bucket, Key=key)
    assert got["Body"].read() == body
    for answer in (head, got):
        assert (answer["ETag"], answer["ContentLength"]) == (etag, size)
        assert answer["Metadata"] == {"one": "1", "two": "b c"}
        assert answer["ContentType"] == "text/x-test"
        assert answer["CacheControl"] == "max-age=5"
        assert answer["ContentEncoding"] == "gzip"
        assert answer["AcceptRanges"] == "bytes"
    assert head["ChecksumCRC32"] == put["ChecksumCRC32"]
    listed = s3.list_objects_v2(Bucket=bucket)["Contents"][0]
    assert (listed["Key"], listed["Size"], listed["ETag"]) == (key, size, etag)


def test_ranges_and_conditions(s3, bucket):
    body = os.urandom(100_000)
    etag = s3.put_object(Bucket=bucket, Key="k", Body=body)["ETag"]
    for text, part in [("bytes=0-9", body[:10]), ("bytes=99990-", body[99_990:]), ("bytes=-5", body[-5:])]:
        got = s3.get_object(Bucket=bucket, Key="k", Range=text)
        assert got["Body"].read() == part
        assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
        assert got["ContentRange"].endswith("/100000")
    assert refusal(s3.get_object, Bucket=bucket, Key="k", Range="bytes=100000-") == ("InvalidRange", 416)
    assert s3.get_object(Bucket=bucket, Key="k", IfMatch=etag)["ETag"] == etag
    assert refusal(s3.get_object, Bucket=bucket, Key="k", IfMatch='"other"') == ("PreconditionFailed", 412)
    assert refusal(s3.get_object, Bucket=bucket, Key="k", IfNoneMatch=etag)[1] == 304
    modified = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    assert refusal(s3.head_object, Bucket=bucket, Key="k", IfModifiedSince=modified)[1] == 304
    # Writes: only if there is nothing, only if it is still the same.
    assert refusal(s3.put_object, Bucket=bucket, Key="k", Body=b"", IfNoneMatch="*") == ("PreconditionFailed", 412)
    s3.put_object(Bucket=bucket, Key="new", Body=b"1", IfNoneMatch="*")
    assert refusal(s3.put_object, Bucket=bucket, Key="k", IfMatch='"0"') == ("PreconditionFailed", 412)
    assert refusal(s3.put_object, Bucket=bucket, Key="none", IfMatch=etag) == ("NoSuchKey", 404)
    s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfMatch=etag)
    assert refusal(s3.get_object, Bucket=bucket, Key="nothing") == ("NoSuchKey", 404)


def test_checksums_are_held_against_what_comes(s3, bucket):
    for algorithm in ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"):
        try:
            put = s3.put_object(Bucket=bucket, Key=algorithm, Body=b"123456789" * 2000, ChecksumAlgorithm=algorithm)
        except Exception as error:
            # Some need a library that is not installed beside boto3.
            assert "MissingDependency" in type(error).__name__, error
            continue
        assert put[f"Checksum{algorithm}"]
        head = s3.head_object(Bucket=bucket, Key=algorithm, ChecksumMode="ENABLED")
        assert head[f"Checksum{algorithm}"] == put[f"Checksum{algorithm}"]
        assert head["ChecksumType"] == "FULL_OBJECT"
    wrong = base64.b64encode(b"\0\0\0\0").decode()
    assert refusal(s3.put_object, Bucket=bucket, Key="k", Body=b"x", ChecksumCRC32=wrong) == ("BadDigest", 400)
    md5 = base64.b64encode(hashlib.md5(b"y").digest()).decode()
    assert refusal(s3.put_object, Bucket=bucket, Key="k", Body=b"x", ContentMD5=md5) == ("BadDigest", 400)
    assert refusal(s3.head_object, Bucket=bucket, Key="k") == ("404", 404)


def test_lists_have_prefixes_delimiters_and_pages(s3, bucket):
    keys = ["a", "a/1", "a/2", "b/c/3", "z ü/4"]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2})
    assert [one["Key"] for page in pages for one in page["Contents"]] == keys
    pages = s3.get_paginator("list_objects").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2})
    assert [one["Key"] for page in pages for one in page["Contents"]] == keys
    top = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert [one["Key"] for one in top["Contents"]] == ["a"]
    assert [one["Prefix"] for one in top["CommonPrefixes"]] == ["a/", "b/", "z ü/"]
    assert top["KeyCount"] == 4
    below = s3.list_objects_v2(Bucket=bucket, Prefix="a/", StartAfter="a/1")
    assert [one["Key"] for one in below["Contents"]] == ["a/2"]
    deleted = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in [*keys, "none"]]})
    assert len(deleted["Deleted"]) == 6
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_copies(s3, bucket):
    body = os.urandom(50_000)
    s3.put_object(Bucket=bucket, Key="from", Body=body, Metadata={"a": "1"}, ContentType="x/y", Tagging="t=1")
    source = {"Bucket": bucket, "Key": "from"}
    s3.copy_object(Bucket=bucket, Key="to", CopySource=source)
    s3.delete_object(Bucket=bucket, Key="from")
    got = s3.get_object(Bucket=bucket, Key="to")
    assert (got["Body"].read(), got["Metadata"], got["ContentType"]) == (body, {"a": "1"}, "x/y")
    assert s3.get_object_tagging(Bucket=bucket, Key="to")["TagSet"] == [{"Key": "t", "Value": "1"}]
    itself = {"Bucket": bucket, "Key": "to"}
    assert refusal(s3.copy_object, Bucket=bucket, Key="to", CopySource=itself) == ("InvalidRequest", 400)
    s3.copy_object(
        Bucket=bucket, Key="to", CopySource=itself, MetadataDirective="REPLACE", Metadata={"b": "2"}, ContentType="z/z"
    )
    got = s3.get_object(Bucket=bucket, Key="to")
    assert (got["Body"].read(), got["Metadata"], got["ContentType"]) == (body, {"b": "2"}, "z/z")
    assert refusal(s3.copy_object, Bucket=bucket, Key="x", CopySource=source) == ("NoSuchKey", 404)


def test_uploads_in_parts(s3, bucket):
    body = os.urandom(12 * 1024 * 1024 + 3)
    transfer = boto3.s3.transfer.TransferConfig(multipart_threshold=6 * 1024 * 1024, multipart_chunksize=5 * 1024 * 1024)
    import io

    s3.upload_fileobj(io.BytesIO(body), bucket, "big", Config=transfer, ExtraArgs={"Metadata": {"m": "1"}})
    head = s3.head_object(Bucket=bucket, Key="big", ChecksumMode="ENABLED")
    md5s = b"".join(hashlib.md5(body[at : at + 5 * 1024 * 1024]).digest() for at in range(0, len(body), 5 * 1024 * 1024))
    assert head["ETag"] == f'"{hashlib.md5(md5s).hexdigest()}-3"'
    assert head["ContentLength"] == len(body) and head["Metadata"] == {"m": "1"}
    got = io.BytesIO()
    s3.download_fileobj(bucket, "big", got, Config=transfer)
    assert got.getvalue() == body
    part = s3.get_object(Bucket=bucket, Key="big", PartNumber=2)
    assert part["PartsCount"] == 3 and part["Body"].read() == body[5 * 1024 * 1024 : 10 * 1024 * 1024]
    across = s3.get_object(Bucket=bucket, Key="big", Range="bytes=5242870-5242890")
    assert across["Body"].read() == body[5_242_870:5_242_891]
    # A copy of parts, by ranges.
    upload = s3.create_multipart_upload(Bucket=bucket, Key="copy")["UploadId"]
    source = {"Bucket": bucket, "Key": "big"}
    parts = []
    for number, text in enumerate(["bytes=0-6291455", "bytes=6291456-6291460"], 1):
        result = s3.upload_part_copy(
            Bucket=bucket, Key="copy", UploadId=upload, PartNumber=number, CopySource=source, CopySourceRange=text
        )
        parts.append({"PartNumber": number, "ETag": result["CopyPartResult"]["ETag"]})
    s3.complete_multipart_upload(Bucket=bucket, Key="copy", UploadId=upload, MultipartUpload={"Parts": parts})
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == body[:6_291_461]
    s3.copy_object(Bucket=bucket, Key="whole", CopySource=source)
    assert s3.get_object(Bucket=bucket, Key="whole")["Body"].read() == body


def test_parts_have_rules(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    at = {"Bucket": bucket, "Key": "k", "UploadId": upload}
    small = [s3.upload_part(**at, PartNumber=number, Body=b"small") for number in (1, 2)]
    parts = [{"PartNumber": number, "ETag": part["ETag"]} for number, part in enumerate(small, 1)]
    assert [part["Size"] for part in s3.list_parts(**at)["Parts"]] == [5, 5]
    assert s3.list_multipart_uploads(Bucket=bucket)["Uploads"][0]["UploadId"] == upload
    complete = s3.complete_multipart_upload
    assert refusal(complete, **at, MultipartUpload={"Parts": parts}) == ("EntityTooSmall", 400)
    assert refusal(complete, **at, MultipartUpload={"Parts": parts[::-1]}) == ("InvalidPartOrder", 400)
    wrong = [{"PartNumber": 1, "ETag": '"0"'}]
    assert refusal(complete, **at, MultipartUpload={"Parts": wrong}) == ("InvalidPart", 400)
    assert refusal(s3.upload_part, **at, PartNumber=10_001, Body=b"") == ("InvalidArgument", 400)
    s3.abort_multipart_upload(**at)
    assert refusal(s3.list_parts, **at) == ("NoSuchUpload", 404)
    assert refusal(s3.head_object, Bucket=bucket, Key="k") == ("404", 404)


def test_versions(s3, bucket):
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=b"0")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    one = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["VersionId"]
    two = s3.put_object(Bucket=bucket, Key="k", Body=b"2")["VersionId"]
    assert s3.get_object(Bucket=bucket, Key="k", VersionId=one)["Body"].read() == b"1"
    assert s3.get_object(Bucket=bucket, Key="k", VersionId="null")["Body"].read() == b"0"
    marker = s3.delete_object(Bucket=bucket, Key="k")
    assert marker["DeleteMarker"] is True
    assert refusal(s3.get_object, Bucket=bucket, Key="k") == ("NoSuchKey", 404)
    assert refusal(s3.get_object, Bucket=bucket, Key="k", VersionId=marker["VersionId"]) == ("MethodNotAllowed", 405)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, PaginationConfig={"PageSize": 1})
    found = [(kind, one["VersionId"], one["IsLatest"]) for page in pages for kind in ("Versions", "DeleteMarkers") for one in page.get(kind, [])]
    assert found == [
        ("DeleteMarkers", marker["VersionId"], True),
        ("Versions", two, False),
        ("Versions", one, False),
        ("Versions", "null", False),
    ]
    s3.delete_object(Bucket=bucket, Key="k", VersionId=marker["VersionId"])
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"2"
    s3.delete_object(Bucket=bucket, Key="k", VersionId=two)
    assert s3.get_object(Bucket=bucket, Key="k")["VersionId"] == one
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    s3.put_object(Bucket=bucket, Key="k", Body=b"3")
    versions = s3.list_object_versions(Bucket=bucket)["Versions"]
    assert [version["VersionId"] for version in versions] == ["null", one]
    assert refusal(s3.get_object, Bucket=bucket, Key="k", VersionId="0" * 32) == ("NoSuchVersion", 404)
    empty(s3, bucket)


def test_tags(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"", Tagging="a=1&b=x%20y")
    assert s3.get_object(Bucket=bucket, Key="k")["TagCount"] == 2
    tags = [{"Key": "c", "Value": "3"}]
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": tags})
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == tags
    s3.delete_object_tagging(Bucket=bucket, Key="k")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []
    assert refusal(s3.get_bucket_tagging, Bucket=bucket) == ("NoSuchTagSet", 404)
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == tags
    many = [{"Key": str(number), "Value": ""} for number in range(11)]
    assert refusal(s3.put_object_tagging, Bucket=bucket, Key="k", Tagging={"TagSet": many}) == ("BadRequest", 400)


def test_what_deploy_tools_read(s3, bucket):
    """What Terraform asks of a bucket that has nothing configured."""
    missing = {
        "get_bucket_policy": "NoSuchBucketPolicy",
        "get_bucket_cors": "NoSuchCORSConfiguration",
        "get_bucket_website": "NoSuchWebsiteConfiguration",
        "get_bucket_lifecycle_configuration": "NoSuchLifecycleConfiguration",
        "get_bucket_replication": "ReplicationConfigurationNotFoundError",
        "get_object_lock_configuration": "ObjectLockConfigurationNotFoundError",
        "get_bucket_tagging": "NoSuchTagSet",
    }
    for operation, code in missing.items():
        assert refusal(getattr(s3, operation), Bucket=bucket) == (code, 404), operation
    assert len(s3.get_bucket_acl(Bucket=bucket)["Grants"]) == 1
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    for operation in ("accelerate_configuration", "logging", "notification_configuration", "versioning"):
        getattr(s3, f"get_bucket_{operation}")(Bucket=bucket)
    rules = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
    ownership = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
    assert ownership == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    lifecycle = {"Rules": [{"ID": "old", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 1}}]}
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=lifecycle)
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == lifecycle["Rules"]
    s3.delete_bucket_lifecycle(Bucket=bucket)
    # What would not be kept to is refused.
    assert refusal(s3.put_bucket_acl, Bucket=bucket, ACL="public-read")[0] == "AccessControlListNotSupported"
    assert refusal(s3.put_object, Bucket=bucket, Key="k", SSECustomerKey="k" * 32, SSECustomerAlgorithm="AES256")[1] == 501


def test_presigned_urls_are_verified(s3, clients, bucket):
    def fetch(url, method="GET", body=None):
        connection = clients.connect()
        connection.request(method, url[len(clients.server.url) :], body=body)
        answer = connection.getresponse()
        return answer.status, answer.read()

    for version in ("s3v4", "s3"):
        signer = clients.boto("s3", s3={"addressing_style": "path"}, signature_version=version)
        arguments = {"Bucket": bucket, "Key": "a b/ü.txt"}
        put = signer.generate_presigned_url("put_object", Params=arguments)
        assert fetch(put, "PUT", b"by " + version.encode())[0] == 200, version
        get = signer.generate_presigned_url("get_object", Params=arguments, ExpiresIn=60)
        assert fetch(get) == (200, b"by " + version.encode())
        assert fetch(get, "PUT", b"x")[0] == 403
        assert fetch(get.replace("%C3%BC.txt", "other.txt"))[0] == 403
        forger = clients.boto("s3", secret="guess", s3={"addressing_style": "path"}, signature_version=version)
        assert fetch(forger.generate_presigned_url("get_object", Params=arguments))[0] == 403
        late = signer.generate_presigned_url("get_object", Params=arguments, ExpiresIn=-10)
        # What never was valid, in the words of either version.
        assert fetch(late)[0] in (400, 403)
    post = s3.generate_presigned_post(bucket, "form/f.txt", ExpiresIn=60)
    boundary = "b" * 20
    fields = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in post["fields"].items()
    )
    form = f'{fields}--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="f.txt"\r\n\r\nformed\r\n--{boundary}--\r\n'
    connection = clients.connect()
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    connection.request("POST", f"/{bucket}", body=form.encode(), headers=headers)
    assert connection.getresponse().status in (200, 204)
    assert s3.get_object(Bucket=bucket, Key="form/f.txt")["Body"].read() == b"formed"


def test_strangers_need_a_policy(s3, clients, bucket):
    import json

    s3.put_object(Bucket=bucket, Key="page.html", Body=b"hello", ContentType="text/html")

    def fetch(path, host=None):
        connection = clients.connect()
        connection.request("GET", path, headers={"Host": f"{host}:{clients.server.port}"} if host else {})
        answer = connection.getresponse()
        return answer.status, answer.read()

    assert fetch(f"/{bucket}/page.html")[0] == 403
    everybody = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [everybody]})
    assert refusal(s3.put_bucket_policy, Bucket=bucket, Policy=policy) == ("AccessDenied", 403)
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)
    assert json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"]) == json.loads(policy)
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is True
    for path, host in [
        (f"/{bucket}/page.html", None),
        ("/page.html", f"{bucket}.s3.localhost"),
        ("/page.html", f"{bucket}.s3.us-east-1.localhost"),
        ("/page.html", f"{bucket}.localhost"),
    ]:
        assert fetch(path, host) == (200, b"hello"), host
    assert fetch(f"/{bucket}")[0] == 403
    stranger = clients.boto("s3", key="123456789012", s3={"addressing_style": "path"})
    assert stranger.get_object(Bucket=bucket, Key="page.html")["Body"].read() == b"hello"
    assert refusal(stranger.put_object, Bucket=bucket, Key="x") == ("AccessDenied", 403)
    other = json.dumps({"Version": "2012-10-17", "Statement": [{**everybody, "Resource": "arn:aws:s3:::other/*"}]})
    assert refusal(s3.put_bucket_policy, Bucket=bucket, Policy=other) == ("MalformedPolicy", 400)
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:DeleteObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
    assert refusal(s3.delete_object, Bucket=bucket, Key="page.html") == ("AccessDenied", 403)
    s3.delete_bucket_policy(Bucket=bucket)


def test_pages_of_other_sites_need_the_buckets_word(s3, clients, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    path = f"/{bucket}/k"
    page = {"Origin": "https://shop.example"}
    preflight = {**page, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type"}

    def ask(method, headers, sign=False):
        return clients.http(method, path, headers=headers, sign=sign, service="s3")

    assert ask("OPTIONS", preflight).status == 403
    assert ask("PUT", page, sign=True).status == 403
    rule = {"AllowedOrigins": ["https://*.example"], "AllowedMethods": ["PUT"], "AllowedHeaders": ["*"], "MaxAgeSeconds": 9}
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == [rule]
    allowed = ask("OPTIONS", preflight)
    assert allowed.status == 200
    assert allowed.headers["access-control-allow-origin"] == "https://shop.example"
    assert allowed.headers["access-control-max-age"] == "9"
    answer = ask("PUT", page, sign=True)
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, "https://shop.example")
    assert ask("DELETE", page, sign=True).status == 403
    assert ask("PUT", {"Origin": "https://other.test"}, sign=True).status == 403


def test_names_in_hosts(clients, bucket):
    """As SDKs send it that put the bucket's name in front of the endpoint's host."""
    connection = http.client.HTTPConnection("127.0.0.1", clients.server.port)
    host = f"{bucket}.s3.localhost:{clients.server.port}"
    headers = {"Host": host}
    signed = clients.signed("PUT", "/in/host", b"body", headers, service="s3")
    connection.request("PUT", "/in/host", body=b"body", headers={**signed, **headers})
    assert connection.getresponse().status == 200
    client = clients.boto("s3", s3={"addressing_style": "path"})
    assert client.get_object(Bucket=bucket, Key="in/host")["Body"].read() == b"body"


def test_the_cli(cli, home, bucket):
    folder = home / "site"
    (folder / "sub").mkdir(parents=True)
    (folder / "index.html").write_text("<h1>hello</h1>")
    (folder / "sub" / "data.bin").write_bytes(os.urandom(100_000))
    # Files of the same second would be newer than their objects, which know whole seconds.
    for file in (folder / "index.html", folder / "sub" / "data.bin"):
        os.utime(file, (1_700_000_000, 1_700_000_000))
    cli.run("s3", "sync", folder, f"s3://{bucket}/site")
    listed = cli.run("s3", "ls", "--recursive", f"s3://{bucket}").stdout
    assert "site/index.html" in listed and "site/sub/data.bin" in listed
    back = home / "back"
    cli.run("s3", "sync", f"s3://{bucket}/site", back)
    assert (back / "sub" / "data.bin").read_bytes() == (folder / "sub" / "data.bin").read_bytes()
    assert not cli.run("s3", "sync", folder, f"s3://{bucket}/site").stdout.strip()
    big = home / "big"
    big.write_bytes(os.urandom(9 * 1024 * 1024))
    cli.run("s3", "cp", big, f"s3://{bucket}/big")
    cli.run("s3", "cp", f"s3://{bucket}/big", home / "big2")
    assert (home / "big2").read_bytes() == big.read_bytes()
    cli.run("s3", "mv", f"s3://{bucket}/big", f"s3://{bucket}/moved")
    url = cli.run("s3", "presign", f"s3://{bucket}/site/index.html").stdout.strip()
    import urllib.request

    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"<h1>hello</h1>"
    name = unique("cli")
    cli.run("s3", "mb", f"s3://{name}")
    cli.run("s3", "rb", f"s3://{name}")
    cli.run("s3", "rm", "--recursive", f"s3://{bucket}")
    assert not cli.run("s3", "ls", f"s3://{bucket}").stdout.strip()


def test_a_stranger_deletes_nothing_in_bulk(s3, clients, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    stranger = clients.boto("s3", key="123456789012", s3={"addressing_style": "path"})
    refused = stranger.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k"}]})
    assert [error["Code"] for error in refused["Errors"]] == ["AccessDenied"] and "Deleted" not in refused
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


def test_puts_of_one_key_at_once_never_mix(s3, clients, bucket):
    import threading

    bodies = {bytes([65 + index]) * (20_000 + index): index for index in range(6)}
    stop, seen, wrong = threading.Event(), set(), []

    def write(body):
        client = clients.boto("s3", s3={"addressing_style": "path"})
        for _ in range(15):
            client.put_object(Bucket=bucket, Key="k", Body=body)

    def read():
        client = clients.boto("s3", s3={"addressing_style": "path"})
        while not stop.is_set():
            got = client.get_object(Bucket=bucket, Key="k")
            body = got["Body"].read()
            seen.add(bodies.get(body))
            if body not in bodies or got["ETag"] != f'"{hashlib.md5(body).hexdigest()}"':
                wrong.append(body[:10])

    write(next(iter(bodies)))
    reader = threading.Thread(target=read)
    reader.start()
    writers = [threading.Thread(target=write, args=(body,)) for body in bodies]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    stop.set()
    reader.join()
    assert not wrong and None not in seen and seen
    # Of all that were put only the last is left on the disk.
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1


def test_only_one_of_many_makes_a_key(clients, bucket):
    from concurrent.futures import ThreadPoolExecutor

    def make(number):
        client = clients.boto("s3", s3={"addressing_style": "path"})
        try:
            client.put_object(Bucket=bucket, Key="lock", Body=str(number).encode(), IfNoneMatch="*")
            return True
        except Exception as error:
            assert error.response["Error"]["Code"] == "PreconditionFailed", error
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(make, range(16))) == 1
