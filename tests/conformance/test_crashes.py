"""A server that dies at a commit leaves the state before or after it, never one between: at each place of
crates/control/src/sites.rs, before the commit, in it, and after it. CI tries some, by a seed; LAMBENT_TEST_ALL=1 all."""

import os
import random
import re
import shutil
import signal
import subprocess

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from support.clients import ACCOUNT, REGION, Clients
from support.functions import ROLE, arn, probe_zip
from support.packages import pack
from support.server import REPOSITORY, Server, scratch
from support.wait import until

SEED = int(os.environ.get("LAMBENT_TEST_SEED", random.SystemRandom().randrange(2**32)))
SITES = re.findall(r'^    "([a-z-]+)",$', (REPOSITORY / "crates/control/src/sites.rs").read_text(), re.MULTILINE)
MOMENTS = ("before", "written", "after")
CASES = [(site, moment) for site in SITES for moment in MOMENTS]
if not os.environ.get("LAMBENT_TEST_ALL"):
    CASES = random.Random(SEED).sample(CASES, 6)
PROFILE = f"arn:aws:signer:{REGION}:{ACCOUNT}:/signing-profiles/p/abcdefghij"
# Of a kind that nothing polls: a mapping of it rests whenever it is looked at.
STREAM = {
    "EventSourceArn": f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/s",
    "StartingPosition": "LATEST",
}


def settings(code):
    return {
        "Runtime": "python3.12",
        "Role": ROLE,
        "Handler": "lambda_function.lambda_handler",
        "Code": {"ZipFile": code},
    }


def settled(client):
    pages = client.get_paginator("list_functions").paginate(FunctionVersion="ALL")
    for page in pages:
        for function in page["Functions"]:
            found = client.get_function_configuration(FunctionName=function["FunctionArn"])
            if (found["State"], found.get("LastUpdateStatus")) != ("Active", "Successful"):
                return False
    return True


def populate(client):
    """One of everything that a commit can change."""
    layer = client.publish_layer_version(LayerName="shared", Content={"ZipFile": pack({"a": "b"})})
    client.create_function(FunctionName="base", Layers=[layer["LayerVersionArn"]], **settings(probe_zip()))
    until(lambda: settled(client), "the function to settle")
    client.publish_version(FunctionName="base")
    client.create_alias(FunctionName="base", Name="live", FunctionVersion="1")
    client.update_function_configuration(FunctionName="base", MemorySize=256)
    until(lambda: settled(client), "the update to settle")
    client.publish_version(FunctionName="base")
    client.create_function_url_config(FunctionName="base", AuthType="NONE")
    client.put_function_event_invoke_config(FunctionName="base", MaximumRetryAttempts=1)
    client.put_function_concurrency(FunctionName="base", ReservedConcurrentExecutions=5)
    client.put_provisioned_concurrency_config(
        FunctionName="base", Qualifier="2", ProvisionedConcurrentExecutions=1
    )
    client.create_event_source_mapping(FunctionName="base", **STREAM)
    for description in ("free", "used"):
        client.create_code_signing_config(
            Description=description, AllowedPublishers={"SigningProfileVersionArns": [PROFILE]}
        )
    client.put_function_code_signing_config(FunctionName="base", CodeSigningConfigArn=config(client, "used"))
    client.create_function(FunctionName="other", **settings(probe_zip()))
    until(lambda: settled(client), "the other function to settle")


def config(client, description):
    configs = client.list_code_signing_configs()["CodeSigningConfigs"]
    return next(one["CodeSigningConfigArn"] for one in configs if one["Description"] == description)


def mapping(client):
    return client.list_event_source_mappings()["EventSourceMappings"][0]


ACTIONS = {
    "create-alias": lambda c: c.create_alias(FunctionName="base", Name="new", FunctionVersion="2"),
    "create-code-signing-config": lambda c: c.create_code_signing_config(
        Description="new", AllowedPublishers={"SigningProfileVersionArns": [PROFILE]}
    ),
    "create-function": lambda c: c.create_function(
        FunctionName="new", Publish=True, CodeSigningConfigArn=config(c, "free"), **settings(probe_zip("two"))
    ),
    "create-function-url-config": lambda c: c.create_function_url_config(
        FunctionName="base", Qualifier="live", AuthType="NONE"
    ),
    "delete-alias": lambda c: c.delete_alias(FunctionName="base", Name="live"),
    "delete-code-signing-config": lambda c: c.delete_code_signing_config(CodeSigningConfigArn=config(c, "free")),
    "delete-function": lambda c: c.delete_function(FunctionName="base"),
    "delete-function-code-signing-config": lambda c: c.delete_function_code_signing_config(FunctionName="base"),
    "delete-function-concurrency": lambda c: c.delete_function_concurrency(FunctionName="base"),
    "delete-function-event-invoke-config": lambda c: c.delete_function_event_invoke_config(FunctionName="base"),
    "delete-function-url-config": lambda c: c.delete_function_url_config(FunctionName="base"),
    "delete-provisioned-concurrency-config": lambda c: c.delete_provisioned_concurrency_config(
        FunctionName="base", Qualifier="2"
    ),
    "delete-version": lambda c: c.delete_function(FunctionName="base", Qualifier="2"),
    "event-invoke-config": lambda c: c.update_function_event_invoke_config(FunctionName="base", MaximumRetryAttempts=0),
    "layer-delete": lambda c: c.delete_layer_version(LayerName="shared", VersionNumber=1),
    "layer-publish": lambda c: c.publish_layer_version(LayerName="shared", Content={"ZipFile": pack({"c": "d"})}),
    "layer-replace": lambda c: c.add_layer_version_permission(
        LayerName="shared", VersionNumber=1, StatementId="s", Action="lambda:GetLayerVersion", Principal="*"
    ),
    "mapping-create": lambda c: c.create_event_source_mapping(FunctionName="other", **STREAM),
    "mapping-delete": lambda c: c.delete_event_source_mapping(UUID=mapping(c)["UUID"]),
    "mapping-replace": lambda c: c.update_event_source_mapping(UUID=mapping(c)["UUID"], FunctionName="other"),
    "policy": lambda c: c.add_permission(
        FunctionName="base:live", StatementId="s", Action="lambda:InvokeFunction", Principal="123456789012"
    ),
    "publish-version": lambda c: c.publish_version(FunctionName="other"),
    "put-function-code-signing-config": lambda c: c.put_function_code_signing_config(
        FunctionName="base", CodeSigningConfigArn=config(c, "free")
    ),
    "put-function-concurrency": lambda c: c.put_function_concurrency(
        FunctionName="base", ReservedConcurrentExecutions=7
    ),
    "put-function-recursion-config": lambda c: c.put_function_recursion_config(
        FunctionName="base", RecursiveLoop="Allow"
    ),
    "put-provisioned-concurrency-config": lambda c: c.put_provisioned_concurrency_config(
        FunctionName="base", Qualifier="2", ProvisionedConcurrentExecutions=2
    ),
    "put-runtime-management-config": lambda c: c.put_runtime_management_config(
        FunctionName="base", UpdateRuntimeOn="FunctionUpdate"
    ),
    "settle": lambda c: (
        c.create_function(FunctionName="new", Publish=True, **settings(probe_zip("two"))),
        until(lambda: settled(c), "the function to settle"),
    ),
    "tags-of-functions": lambda c: c.tag_resource(Resource=arn("base"), Tags={"k": "v"}),
    "tags-of-others": lambda c: c.tag_resource(Resource=mapping(c)["EventSourceMappingArn"], Tags={"k": "v"}),
    "update-alias": lambda c: c.update_alias(FunctionName="base", Name="live", FunctionVersion="2"),
    "update-code-signing-config": lambda c: c.update_code_signing_config(
        CodeSigningConfigArn=config(c, "free"), CodeSigningPolicies={"UntrustedArtifactOnDeployment": "Enforce"}
    ),
    "update-function-code": lambda c: c.update_function_code(
        FunctionName="base", ZipFile=probe_zip("two"), Publish=True
    ),
    "update-function-configuration": lambda c: c.update_function_configuration(FunctionName="base", Timeout=9),
    "update-function-url-config": lambda c: c.update_function_url_config(FunctionName="base", AuthType="AWS_IAM"),
}

# What is new with every change or every call, and says nothing about the state.
VOLATILE = {
    "RevisionId", "LastModified", "CreatedDate", "Location", "UUID", "EventSourceMappingArn", "CodeSigningConfigId",
    "CodeSigningConfigArn", "ResponseMetadata", "CreationTime", "LastModifiedTime", "FunctionUrl",
}


def plain(value):
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in sorted(value.items()) if key not in VOLATILE}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def snapshot(client):
    """All that the API shows."""

    def absent(call, **parameters):
        try:
            answer = call(**parameters)
        except ClientError as error:
            return error.response["Error"]["Code"]
        # A policy is a text with a document in it.
        return plain(answer)

    state = {}
    for function in client.list_functions()["Functions"]:
        name = function["FunctionName"]
        versions = client.list_versions_by_function(FunctionName=name)["Versions"]
        aliases = client.list_aliases(FunctionName=name)["Aliases"]
        qualifiers = [{}] + [{"Qualifier": alias["Name"]} for alias in aliases]
        state[name] = [
            [absent(client.get_function, FunctionName=version["FunctionArn"]) for version in versions],
            plain(aliases),
            [absent(client.get_policy, FunctionName=name, **qualifier) for qualifier in qualifiers],
            [absent(client.get_function_url_config, FunctionName=name, **qualifier) for qualifier in qualifiers],
            absent(client.list_function_event_invoke_configs, FunctionName=name),
            absent(client.get_function_recursion_config, FunctionName=name),
            absent(client.get_runtime_management_config, FunctionName=name),
            [
                (config["FunctionArn"], config["RequestedProvisionedConcurrentExecutions"])
                for config in client.list_provisioned_concurrency_configs(FunctionName=name)[
                    "ProvisionedConcurrencyConfigs"
                ]
            ],
        ]
    for layer in client.list_layers()["Layers"]:
        listed = client.list_layer_versions(LayerName=layer["LayerName"])["LayerVersions"]
        state[layer["LayerArn"]] = [
            [
                plain(version),
                absent(client.get_layer_version_policy, LayerName=layer["LayerName"], VersionNumber=version["Version"]),
            ]
            for version in listed
        ]
    mappings = client.list_event_source_mappings()["EventSourceMappings"]
    state["mappings"] = sorted(
        str([plain(one), client.list_tags(Resource=one["EventSourceMappingArn"])["Tags"]]) for one in mappings
    )
    configs = client.list_code_signing_configs()["CodeSigningConfigs"]
    functions = client.list_functions_by_code_signing_config
    state["signing"] = sorted(
        str([plain(one), functions(CodeSigningConfigArn=one["CodeSigningConfigArn"])["FunctionArns"]])
        for one in configs
    )
    return state


class World:
    """Data folders that begin alike."""

    def __init__(self):
        self.home = scratch()
        self.base = self.home / "base"
        self.copies = 0
        self.after_actions = {}
        with_server(self.base, populate)
        self.before = with_server(self.base, snapshot)

    def copy(self):
        self.copies += 1
        folder = self.home / str(self.copies)
        subprocess.run(["cp", "-a", self.base, folder], check=True)
        return folder

    def after(self, site):
        if site not in self.after_actions:
            folder = self.copy()

            def act(client):
                ACTIONS[site](client)
                until(lambda: settled(client), f"{site} to settle")
                return snapshot(client)

            self.after_actions[site] = with_server(folder, act)
        return self.after_actions[site]


def with_server(folder, act):
    server = Server(data_dir=folder)
    try:
        client = Clients(server.start()).boto("lambda")
        done = act(client)
        server.stop()
        return done
    finally:
        server.remove()


@pytest.fixture(scope="module")
def world():
    world = World()
    yield world
    shutil.rmtree(world.home)


def test_each_place_has_its_action():
    assert sorted(ACTIONS) == sorted(SITES)


@pytest.mark.parametrize(("site", "moment"), CASES)
def test_a_crash_leaves_before_or_after(world, site, moment):
    after = world.after(site)
    assert after != world.before, "the action changes something that can be seen"
    folder = world.copy()
    server = Server(data_dir=folder)
    server.environment["LAMBENT_CRASH_AT"] = f"{site}/{moment}"
    try:
        client = Clients(server.start()).boto("lambda")
        with pytest.raises(BotoCoreError):
            ACTIONS[site](client)
        assert server.process.wait(20) == -signal.SIGKILL
    finally:
        server.remove()

    def look(client):
        until(lambda: settled(client), "what was accepted to settle")
        return snapshot(client)

    found = with_server(folder, look)
    # What settling was about to do, a restart does.
    expected = after if moment == "after" or site == "settle" else world.before
    assert found == expected, f"seed {SEED}"
