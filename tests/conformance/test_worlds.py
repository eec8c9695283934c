"""Accounts and regions are separate worlds, reached from another only by ARN and permission (Lambda Developer Guide:
"Viewing resource-based IAM policies in Lambda"; AWS General Reference: "Amazon Resource Names")."""

import itertools

import pytest

from support.errors import refused
from support.functions import unique, until_active

ACCOUNTS, REGIONS = ("111111111111", "222222222222"), ("us-east-1", "eu-central-1")
WORLDS = list(itertools.product(ACCOUNTS, REGIONS))


@pytest.fixture(scope="module")
def worlds(clients):
    """A client of Lambda in each account and region."""
    return {world: clients.boto("lambda", key=world[0], region=world[1]) for world in WORLDS}


@pytest.fixture
def same(worlds, make):
    """One name, in each world a function that says which it is."""
    name = unique("same")
    for (account, region), client in worlds.items():
        variables = {"Variables": {"WORLD": f"{account}/{region}"}}
        make.create(FunctionName=name, client=client, Environment=variables)
        until_active(client, name)
    return name


def test_the_same_name_is_another_function_in_each(worlds, same):
    for (account, region), client in worlds.items():
        arn = f"arn:aws:lambda:{region}:{account}:function:{same}"
        shown = client.get_function_configuration(FunctionName=same)
        assert (shown["FunctionArn"], shown["Environment"]["Variables"]) == (arn, {"WORLD": f"{account}/{region}"})
        assert [entry["FunctionArn"] for entry in client.list_functions()["Functions"]] == [arn]
        payload = b'{"do": "run", "command": "echo -n $WORLD"}'
        assert f"{account}/{region}".encode() in client.invoke(FunctionName=same, Payload=payload)["Payload"].read()
    first, *others = worlds.values()
    first.update_function_configuration(FunctionName=same, Description="of one world")
    first.tag_resource(Resource=first.get_function_configuration(FunctionName=same)["FunctionArn"], Tags={"k": "v"})
    first.put_function_concurrency(FunctionName=same, ReservedConcurrentExecutions=3)
    for client in others:
        assert client.get_function_configuration(FunctionName=same)["Description"] == ""
        shown = client.get_function(FunctionName=same)
        assert "Tags" not in shown and "Concurrency" not in shown
    first.delete_function(FunctionName=same)
    for client in others:
        client.get_function(FunctionName=same)


def test_layers_mappings_and_configurations_are_of_their_world(clients, worlds, same):
    first, *others = worlds.values()
    queue = "arn:aws:sqs:us-east-1:111111111111:q"
    clients.boto("sqs", key="111111111111").create_queue(QueueName="q")
    mapping = first.create_event_source_mapping(FunctionName=same, EventSourceArn=queue, Enabled=False)["UUID"]
    signing = first.create_code_signing_config(AllowedPublishers={"SigningProfileVersionArns": [
        "arn:aws:signer:us-east-1:111111111111:/signing-profiles/p/abcdefghij"]})["CodeSigningConfig"]
    first.create_alias(FunctionName=same, Name="live", FunctionVersion="$LATEST")
    for client in others:
        assert client.list_event_source_mappings()["EventSourceMappings"] == []
        assert refused(client.get_event_source_mapping, UUID=mapping).status == 404
        assert client.list_code_signing_configs()["CodeSigningConfigs"] == []
        assert client.list_aliases(FunctionName=same)["Aliases"] == []
    first.delete_event_source_mapping(UUID=mapping)
    first.delete_code_signing_config(CodeSigningConfigArn=signing["CodeSigningConfigArn"])


def test_another_account_comes_by_arn_and_permission_alone(worlds, same):
    (owner, region), (stranger, _) = WORLDS[0], WORLDS[2]
    theirs, ours = worlds[stranger, region], worlds[owner, region]
    arn = f"arn:aws:lambda:{region}:{owner}:function:{same}"
    for name in (arn, f"{owner}:function:{same}", f"{owner}:{same}"):
        error = refused(theirs.invoke, FunctionName=name)
        assert (error.status, error.code) == (403, "AccessDeniedException"), name
    # Absent and forbidden look alike.
    assert refused(theirs.invoke, FunctionName=f"{arn}-absent").code == "AccessDeniedException"
    ours.add_permission(FunctionName=same, StatementId="s", Action="lambda:InvokeFunction", Principal=stranger)
    for name in (arn, f"{owner}:function:{same}", f"{owner}:{same}"):
        answer = theirs.invoke(FunctionName=name, Payload=b'{"do": "run", "command": "echo -n $WORLD"}')
        assert f"{owner}/{region}".encode() in answer["Payload"].read(), name
    # By its bare name the function is the caller's own, whatever it was permitted.
    answer = theirs.invoke(FunctionName=same, Payload=b'{"do": "run", "command": "echo -n $WORLD"}')
    assert f"{stranger}/{region}".encode() in answer["Payload"].read()
    assert refused(theirs.get_function, FunctionName=arn).code == "AccessDeniedException"
    ours.remove_permission(FunctionName=same, StatementId="s")
    assert refused(theirs.invoke, FunctionName=arn).code == "AccessDeniedException"


def test_another_region_is_not_reached_at_all(worlds, same):
    here, there = REGIONS
    account = ACCOUNTS[0]
    arn = f"arn:aws:lambda:{there}:{account}:function:{same}"
    error = refused(worlds[account, here].invoke, FunctionName=arn)
    assert (error.status, error.code) == (404, "ResourceNotFoundException")
    assert error.message == f"Functions from '{there}' are not reachable in this region ('{here}')"
    assert worlds[account, there].invoke(FunctionName=arn, Payload=b"{}")["StatusCode"] == 200
