"""Code signing configurations (Lambda Developer Guide: "Using code signing to verify code integrity with Lambda")."""

import re

import pytest

from support.clients import ACCOUNT, REGION
from support.errors import refused
from support.functions import arn, probe_zip, unique, until_active

PROFILE = f"arn:aws:signer:{REGION}:{ACCOUNT}:/signing-profiles/p/abcdefghij"
ABSENT = f"arn:aws:lambda:{REGION}:{ACCOUNT}:code-signing-config:csc-{'0' * 17}"


@pytest.fixture
def config(lambda_):
    def make(policy=None, **options):
        policies = {"CodeSigningPolicies": {"UntrustedArtifactOnDeployment": policy}} if policy else {}
        publishers = {"SigningProfileVersionArns": [PROFILE]}
        return lambda_.create_code_signing_config(AllowedPublishers=publishers, **policies, **options)[
            "CodeSigningConfig"
        ]

    return make


def test_a_configuration_is_made_shown_changed_and_deleted(lambda_, config):
    made = config(Description="d", Tags={"k": "v"})
    assert re.fullmatch(r"csc-[a-z0-9]{17}", made["CodeSigningConfigId"])
    identity = made["CodeSigningConfigArn"]
    assert identity == f"arn:aws:lambda:{REGION}:{ACCOUNT}:code-signing-config:{made['CodeSigningConfigId']}"
    assert made["CodeSigningPolicies"] == {"UntrustedArtifactOnDeployment": "Warn"}
    assert lambda_.get_code_signing_config(CodeSigningConfigArn=identity)["CodeSigningConfig"] == made
    updated = lambda_.update_code_signing_config(
        CodeSigningConfigArn=identity, CodeSigningPolicies={"UntrustedArtifactOnDeployment": "Enforce"}
    )["CodeSigningConfig"]
    assert (updated["Description"], updated["CodeSigningPolicies"]) == ("d", {"UntrustedArtifactOnDeployment": "Enforce"})
    pages = lambda_.get_paginator("list_code_signing_configs").paginate(PaginationConfig={"PageSize": 1})
    assert updated in [one for page in pages for one in page["CodeSigningConfigs"]]
    assert lambda_.list_tags(Resource=identity)["Tags"] == {"k": "v"}
    lambda_.tag_resource(Resource=identity, Tags={"l": "w"})
    lambda_.untag_resource(Resource=identity, TagKeys=["k"])
    assert lambda_.list_tags(Resource=identity)["Tags"] == {"l": "w"}
    deleted = lambda_.delete_code_signing_config(CodeSigningConfigArn=identity)
    assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
    for call in (lambda_.get_code_signing_config, lambda_.delete_code_signing_config, lambda_.update_code_signing_config):
        gone = refused(call, CodeSigningConfigArn=identity)
        assert (gone.status, gone.code) == (404, "ResourceNotFoundException")
        assert gone.message == f"The Lambda code signing configuration {identity} can not be found."


def test_functions_hold_their_configuration(lambda_, make, config):
    identity = config()["CodeSigningConfigArn"]
    name = make.create("signed", CodeSigningConfigArn=identity)
    got = lambda_.get_function_code_signing_config(FunctionName=name)
    assert (got["CodeSigningConfigArn"], got["FunctionName"]) == (identity, name)
    listed = lambda_.list_functions_by_code_signing_config(CodeSigningConfigArn=identity)
    assert listed["FunctionArns"] == [arn(name)]
    held = refused(lambda_.delete_code_signing_config, CodeSigningConfigArn=identity)
    assert (held.status, held.code) == (409, "ResourceConflictException")

    other = config()["CodeSigningConfigArn"]
    lambda_.put_function_code_signing_config(FunctionName=name, CodeSigningConfigArn=other)
    assert lambda_.list_functions_by_code_signing_config(CodeSigningConfigArn=identity)["FunctionArns"] == []
    lambda_.delete_code_signing_config(CodeSigningConfigArn=identity)
    lambda_.delete_function_code_signing_config(FunctionName=name)
    assert "CodeSigningConfigArn" not in lambda_.get_function_code_signing_config(FunctionName=name)
    lambda_.put_function_code_signing_config(FunctionName=name, CodeSigningConfigArn=other)
    lambda_.delete_function(FunctionName=name)
    lambda_.delete_code_signing_config(CodeSigningConfigArn=other)
    missing = refused(lambda_.put_function_code_signing_config, FunctionName=make.create(), CodeSigningConfigArn=ABSENT)
    assert (missing.status, missing.code) == (404, "CodeSigningConfigNotFoundException")
    assert refused(
        lambda_.put_function_code_signing_config, FunctionName=unique("none"), CodeSigningConfigArn=ABSENT
    ).code == "ResourceNotFoundException"


def test_no_package_passes_where_signatures_are_enforced(lambda_, make, config):
    identity = config("Enforce")["CodeSigningConfigArn"]
    name = make.create("signed")
    lambda_.put_function_code_signing_config(FunctionName=name, CodeSigningConfigArn=identity)
    refusal = refused(lambda_.update_function_code, FunctionName=name, ZipFile=probe_zip("two"))
    assert (refusal.status, refusal.code) == (400, "CodeVerificationFailedException")
    settings = {"Runtime": "python3.12", "Handler": "a.b", "Role": f"arn:aws:iam::{ACCOUNT}:role/r"}
    refusal = refused(
        lambda_.create_function,
        FunctionName=unique(),
        Code={"ZipFile": probe_zip()},
        CodeSigningConfigArn=identity,
        **settings,
    )
    assert refusal.code == "CodeVerificationFailedException"
    lambda_.update_code_signing_config(
        CodeSigningConfigArn=identity, CodeSigningPolicies={"UntrustedArtifactOnDeployment": "Warn"}
    )
    lambda_.update_function_code(FunctionName=name, ZipFile=probe_zip("two"))
    until_active(lambda_, name)
