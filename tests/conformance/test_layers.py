"""Layers (Lambda Developer Guide: "Managing Lambda dependencies with layers"; API Reference: PublishLayerVersion)."""

import base64
import concurrent.futures
import hashlib
import json
import urllib.request

import pytest

from conftest import Maker
from support.clients import ACCOUNT, REGION, Clients
from support.errors import refused
from support.functions import ROLE, invoke, probe_zip, unique, until_active
from support.packages import bomb, pack
from support.server import own_with_either_rights

PARAMETER, NOT_FOUND = "InvalidParameterValueException", "ResourceNotFoundException"
OTHER = "123456789012"


def layer_arn(name, version=None, account=ACCOUNT, region=REGION):
    text = f"arn:aws:lambda:{region}:{account}:layer:{name}"
    return text if version is None else f"{text}:{version}"


def publish(client, name=None, files=None, **options):
    content = {"ZipFile": pack(files or {"python/shared.py": "VALUE = 1\n"})}
    return client.publish_layer_version(LayerName=name or unique("layer"), Content=content, **options)


def test_a_version_is_shown_as_it_was_published(lambda_):
    name, files = unique("layer"), {"python/shared.py": "VALUE = 1\n"}
    body = pack(files)
    published = publish(
        lambda_,
        name,
        files,
        Description="shared",
        LicenseInfo="MIT",
        CompatibleRuntimes=["python3.12", "nodejs22.x"],
        CompatibleArchitectures=["arm64"],
    )
    assert published["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert published["LayerArn"] == layer_arn(name) and published["LayerVersionArn"] == layer_arn(name, 1)
    assert (published["Version"], published["Description"], published["LicenseInfo"]) == (1, "shared", "MIT")
    assert published["CompatibleRuntimes"] == ["python3.12", "nodejs22.x"]
    content = published["Content"]
    assert content["CodeSize"] == len(body)
    assert content["CodeSha256"] == base64.b64encode(hashlib.sha256(body).digest()).decode()
    with urllib.request.urlopen(content["Location"], timeout=10) as answer:
        assert answer.read() == body

    bare = publish(lambda_, layer_arn(name))
    assert (bare["Version"], bare["Description"]) == (2, "")
    assert not {"LicenseInfo", "CompatibleRuntimes", "CompatibleArchitectures"} & set(bare)
    for got in (
        lambda_.get_layer_version(LayerName=name, VersionNumber=1),
        lambda_.get_layer_version(LayerName=layer_arn(name), VersionNumber=1),
        lambda_.get_layer_version_by_arn(Arn=layer_arn(name, 1)),
    ):
        for member in set(published) - {"ResponseMetadata", "Content"}:
            assert got[member] == published[member], member
        assert got["Content"]["CodeSha256"] == content["CodeSha256"]


def test_lists_have_the_newest_first_and_follow_the_filters(lambda_):
    name = unique("layer")
    publish(lambda_, name, CompatibleRuntimes=["python3.12"], CompatibleArchitectures=["x86_64"])
    publish(lambda_, name, CompatibleRuntimes=["nodejs22.x"], CompatibleArchitectures=["arm64"])
    publish(lambda_, name)

    def versions(**filters):
        listed = lambda_.list_layer_versions(LayerName=name, **filters)["LayerVersions"]
        return [version["Version"] for version in listed]

    assert versions() == [3, 2, 1]
    assert versions(CompatibleRuntime="python3.12") == [1]
    assert versions(CompatibleArchitecture="arm64") == [2]
    assert versions(CompatibleRuntime="python3.12", CompatibleArchitecture="arm64") == []
    first = lambda_.list_layer_versions(LayerName=name, MaxItems=2)
    second = lambda_.list_layer_versions(LayerName=name, MaxItems=2, Marker=first["NextMarker"])
    assert [version["Version"] for version in second["LayerVersions"]] == [1] and "NextMarker" not in second
    assert lambda_.list_layer_versions(LayerName=unique("none"))["LayerVersions"] == []

    def newest(**filters):
        pages = lambda_.get_paginator("list_layers").paginate(PaginationConfig={"PageSize": 1}, **filters)
        found = {layer["LayerName"]: layer for page in pages for layer in page["Layers"]}
        return found[name]["LatestMatchingVersion"]["Version"] if name in found else None

    assert newest() == 3 and newest(CompatibleRuntime="nodejs22.x") == 2
    assert newest(CompatibleRuntime="java21") is None
    for number in (1, 2, 3):
        lambda_.delete_layer_version(LayerName=name, VersionNumber=number)
    assert versions() == [] and newest() is None
    assert publish(lambda_, name)["Version"] == 4, "numbers do not come back"


REFUSED = {
    "no version": (
        lambda client, name: (client.get_layer_version, {"LayerName": name, "VersionNumber": 9}),
        (404, NOT_FOUND, "Layer version {arn}:9 does not exist."),
    ),
    "no version by arn": (
        lambda client, name: (client.get_layer_version_by_arn, {"Arn": layer_arn(name, 9)}),
        (404, NOT_FOUND, "Layer version {arn}:9 does not exist."),
    ),
    "version zero": (
        lambda client, name: (client.get_layer_version, {"LayerName": name, "VersionNumber": 0}),
        (400, PARAMETER, "Layer Version Cannot be less than 1"),
    ),
    "version zero deleted": (
        lambda client, name: (client.delete_layer_version, {"LayerName": name, "VersionNumber": -1}),
        (400, PARAMETER, "Layer Version Cannot be less than 1"),
    ),
    "no zip": (
        lambda client, name: (client.publish_layer_version, {"LayerName": name, "Content": {"ZipFile": b"x"}}),
        (400, PARAMETER, "Could not unzip uploaded file. Please check your file, then try to upload again."),
    ),
    "too large": (
        lambda client, name: (client.publish_layer_version, {"LayerName": name, "Content": {"ZipFile": bomb()}}),
        (400, PARAMETER, "Unzipped size must be smaller than 262144000 bytes"),
    ),
    "no policy": (
        lambda client, name: (client.get_layer_version_policy, {"LayerName": name, "VersionNumber": 1}),
        (404, NOT_FOUND, "No policy is associated with the given resource."),
    ),
    "policy of no version": (
        lambda client, name: (client.get_layer_version_policy, {"LayerName": name, "VersionNumber": 9}),
        (404, NOT_FOUND, "Layer version {arn}:9 does not exist."),
    ),
    "runtime of no name": (
        lambda client, name: (
            client.publish_layer_version,
            {"LayerName": name, "Content": {"ZipFile": pack({"a": "b"})}, "CompatibleRuntimes": ["python1"]},
        ),
        (400, "ValidationException", None),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_are_awss(lambda_, case):
    name = publish(lambda_)["LayerArn"].rsplit(":", 1)[1]
    call, (status, code, message) = REFUSED[case]
    operation, parameters = call(lambda_, name)
    refusal = refused(operation, **parameters)
    assert (refusal.status, refusal.code) == (status, code), refusal
    if message:
        assert refusal.message == message.format(arn=layer_arn(name))


def test_other_accounts_need_a_permission(lambda_, clients):
    stranger, name = clients.boto("lambda", key=OTHER), unique("layer")
    publish(lambda_, name)
    arn = layer_arn(name, 1)
    denied = refused(stranger.get_layer_version_by_arn, Arn=arn)
    assert (denied.status, denied.code) == (403, "AccessDeniedException")
    assert "lambda:GetLayerVersion" in denied.message
    create = {
        "FunctionName": unique("uses"),
        "Runtime": "python3.12",
        "Handler": "lambda_function.lambda_handler",
        "Role": ROLE.replace(ACCOUNT, OTHER),
        "Code": {"ZipFile": probe_zip()},
        "Layers": [arn],
    }
    assert refused(stranger.create_function, **create).code == "AccessDeniedException"

    permission = {"LayerName": name, "VersionNumber": 1, "StatementId": "s", "Action": "lambda:GetLayerVersion"}
    added = lambda_.add_layer_version_permission(**permission, Principal=OTHER)
    assert added["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert json.loads(added["Statement"]) == {
        "Sid": "s",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{OTHER}:root"},
        "Action": "lambda:GetLayerVersion",
        "Resource": arn,
    }
    assert stranger.get_layer_version_by_arn(Arn=arn)["Version"] == 1
    stranger.create_function(**create)
    stranger.delete_function(FunctionName=create["FunctionName"])
    assert refused(stranger.list_layer_versions, LayerName=layer_arn(name)).code == "AccessDeniedException"
    assert refused(stranger.delete_layer_version, LayerName=layer_arn(name), VersionNumber=1).status == 403

    policy = lambda_.get_layer_version_policy(LayerName=name, VersionNumber=1)
    assert policy["RevisionId"] == added["RevisionId"]
    document = json.loads(policy["Policy"])
    assert (document["Version"], document["Id"], len(document["Statement"])) == ("2012-10-17", "default", 1)
    again = refused(lambda_.add_layer_version_permission, **permission, Principal=OTHER)
    assert (again.status, again.code) == (409, "ResourceConflictException")
    stale = refused(
        lambda_.add_layer_version_permission, **{**permission, "StatementId": "t"}, Principal="*", RevisionId="old"
    )
    assert (stale.status, stale.code) == (412, "PreconditionFailedException")
    assert "GetLayerPolicy" in stale.message
    organisation = {**permission, "StatementId": "o", "OrganizationId": "o-1234567890"}
    assert refused(lambda_.add_layer_version_permission, **organisation, Principal=OTHER).code == PARAMETER
    lambda_.add_layer_version_permission(**organisation, Principal="*")
    assert refused(
        lambda_.add_layer_version_permission, **{**permission, "Action": "lambda:InvokeFunction"}, Principal=OTHER
    ).status == 400

    gone = refused(lambda_.remove_layer_version_permission, LayerName=name, VersionNumber=1, StatementId="none")
    assert (gone.status, gone.message) == (404, "Statement none is not found in resource policy.")
    for sid in ("s", "o"):
        lambda_.remove_layer_version_permission(LayerName=name, VersionNumber=1, StatementId=sid)
    assert refused(stranger.get_layer_version_by_arn, Arn=arn).status == 403
    assert refused(lambda_.get_layer_version_policy, LayerName=name, VersionNumber=1).status == 404


def test_functions_refuse_layers_as_aws_does(lambda_, make):
    name = unique("layer")
    one, two = (publish(lambda_, name)["LayerVersionArn"] for _ in range(2))
    function = make.create("layers")

    def refusal(layers):
        found = refused(lambda_.update_function_configuration, FunctionName=function, Layers=layers)
        assert (found.status, found.code) == (400, PARAMETER), found
        return found.message

    assert refusal([layer_arn(name, 9)]) == f"Layer version {layer_arn(name, 9)} does not exist."
    assert refusal([layer_arn(f"l{n}", 1) for n in range(6)]) == "Cannot reference more than 5 layers."
    assert "Two different versions of the same layer" in refusal([one, two])
    assert refusal([layer_arn(name, 1, region="eu-west-1")]) == (
        "Layers are not in the same region as the function. Layers are expected to be in region us-east-1."
    )
    assert "Layers" not in lambda_.get_function_configuration(FunctionName=function)


@pytest.mark.namespaces
@own_with_either_rights
def test_layers_lie_over_each_other_at_opt(own_server):
    clients = Clients(own_server.start())
    client = clients.boto("lambda")
    maker = Maker(client, own_server.python())
    wrapper = '#!/bin/bash\nexport WRAPPED=yes\nexec "$@"\n'
    low = publish(
        client,
        files={"python/shared.py": "VALUE = 'low'\n", "low.txt": "low", "bin/wrap": (wrapper, 0o755), "both": "low"},
    )
    high = publish(client, files={"python/shared.py": "VALUE = 'high'\n", "both/inside": "high", "bin/tool": "x"})
    layers = [low["LayerVersionArn"], high["LayerVersionArn"]]
    code = pack({"lambda_function.py": (
        "import os, shared\n"
        "def lambda_handler(event, context):\n"
        "    names = sorted(os.path.relpath(os.path.join(at, name), '/opt')"
        " for at, _, files in os.walk('/opt') for name in files)\n"
        "    try:\n        open('/opt/new', 'w')\n        writable = True\n"
        "    except OSError:\n        writable = False\n"
        "    return [shared.VALUE, os.environ.get('WRAPPED'), names, writable]\n"
    )})
    name = maker.create(
        "layered",
        zip_file=code,
        Layers=layers,
        Environment={"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/bin/wrap"}},
    )
    merged = ["bin/tool", "bin/wrap", "both/inside", "low.txt", "python/shared.py"]
    assert invoke(client, name).ok == ["high", "yes", merged, False]
    shown = client.get_function_configuration(FunctionName=name)["Layers"]
    assert shown == [
        {"Arn": layer["LayerVersionArn"], "CodeSize": layer["Content"]["CodeSize"]} for layer in (low, high)
    ]
    assert client.publish_version(FunctionName=name)["Layers"] == shown

    # The other way round the first one's file is what is seen, and a deleted layer stays with its functions.
    client.update_function_configuration(FunctionName=name, Layers=list(reversed(layers)))
    until_active(client, name)
    assert invoke(client, name).ok == ["low", "yes", ["bin/tool", "bin/wrap", "both", "low.txt", "python/shared.py"], False]
    for layer in (low, high):
        client.delete_layer_version(LayerName=layer["LayerArn"], VersionNumber=1)
    assert refused(client.update_function_configuration, FunctionName=name, Layers=layers).code == PARAMETER
    own_server.stop()
    client = Clients(own_server.start()).boto("lambda")
    assert invoke(client, name).ok[0] == "low"
    assert invoke(client, name, Qualifier="1").ok[:3] == ["high", "yes", merged], "a version keeps its layers"

    single = publish(client, files={"python/shared.py": "VALUE = 'single'\n", "bin/wrap": (wrapper, 0o755)})
    client.update_function_configuration(FunctionName=name, Layers=[single["LayerVersionArn"]])
    until_active(client, name)
    assert invoke(client, name).ok[0] == "single"
    client.update_function_configuration(FunctionName=name, Layers=[], Environment={"Variables": {}})
    until_active(client, name)
    assert "Layers" not in client.get_function_configuration(FunctionName=name)
    assert "No module named 'shared'" in json.loads(invoke(client, name).payload)["errorMessage"]


@pytest.mark.namespaces
def test_a_bootstrap_may_be_in_a_layer(lambda_, make, invoke):
    source = (
        "#!/bin/bash\n"
        'api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"\n'
        "while true; do\n"
        '  id=$(curl -s -D - -o /dev/null "$api/next" | tr -d "\\r" | sed -n "s/^Lambda-Runtime-Aws-Request-Id: //Ip")\n'
        '  curl -s -X POST "$api/$id/response" -d "\\"$0\\"" > /dev/null\n'
        "done\n"
    )
    layer = publish(lambda_, files={"bootstrap": (source, 0o755)})
    name = make.create("custom", Runtime="provided.al2023", Handler="x", Layers=[layer["LayerVersionArn"]])
    assert invoke(name).ok == "/opt/bootstrap"


def test_many_publishers_share_no_number(clients):
    name = unique("layer")
    client = clients.boto("lambda")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda _: publish(client, name)["Version"], range(16)))
    assert sorted(numbers) == list(range(1, 17))
