"""Resource policies (Lambda Developer Guide: "Viewing resource-based IAM policies in Lambda"; API Reference:
AddPermission, PutResourcePolicy)."""

import json

import pytest

from support.errors import refused
from support.functions import ROLE, arn, unique
from support.inside import call

PARAMETER, NOT_FOUND = "InvalidParameterValueException", "ResourceNotFoundException"
OTHER = "123456789012"
INVOKE = "lambda:InvokeFunction"


@pytest.fixture
def function(lambda_, make):
    """A function with version 1 and an alias of it."""
    name = make.create("policy")
    lambda_.publish_version(FunctionName=name)
    lambda_.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    return name


@pytest.fixture
def permit(lambda_, function):
    def call(sid="s", action=INVOKE, principal=OTHER, **options):
        options = {"FunctionName": function, "StatementId": sid, "Action": action, "Principal": principal, **options}
        return json.loads(lambda_.add_permission(**options)["Statement"])

    return call


@pytest.fixture(scope="module")
def stranger(clients):
    """A client of another account."""
    return clients.boto("lambda", key=OTHER)


def policy(client, name, **options):
    answer = client.get_policy(FunctionName=name, **options)
    return json.loads(answer["Policy"]), answer["RevisionId"]


STATEMENTS = {
    "account": ({"principal": OTHER}, {"AWS": f"arn:aws:iam::{OTHER}:root"}, None),
    "role": (
        {"principal": f"arn:aws:iam::{OTHER}:role/r"},
        {"AWS": f"arn:aws:iam::{OTHER}:role/r"},
        None,
    ),
    "bucket": (
        {"principal": "s3.amazonaws.com", "SourceArn": "arn:aws:s3:::b", "SourceAccount": OTHER},
        {"Service": "s3.amazonaws.com"},
        {"StringEquals": {"AWS:SourceAccount": OTHER}, "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::b"}},
    ),
    "organisation": (
        {"principal": "*", "PrincipalOrgID": "o-1234567890"},
        "*",
        {"StringEquals": {"aws:PrincipalOrgID": "o-1234567890"}},
    ),
    "token": (
        {"principal": "alexa-appkit.amazon.com", "EventSourceToken": "t"},
        {"Service": "alexa-appkit.amazon.com"},
        {"StringEquals": {"lambda:EventSourceToken": "t"}},
    ),
    "url": (
        {"principal": "*", "action": "lambda:InvokeFunctionUrl", "FunctionUrlAuthType": "NONE"},
        "*",
        {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}},
    ),
    "via-url": (
        {"principal": "*", "InvokedViaFunctionUrl": True},
        "*",
        {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}},
    ),
}


def test_statements_are_worded_as_awss(lambda_, function, permit):
    expected = []
    for sid, (options, principal, condition) in STATEMENTS.items():
        statement = permit(sid, **options)
        keys = ["Sid", "Effect", "Principal", "Action", "Resource"] + ["Condition"] * bool(condition)
        assert list(statement) == keys
        action = options.get("action", INVOKE)
        wanted = {"Sid": sid, "Effect": "Allow", "Principal": principal, "Action": action, "Resource": arn(function)}
        wanted |= {"Condition": condition} if condition else {}
        assert statement == wanted
        expected.append(wanted)
    document, revision = policy(lambda_, function)
    assert document == {"Version": "2012-10-17", "Id": "default", "Statement": expected}
    assert revision == lambda_.get_function_configuration(FunctionName=function)["RevisionId"]


def test_each_qualifier_has_its_own(lambda_, function, permit):
    for qualifier in ({}, {"Qualifier": "1"}, {"Qualifier": "live"}):
        statement = permit("same", **qualifier)
        assert statement["Resource"] == arn(function, qualifier.get("Qualifier"))
        document, _ = policy(lambda_, function, **qualifier)
        assert [entry["Resource"] for entry in document["Statement"]] == [statement["Resource"]]
    _, revision = policy(lambda_, function, Qualifier="live")
    assert revision == lambda_.get_alias(FunctionName=function, Name="live")["RevisionId"]
    _, revision = policy(lambda_, function, Qualifier="1")
    assert revision == lambda_.get_function_configuration(FunctionName=function, Qualifier="1")["RevisionId"]
    # Publishing copies none, and deleting the alias takes its own along.
    lambda_.update_function_configuration(FunctionName=function, Description="changed")
    lambda_.get_waiter("function_updated_v2").wait(FunctionName=function)
    lambda_.publish_version(FunctionName=function)
    assert refused(lambda_.get_policy, FunctionName=function, Qualifier="2").status == 404
    lambda_.delete_alias(FunctionName=function, Name="live")
    lambda_.create_alias(FunctionName=function, Name="live", FunctionVersion="1")
    assert refused(lambda_.get_policy, FunctionName=function, Qualifier="live").status == 404


def test_removing(lambda_, function, permit):
    error = refused(lambda_.remove_permission, FunctionName=function, StatementId="s")
    assert (error.status, error.message) == (404, "No policy is associated with the given resource.")
    permit("one")
    permit("two")
    error = refused(lambda_.remove_permission, FunctionName=function, StatementId="s")
    assert (error.status, error.code) == (404, NOT_FOUND)
    assert error.message == "Statement s is not found in resource policy."
    removed = lambda_.remove_permission(FunctionName=function, StatementId="one")
    assert removed["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert [entry["Sid"] for entry in policy(lambda_, function)[0]["Statement"]] == ["two"]
    lambda_.remove_permission(FunctionName=function, StatementId="two")
    error = refused(lambda_.get_policy, FunctionName=function)
    assert (error.status, error.message) == (404, "The resource you requested does not exist.")
    absent = unique("absent")
    error = refused(lambda_.remove_permission, FunctionName=absent, StatementId="s")
    assert (error.status, error.message) == (404, f"No policy found for: {arn(absent)}")


def test_refusals(lambda_, function, permit):
    permit("taken")
    statement = {"FunctionName": function, "StatementId": "new", "Action": INVOKE, "Principal": OTHER}
    for change, status, code, message in [
        (
            {"StatementId": "taken"},
            409,
            "ResourceConflictException",
            "The statement id (taken) provided already exists. Please provide a new statement id, or remove the "
            "existing statement.",
        ),
        (
            {"Principal": "nobody"},
            400,
            PARAMETER,
            "The provided principal was invalid. Please check the principal and try again.",
        ),
        ({"Qualifier": "$LATEST"}, 400, PARAMETER, "We currently do not support adding policies for $LATEST."),
        ({"Qualifier": "none"}, 404, NOT_FOUND, f"Cannot find alias arn: {arn(function, 'none')}"),
        ({"Qualifier": "9"}, 404, NOT_FOUND, f"Function not found: {arn(function, '9')}"),
        ({"FunctionName": "absent"}, 404, NOT_FOUND, f"Function not found: {arn('absent')}"),
        (
            {"RevisionId": "wrong"},
            412,
            "PreconditionFailedException",
            "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to "
            "retrieve the latest Revision Id",
        ),
        (
            {"RevisionId": "wrong", "Qualifier": "live"},
            412,
            "PreconditionFailedException",
            "The Revision Id provided does not match the latest Revision Id. Call the GetPolicy API to retrieve the "
            "latest Revision Id",
        ),
        (
            {"StatementId": "a b"},
            400,
            "ValidationException",
            "1 validation error detected: Value 'a b' at 'statementId' failed to satisfy constraint: Member must "
            "satisfy regular expression pattern: ([a-zA-Z0-9-_]+)",
        ),
    ]:
        error = refused(lambda_.add_permission, **{**statement, **change})
        assert (error.status, error.code, error.message) == (status, code, message), change
    _, revision = policy(lambda_, function)
    lambda_.add_permission(**statement, RevisionId=revision)
    error = refused(lambda_.remove_permission, FunctionName=function, StatementId="new", RevisionId=revision)
    assert (error.status, error.code) == (412, "PreconditionFailedException"), "each change has a new revision"


def test_a_policy_has_a_longest_length(lambda_, function, permit):
    with pytest.raises(lambda_.exceptions.PolicyLengthExceededException) as caught:
        for number in range(200):
            permit(f"{'s' * 90}-{number}")
    response = caught.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 400
    size = int(response["Error"]["Message"].split("(")[1].split(")")[0])
    assert response["Error"]["Message"] == f"The final policy size ({size}) is bigger than the limit (20480)."
    assert 20480 < size < 21000


def test_another_account_invokes_where_it_is_permitted(lambda_, function, permit, stranger):
    def stranger_sees(qualifier=None):
        try:
            return stranger.invoke(FunctionName=arn(function, qualifier), Payload=b"{}")["ExecutedVersion"]
        except stranger.exceptions.ClientError as error:
            return error.response["Error"]["Code"]

    assert stranger_sees() == "AccessDeniedException"
    permit("live", Qualifier="live")
    assert [stranger_sees(q) for q in ("live", "1", "$LATEST", None)] == ["1"] + ["AccessDeniedException"] * 3
    permit("all")
    assert [stranger_sees(q) for q in (None, "1", "$LATEST")] == ["$LATEST"] + ["AccessDeniedException"] * 2
    lambda_.remove_permission(FunctionName=function, StatementId="live", Qualifier="live")
    assert [stranger_sees(q) for q in (None, "live")] == ["$LATEST", "AccessDeniedException"]
    lambda_.remove_permission(FunctionName=function, StatementId="all")
    permit("narrow", principal=f"arn:aws:iam::{OTHER}:role/r")
    permit("organisation", principal="*", PrincipalOrgID="o-1234567890")
    permit("service", principal="s3.amazonaws.com")
    permit("read", action="lambda:GetFunction")
    assert stranger_sees() == "AccessDeniedException", "none of these is meant for it"
    assert stranger.get_function(FunctionName=arn(function))["Configuration"]["FunctionArn"] == arn(function)
    error = refused(stranger.get_function_configuration, FunctionName=arn(function))
    assert (error.status, error.code) == (403, "AccessDeniedException")
    assert error.message == (
        f"User: arn:aws:iam::{OTHER}:root is not authorized to perform: lambda:GetFunctionConfiguration on resource: "
        f"{arn(function)} because no resource-based policy allows the lambda:GetFunctionConfiguration action"
    )


def test_another_account_administers_where_it_is_permitted(lambda_, function, permit, stranger):
    permit("all", action="lambda:*")
    stranger.update_function_configuration(FunctionName=arn(function), Description="from outside")
    assert lambda_.get_function_configuration(FunctionName=function)["Description"] == "from outside"
    lambda_.get_waiter("function_updated_v2").wait(FunctionName=function)
    assert stranger.publish_version(FunctionName=arn(function))["FunctionArn"] == arn(function, "2")
    absent = arn(unique("absent"))
    assert refused(stranger.delete_function, FunctionName=absent).code == "AccessDeniedException"


def test_a_function_calls_another_accounts_function_where_its_role_may(lambda_, probe, make, stranger):
    theirs = make.create("theirs", client=stranger)
    resource = f"arn:aws:lambda:us-east-1:{OTHER}:function:{theirs}"

    def calls(method, path):
        return call(lambda_, probe, method, path, body='{"do": "echo", "value": 7}' if method == "POST" else "")

    invocation, reading = f"/2015-03-31/functions/{resource}/invocations", f"/2015-03-31/functions/{resource}"
    assert calls("POST", invocation)[0] == 403
    permission = {"FunctionName": theirs, "StatementId": "role", "Principal": ROLE}
    stranger.add_permission(**permission, Action=INVOKE)
    assert calls("POST", invocation) == [200, 7]
    assert calls("GET", reading)[0] == 403
    stranger.remove_permission(FunctionName=theirs, StatementId="role")
    stranger.add_permission(**{**permission, "Principal": ROLE + "-other"}, Action="lambda:*")
    assert [calls("POST", invocation)[0], calls("GET", reading)[0]] == [403, 403], "another role's permission"


def document(**changes):
    statement = {"Sid": "whole", "Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": [INVOKE]}
    return json.dumps({"Version": "2012-10-17", "Id": "mine", "Statement": [statement | changes]})


def test_whole_documents(lambda_, function, permit, stranger):
    permit("before")
    whole = document(Resource=arn(function))
    put = lambda_.put_resource_policy(ResourceArn=arn(function), Policy=whole)
    assert json.loads(put["Policy"]) == json.loads(whole)
    assert json.loads(lambda_.get_resource_policy(ResourceArn=arn(function))["Policy"]) == json.loads(whole)
    assert policy(lambda_, function) == (json.loads(whole), put["RevisionId"]), "what AddPermission said is replaced"
    assert stranger.invoke(FunctionName=arn(function), Payload=b"{}")["StatusCode"] == 200
    wrong = "00000000-0000-4000-8000-000000000000"
    for operation, options in (
        (lambda_.put_resource_policy, {"Policy": whole}),
        (lambda_.delete_resource_policy, {}),
    ):
        error = refused(operation, ResourceArn=arn(function), RevisionId=wrong, **options)
        assert (error.status, error.code) == (412, "PreconditionFailedException")
    lambda_.delete_resource_policy(ResourceArn=arn(function), RevisionId=put["RevisionId"])
    for operation in (lambda_.get_resource_policy, lambda_.delete_resource_policy):
        error = refused(operation, ResourceArn=arn(function))
        assert (error.status, error.code) == (404, NOT_FOUND)
    assert refused(stranger.invoke, FunctionName=arn(function)).code == "AccessDeniedException"


def statements(function, *all_of):
    """A document of statements that differ from one that lets the other account invoke."""
    usual = {"Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": INVOKE, "Resource": arn(function)}
    kept = [{key: value for key, value in (usual | each).items() if value is not None} for each in all_of]
    return json.dumps({"Version": "2012-10-17", "Statement": kept})


STRANGER = f"arn:aws:iam::{OTHER}:root"
DENY = {"Effect": "Deny"}


@pytest.mark.parametrize(
    ("given", "invoked", "read"),
    [
        ([{}], True, False),
        ([{}, DENY], False, False),
        ([{}, DENY | {"Principal": {"AWS": "999999999999"}}], True, False),
        ([{"Action": "lambda:*"}, DENY | {"Action": None, "NotAction": INVOKE}], True, False),
        ([{"Action": None, "NotAction": INVOKE}], False, True),
        ([{"Principal": None, "NotPrincipal": {"AWS": "999999999999"}}], True, False),
        ([{}, DENY | {"Principal": None, "NotPrincipal": {"AWS": [STRANGER, "000000000000"]}}], True, False),
        ([{"Resource": None, "NotResource": arn("another")}], True, False),
        ([{"Condition": {"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}}], True, False),
        ([{"Condition": {"DateGreaterThan": {"aws:CurrentTime": "2100-01-01T00:00:00Z"}}}], False, False),
        ([{"Condition": {"NumericGreaterThan": {"aws:EpochTime": 1_700_000_000}}}], True, False),
        ([{"Condition": {"Bool": {"aws:SecureTransport": "true"}}}], False, False),
        ([{"Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "true"}}}], True, False),
        ([{"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}], False, False),
        ([{"Condition": {"Null": {"aws:SourceVpc": "true"}}}], True, False),
        ([{"Condition": {"StringEquals": {"aws:PrincipalAccount": ["1", OTHER]}}}], True, False),
        ([{"Condition": {"StringLike": {"aws:PrincipalArn": "arn:aws:iam::${aws:PrincipalAccount}:*"}}}], True, False),
        ([{"Condition": {"ForAnyValue:StringEquals": {"aws:PrincipalOrgPaths": "o-x/*"}}}], False, False),
        ([{"Condition": {"ForAllValues:StringEquals": {"aws:PrincipalOrgPaths": "o-x/*"}}}], True, False),
        ([{"Condition": {"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/*"}}}], True, False),
    ],
)
def test_what_a_document_decides(lambda_, function, stranger, given, invoked, read):
    lambda_.put_resource_policy(ResourceArn=arn(function), Policy=statements(function, *given))

    def works(call, **options):
        try:
            call(FunctionName=arn(function), **options)
        except stranger.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == "AccessDeniedException"
            return False
        return True

    assert (works(stranger.invoke, Payload=b"{}"), works(stranger.get_function)) == (invoked, read)
    assert lambda_.invoke(FunctionName=function, Payload=b"{}")["StatusCode"] == 200, "the owner needs no permission"


def test_a_denial_holds_for_the_owner_who_can_repair_it(lambda_, function):
    everything = {"Effect": "Deny", "Principal": "*", "Action": "lambda:*"}
    lambda_.put_resource_policy(ResourceArn=arn(function), Policy=statements(function, everything))
    for call in (lambda_.invoke, lambda_.get_function, lambda_.delete_function):
        error = refused(call, FunctionName=function)
        assert (error.status, error.code) == (403, "AccessDeniedException")
        assert error.message.endswith(f"{arn(function)} with an explicit deny in a resource-based policy")
    # A version has a policy of its own.
    assert lambda_.invoke(FunctionName=function, Qualifier="1", Payload=b"{}")["StatusCode"] == 200
    assert lambda_.get_resource_policy(ResourceArn=arn(function))["Policy"]
    lambda_.delete_resource_policy(ResourceArn=arn(function))
    assert lambda_.invoke(FunctionName=function, Payload=b"{}")["StatusCode"] == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"Effect": "Forbid"},
        {"Resource": arn("another")},
        {"Action": "s3:GetObject"},
        {"NotAction": "lambda:*"},
        {"Principal": {"Federated": "x"}},
        {"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/33"}}},
        {"Condition": {"Equals": {"aws:SourceIp": "10.0.0.0"}}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_a_document_may_not_say(lambda_, function, changes):
    given = document(**{"Resource": arn(function), **changes})
    error = refused(lambda_.put_resource_policy, ResourceArn=arn(function), Policy=given)
    assert (error.status, error.code) == (400, PARAMETER)
    assert refused(lambda_.get_policy, FunctionName=function).code == NOT_FOUND
