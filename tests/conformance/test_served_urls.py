"""Function URLs, served (Lambda Developer Guide: "Invoking Lambda function URLs", "Control access to Lambda function
URLs")."""

import base64
import json
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from conftest import Maker
from support.clients import ACCOUNT, REGION, Clients
from support.functions import arn, source
from support.packages import pack
from support.urls import PERMISSIONS, connect, open_url, request

FORBIDDEN = {
    "Message": "Forbidden. For troubleshooting Function URL authorization issues, see: "
    "https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"
}
JSON = ("content-type", "application/json")


def url_zip():
    return pack({"lambda_function.py": source("url/lambda_function.py")})


@pytest.fixture(scope="module")
def function(lambda_, python):
    maker = Maker(lambda_, python)
    yield maker.create("url", url_zip())
    maker.clean()


@pytest.fixture(scope="module")
def url(lambda_, function):
    """One that anybody may call."""
    return open_url(lambda_, function)


def answered(url, result, **options):
    """The answer that a result of the function becomes."""
    return request(url, "POST", "/answer", json.dumps(result).encode(), [JSON], **options)


def test_the_event_has_the_payload_format_2_0(url, function):
    body = '{"text": "zwölf"}'.encode()
    headers = [JSON, ("X-Twice", "a"), ("x-twice", "b"), ("Cookie", "k=v; l=w"), ("User-Agent", "tests")]
    answer = request(url, "PUT", "/pa2%Fth/%C3%A4?x=1&x=2&y=a%20b", body, headers)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    event, host = answer.json["event"], urlsplit(url).hostname
    assert (event["version"], event["routeKey"]) == ("2.0", "$default")
    assert (event["rawPath"], event["rawQueryString"]) == ("/pa2%Fth/%C3%A4", "x=1&x=2&y=a%20b")
    assert event["queryStringParameters"] == {"x": "1,2", "y": "a b"}
    assert event["cookies"] == ["k=v", "l=w"] and "cookie" not in event["headers"]
    assert (event["body"], event["isBase64Encoded"]) == (body.decode(), False)
    assert event["headers"]["x-twice"] == "a,b" and event["headers"]["host"] == urlsplit(url).netloc
    assert event["headers"]["x-forwarded-for"] == "127.0.0.1" and event["headers"]["x-forwarded-proto"] == "http"
    assert event["headers"]["x-forwarded-port"] == str(urlsplit(url).port)
    context = event["requestContext"]
    assert (context["accountId"], context["stage"], context["routeKey"]) == ("anonymous", "$default", "$default")
    assert context["apiId"] == context["domainPrefix"] == host.split(".")[0] and context["domainName"] == host
    assert context["http"] == {
        "method": "PUT",
        "path": "/pa2%Fth/%C3%A4",
        "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.1",
        "userAgent": "tests",
    }
    assert re.fullmatch(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000", context["time"])
    assert "authorizer" not in context
    assert answer.headers["x-amzn-requestid"] == context["requestId"] == answer.json["request_id"]
    assert answer.headers["x-amzn-trace-id"] == event["headers"]["x-amzn-trace-id"]
    assert answer.json["arn"] == arn(function)


def test_every_method_and_binary_bodies_arrive(url):
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"):
        assert request(url, method).json["event"]["requestContext"]["http"]["method"] == method
    data = bytes(range(256))
    event = request(url, "POST", "/", data, [("content-type", "application/octet-stream")]).json["event"]
    assert event["isBase64Encoded"] and base64.b64decode(event["body"]) == data
    head = request(url, "HEAD")
    assert (head.status, head.body) == (200, b"") and int(head.headers["content-length"]) > 100


def test_results_are_answers(url):
    whole = answered(
        url,
        {
            "statusCode": 201,
            "headers": {"Content-Type": "text/html", "X-One": "1", "Connection": "close"},
            "cookies": ["a=1; Path=/", "b=2"],
            "body": "<p>",
        },
    )
    assert (whole.status, whole.body, whole.headers["content-type"]) == (201, b"<p>", "text/html")
    assert whole.headers.get_all("set-cookie") == ["a=1; Path=/", "b=2"]
    assert whole.headers["x-one"] == "1" and whole.headers["x-amzn-remapped-connection"] == "close"
    binary = answered(url, {"statusCode": "418", "body": base64.b64encode(b"\0\xff").decode(), "isBase64Encoded": True})
    assert (binary.status, binary.body) == (418, b"\0\xff")
    inferred = answered(url, {"b": [1, 2], "a": None})
    assert (inferred.status, inferred.body) == (200, b'{"b":[1,2],"a":null}')
    assert answered(url, "plain").body == b"plain"


@pytest.mark.parametrize("path", ["/fail", "/exit", "/large"])
def test_functions_that_fail_are_a_bad_gateway(url, path):
    answer = request(url, path=path)
    assert (answer.status, answer.body) == (502, b"Internal Server Error")


@pytest.mark.parametrize(
    "result",
    [{"statusCode": 999}, {"statusCode": 200, "headers": {"a": "x\r\nset-cookie: y=1"}}, {"statusCode": 200, "body": 1}],
)
def test_malformed_results_are_a_bad_gateway(url, result):
    answer = answered(url, result)
    assert (answer.status, answer.body) == (502, b"Internal Server Error")
    assert "set-cookie" not in answer.headers


def test_unknown_hosts_are_refused(url):
    other = url.replace(urlsplit(url).hostname.split(".")[0], "0" * 32)
    answer = request(other)
    assert (answer.status, answer.json) == (403, {"Message": None})
    assert answer.headers["x-amzn-errortype"] == "AccessDeniedException"
    assert request(url.replace(REGION, "eu-north-1")).status == 403


def test_both_permissions_are_needed(lambda_, make):
    for missing in range(2):
        name = make.create("closed", url_zip())
        closed = open_url(lambda_, name, permissions=[PERMISSIONS[1 - missing]])
        answer = request(closed)
        assert (answer.status, answer.json) == (403, FORBIDDEN), missing
        lambda_.add_permission(FunctionName=name, Principal="*", **PERMISSIONS[missing])
        assert request(closed).status == 200


def test_a_large_request_is_refused(url):
    answer = request(url, "POST", "/", b"x" * 6_500_000, [("content-type", "text/plain")])
    assert answer.status == 413 and "6291456" in answer.json["Message"]


def test_a_throttled_function_answers_429(lambda_, make):
    name = make.create("none", url_zip())
    url = open_url(lambda_, name)
    lambda_.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    answer = request(url)
    assert answer.status == 429 and answer.headers["x-amzn-errortype"] == "TooManyRequestsException"


def test_aliases_have_urls_of_their_own(lambda_, make):
    name = make.create("alias", url_zip())
    lambda_.publish_version(FunctionName=name)
    lambda_.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    url = open_url(lambda_, name, Qualifier="live")
    assert request(url).json["arn"] == arn(name, "live")
    lambda_.delete_alias(FunctionName=name, Name="live")
    assert (request(url).status, request(url).json) == (403, FORBIDDEN)


CORS = {
    "AllowCredentials": True,
    "AllowHeaders": ["x-one"],
    "AllowMethods": ["GET", "POST"],
    "AllowOrigins": ["https://a.example"],
    "ExposeHeaders": ["x-two"],
    "MaxAge": 60,
}


def test_cors_is_the_configurations(lambda_, make):
    name = make.create("cors", url_zip())
    url = open_url(lambda_, name, Cors=CORS)
    origin = ("Origin", "https://a.example")
    asked = [origin, ("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", "x-one")]
    allowed = request(url, "OPTIONS", headers=asked)
    assert (allowed.status, allowed.body) == (200, b"")
    for header, value in {
        "allow-origin": "https://a.example",
        "allow-methods": "GET,POST",
        "allow-headers": "x-one",
        "allow-credentials": "true",
        "max-age": "60",
    }.items():
        assert allowed.headers[f"access-control-{header}"] == value
    other = [("Origin", "https://b.example"), ("Access-Control-Request-Method", "POST")]
    assert "access-control-allow-origin" not in request(url, "OPTIONS", headers=other).headers
    # The function's own headers give way.
    result = {"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "*"}, "body": ""}
    actual = request(url, "POST", "/answer", json.dumps(result).encode(), [JSON, origin, ("Sec-Fetch-Site", "cross-site")])
    assert actual.headers.get_all("access-control-allow-origin") == ["https://a.example"]
    assert actual.headers["access-control-expose-headers"] == "x-two"


def test_without_cors_the_function_answers_for_itself(url):
    asked = [("Origin", "https://a.example"), ("Access-Control-Request-Method", "POST")]
    assert request(url, "OPTIONS", headers=asked).json["event"]["requestContext"]["http"]["method"] == "OPTIONS"
    result = {"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "*"}}
    answer = request(url, "POST", "/answer", json.dumps(result).encode(), [JSON, ("Origin", "https://a.example")])
    assert answer.headers["access-control-allow-origin"] == "*"


def test_web_pages_reach_urls_and_not_the_api(server, url):
    cross = [("Origin", "https://a.example"), ("Sec-Fetch-Site", "cross-site")]
    assert request(url, headers=cross).status == 200
    assert request(f"http://localhost:{server.port}/", path="/_lambent/health", headers=cross).status == 403


def signed(url, path="/", method="GET", body=b"", key="test", secret="test", service="lambda"):
    """The headers of a request that is signed."""
    unsigned = AWSRequest(method, url.rstrip("/") + path, data=body, headers={"Host": urlsplit(url).netloc})
    SigV4Auth(Credentials(key, secret), service, REGION).add_auth(unsigned)
    return [(name, value) for name, value in unsigned.headers.items() if name.lower() != "host"]


def test_signed_urls_want_a_good_signature(lambda_, make):
    name = make.create("iam", url_zip())
    url = lambda_.create_function_url_config(FunctionName=name, AuthType="AWS_IAM")["FunctionUrl"]
    unsigned = request(url)
    assert (unsigned.status, unsigned.json) == (403, FORBIDDEN)
    answer = request(url, path="/a?b=c", headers=signed(url, "/a?b=c"))
    context = answer.json["event"]["requestContext"]
    assert (answer.status, context["accountId"]) == (200, ACCOUNT)
    iam = context["authorizer"]["iam"]
    assert (iam["accessKey"], iam["accountId"], iam["userArn"]) == ("test", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root")
    assert "authorization" not in answer.json["event"]["headers"]
    for bad in (signed(url, secret="other"), signed(url, "/other"), signed(url, service="s3")):
        refused = request(url, headers=bad)
        assert refused.status == 403 and refused.headers["x-amzn-errortype"] == "InvalidSignatureException"


def test_another_account_needs_the_functions_permission(lambda_, make):
    name, other = make.create("iam", url_zip()), "111111111111"
    url = lambda_.create_function_url_config(FunctionName=name, AuthType="AWS_IAM")["FunctionUrl"]
    assert request(url, headers=signed(url, key=other)).status == 403
    for permission in (
        {"StatementId": "url", "Action": "lambda:InvokeFunctionUrl", "FunctionUrlAuthType": "AWS_IAM"},
        {"StatementId": "via", "Action": "lambda:InvokeFunction", "InvokedViaFunctionUrl": True},
    ):
        lambda_.add_permission(FunctionName=name, Principal=other, **permission)
    answer = request(url, headers=signed(url, key=other))
    assert answer.status == 200
    assert answer.json["event"]["requestContext"]["authorizer"]["iam"]["accountId"] == other


def test_a_changed_url_acts_at_once_and_a_deleted_one_is_gone(lambda_, make):
    name = make.create("life", url_zip())
    url = open_url(lambda_, name)
    assert request(url).status == 200
    lambda_.update_function_url_config(FunctionName=name, AuthType="AWS_IAM")
    assert request(url).status == 403
    lambda_.delete_function_url_config(FunctionName=name)
    assert request(url).json == {"Message": None}


def test_urls_outlive_a_restart(own_server):
    own_server.start()
    client = Clients(own_server).boto("lambda")
    name = Maker(client, own_server.python()).create("kept", url_zip())
    url = open_url(client, name)
    assert request(url).status == 200
    own_server.stop()
    own_server.start()
    host = urlsplit(url).hostname
    assert request(f"http://{host}:{own_server.port}/").status == 200


def test_urls_are_served_on_ipv6(own_server):
    own_server.listen = "[::1]:0"
    own_server.start()
    client = Clients(own_server).boto("lambda")
    name = Maker(client, own_server.python()).create("six", url_zip())
    event = request(open_url(client, name), address="::1").json["event"]
    assert event["requestContext"]["http"]["sourceIp"] == event["headers"]["x-forwarded-for"] == "::1"


def test_further_domains_are_served(own_server):
    (own_server.home / "lambent.toml").write_text('url_domains = ["fn.example"]\n')
    own_server.arguments += ["--config", own_server.home / "lambent.toml"]
    own_server.start()
    client = Clients(own_server).boto("lambda")
    name = Maker(client, own_server.python()).create("domain", url_zip())
    url = open_url(client, name).replace("localhost", "fn.example")
    assert request(url).json["event"]["requestContext"]["domainName"] == urlsplit(url).hostname
    assert request(url.replace("fn.example", "other.example")).status == 403


CALLS = """
import os, urllib.request
def lambda_handler(event, context):
    asked = urllib.request.Request(os.environ["AWS_ENDPOINT_URL"] + "/from/inside", headers={"Host": event["host"]})
    with urllib.request.urlopen(asked) as answer:
        return answer.read().decode()
"""


def test_functions_call_urls(url, make, invoke):
    name = make.create("calls", pack({"lambda_function.py": CALLS}))
    event = json.loads(invoke(name, {"host": urlsplit(url).netloc}).ok)["event"]
    assert event["rawPath"] == "/from/inside"


def test_one_connection_takes_many_requests(url):
    connection = connect(url)
    for turn in range(5):
        answer = request(url, path=f"/{turn}", connection=connection)
        assert answer.json["event"]["rawPath"] == f"/{turn}"
    connection.close()


def test_requests_at_once_are_answered(url):
    with ThreadPoolExecutor(8) as pool:
        paths = [f"/{turn}" for turn in range(24)]
        answers = list(pool.map(lambda path: request(url, path=path).json["event"]["rawPath"], paths))
    assert answers == paths


def test_curl_finds_the_address_and_speaks_http_2(url):
    for option in ("--http1.1", "--http2-prior-knowledge"):
        command = ["curl", "-sS", option, "--max-time", "20", "-d", "a=b", f"{url}x?y=z"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
        event = json.loads(done.stdout)["event"]
        assert (event["rawPath"], event["rawQueryString"], event["body"]) == ("/x", "y=z", "YT1i")
        assert event["headers"]["host"] == urlsplit(url).netloc


def test_requests_are_counted(server, lambda_, make):
    name = make.create("counted", url_zip())
    url = open_url(lambda_, name)
    for path in ("/", "/", "/fail"):
        request(url, path=path)
    lambda_.remove_permission(FunctionName=name, StatementId="url")
    request(url)
    page = request(f"http://localhost:{server.port}/", path="/metrics").body.decode()
    counted = {
        line.split("{")[0]: float(line.rsplit(" ", 1)[1])
        for line in page.splitlines()
        if f'"{name}"' in line and line.startswith("lambent_function_url_") and "_bucket" not in line
    }
    assert counted["lambent_function_url_requests_total"] == 4
    assert counted["lambent_function_url_4xx_total"] == 1
    assert counted["lambent_function_url_5xx_total"] == 1
    assert counted["lambent_function_url_request_latency_seconds_count"] == 4
