"""The door: signatures, browsers, paths, request ids, and worlds kept apart by account and region."""

import base64
import json
import re

import pytest

from support.clients import ACCOUNT
from support.errors import refused
from support.functions import ROLE, arn, probe_zip, unique, until_active

LIST = "/2015-03-31/functions/"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture(scope="module")
def http(clients):
    return clients.http


def test_an_unsigned_call_is_refused(http):
    answer = http("GET", LIST, sign=False)
    assert (answer.status, answer.error) == (403, "MissingAuthenticationTokenException")
    assert answer.json["message"] == "Missing Authentication Token"
    for header in ("Basic dGVzdDp0ZXN0", "Bearer token", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=test"):
        answer = http("GET", LIST, headers={"Authorization": header}, sign=False)
        assert answer.status in (400, 403) and answer.error, header


def test_any_secret_passes_in_headers_on_loopback(http):
    assert http("GET", LIST, secret="anything").status == 200


def test_a_query_signature_is_verified(http, clients):
    assert http("GET", clients.presigned("GET", LIST), sign=False).status == 200
    wrong = http("GET", clients.presigned("GET", LIST, secret="wrong"), sign=False)
    assert (wrong.status, wrong.error) == (403, "InvalidSignatureException")
    tampered = clients.presigned("GET", LIST).replace(LIST, "/2016-08-19/account-settings/")
    assert http("GET", tampered, sign=False).error == "InvalidSignatureException"
    # The method is signed too: a link for reading does not delete.
    assert http("DELETE", clients.presigned("GET", LIST + "x"), sign=False).error == "InvalidSignatureException"


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:4566"},
        {"Host": "localhost.evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=lambda headers: "-".join(*headers.items()),
)
def test_web_pages_do_not_reach_the_api(http, headers):
    for path in (LIST, "/_lambent/health"):
        answer = http("GET", path, headers=headers)
        assert (answer.status, answer.error) == (403, "AccessDeniedException"), path
        assert b"Functions" not in answer.body


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "lambda.us-east-1.localhost"])
def test_names_of_loopback_are_welcome(http, server, host):
    assert http("GET", LIST, headers={"Host": f"{host}:{server.port}"}).status == 200


DURABLE = "arn:aws:lambda:us-east-1:000000000000:function:f:1/durable-execution/n/i"


def test_what_does_not_exist_and_what_is_not_offered_differ(http, lambda_):
    for method, path in [
        ("GET", "/"),
        ("GET", "/2015-03-31/unknown"),
        ("GET", "/2099-01-01/functions"),
        ("PATCH", LIST),
    ]:
        answer = http(method, path)
        assert (answer.status, answer.error) == (404, "UnknownOperationException"), (method, path)
    for call, parameters in [
        (lambda_.checkpoint_durable_execution, {"DurableExecutionArn": DURABLE, "CheckpointToken": "dG9rZW4="}),
        (lambda_.send_durable_execution_callback_heartbeat, {"CallbackId": "dG9rZW4="}),
    ]:
        error = refused(call, **parameters)
        assert (error.status, error.code) == (501, "NotImplementedException"), (call.__name__, error)
        assert error.message, "the message says what is missing"


def test_a_service_that_is_not_there_says_so(clients):
    error = refused(clients.boto("dynamodb").list_tables)
    assert error.status >= 400 and error.code
    answer = clients.http("GET", "/", service="route53")
    assert answer.status >= 400 and answer.body


def test_every_answer_has_its_own_request_id(http):
    seen = set()
    for method, path, options in [
        ("GET", LIST, {}),
        ("GET", LIST, {"sign": False}),
        ("GET", LIST, {"headers": {"Origin": "https://evil.example"}}),
        ("GET", "/unknown", {}),
        ("GET", LIST + "absent", {}),
        ("POST", LIST, {"body": b"{"}),
        ("GET", "/2018-10-31/layers", {}),
    ]:
        answer = http(method, path, **options)
        request_id = answer.headers.get("x-amzn-requestid", "")
        assert UUID.fullmatch(request_id), (method, path, answer)
        seen.add(request_id)
    assert len(seen) == 7


def test_bodies_that_are_no_document_are_serialisation_errors(http):
    for body in (b"{", b"[]", b'"text"', b"\xff", b'{"FunctionName": 1}', b'{"FunctionName": "a", "Code": []}'):
        answer = http("POST", LIST, body=body)
        assert (answer.status, answer.error) == (400, "SerializationException"), (body, answer)


def test_unknown_members_are_ignored_and_null_is_absent(http, python, lambda_):
    name = unique("lenient")
    document = {
        "FunctionName": name,
        "Runtime": python,
        "Role": ROLE,
        "Handler": "lambda_function.lambda_handler",
        "Code": {"ZipFile": base64.b64encode(probe_zip()).decode(), "Unknown": {}},
        "Timeout": None,
        "NewMember": [1],
    }
    try:
        answer = http("POST", LIST, body=json.dumps(document).encode())
        assert answer.status == 201 and answer.json["Timeout"] == 3
        assert answer.headers["content-type"] == "application/json"
        # Without a trailing slash and with an ARN whose colons are escaped, as SDKs of different ages send it.
        escaped = arn(name).replace(":", "%3A")
        for path in (f"/2015-03-31/functions/{escaped}", f"/2015-03-31/functions/{name}/configuration"):
            assert http("GET", path).status == 200
        assert http("GET", f"/2015-03-31/functions/{name}?Qualifier=").error == "ValidationException"
    finally:
        until_active(lambda_, name)
        lambda_.delete_function(FunctionName=name)


def test_errors_have_the_members_of_their_shape(http):
    absent = http("GET", LIST + "absent")
    assert absent.json == {"Type": "User", "Message": f"Function not found: {arn('absent')}"}
    invalid = http("GET", LIST + "absent?Qualifier=" + "x" * 129)
    assert invalid.error == "ValidationException" and list(invalid.json) == ["message"]


def test_account_and_region_are_worlds_of_their_own(clients, make, python):
    name = unique("world")
    worlds = {
        ("test", "us-east-1"): ACCOUNT,
        ("123456789012", "us-east-1"): "123456789012",
        ("test", "eu-west-1"): ACCOUNT,
    }
    made = {}
    for (key, region), account in worlds.items():
        client = clients.boto("lambda", key=key, region=region)
        role = f"arn:aws:iam::{account}:role/r"
        make.create(FunctionName=name, client=client, Role=role, zip_file=probe_zip(f"{key} {region}"))
        configuration = client.get_function_configuration(FunctionName=name)
        assert configuration["FunctionArn"] == f"arn:aws:lambda:{region}:{account}:function:{name}"
        made[key, region] = client
    for (key, region), client in made.items():
        answer = json.loads(client.invoke(FunctionName=name)["Payload"].read())
        assert answer["marker"] == f"{key} {region}"
        assert [function["FunctionName"] for function in client.list_functions()["Functions"]].count(name) == 1
    made["test", "eu-west-1"].delete_function(FunctionName=name)
    assert made["test", "us-east-1"].get_function(FunctionName=name)
    stranger = clients.boto("lambda", key="210987654321")
    assert refused(stranger.get_function, FunctionName=name).code == "ResourceNotFoundException"
    groups = clients.boto("logs", key="210987654321").describe_log_groups()["logGroups"]
    assert groups == []
