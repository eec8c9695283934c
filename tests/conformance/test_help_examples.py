"""The examples of `aws lambda help`, as the AWS CLI, version 1, brings them, against a world like that which they speak of.

What is put in their place, and why:

- the account 123456789012, an account of each example's own, so that none finds what another has left;
- the mapping a1b2c3d4-…EXAMPLE, the one that is there: Lambda chooses its name;
- code from a bucket, the same from a file: there is no S3 yet;
- the layer of AWS's own account, one that is there;
- a hundred provisioned environments, one: they are made on the spot;
- `--cli-binary-format`, nothing: it is an option of version 2.
"""

import json
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import awscli
import pytest

from support.functions import ROLE, probe_zip
from support.packages import pack
from support.wait import until

REGION = "us-west-2"
QUEUE = "arn:aws:sqs:us-west-2:{account}:mySQSqueue"
FOLDER = Path(awscli.__file__).parent / "examples" / "lambda"
AWS_LAYER = re.compile(r"arn:aws:lambda:us-west-2:\d{12}:layer:AWSLambda-Python311-SciPy1x:2")
# What an example makes must not be there yet.
MAKES = {
    "create-function": "function",
    "create-alias": "LIVE",
    "create-event-source-mapping": "mapping",
    "add-permission": "statement",
    "add-layer-version-permission": "layer-statement",
}
# What is shown and not answered.
IN_NO_NETWORK = {"VpcConfig"}  # Of a function that has been in one.
NOT_SHOWN = {
    "get-function-configuration": IN_NO_NETWORK,
    "update-function-code": IN_NO_NETWORK,
    "update-function-configuration": IN_NO_NETWORK,
    # The example shows the answer of ListLayers.
    "list-layer-versions": {"Layers"},
}


def examples():
    """Operation, command and the keys of the output that is shown for it."""
    found = []
    for page in sorted(FOLDER.glob("*.rst")):
        text = page.read_text()
        blocks = list(re.finditer(r"^    (aws (?:.*\\\n)*.*)$", text, re.MULTILINE))
        ends = [block.start() for block in blocks[1:]] + [len(text)]
        for number, (block, end) in enumerate(zip(blocks, ends, strict=True)):
            command = re.sub(r"\s*\\\n\s*", " ", block.group(1))
            shown = re.search(r"^Output::\n\n((?:    .*\n|\n)+)", text[block.end() : end], re.MULTILINE)
            keys = set(re.findall(r'^        "(\w+)":', shown.group(1), re.MULTILINE)) if shown else set()
            found.append(pytest.param(page.stem, command, keys, id=f"{page.stem}-{number}" if number else page.stem))
    return found


class World:
    """What the examples speak of, in an account of its own."""

    def __init__(self, clients, python, number):
        self.account = f"9{number:011d}"
        self.python = python
        self.client = clients.boto("lambda", key=self.account, region=REGION)
        self.sqs = clients.boto("sqs", key=self.account, region=REGION)
        self.mapping = None

    def make(self, but):
        """Everything `but` one thing."""
        client = self.client
        layer = {"LayerName": "my-layer", "LicenseInfo": "MIT", "Content": {"ZipFile": pack({"python/layer.py": "VALUE = 1\n"})}}
        for _ in range(2):
            client.publish_layer_version(**layer, CompatibleRuntimes=["python3.11"])
        if but != "layer-statement":
            client.add_layer_version_permission(
                LayerName="my-layer", VersionNumber=1, StatementId="xaccount", Action="lambda:GetLayerVersion",
                Principal=self.account,
            )
        if but == "function":
            return
        name = {"FunctionName": "my-function"}
        client.create_function(
            **name, Runtime=self.python, Handler="lambda_function.lambda_handler", Role=ROLE,
            Code={"ZipFile": probe_zip()}, Tags={"DEPARTMENT": "Department A"},
        )
        client.get_waiter("function_active_v2").wait(**name)
        for number in range(1, 4):
            client.update_function_configuration(**name, Description=f"version {number}")
            client.get_waiter("function_updated_v2").wait(**name, WaiterConfig={"Delay": 0.1})
            client.publish_version(**name)
        for alias, version in {"LIVE": "1", "GREEN": "2", "BLUE": "3"}.items():
            if alias != but:
                client.create_alias(**name, Name=alias, FunctionVersion=version)
        for qualifier in ("GREEN", "BLUE", "$LATEST"):
            client.put_function_event_invoke_config(
                **name, Qualifier=qualifier, MaximumRetryAttempts=1, MaximumEventAgeInSeconds=3600
            )
        client.put_function_concurrency(**name, ReservedConcurrentExecutions=100)
        if but != "statement":
            client.add_permission(
                **name, StatementId="sns", Action="lambda:InvokeFunction", Principal="sns.amazonaws.com"
            )
        self.sqs.create_queue(QueueName="mySQSqueue")
        if but != "mapping":
            queue = QUEUE.format(account=self.account)
            self.mapping = client.create_event_source_mapping(**name, EventSourceArn=queue)["UUID"]
            until(
                lambda: client.get_event_source_mapping(UUID=self.mapping)["State"] == "Enabled",
                "the mapping to be enabled",
            )

    def substituted(self, command):
        command = AWS_LAYER.sub(f"arn:aws:lambda:{REGION}:{self.account}:layer:my-layer:2", command)
        command = re.sub(r"--content S3Bucket=\S+", "--zip-file fileb://layer.zip", command)
        command = command.replace("a1b2c3d4-5678-90ab-cdef-11111EXAMPLE", self.mapping or "")
        command = command.replace("--cli-binary-format raw-in-base64-out", "")
        command = command.replace("--provisioned-concurrent-executions 100", "--provisioned-concurrent-executions 1")
        return command.replace("123456789012", self.account)


@pytest.fixture(scope="module")
def refused_here(server):
    """The operations that this release refuses, by the CLI's names."""
    with urllib.request.urlopen(f"{server.url}/_lambent/compatibility", timeout=10) as answer:
        table = json.load(answer)["operations"]
    kebab = lambda name: re.sub(r"(?<!^)([A-Z])", r"-\1", name).lower()  # noqa: E731
    return {kebab(row["operation"]) for row in table if row["effect"] == "refused"}


@pytest.fixture
def folder(home):
    (home / "my-function.zip").write_bytes(probe_zip("another"))
    (home / "layer.zip").write_bytes(pack({"python/layer.py": "VALUE = 2\n"}))
    return home


ALL = examples()


def test_there_are_examples():
    assert len(ALL) > 45


@pytest.mark.parametrize(("operation", "command", "keys"), ALL)
def test_an_example_runs(server, clients, python, folder, request, refused_here, operation, command, keys):
    world = World(clients, python, ALL.index(next(p for p in ALL if p.id == request.node.callspec.id)))
    world.make(but=MAKES.get(operation))
    if "provisioned-concurrency" in operation:
        if "put-provisioned-concurrency-config" in refused_here:
            pytest.skip("provisioned concurrency is refused")
        # What an example reads has to be there.
        world.client.delete_function_concurrency(FunctionName="my-function")
        if not operation.startswith("put-"):
            for alias in ("GREEN", "BLUE"):
                world.client.put_provisioned_concurrency_config(
                    FunctionName="my-function", Qualifier=alias, ProvisionedConcurrentExecutions=1
                )
    words = [sys.executable, "-m", "awscli", "--endpoint-url", server.url, "--region", REGION, "--output", "json"]
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(folder), "AWS_ACCESS_KEY_ID": world.account,
        "AWS_SECRET_ACCESS_KEY": "test", "AWS_MAX_ATTEMPTS": "1", "AWS_EC2_METADATA_DISABLED": "true",
    }
    options = world.substituted(command).removeprefix("aws ")
    done = subprocess.run(
        ["sh", "-c", f'"$@" {options}', "sh", *words],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )
    assert done.returncode == 0, f"{options}\n{done.stderr}"
    answer = json.loads(done.stdout) if done.stdout.strip() else {}
    missing = keys - set(answer) - NOT_SHOWN.get(operation, set())
    assert not missing, f"{options}: the example shows {missing}, the answer has {set(answer)}"
