"""STS: who calls, and sessions of roles (STS API Reference; Lambda Developer Guide: "Defining Lambda function permissions
with an execution role")."""

import datetime
import json
import re
import urllib.parse

import pytest

from support.errors import refused
from support.functions import ROLE, probe_zip, unique
from support.inside import call

ACCOUNT, OTHER = "000000000000", "111122223333"


def trust(principal, **changes):
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"} | changes
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture(scope="module")
def sts(clients):
    return clients.boto("sts")


@pytest.fixture
def role(clients):
    """Makes roles of any account, and deletes them."""
    made = []

    def make(principal=None, key="test", **options):
        changes = options.pop("statement", {})
        iam, name = clients.boto("iam", key=key), unique("role")
        document = trust(principal or {"AWS": ACCOUNT}, **changes)
        made.append((iam, name))
        return iam.create_role(RoleName=name, AssumeRolePolicyDocument=document, **options)["Role"]

    yield make
    for iam, name in made:
        iam.delete_role(RoleName=name)


def session_of(clients, service, credentials, secret=None):
    return clients.boto(
        service,
        key=credentials["AccessKeyId"],
        secret=secret or credentials["SecretAccessKey"],
        token=credentials["SessionToken"],
    )


def test_who_calls(clients, sts):
    identity = sts.get_caller_identity()
    assert (identity["Account"], identity["UserId"], identity["Arn"]) == (
        ACCOUNT, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root",
    )
    assert clients.boto("sts", key=OTHER).get_caller_identity()["Account"] == OTHER
    assert sts.get_access_key_info(AccessKeyId="A" * 16)["Account"] == ACCOUNT
    error = refused(sts.decode_authorization_message, EncodedMessage="x")
    assert (error.status, error.code) == (400, "InvalidAuthorizationMessageException")


def test_a_session_is_its_role_until_it_ends(clients, sts, role):
    made = role()
    answer = sts.assume_role(RoleArn=made["Arn"], RoleSessionName="deploy", DurationSeconds=900)
    user, credentials = answer["AssumedRoleUser"], answer["Credentials"]
    assert user["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/{made['RoleName']}/deploy"
    assert user["AssumedRoleId"] == f"{made['RoleId']}:deploy"
    assert re.fullmatch(r"ASIA[A-Z2-7]{16}", credentials["AccessKeyId"])
    left = credentials["Expiration"] - datetime.datetime.now(datetime.UTC)
    assert datetime.timedelta(seconds=800) < left <= datetime.timedelta(seconds=901)
    session = session_of(clients, "sts", credentials)
    identity = session.get_caller_identity()
    assert (identity["Arn"], identity["UserId"]) == (user["Arn"], user["AssumedRoleId"])
    # A tool that has assumed a role deploys with it.
    name = unique("role")
    iam = session_of(clients, "iam", credentials)
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust({"Service": "lambda.amazonaws.com"}))
    iam.delete_role(RoleName=name)
    assert refused(iam.get_user).code == "ValidationError"
    assert refused(session.get_session_token).code == "AccessDenied"
    wrong = session_of(clients, "sts", credentials, secret="wrong")
    error = refused(wrong.get_caller_identity)
    assert (error.status, error.code) == (403, "SignatureDoesNotMatch")
    token = credentials["SessionToken"].replace("/deploy/", "/root/")
    forged = clients.boto("lambda", key=credentials["AccessKeyId"], secret="x", token=token)
    assert forged.list_functions()["ResponseMetadata"]["HTTPStatusCode"] == 200, "on loopback any key is its account"


def test_session_tokens_are_the_accounts(clients, sts):
    credentials = clients.boto("sts", key=OTHER).get_session_token(DurationSeconds=900)["Credentials"]
    identity = session_of(clients, "sts", credentials).get_caller_identity()
    assert (identity["Account"], identity["Arn"]) == (OTHER, f"arn:aws:iam::{OTHER}:root")
    assert refused(sts.get_session_token, SerialNumber="GAHT12345678", TokenCode="123456").code == "ValidationError"


@pytest.mark.parametrize(
    ("principal", "statement", "options", "assumed"),
    [
        ({"AWS": ACCOUNT}, {}, {}, True),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, {}, {}, True),
        ("*", {}, {}, True),
        ({"AWS": OTHER}, {}, {}, False),
        ({"Service": "lambda.amazonaws.com"}, {}, {}, False),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:user/dev"}, {}, {}, False),
        ({"AWS": ACCOUNT}, {"Condition": {"StringEquals": {"sts:ExternalId": "secret"}}}, {"ExternalId": "secret"}, True),
        ({"AWS": ACCOUNT}, {"Condition": {"StringEquals": {"sts:ExternalId": "secret"}}}, {"ExternalId": "other"}, False),
        ({"AWS": ACCOUNT}, {"Condition": {"StringEquals": {"sts:ExternalId": "secret"}}}, {}, False),
        ({"AWS": ACCOUNT}, {"Condition": {"StringLike": {"sts:RoleSessionName": "ci-*"}}}, {}, False),
        ({"AWS": ACCOUNT}, {"Condition": {"DateLessThan": {"aws:CurrentTime": "2020-01-01"}}}, {}, False),
        ({"AWS": ACCOUNT}, {"Effect": "Deny"}, {}, False),
    ],
)
def test_the_trust_policy_decides(sts, role, principal, statement, options, assumed):
    made = role(principal, statement=statement)
    request = {"RoleArn": made["Arn"], "RoleSessionName": "session", **options}
    if assumed:
        sts.assume_role(**request)
        return
    error = refused(sts.assume_role, **request)
    assert (error.status, error.code) == (403, "AccessDenied")
    begin = f"User: arn:aws:iam::{ACCOUNT}:root is not authorized to perform: sts:AssumeRole on resource: {made['Arn']}"
    assert error.message.startswith(begin)


def test_another_accounts_role(clients, role):
    made = role({"AWS": ACCOUNT}, key=OTHER)
    credentials = clients.boto("sts").assume_role(RoleArn=made["Arn"], RoleSessionName="s2")["Credentials"]
    assert session_of(clients, "sts", credentials).get_caller_identity()["Account"] == OTHER
    assert refused(clients.boto("sts", key=OTHER).assume_role, RoleArn=made["Arn"], RoleSessionName="s2").status == 403
    absent = f"arn:aws:iam::{OTHER}:role/absent"
    assert refused(clients.boto("sts").assume_role, RoleArn=absent, RoleSessionName="s2").code == "AccessDenied"


def test_what_a_session_may_not_be_asked_for(clients, sts, role):
    made = role(MaxSessionDuration=3600)
    request = {"RoleArn": made["Arn"], "RoleSessionName": "session"}
    for options, part in [
        ({"DurationSeconds": 3601}, "exceeds the MaxSessionDuration"),
        ({"DurationSeconds": 60}, "greater than or equal to 900"),
        ({"RoleSessionName": "a b"}, "regular expression"),
        ({"SerialNumber": "GAHT12345678", "TokenCode": "123456"}, "MFA"),
        ({"PolicyArns": [{"arn": f"arn:aws:iam::{ACCOUNT}:policy/absent"}]}, "does not exist"),
        ({"Tags": [{"Key": "k", "Value": "v"}, {"Key": "K", "Value": "v"}]}, "Duplicate"),
        ({"TransitiveTagKeys": ["k"]}, "included"),
    ]:
        error = refused(sts.assume_role, **{**request, **options})
        assert (error.status, error.code) == (400, "ValidationError") and part in error.message, options
    error = refused(sts.assume_role, **request, Policy="{}")
    assert (error.status, error.code) == (400, "MalformedPolicyDocument")
    longer = role({"AWS": ACCOUNT}, MaxSessionDuration=7200)
    session = session_of(clients, "sts", sts.assume_role(**request)["Credentials"])
    error = refused(session.assume_role, RoleArn=longer["Arn"], RoleSessionName="next", DurationSeconds=7200)
    assert (error.code, "role chaining" in error.message) == ("ValidationError", True)
    session.assume_role(RoleArn=longer["Arn"], RoleSessionName="next")


def policy(*actions, resource="*", **changes):
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource} | changes
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def granted(clients, role):
    """A role whose own policies allow everything, or what is said."""
    iam, made = clients.boto("iam"), []

    def make(document=None, **options):
        own = role(**options)
        iam.put_role_policy(RoleName=own["RoleName"], PolicyName="own", PolicyDocument=document or policy("*"))
        made.append(own["RoleName"])
        return own

    yield make
    for name in made:
        iam.delete_role_policy(RoleName=name, PolicyName="own")


def test_a_session_policy_and_the_roles_both_have_to_allow(clients, sts, granted, make):
    name, other = make.create("narrow"), make.create("narrow")
    arn = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{name}"
    own = granted(policy("lambda:*", "sqs:*"))
    given = policy("lambda:GetFunction*", "s3:*", resource=[arn, f"{arn}:*", "arn:aws:s3:::*"])
    answer = sts.assume_role(RoleArn=own["Arn"], RoleSessionName="narrow", Policy=given)
    assert 0 < answer["PackedPolicySize"] < 20
    assert answer["SessionTokenSize"] == len(answer["Credentials"]["SessionToken"])
    session = {service: session_of(clients, service, answer["Credentials"]) for service in ("lambda", "sqs", "sts", "s3")}
    assert session["lambda"].get_function(FunctionName=name)["Configuration"]["FunctionName"] == name
    assert session["lambda"].get_function_configuration(FunctionName=arn, Qualifier="$LATEST")
    assert session["sts"].get_caller_identity()["Arn"].endswith("/narrow"), "whatever a policy says"
    who = f"User: arn:aws:sts::{ACCOUNT}:assumed-role/{own['RoleName']}/narrow is not authorized to perform:"
    for operation, options, action, resource in [
        (session["lambda"].get_function, {"FunctionName": other}, "lambda:GetFunction", arn.replace(name, other)),
        (session["lambda"].invoke, {"FunctionName": name}, "lambda:InvokeFunction", arn),
        (session["lambda"].list_functions, {}, "lambda:ListFunctions", "*"),
        (session["sqs"].create_queue, {"QueueName": "q"}, "sqs:CreateQueue", f"arn:aws:sqs:us-east-1:{ACCOUNT}:q"),
    ]:
        error = refused(operation, **options)
        # Of SQS a refusal is a 400.
        assert error.status == (400 if action.startswith("sqs") else 403) and error.code.startswith("AccessDenied"), error
        assert error.message == f"{who} {action} on resource: {resource} because no session policy allows the {action} action"
    error = refused(session["s3"].create_bucket, Bucket="narrow-bucket")
    assert (error.status, error.code) == (403, "AccessDenied")
    assert error.message.endswith("because no identity-based policy allows the s3:CreateBucket action"), error.message


def test_managed_session_policies_and_denials(clients, sts, granted):
    own, iam = granted(), clients.boto("iam")
    document = policy("lambda:List*", "iam:ListRoles")
    arn = iam.create_policy(PolicyName=unique("session"), PolicyDocument=document)["Policy"]["Arn"]
    try:
        request = {"RoleArn": own["Arn"], "RoleSessionName": "managed", "PolicyArns": [{"arn": arn}]}
        credentials = sts.assume_role(**request)["Credentials"]
        session_of(clients, "lambda", credentials).list_functions()
        session_of(clients, "iam", credentials).list_roles()
        error = refused(session_of(clients, "lambda", credentials).get_account_settings)
        assert "no session policy allows the lambda:GetAccountSettings" in error.message
        deny = policy("lambda:ListLayers", Effect="Deny")
        credentials = sts.assume_role(**request, Policy=deny)["Credentials"]
        session_of(clients, "lambda", credentials).list_functions()
        error = refused(session_of(clients, "lambda", credentials).list_layers)
        assert error.message.endswith("with an explicit deny in a session policy")
    finally:
        iam.delete_policy(PolicyArn=arn)


def test_session_tags_are_the_principals(clients, sts, granted, role):
    asked = {"StringEquals": {"aws:RequestTag/team": "red"}, "ForAllValues:StringEquals": {"aws:TagKeys": ["Team", "cost"]}}
    own = granted(statement={"Action": ["sts:AssumeRole", "sts:TagSession"], "Condition": asked})
    tags = [{"Key": "Team", "Value": "red"}, {"Key": "cost", "Value": "7"}]
    request = {"RoleArn": own["Arn"], "RoleSessionName": "tagged"}
    tagged = policy("lambda:ListFunctions", Condition={"StringEquals": {"aws:PrincipalTag/team": "red"}})
    answer = sts.assume_role(**request, Tags=tags, TransitiveTagKeys=["team"], Policy=tagged)
    session_of(clients, "lambda", answer["Credentials"]).list_functions()
    blue = [{"Key": "Team", "Value": "blue"}]
    assert refused(sts.assume_role, **request, Tags=blue).code == "AccessDenied", "the trust policy asks for another one"
    # A session hands its transitive tags on, and they cannot be replaced.
    first = session_of(clients, "sts", sts.assume_role(**request, Tags=tags, TransitiveTagKeys=["team"])["Credentials"])
    inherits = {"StringEquals": {"aws:PrincipalTag/Team": "red", "aws:PrincipalTag/cost": "7"}}
    further = role(statement={"Action": ["sts:AssumeRole", "sts:TagSession"], "Condition": inherits})
    second = first.assume_role(RoleArn=further["Arn"], RoleSessionName="further")
    third = role(statement={"Action": "sts:*", "Condition": {"Null": {"aws:PrincipalTag/cost": "true"}}})
    session_of(clients, "sts", second["Credentials"]).assume_role(RoleArn=third["Arn"], RoleSessionName="third")
    error = refused(first.assume_role, RoleArn=further["Arn"], RoleSessionName="further", Tags=blue)
    assert (error.code, "conflicts with a transitive tag" in error.message) == ("ValidationError", True)


def test_tags_and_identities_take_permissions_of_their_own(sts, role):
    plain = role()
    request = {"RoleArn": plain["Arn"], "RoleSessionName": "plain"}
    for options, action in [
        ({"Tags": [{"Key": "k", "Value": "v"}]}, "sts:TagSession"),
        ({"SourceIdentity": "ann"}, "sts:SetSourceIdentity"),
    ]:
        error = refused(sts.assume_role, **request, **options)
        assert (error.status, error.code) == (403, "AccessDenied")
        assert f"is not authorized to perform: {action} on resource: {plain['Arn']}" in error.message
    named = role(statement={"Action": "sts:*", "Condition": {"StringEquals": {"sts:SourceIdentity": "ann"}}})
    request = {"RoleArn": named["Arn"], "RoleSessionName": "named"}
    assert sts.assume_role(**request, SourceIdentity="ann")["SourceIdentity"] == "ann"
    assert refused(sts.assume_role, **request, SourceIdentity="bob").code == "AccessDenied"


def test_what_a_function_assumes_is_bound_as_the_function(lambda_, clients, make, role):
    other = role()
    name = make.create("assumes", Role=role({"Service": "lambda.amazonaws.com"})["Arn"])
    form = {"Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": other["Arn"], "RoleSessionName": "further"}
    status, answer = call(lambda_, name, "POST", "/", body=urllib.parse.urlencode(form), service="sts")
    assert status == 200, answer
    parts = ("AccessKeyId", "SecretAccessKey", "SessionToken")
    session = session_of(
        clients, "lambda", {part: re.search(f"<{part}>([^<]+)</{part}>", answer).group(1) for part in parts}
    )
    assert session.get_function_configuration(FunctionName=name)["FunctionName"] == name
    error = refused(session.delete_function, FunctionName=name)
    assert (error.status, error.code) == (403, "AccessDeniedException")
    assert f"assumed-role/{other['RoleName']}/further" in error.message


def test_a_functions_trust_is_checked_where_its_role_exists(lambda_, make, role):
    trusted = role({"Service": "lambda.amazonaws.com"})
    strangers = role({"Service": "ec2.amazonaws.com"})
    name = make.create("roled", Role=trusted["Arn"])
    for operation, options in [
        (lambda_.update_function_configuration, {}),
        (
            lambda_.create_function,
            {"FunctionName": unique("new"), "Runtime": make.python, "Handler": "h.h", "Code": {"ZipFile": probe_zip()}},
        ),
    ]:
        error = refused(operation, **{"FunctionName": name, "Role": strangers["Arn"], **options})
        assert (error.status, error.code) == (400, "InvalidParameterValueException")
        assert error.message == "The role defined for the function cannot be assumed by Lambda."
    lambda_.update_function_configuration(FunctionName=name, Role=ROLE)
