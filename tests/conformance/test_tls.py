"""https at the front door: the port of http, certificates of the server's own authority or of the user's."""

import json
import os
import shutil
import socket
import ssl
import subprocess

import boto3
import botocore.exceptions
import pytest

from support.packages import pack
from support.urls import open_url
from support.wait import until

ECHO = """import json
def handler(event, context):
    return {"statusCode": 200, "body": json.dumps(event)}
"""


def https(server, name="localhost"):
    return f"https://{name}:{server.port}"


def boto(server, verify, name="localhost"):
    return boto3.client(
        "lambda",
        endpoint_url=https(server, name),
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        verify=verify,
    )


def curl(*arguments):
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    return subprocess.run(["curl", "-sS", "-m", "20", *arguments], capture_output=True, text=True, check=False)


@pytest.fixture
def authority(server, clients, home):
    """The authority's certificate, as the server hands it out."""
    answer = clients.http("GET", "/_lambent/ca.pem", sign=False)
    assert answer.status == 200
    path = home / "ca.pem"
    path.write_bytes(answer.body)
    return str(path)


def test_boto3_trusts_the_servers_authority_and_only_it(server, authority):
    for name in ("localhost", "127.0.0.1"):
        assert "Functions" in boto(server, authority, name).list_functions(), name
    with pytest.raises(botocore.exceptions.SSLError):
        boto(server, verify=True).list_functions()


def test_the_authority_in_the_data_folder_is_the_one_handed_out_and_doctor_names_it(server, authority):
    path = server.data_dir / "tls" / "ca.pem"
    with open(authority) as handed_out:
        assert path.read_text() == handed_out.read()
    assert (server.data_dir / "tls" / "ca.key").stat().st_mode & 0o077 == 0
    environment = os.environ | {"LAMBENT_DATA_DIR": str(server.data_dir)}
    doctor = subprocess.run(
        [server.binary(), "doctor", "--json"], env=environment, capture_output=True, text=True, check=False
    )
    found = {check["name"]: check["found"] for check in json.loads(doctor.stdout)["checks"]}
    assert str(path) in found["https"]


def test_curl_speaks_http2_where_it_is_offered(server, authority):
    for option, expected in (("--http2", "2"), ("--http1.1", "1.1")):
        found = curl("--cacert", authority, option, "-w", "\n%{http_version}", f"{https(server)}/_lambent/health")
        assert found.returncode == 0, found.stderr
        health, version = found.stdout.rsplit("\n", 1)
        assert (json.loads(health)["status"], version) == ("ready", expected)
    old = curl("--cacert", authority, "--tls-max", "1.2", f"{https(server)}/_lambent/health")
    assert old.returncode == 0, old.stderr


def test_a_function_url_by_https_tells_its_function(server, lambda_, make, authority):
    name = make.create(zip_file=pack({"lambda_function.py": ECHO}), Handler="lambda_function.handler")
    plain = open_url(lambda_, name)
    secure = boto(server, authority).get_function_url_config(FunctionName=name)["FunctionUrl"]
    assert plain.startswith("http://") and secure == "https" + plain.removeprefix("http")
    for option, protocol in (("--http2", "HTTP/2.0"), ("--http1.1", "HTTP/1.1")):
        # curl leads whatever is below localhost to this machine by itself.
        found = curl("--cacert", authority, option, secure)
        assert found.returncode == 0, found.stderr
        event = json.loads(found.stdout)
        headers = event["headers"]
        assert headers["x-forwarded-proto"] == "https"
        assert headers["x-forwarded-port"] == str(server.port)
        assert (headers["x-amzn-tls-version"], headers["x-amzn-tls-cipher-suite"][:4]) == ("TLSv1.3", "TLS_")
        assert event["requestContext"]["http"]["protocol"] == protocol
    assert json.loads(curl(plain).stdout)["headers"]["x-forwarded-proto"] == "http"


def test_names_that_are_not_the_servers_get_no_certificate(server, authority):
    context = ssl.create_default_context(cafile=authority)
    for name in ("aws.example", "localhost.example"):
        with socket.create_connection(("127.0.0.1", server.port), 10) as plain, pytest.raises(ssl.SSLError) as refused:
            context.wrap_socket(plain, server_hostname=name)
        assert not isinstance(refused.value, ssl.SSLCertVerificationError), "there is none to verify"


def test_half_a_handshake_and_what_is_none_harm_nobody(server, clients):
    for first in (b"\x16", b"\x16\x03\x01\xff\xff" + b"\0" * 400, b"\x15\x03\x01\0\x02\x01\0"):
        with socket.create_connection(("127.0.0.1", server.port), 10) as stranger:
            stranger.sendall(first)
            assert clients.http("GET", "/_lambent/health", sign=False).status == 200


def test_the_users_own_certificate(own_server, home):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    certificate, key = home / "c.pem", home / "k.pem"
    made = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3 -subj /CN=mine"
    names = "subjectAltName=DNS:lambda.test,DNS:localhost"
    command = ["openssl", *made.split(), "-addext", names, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    key.chmod(0o600)
    own_server.arguments = ["--tls-cert", certificate, "--tls-key", key]
    own_server.start()
    assert "Functions" in boto(own_server, str(certificate)).list_functions()
    found = curl(f"{own_server.url}/_lambent/ca.pem", "-o", "/dev/null", "-w", "%{http_code}")
    assert found.stdout == "404"
    own_server.stop()
    own_server.arguments = ["--tls-cert", certificate, "--tls-key", certificate]
    own_server.launch()
    until(lambda: own_server.process.poll() is not None, own_server.output, timeout=30)
    assert "cannot be read as a private key" in own_server.output()
