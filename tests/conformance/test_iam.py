"""IAM as deploy tools use it (IAM API Reference; IAM User Guide: "IAM and AWS STS quotas", "IAM identifiers")."""

import json
import re

import pytest

from support.clients import REGION
from support.errors import refused
from support.functions import unique

ACCOUNT = "000000000000"
LAMBDA = "lambda.amazonaws.com"
BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"


def trust(principal=None, **changes):
    statement = {"Effect": "Allow", "Principal": principal or {"Service": LAMBDA}, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [statement | changes]}


def permissions(action="s3:GetObject", **changes):
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"} | changes]}


@pytest.fixture(scope="module")
def iam(clients):
    return clients.boto("iam")


def empty(client):
    """Deletes what the account of this client has made."""
    for role in client.get_paginator("list_roles").paginate().build_full_result()["Roles"]:
        name = role["RoleName"]
        for policy in client.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
            client.detach_role_policy(RoleName=name, PolicyArn=policy["PolicyArn"])
        for policy in client.list_role_policies(RoleName=name)["PolicyNames"]:
            client.delete_role_policy(RoleName=name, PolicyName=policy)
        client.delete_role(RoleName=name)
    for policy in client.list_policies(Scope="Local")["Policies"]:
        for version in client.list_policy_versions(PolicyArn=policy["Arn"])["Versions"]:
            if not version["IsDefaultVersion"]:
                client.delete_policy_version(PolicyArn=policy["Arn"], VersionId=version["VersionId"])
        client.delete_policy(PolicyArn=policy["Arn"])


@pytest.fixture(autouse=True, scope="module")
def tidy(iam):
    yield
    empty(iam)


@pytest.fixture
def role(iam):
    name = unique("role")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust()))
    return name


@pytest.fixture
def policy(iam):
    document = json.dumps(permissions())
    return iam.create_policy(PolicyName=unique("policy"), PolicyDocument=document)["Policy"]["Arn"]


def error_of(call, **options):
    error = refused(call, **options)
    return error.status, error.code, error.message


def test_a_role_and_what_it_shows(iam):
    name = unique("Whole+=,.@-_")
    created = iam.create_role(
        RoleName=name,
        Path="/division/team/",
        AssumeRolePolicyDocument=json.dumps(trust(), indent=2),
        Description="with <all> & everything",
        MaxSessionDuration=7200,
        Tags=[{"Key": "b", "Value": "2"}, {"Key": "a", "Value": ""}],
        PermissionsBoundary=BASIC,
    )["Role"]
    assert created["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/division/team/{name}"
    assert re.fullmatch(r"AROA[A-Z2-7]{17}", created["RoleId"])
    # boto3 decodes the document, which is percent-encoded on the wire.
    assert created["AssumeRolePolicyDocument"] == trust()
    shown = iam.get_role(RoleName=name.upper())["Role"]
    assert shown == created, "names are found in any case"
    assert set(shown) == {
        "Path", "RoleName", "RoleId", "Arn", "CreateDate", "AssumeRolePolicyDocument", "Description",
        "MaxSessionDuration", "PermissionsBoundary", "Tags", "RoleLastUsed",
    }
    assert shown["PermissionsBoundary"] == {
        "PermissionsBoundaryType": "PermissionsBoundaryPolicy", "PermissionsBoundaryArn": BASIC,
    }
    assert shown["RoleLastUsed"] == {}
    listed = iam.list_roles(PathPrefix="/division/")["Roles"]
    assert [set(entry) for entry in listed] == [set(shown) - {"PermissionsBoundary", "Tags", "RoleLastUsed"}]
    assert iam.list_roles(PathPrefix="/other/")["Roles"] == []
    iam.update_role(RoleName=name, Description="other")
    changed = iam.get_role(RoleName=name)["Role"]
    assert (changed["Description"], changed["MaxSessionDuration"]) == ("other", 7200)
    assert iam.update_role_description(RoleName=name, Description="third")["Role"]["Description"] == "third"
    iam.update_role(RoleName=name, MaxSessionDuration=3600)
    iam.delete_role_permissions_boundary(RoleName=name)
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trust({"AWS": ACCOUNT})))
    changed = iam.get_role(RoleName=name)["Role"]
    assert (changed["Description"], changed["MaxSessionDuration"]) == ("third", 3600)
    assert "PermissionsBoundary" not in changed
    assert changed["AssumeRolePolicyDocument"] == trust({"AWS": ACCOUNT})
    assert changed["RoleId"] == created["RoleId"]
    iam.delete_role(RoleName=name)
    again = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust()))["Role"]
    assert again["RoleId"] != created["RoleId"]
    iam.get_waiter("role_exists").wait(RoleName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 2})


def test_tags(iam, role, policy):
    iam.tag_role(RoleName=role, Tags=[{"Key": "Team", "Value": "red"}, {"Key": "other", "Value": "x"}])
    iam.tag_role(RoleName=role, Tags=[{"Key": "team", "Value": "blue"}])
    iam.untag_role(RoleName=role, TagKeys=["OTHER", "absent"])
    assert iam.list_role_tags(RoleName=role)["Tags"] == [{"Key": "team", "Value": "blue"}]
    iam.tag_policy(PolicyArn=policy, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    iam.untag_policy(PolicyArn=policy, TagKeys=["a"])
    assert iam.list_policy_tags(PolicyArn=policy)["Tags"] == [{"Key": "b", "Value": "2"}]
    assert iam.get_policy(PolicyArn=policy)["Policy"]["Tags"] == [{"Key": "b", "Value": "2"}]
    for tags, code in [
        ([{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "2"}], "InvalidInput"),
        ([{"Key": "aws:x", "Value": "1"}], "InvalidInput"),
    ]:
        assert error_of(iam.tag_role, RoleName=role, Tags=tags)[:2] == (400, code)
    for start in (0, 50):
        tags = [{"Key": f"k{number}", "Value": ""} for number in range(start, start + 49)]
        if start == 0:
            iam.tag_role(RoleName=role, Tags=tags)
        else:
            assert error_of(iam.tag_role, RoleName=role, Tags=tags)[:2] == (409, "LimitExceeded")


def test_inline_policies(iam, role):
    document = permissions("logs:*", Sid="with%20and+and é".replace(" ", "").replace("%20", "").replace("+", "").replace("é", ""))
    for name in ("second", "first"):
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))
    assert iam.list_role_policies(RoleName=role)["PolicyNames"] == ["first", "second"]
    shown = iam.get_role_policy(RoleName=role, PolicyName="first")
    assert (shown["RoleName"], shown["PolicyName"], shown["PolicyDocument"]) == (role, "first", document)
    assert error_of(iam.delete_role, RoleName=role) == (
        409, "DeleteConflict", "Cannot delete entity, must delete policies first.",
    )
    iam.delete_role_policy(RoleName=role, PolicyName="first")
    for call in (iam.get_role_policy, iam.delete_role_policy):
        assert error_of(call, RoleName=role, PolicyName="first") == (
            404, "NoSuchEntity", "The role policy with name first cannot be found.",
        )
    long = json.dumps(permissions([f"s3:{'a' * 100}{number}" for number in range(100)]))
    assert error_of(iam.put_role_policy, RoleName=role, PolicyName="long", PolicyDocument=long) == (
        409, "LimitExceeded", f"Maximum policy size of 10240 bytes exceeded for role {role}",
    )
    # White space does not count.
    spaced = json.dumps(permissions()) + " " * 20_000
    iam.put_role_policy(RoleName=role, PolicyName="spaced", PolicyDocument=spaced)


def test_managed_policies_and_their_versions(iam):
    name = unique("policy")
    created = iam.create_policy(
        PolicyName=name, Path="/p/", PolicyDocument=json.dumps(permissions("s3:a")), Description="d",
        Tags=[{"Key": "k", "Value": "v"}],
    )["Policy"]
    arn = created["Arn"]
    assert arn == f"arn:aws:iam::{ACCOUNT}:policy/p/{name}"
    assert re.fullmatch(r"ANPA[A-Z2-7]{17}", created["PolicyId"])
    shown = iam.get_policy(PolicyArn=arn)["Policy"]
    assert shown == created
    assert set(shown) == {
        "PolicyName", "PolicyId", "Arn", "Path", "DefaultVersionId", "AttachmentCount",
        "PermissionsBoundaryUsageCount", "IsAttachable", "Description", "CreateDate", "UpdateDate", "Tags",
    }
    assert (shown["DefaultVersionId"], shown["AttachmentCount"], shown["IsAttachable"]) == ("v1", 0, True)
    listed = [entry for entry in iam.list_policies(Scope="Local", PathPrefix="/p/")["Policies"] if entry["Arn"] == arn]
    assert [set(entry) for entry in listed] == [set(shown) - {"Description", "Tags"}]
    version = iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(permissions("s3:b")))["PolicyVersion"]
    assert (version["VersionId"], version["IsDefaultVersion"]) == ("v2", False)
    assert iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]["IsDefaultVersion"]
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(permissions("s3:c")), SetAsDefault=True)
    assert iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v3"
    document = iam.get_policy_version(PolicyArn=arn, VersionId="v2")["PolicyVersion"]["Document"]
    assert document == permissions("s3:b")
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v2")
    versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    assert [(entry["VersionId"], entry["IsDefaultVersion"]) for entry in versions] == [
        ("v3", False), ("v2", True), ("v1", False),
    ]
    assert all("Document" not in entry for entry in versions)
    for _ in range(2):
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(permissions()))
    assert error_of(iam.create_policy_version, PolicyArn=arn, PolicyDocument=json.dumps(permissions())) == (
        409, "LimitExceeded",
        "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing "
        "version.",
    )
    assert error_of(iam.delete_policy_version, PolicyArn=arn, VersionId="v2") == (
        409, "DeleteConflict", "Cannot delete the default version of a policy.",
    )
    assert error_of(iam.delete_policy, PolicyArn=arn)[:2] == (409, "DeleteConflict")
    for gone in ("v1", "v3", "v4", "v5"):
        iam.delete_policy_version(PolicyArn=arn, VersionId=gone)
    for call in (iam.get_policy_version, iam.delete_policy_version, iam.set_default_policy_version):
        assert error_of(call, PolicyArn=arn, VersionId="v3") == (
            404, "NoSuchEntity", f"Policy {arn} version v3 does not exist or is not attachable.",
        )
    iam.delete_policy(PolicyArn=arn)
    assert error_of(iam.get_policy, PolicyArn=arn) == (404, "NoSuchEntity", f"Policy {arn} was not found.")


def test_attachments(iam, role, policy):
    name = policy.rsplit("/", 1)[1]
    for arn in (policy, BASIC, policy):
        iam.attach_role_policy(RoleName=role, PolicyArn=arn)
    attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    assert {"PolicyName": name, "PolicyArn": policy} in attached and len(attached) == 2
    attached = iam.list_attached_role_policies(RoleName=role, PathPrefix="/service-role/")["AttachedPolicies"]
    assert [entry["PolicyArn"] for entry in attached] == [BASIC]
    assert iam.get_policy(PolicyArn=policy)["Policy"]["AttachmentCount"] == 1
    entities = iam.list_entities_for_policy(PolicyArn=policy)
    assert [entry["RoleName"] for entry in entities["PolicyRoles"]] == [role]
    assert (entities["PolicyUsers"], entities["PolicyGroups"]) == ([], [])
    assert iam.list_entities_for_policy(PolicyArn=policy, EntityFilter="User")["PolicyRoles"] == []
    assert policy in [entry["Arn"] for entry in iam.list_policies(OnlyAttached=True, Scope="Local")["Policies"]]
    assert error_of(iam.delete_policy, PolicyArn=policy) == (
        409, "DeleteConflict", "Cannot delete a policy attached to entities.",
    )
    assert error_of(iam.delete_role, RoleName=role) == (
        409, "DeleteConflict", "Cannot delete entity, must detach all policies first.",
    )
    iam.detach_role_policy(RoleName=role, PolicyArn=policy)
    assert error_of(iam.detach_role_policy, RoleName=role, PolicyArn=policy) == (
        404, "NoSuchEntity", f"Policy {policy} was not found.",
    )
    iam.delete_policy(PolicyArn=policy)
    assert error_of(iam.attach_role_policy, RoleName=role, PolicyArn=policy) == (
        404, "NoSuchEntity", f"Policy {policy} does not exist or is not attachable.",
    )
    absent = "arn:aws:iam::aws:policy/AmazonNothing"
    assert error_of(iam.attach_role_policy, RoleName=role, PolicyArn=absent)[1] == "NoSuchEntity"
    for number in range(9):
        document = json.dumps(permissions())
        arn = iam.create_policy(PolicyName=unique(f"p{number}"), PolicyDocument=document)["Policy"]["Arn"]
        iam.attach_role_policy(RoleName=role, PolicyArn=arn)
    more = iam.create_policy(PolicyName=unique("more"), PolicyDocument=json.dumps(permissions()))["Policy"]["Arn"]
    assert error_of(iam.attach_role_policy, RoleName=role, PolicyArn=more) == (
        409, "LimitExceeded", "Cannot exceed quota for PoliciesPerRole: 10",
    )


def test_policies_that_aws_manages(iam):
    shown = iam.get_policy(PolicyArn=BASIC)["Policy"]
    assert (shown["PolicyName"], shown["Path"]) == ("AWSLambdaBasicExecutionRole", "/service-role/")
    version = iam.get_policy_version(PolicyArn=BASIC, VersionId=shown["DefaultVersionId"])["PolicyVersion"]
    assert version["Document"]["Statement"][0]["Action"] == [
        "logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents",
    ]
    assert len(iam.list_policies(Scope="AWS")["Policies"]) > 15
    for call, options in [
        (iam.delete_policy, {}),
        (iam.create_policy_version, {"PolicyDocument": json.dumps(permissions())}),
    ]:
        assert error_of(call, PolicyArn=BASIC, **options)[:2] == (403, "AccessDenied")


def test_pages(iam):
    prefix = f"/{unique('pages')}/"
    names = sorted(unique("paged") for _ in range(7))
    for name in names:
        iam.create_role(RoleName=name, Path=prefix, AssumeRolePolicyDocument=json.dumps(trust()))
    first = iam.list_roles(PathPrefix=prefix, MaxItems=3)
    assert first["IsTruncated"] and len(first["Roles"]) == 3
    pages = iam.get_paginator("list_roles").paginate(PathPrefix=prefix, PaginationConfig={"PageSize": 3})
    sizes, listed = [], []
    for page in pages:
        sizes.append(len(page["Roles"]))
        listed += [role["RoleName"] for role in page["Roles"]]
    assert (sizes, listed) == ([3, 3, 1], names)
    last = iam.list_roles(PathPrefix=prefix, MaxItems=7)
    assert not last["IsTruncated"] and "Marker" not in last
    assert error_of(iam.list_roles, Marker="no marker of ours") == (400, "ValidationError", "Invalid Marker.")


@pytest.mark.parametrize(
    ("operation", "options"),
    [
        ("get_role", {}), ("delete_role", {}), ("update_role", {}), ("list_role_policies", {}), ("list_role_tags", {}),
        ("list_attached_role_policies", {}), ("list_instance_profiles_for_role", {}),
        ("tag_role", {"Tags": [{"Key": "k", "Value": "v"}]}), ("untag_role", {"TagKeys": ["k"]}),
        ("get_role_policy", {"PolicyName": "p"}), ("delete_role_policy", {"PolicyName": "p"}),
        ("put_role_policy", {"PolicyName": "p", "PolicyDocument": json.dumps(permissions())}),
        ("update_assume_role_policy", {"PolicyDocument": json.dumps(trust())}),
        ("update_role_description", {"Description": "d"}), ("attach_role_policy", {"PolicyArn": BASIC}),
        ("detach_role_policy", {"PolicyArn": BASIC}), ("put_role_permissions_boundary", {"PermissionsBoundary": BASIC}),
        ("delete_role_permissions_boundary", {}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_absent_role_is_named(iam, operation, options):
    assert error_of(getattr(iam, operation), RoleName="absent", **options) == (
        404, "NoSuchEntity", "The role with name absent cannot be found.",
    )


def test_refusals_of_creation(iam, role):
    assert error_of(iam.create_role, RoleName=role.upper(), AssumeRolePolicyDocument=json.dumps(trust())) == (
        409, "EntityAlreadyExists", f"Role with name {role.upper()} already exists.",
    )
    name = unique("policy")
    iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(permissions()))
    assert error_of(iam.create_policy, PolicyName=name, PolicyDocument=json.dumps(permissions())) == (
        409, "EntityAlreadyExists", f"A policy called {name} already exists. Duplicate names are not allowed.",
    )
    assert error_of(iam.get_policy, PolicyArn="arn:aws:iam::nothing:at/all") == (
        400, "InvalidInput", "ARN arn:aws:iam::nothing:at/all is not valid.",
    )
    code, message = 400, "failed to satisfy constraint: Member must "
    for changes, expected in [
        ({"RoleName": "a b"}, "Value 'a b' at 'roleName' " + message + "satisfy regular expression pattern: [\\w+=,.@-]+"),
        ({"RoleName": "x" * 65}, "at 'roleName' " + message + "have length less than or equal to 64"),
        ({"MaxSessionDuration": 60}, "Value '60' at 'maxSessionDuration' " + message + "have value greater than or equal"),
        ({"Path": "no-slash"}, "Value 'no-slash' at 'path' " + message + "satisfy regular expression pattern"),
    ]:
        options = {"RoleName": unique("new"), "AssumeRolePolicyDocument": json.dumps(trust())} | changes
        error = error_of(iam.create_role, **options)
        assert error[:2] == (code, "ValidationError") and expected in error[2], error


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "This policy contains invalid Json"),
        (json.dumps(trust(Action="s3:GetObject")), "AssumeRole policy may only specify STS AssumeRole actions."),
        (json.dumps(trust(Resource="*")), "Has prohibited field Resource"),
        (json.dumps(trust({"Service": "lambda"})), 'Invalid principal in policy: "Service":"lambda"'),
        (json.dumps(trust(Effect="Maybe")), "Syntax errors in policy."),
        (json.dumps(trust(Condition={"Equals": {"k": "v"}})), "Invalid Condition type : Equals"),
    ],
    ids=["json", "action", "resource", "principal", "effect", "condition"],
)
def test_trust_policies_that_are_none(iam, role, document, message):
    for call, options in [
        (iam.create_role, {"RoleName": unique("new"), "AssumeRolePolicyDocument": document}),
        (iam.update_assume_role_policy, {"RoleName": role, "PolicyDocument": document}),
    ]:
        status, code, text = error_of(call, **options)
        assert (status, code) == (400, "MalformedPolicyDocument") and text.startswith(message), text
    assert iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"] == trust()


def test_what_is_not_offered_says_so_in_xml(clients, iam):
    error = refused(iam.create_group, GroupName="g")
    assert (error.status, error.code) == (501, "NotImplementedException")
    assert "CreateGroup" in error.message
    answer = clients.http("POST", "/", b"Action=Nothing&Version=2010-05-08", FORM, service="iam")
    assert answer.status == 400 and answer.headers["content-type"] == "text/xml"
    assert b"<Type>Sender</Type><Code>InvalidAction</Code>" in answer.body
    assert answer.body.startswith(b'<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">')
    request_id = answer.headers["x-amzn-requestid"].encode()
    assert b"<RequestId>" + request_id + b"</RequestId>" in answer.body
    unsigned = clients.http("POST", "/", b"Action=ListRoles&Version=2010-05-08", FORM, sign=False)
    assert unsigned.status == 403 and b"<Code>MissingAuthenticationToken</Code>" in unsigned.body


FORM = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}


def test_the_account(iam):
    assert iam.list_account_aliases()["AccountAliases"] == []
    user = iam.get_user()["User"]
    assert user["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"
    assert error_of(iam.get_user, UserName="u")[:2] == (404, "NoSuchEntity")
    summary = iam.get_account_summary()["SummaryMap"]
    assert summary["Roles"] == len(iam.list_roles(MaxItems=1000)["Roles"]) and summary["RolesQuota"] == 1000


def test_iam_is_of_its_account_and_of_no_region(clients, iam, role):
    other = clients.boto("iam", key="111122223333")
    assert refused(other.get_role, RoleName=role).code == "NoSuchEntity"
    other.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(trust()))
    assert other.get_role(RoleName=role)["Role"]["Arn"] == f"arn:aws:iam::111122223333:role/{role}"
    other.delete_role(RoleName=role)
    elsewhere = clients.boto("iam", region="eu-west-1" if REGION != "eu-west-1" else "us-east-1")
    assert elsewhere.get_role(RoleName=role)["Role"]["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/{role}"


def test_the_aws_cli_makes_a_role(cli):
    name = unique("cli")
    created = cli.json("iam", "create-role", "--role-name", name, "--assume-role-policy-document", json.dumps(trust()))
    assert created["Role"]["AssumeRolePolicyDocument"] == trust()
    cli.run("iam", "attach-role-policy", "--role-name", name, "--policy-arn", BASIC)
    cli.run("iam", "detach-role-policy", "--role-name", name, "--policy-arn", BASIC)
    cli.run("iam", "delete-role", "--role-name", name)
    assert cli.json("sts", "get-caller-identity")["Account"] == ACCOUNT
