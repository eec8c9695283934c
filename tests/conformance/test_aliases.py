"""Aliases (Lambda Developer Guide: "Create an alias for a Lambda function", "Implement Lambda canary deployments using a
weighted alias")."""

import pytest

from support.errors import refused
from support.functions import ROLE, arn, probe_zip, unique, until_active

PARAMETER, NOT_FOUND = "InvalidParameterValueException", "ResourceNotFoundException"
NO_REVISION = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def versions(lambda_, python):
    """A function with versions 1, 2 and, under another role, 3."""
    name = unique("aliases")
    lambda_.create_function(
        FunctionName=name,
        Runtime=python,
        Role=ROLE,
        Handler="lambda_function.lambda_handler",
        Timeout=20,
        Code={"ZipFile": probe_zip()},
    )
    for number, role in (("1", ROLE), ("2", ROLE), ("3", ROLE + "-other")):
        until_active(lambda_, name)
        variables = {"Variables": {"MARK": number}}
        lambda_.update_function_configuration(FunctionName=name, Role=role, Environment=variables)
        until_active(lambda_, name)
        assert lambda_.publish_version(FunctionName=name)["Version"] == number
    yield name
    lambda_.delete_function(FunctionName=name)


@pytest.fixture
def alias(lambda_, versions):
    """Creates an alias of the module's function, which goes away with the test; returns its name."""
    names = []

    def create(version="1", **options):
        name = unique("a")
        lambda_.create_alias(FunctionName=versions, Name=name, FunctionVersion=version, **options)
        names.append(name)
        return name

    yield create
    for name in names:
        lambda_.delete_alias(FunctionName=versions, Name=name)


def bare(answer):
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}


def split(version, weight):
    return {"AdditionalVersionWeights": {version: weight}}


def test_life_of_an_alias(lambda_, versions):
    created = lambda_.create_alias(FunctionName=versions, Name="life", FunctionVersion="1")
    assert created["ResponseMetadata"]["HTTPStatusCode"] == 201
    created = bare(created)
    revision = created.pop("RevisionId")
    expected = {
        "AliasArn": arn(versions, "life"),
        "Name": "life",
        "FunctionVersion": "1",
        "Description": "",
    }
    assert created == expected, "no RoutingConfig where there is none"
    assert bare(lambda_.get_alias(FunctionName=versions, Name="life")) == expected | {"RevisionId": revision}

    updated = bare(
        lambda_.update_alias(
            FunctionName=versions, Name="life", Description="d", RoutingConfig=split("2", 0.25), RevisionId=revision
        )
    )
    assert updated.pop("RevisionId") != revision
    assert updated == expected | {"Description": "d", "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.25}}}
    # What is not named stays; an empty map clears.
    moved = lambda_.update_alias(FunctionName=versions, Name="life", Description="e")
    assert moved["RoutingConfig"] == {"AdditionalVersionWeights": {"2": 0.25}}
    cleared = lambda_.update_alias(
        FunctionName=versions, Name="life", RoutingConfig={"AdditionalVersionWeights": {}}, FunctionVersion="2"
    )
    assert "RoutingConfig" not in cleared
    assert cleared["FunctionVersion"] == "2"

    configuration = lambda_.get_function_configuration(FunctionName=versions, Qualifier="life")
    assert (configuration["FunctionArn"], configuration["Version"]) == (arn(versions, "life"), "2")
    for _ in range(2):
        deleted = lambda_.delete_alias(FunctionName=versions, Name="life")
        assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204, "an absent one is as good as deleted"
    error = refused(lambda_.get_alias, FunctionName=versions, Name="life")
    assert (error.status, error.code) == (404, NOT_FOUND)
    assert error.message == f"Cannot find alias arn: {arn(versions, 'life')}"


def test_lists_by_version_and_in_pages(lambda_, versions, alias):
    one, two, latest = sorted([alias("1"), alias("1")]), alias("2", RoutingConfig=split("1", 0.5)), alias("$LATEST")
    pages = lambda_.get_paginator("list_aliases").paginate(FunctionName=versions, PaginationConfig={"PageSize": 2})
    assert [entry["Name"] for page in pages for entry in page["Aliases"]] == sorted([*one, two, latest])
    for version, expected in (("1", [*one, two]), ("2", [two]), ("$LATEST", [latest]), ("3", [])):
        listed = lambda_.list_aliases(FunctionName=versions, FunctionVersion=version)
        assert [entry["Name"] for entry in listed["Aliases"]] == sorted(expected), version
        assert "NextMarker" not in listed


ROUTING = {
    "two": ("1", {"2": 0.1, "3": 0.1}, "Number of items in AdditionalVersionWeights cannot be greater than 1"),
    "same": (
        "1",
        {"1": 0.5},
        "Invalid function version 1. Function version 1 is already included in routing configuration.",
    ),
    "latest": ("$LATEST", {"1": 0.5}, "$LATEST is not supported for an alias pointing to more than 1 version"),
    "role": ("1", {"3": 0.5}, "Specified versions must be associated with the same execution role"),
}


@pytest.mark.parametrize("case", ROUTING)
def test_what_may_not_share_an_alias(lambda_, versions, alias, case):
    version, weights, message = ROUTING[case]
    routing = {"AdditionalVersionWeights": weights}
    error = refused(
        lambda_.create_alias, FunctionName=versions, Name="never", FunctionVersion=version, RoutingConfig=routing
    )
    assert (error.status, error.code, error.message) == (400, PARAMETER, message)
    existing = alias()
    error = refused(
        lambda_.update_alias, FunctionName=versions, Name=existing, FunctionVersion=version, RoutingConfig=routing
    )
    assert (error.status, error.code, error.message) == (400, PARAMETER, message)


def one(value, path, constraint):
    return f"1 validation error detected: Value '{value}' at '{path}' failed to satisfy constraint: {constraint}"


def test_constraints(lambda_, versions):
    for name in ("7", "a.b"):
        error = refused(lambda_.create_alias, FunctionName=versions, Name=name, FunctionVersion="1")
        pattern = "Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)"
        assert (error.code, error.message) == ("ValidationException", one(name, "name", pattern))
    error = refused(
        lambda_.create_alias, FunctionName=versions, Name="a", FunctionVersion="1", RoutingConfig=split("2", 2.0)
    )
    assert error.code == "ValidationException"
    assert error.message == one(
        "{2=2.0}",
        "routingConfig.additionalVersionWeights",
        "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must have value "
        "greater than or equal to 0.0, Member must not be null]",
    )


def test_refusals(lambda_, versions, alias):
    existing = alias()
    error = refused(lambda_.create_alias, FunctionName=versions, Name=existing, FunctionVersion="1")
    assert (error.status, error.code) == (409, "ResourceConflictException")
    assert error.message == f"Alias already exists: {arn(versions, existing)}"
    error = refused(lambda_.create_alias, FunctionName=versions, Name="never", FunctionVersion="9")
    assert (error.status, error.code, error.message) == (404, NOT_FOUND, f"Function not found: {arn(versions, '9')}")
    error = refused(lambda_.update_alias, FunctionName=versions, Name="never", FunctionVersion="1")
    assert (error.status, error.code, error.message) == (404, NOT_FOUND, f"Alias not found: {arn(versions, 'never')}")
    error = refused(lambda_.update_alias, FunctionName=versions, Name=existing, RevisionId=NO_REVISION)
    assert (error.status, error.code) == (412, "PreconditionFailedException")
    error = refused(lambda_.delete_function, FunctionName=versions, Qualifier=existing)
    assert (error.code, error.message) == (PARAMETER, "Deletion of aliases is not currently supported.")
    error = refused(lambda_.get_alias, FunctionName=f"{versions}:1", Name=existing)
    assert error.message.startswith("This operation is permitted on Lambda functions only.")
    for qualifier in ("never", "Live"):
        error = refused(lambda_.get_function, FunctionName=versions, Qualifier=qualifier)
        assert (error.status, error.message) == (404, f"Function not found: {arn(versions, qualifier)}")
    error = refused(lambda_.get_function, FunctionName=f"{versions}:1", Qualifier="2")
    assert error.message == "The derived qualifier from the function name does not match the specified qualifier."


def test_functions_see_the_alias_they_were_invoked_by(invoke, versions, alias):
    name = alias("2")
    command = 'echo "$MARK $AWS_LAMBDA_FUNCTION_VERSION"'
    for answer in (
        invoke(versions, {"do": "run", "command": command}, Qualifier=name),
        invoke(f"{versions}:{name}", {"do": "run", "command": command}),
    ):
        assert (answer.version, answer.ok["out"].split()) == ("2", ["2", "2"])
    seen = invoke(versions, Qualifier=name).ok
    assert (seen["arn"], seen["version"]) == (arn(versions, name), "2")
    assert "/[2]" in seen["stream"]


def test_an_alias_moves_and_splits(invoke, lambda_, versions, alias):
    name = alias("1")
    assert invoke(versions, {"do": "echo"}, Qualifier=name).version == "1"
    lambda_.update_alias(FunctionName=versions, Name=name, FunctionVersion="2")
    assert invoke(versions, {"do": "echo"}, Qualifier=name).version == "2", "whoever has seen the answer is served by it"
    for weight, expected in ((0.0, {"2"}), (1.0, {"1"})):
        lambda_.update_alias(FunctionName=versions, Name=name, RoutingConfig=split("1", weight))
        assert {invoke(versions, {"do": "echo"}, Qualifier=name).version for _ in range(5)} == expected
    lambda_.update_alias(FunctionName=versions, Name=name, RoutingConfig=split("1", 0.5))
    seen = [invoke(versions, {"do": "echo"}, Qualifier=name).version for _ in range(100)]
    # Beyond these bounds is less than one run in a million.
    assert 25 <= seen.count("1") <= 75, seen
    assert set(seen) == {"1", "2"}


def test_versions_behind_an_alias_stay(lambda_, versions, alias):
    name = alias("1", RoutingConfig=split("2", 0.5))
    for number in ("1", "2"):
        error = refused(lambda_.delete_function, FunctionName=versions, Qualifier=number)
        assert (error.status, error.code) == (409, "ResourceConflictException")
        assert name in error.message
