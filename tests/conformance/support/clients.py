"""Stock clients, and bare HTTP where a client would not send what is to be shown."""

import atexit
import functools
import http.client
import json
import os
import pathlib
import subprocess
import tempfile

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials
import botocore.loaders
import botocore.session
import pytest

REGION = "us-east-1"
ACCOUNT = "000000000000"


class Clients:
    """Clients of one server."""

    def __init__(self, server):
        self.server = server

    def boto(
        self, service, *, key="test", secret="test", token=None, region=REGION, validate=False, session=boto3, **options
    ):
        """A client that sends each request once. Its own validation is off by default: the server's is under test."""
        config = botocore.config.Config(
            retries={"total_max_attempts": 1},
            parameter_validation=validate,
            max_pool_connections=64,
            connect_timeout=5,
            read_timeout=40,
            **options,
        )
        return session.client(
            service,
            endpoint_url=self.server.url,
            region_name=region,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=config,
        )

    def sqs(self, protocol="json", **options):
        """SQS in JSON, as SDKs of today speak it, or in forms, as older ones do."""
        if protocol == "json":
            return self.boto("sqs", **options)
        return self.boto("sqs", session=queried(), **options)

    def connect(self, timeout=60):
        return http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=timeout)

    def signed(
        self, method, path, body=b"", headers=None, *, service="lambda", key="test", secret="test", region=REGION
    ):
        """Headers with a signature over this request."""
        request = botocore.awsrequest.AWSRequest(
            method=method, url=f"{self.server.url}{path}", data=body, headers=headers or {}
        )
        credentials = botocore.credentials.Credentials(key, secret)
        botocore.auth.SigV4Auth(credentials, service, region).add_auth(request)
        return dict(request.headers.items())

    def presigned(self, method, path, *, key="test", secret="test", expires=60):
        """Path and query of a presigned URL."""
        request = botocore.awsrequest.AWSRequest(method=method, url=f"{self.server.url}{path}")
        credentials = botocore.credentials.Credentials(key, secret)
        botocore.auth.SigV4QueryAuth(credentials, "lambda", REGION, expires=expires).add_auth(request)
        return request.url[len(self.server.url) :]

    def http(self, method, path, body=b"", headers=None, sign=True, **options):
        """One bare request; returns an `Answer`. The headers given win over those of the signature."""
        given = dict(headers or {})
        sent = {**self.signed(method, path, body, **options), **given} if sign else given
        connection = self.connect()
        try:
            connection.request(method, path, body=body, headers=sent)
            return Answer(connection.getresponse())
        finally:
            connection.close()


@functools.cache
def queried():
    """A session of boto3 whose model of SQS names the query protocol alone."""
    folder = tempfile.TemporaryDirectory(prefix="lambent-models-")
    atexit.register(folder.cleanup)
    session = botocore.session.get_session()
    loader = session.get_component("data_loader")
    model = loader.load_service_model("sqs", "service-2")
    metadata = {key: value for key, value in model["metadata"].items() if key != "awsQueryCompatible"}
    model = {**model, "metadata": {**metadata, "protocol": "query", "protocols": ["query"]}}
    for name, operation in model["operations"].items():
        if "output" in operation:
            operation["output"]["resultWrapper"] = f"{name}Result"
    # The names that the model has lost (Amazon SQS API Reference, the parameters of the operations).
    maps = {
        "MessageBodyAttributeMap": ("MessageAttribute", "Name"),
        "MessageBodySystemAttributeMap": ("MessageSystemAttribute", "Name"),
        "MessageSystemAttributeMap": ("Attribute", "Name"),
        "QueueAttributeMap": ("Attribute", "Name"),
        "TagMap": ("Tag", "Key"),
    }
    for name, shape in model["shapes"].items():
        if shape["type"] == "list" and name.endswith("List"):
            element = name.removesuffix("List")
            element = {"MessageSystemAttribute": "MessageSystemAttributeName"}.get(element, element)
            shape["member"]["locationName"] = element
        if name in maps:
            shape["key"]["locationName"], shape["value"]["locationName"] = maps[name][1], "Value"
        for member in shape.get("members", {}).values():
            if member["shape"] in maps:
                member["locationName"] = maps[member["shape"]][0]
    path = pathlib.Path(folder.name) / "sqs" / model["metadata"]["apiVersion"]
    path.mkdir(parents=True)
    (path / "service-2.json").write_text(json.dumps(model))
    session.register_component("data_loader", botocore.loaders.create_loader(folder.name))
    return boto3.Session(botocore_session=session)


class Answer:
    """An HTTP response, read to its end."""

    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        """The error code as SDKs read it."""
        return self.headers.get("x-amzn-errortype", "").split(":")[0]

    def __repr__(self):
        return f"{self.status} {self.headers} {self.body[:500]!r}"


class Cli:
    """The AWS CLI, version 2."""

    def __init__(self, server, home):
        self.program = os.environ.get("LAMBENT_TEST_AWS", "/usr/bin/aws")
        try:
            version = subprocess.run([self.program, "--version"], capture_output=True, text=True, check=False).stdout
        except OSError:
            version = ""
        if not version.startswith("aws-cli/2"):
            pytest.skip("the AWS CLI, version 2, is not installed")
        # Debian 12's release is older than AWS_ENDPOINT_URL, so the address is an option.
        self.options = ["--endpoint-url", server.url, "--output", "json"]
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_PAGER": "",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_MAX_ATTEMPTS": "1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "PYTHONUNBUFFERED": "1",
        }

    def arguments(self, *words):
        return [self.program, *self.options, *map(str, words)]

    def run(self, *words, check=True):
        """Runs one command to its end."""
        done = subprocess.run(
            self.arguments(*words), env=self.environment, capture_output=True, text=True, timeout=90, check=False
        )
        assert not check or done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *words):
        return json.loads(self.run(*words).stdout)

    def start(self, *words, stdout):
        """Starts a command that goes on, such as a follower; the caller ends it."""
        return subprocess.Popen(
            self.arguments(*words),
            env=self.environment,
            stdout=stdout,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
