"""Versions (Lambda Developer Guide: "Manage Lambda function versions"; API Reference: PublishVersion)."""

import concurrent.futures

import pytest

from support.clients import Clients
from support.errors import refused
from support.functions import ROLE, arn, probe_zip, unique, until_active
from support.functions import invoke as call_function

PARAMETER, NOT_FOUND = "InvalidParameterValueException", "ResourceNotFoundException"
# Beside the metadata, all that a zip function without further settings has.
FULL = {
    "FunctionName",
    "FunctionArn",
    "Runtime",
    "Role",
    "Handler",
    "CodeSize",
    "Description",
    "Timeout",
    "MemorySize",
    "LastModified",
    "CodeSha256",
    "Version",
    "TracingConfig",
    "RevisionId",
    "State",
    "LastUpdateStatus",
    "PackageType",
    "Architectures",
    "EphemeralStorage",
    "SnapStart",
    "RuntimeVersionConfig",
    "LoggingConfig",
}


def numbers(client, name, **options):
    """Versions and ARNs in the order of the list."""
    listed = client.list_versions_by_function(FunctionName=name, **options)["Versions"]
    return [(entry["Version"], entry["FunctionArn"]) for entry in listed]


def change(client, name, value):
    """Makes the next version another one."""
    client.update_function_configuration(FunctionName=name, Environment={"Variables": {"MARK": value}})
    until_active(client, name)


@pytest.fixture(scope="module")
def published(lambda_, python):
    """A function with versions 1 to 3, which differ in a variable."""
    name = unique("versions")
    lambda_.create_function(
        FunctionName=name,
        Runtime=python,
        Role=ROLE,
        Handler="lambda_function.lambda_handler",
        Timeout=20,
        Code={"ZipFile": probe_zip()},
    )
    until_active(lambda_, name)
    for number in ("1", "2", "3"):
        change(lambda_, name, number)
        assert lambda_.publish_version(FunctionName=name)["Version"] == number
    yield name
    lambda_.delete_function(FunctionName=name)


def test_a_version_is_the_function_as_it_was(lambda_, make):
    name = make.create(Description="the function's")
    before = lambda_.get_function_configuration(FunctionName=name)
    version = lambda_.publish_version(FunctionName=name, Description="the version's")
    metadata = version.pop("ResponseMetadata")
    assert metadata["HTTPStatusCode"] == 201
    assert set(version) == FULL
    assert (version["Version"], version["FunctionArn"]) == ("1", arn(name, "1"))
    assert (version["Description"], version["CodeSha256"]) == ("the version's", before["CodeSha256"])
    latest = lambda_.get_function_configuration(FunctionName=name)
    assert len({before["RevisionId"], latest["RevisionId"], version["RevisionId"]}) == 3, "each has its own revision"
    assert (latest["Version"], latest["Description"]) == ("$LATEST", "the function's")

    change(lambda_, name, "later")
    lambda_.get_waiter("published_version_active").wait(FunctionName=name, Qualifier="1")
    again = lambda_.get_function_configuration(FunctionName=name, Qualifier="1")
    again.pop("ResponseMetadata")
    assert again == version, "nothing changes a version"


def test_publishing_without_a_change_is_the_last_version(lambda_, make):
    name = make.create()
    first = lambda_.publish_version(FunctionName=name)
    second = lambda_.publish_version(FunctionName=name, Description="ignored")
    assert [second[key] for key in ("Version", "RevisionId", "Description")] == ["1", first["RevisionId"], ""]
    change(lambda_, name, "x")
    assert lambda_.publish_version(FunctionName=name)["Version"] == "2"
    # A number is never given twice.
    lambda_.delete_function(FunctionName=name, Qualifier="2")
    assert [number for number, _ in numbers(lambda_, name)] == ["$LATEST", "1"]
    assert lambda_.publish_version(FunctionName=name)["Version"] == "3"


def test_publish_with_code(lambda_, make):
    name = unique("publish")
    make.create(FunctionName=name, active=False, Publish=True)
    until_active(lambda_, name)
    assert numbers(lambda_, name) == [("$LATEST", arn(name, "$LATEST")), ("1", arn(name, "1"))]
    updated = lambda_.update_function_code(FunctionName=name, ZipFile=probe_zip("two"), Publish=True)
    assert (updated["Version"], updated["FunctionArn"]) == ("2", arn(name, "2"))
    until_active(lambda_, name)
    states = [lambda_.get_function_configuration(FunctionName=name, Qualifier=q)["State"] for q in ("1", "2")]
    assert states == ["Active", "Active"]
    one, two = (lambda_.get_function(FunctionName=name, Qualifier=q)["Configuration"] for q in ("1", "2"))
    assert one["CodeSha256"] != two["CodeSha256"] == updated["CodeSha256"]


def test_create_with_publish_shows_the_version_under_the_functions_arn(lambda_, make, python):
    name = unique("publish")
    make.names.append((lambda_, name))
    created = lambda_.create_function(
        FunctionName=name, Runtime=python, Role=ROLE, Handler="a.b", Code={"ZipFile": probe_zip()}, Publish=True
    )
    shown = [created.get(key) for key in ("Version", "FunctionArn", "State", "LastUpdateStatus")]
    assert shown == ["1", arn(name), "Pending", None]


def test_preconditions_of_publishing(lambda_, make):
    name = make.create()
    configuration = lambda_.get_function_configuration(FunctionName=name)
    sha, revision = configuration["CodeSha256"], configuration["RevisionId"]
    error = refused(lambda_.publish_version, FunctionName=name, CodeSha256="other=")
    assert (error.status, error.code) == (400, PARAMETER)
    assert error.message == (
        f"CodeSHA256 (other=) is different from current CodeSHA256 in $LATEST ({sha}). Please try again with the "
        "CodeSHA256 in $LATEST."
    )
    error = refused(lambda_.publish_version, FunctionName=name, RevisionId="00000000-0000-4000-8000-000000000000")
    assert (error.status, error.code) == (412, "PreconditionFailedException")
    assert error.message.startswith("The Revision Id provided does not match the latest Revision Id. Call the GetFunc")
    assert lambda_.publish_version(FunctionName=name, CodeSha256=sha, RevisionId=revision)["Version"] == "1"
    error = refused(lambda_.publish_version, FunctionName=f"{name}:1")
    assert (error.code, error.message.split(".")[0]) == (
        PARAMETER,
        "Current operation does not support versions other than $LATEST",
    )
    error = refused(lambda_.publish_version, FunctionName="no-such-function")
    assert (error.status, error.message) == (404, f"Function not found: {arn('no-such-function')}")


def test_lists_have_every_version_in_pages(lambda_, published):
    everything = [(number, arn(published, number)) for number in ("$LATEST", "1", "2", "3")]
    assert numbers(lambda_, published) == everything
    pages = lambda_.get_paginator("list_versions_by_function").paginate(
        FunctionName=published, PaginationConfig={"PageSize": 1}
    )
    listed = [entry for page in pages for entry in page["Versions"]]
    assert [(entry["Version"], entry["FunctionArn"]) for entry in listed] == everything
    assert set(listed[1]) == (FULL | {"Environment"}) - {"State", "LastUpdateStatus", "RuntimeVersionConfig"}

    pages = lambda_.get_paginator("list_functions").paginate(FunctionVersion="ALL", PaginationConfig={"PageSize": 2})
    arns = [entry["FunctionArn"] for page in pages for entry in page["Functions"]]
    assert [of for of in arns if f":{published}:" in of] == [of for _, of in everything]
    assert arn(published) in [entry["FunctionArn"] for entry in lambda_.list_functions(MaxItems=50)["Functions"]]


def test_each_version_runs_what_it_was(invoke, lambda_, published):
    wanted = {"do": "run", "command": 'echo "$MARK $AWS_LAMBDA_FUNCTION_VERSION $AWS_LAMBDA_LOG_STREAM_NAME"'}
    for qualifier, mark in (("1", "1"), ("2", "2"), ("3", "3"), ("$LATEST", "3")):
        answer = invoke(published, wanted, Qualifier=qualifier)
        assert answer.version == qualifier
        seen, version, stream = answer.ok["out"].split()
        assert (seen, version) == (mark, qualifier)
        assert f"/[{qualifier}]" in stream, stream
    answer = invoke(arn(published, "2"), wanted)
    assert answer.version == "2"
    error = refused(lambda_.invoke, FunctionName=published, Qualifier="9")
    assert (error.status, error.message) == (404, f"Function not found: {arn(published, '9')}")


def test_deleting_versions(lambda_, make):
    name = make.create()
    lambda_.publish_version(FunctionName=name)
    lambda_.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    error = refused(lambda_.delete_function, FunctionName=name, Qualifier="1")
    assert (error.status, error.code) == (409, "ResourceConflictException")
    assert error.message == "Unable to delete version because the following aliases reference it: [live]"
    lambda_.delete_alias(FunctionName=name, Name="live")
    assert lambda_.delete_function(FunctionName=name, Qualifier="1")["ResponseMetadata"]["HTTPStatusCode"] == 204
    # What is not there is as good as deleted.
    assert lambda_.delete_function(FunctionName=name, Qualifier="7")["ResponseMetadata"]["HTTPStatusCode"] == 204
    for operation in (lambda_.get_function, lambda_.get_function_configuration):
        error = refused(operation, FunctionName=name, Qualifier="1")
        assert (error.status, error.code, error.message) == (404, NOT_FOUND, f"Function not found: {arn(name, '1')}")


def test_deleting_a_function_takes_all_of_it_along(lambda_, make):
    name = make.create()
    lambda_.publish_version(FunctionName=name)
    lambda_.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    lambda_.add_permission(
        FunctionName=name, StatementId="s", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com"
    )
    lambda_.delete_function(FunctionName=name)
    for qualifier in (None, "1", "live"):
        options = {"Qualifier": qualifier} if qualifier else {}
        assert refused(lambda_.get_function, FunctionName=name, **options).code == NOT_FOUND
        assert refused(lambda_.invoke, FunctionName=name, **options).code == NOT_FOUND
    make.create(FunctionName=name)
    assert [number for number, _ in numbers(lambda_, name)] == ["$LATEST"]
    assert lambda_.list_aliases(FunctionName=name)["Aliases"] == []
    assert refused(lambda_.get_policy, FunctionName=name).code == NOT_FOUND
    assert lambda_.publish_version(FunctionName=name)["Version"] == "1"


def test_who_publishes_at_once_publishes_one_version(lambda_, make):
    name = make.create()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        published = list(pool.map(lambda _: lambda_.publish_version(FunctionName=name)["Version"], range(8)))
    assert published == ["1"] * 8
    assert [number for number, _ in numbers(lambda_, name)] == ["$LATEST", "1"]


def test_versions_and_aliases_outlive_the_server(own_server, python):
    client = Clients(own_server.start()).boto("lambda")
    maker = {"Runtime": python, "Role": ROLE, "Handler": "lambda_function.lambda_handler", "Timeout": 20}
    client.create_function(FunctionName="f", Code={"ZipFile": probe_zip("one")}, Publish=True, **maker)
    until_active(client, "f")
    client.update_function_code(FunctionName="f", ZipFile=probe_zip("two"), Publish=True)
    until_active(client, "f")
    routing = {"AdditionalVersionWeights": {"2": 0.0}}
    client.create_alias(FunctionName="f", Name="live", FunctionVersion="1", RoutingConfig=routing)
    client.add_permission(
        FunctionName="f",
        Qualifier="live",
        StatementId="s",
        Action="lambda:InvokeFunction",
        Principal="123456789012",
    )
    before = [client.get_alias(FunctionName="f", Name="live"), client.list_versions_by_function(FunctionName="f")]
    packages = own_server.packages()
    own_server.kill()

    # The start also looks for packages that nothing refers to.
    clients = Clients(own_server.start())
    client = clients.boto("lambda")
    after = [client.get_alias(FunctionName="f", Name="live"), client.list_versions_by_function(FunctionName="f")]
    for one, other in zip(before, after, strict=True):
        one.pop("ResponseMetadata")
        other.pop("ResponseMetadata")
    assert after == before
    stranger = clients.boto("lambda", key="123456789012")
    answer = call_function(stranger, arn("f", "live"))
    assert (answer.version, answer.ok["marker"]) == ("1", "one")
    assert call_function(client, "f").ok["marker"] == "two"
    assert own_server.packages() == packages
    assert client.publish_version(FunctionName="f")["Version"] == "2"


@pytest.mark.parametrize(
    ("operation", "options"),
    [
        ("update_function_configuration", {}),
        ("update_function_code", {"ZipFile": b"x"}),
    ],
)
def test_versions_do_not_change(lambda_, published, operation, options):
    error = refused(getattr(lambda_, operation), FunctionName=f"{published}:1", **options)
    assert (error.status, error.code) == (400, PARAMETER)
    assert error.message == (
        "Current operation does not support versions other than $LATEST. Please set the version to $LATEST or do not "
        "set a version in your request."
    )
