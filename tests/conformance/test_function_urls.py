"""The configuration of function URLs (Lambda Developer Guide: "Creating and managing Lambda function URLs"; API Reference:
CreateFunctionUrlConfig)."""

import re

import pytest

from support.clients import REGION
from support.errors import refused
from support.functions import arn, unique

PARAMETER, NOT_FOUND = "InvalidParameterValueException", "ResourceNotFoundException"
CORS = {
    "AllowCredentials": True,
    "AllowHeaders": ["x-one"],
    "AllowMethods": ["GET", "*"],
    "AllowOrigins": ["https://example.com"],
    "ExposeHeaders": ["x-two"],
    "MaxAge": 86400,
}


def test_a_url_is_made_shown_changed_and_deleted(lambda_, make):
    name = make.create("url")
    made = lambda_.create_function_url_config(FunctionName=name, AuthType="NONE", Cors=CORS)
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert set(made) - {"ResponseMetadata"} == {"FunctionUrl", "FunctionArn", "AuthType", "Cors", "CreationTime"}
    assert re.fullmatch(rf"http://[a-z0-9]{{32}}\.lambda-url\.{REGION}\.localhost:\d+/", made["FunctionUrl"])
    assert (made["FunctionArn"], made["AuthType"], made["Cors"]) == (arn(name), "NONE", CORS)
    got = lambda_.get_function_url_config(FunctionName=name)
    assert (got["InvokeMode"], got["LastModifiedTime"]) == ("BUFFERED", made["CreationTime"])

    updated = lambda_.update_function_url_config(FunctionName=name, AuthType="AWS_IAM", InvokeMode="RESPONSE_STREAM")
    assert (updated["AuthType"], updated["InvokeMode"], updated["Cors"]) == ("AWS_IAM", "RESPONSE_STREAM", CORS)
    assert updated["FunctionUrl"] == made["FunctionUrl"] and updated["CreationTime"] == made["CreationTime"]
    assert "Cors" not in lambda_.update_function_url_config(FunctionName=name, Cors={})

    deleted = lambda_.delete_function_url_config(FunctionName=name)
    assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
    gone = refused(lambda_.get_function_url_config, FunctionName=name)
    assert (gone.status, gone.code, gone.message) == (404, NOT_FOUND, "The resource you requested does not exist.")


def test_functions_and_aliases_have_a_url_each(lambda_, make):
    name = make.create("url")
    lambda_.publish_version(FunctionName=name)
    lambda_.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    lambda_.create_function_url_config(FunctionName=name, AuthType="NONE")
    alias = lambda_.create_function_url_config(
        FunctionName=name, AuthType="AWS_IAM", Qualifier="live", InvokeMode="BUFFERED"
    )
    assert (alias["FunctionArn"], alias["InvokeMode"]) == (arn(name, "live"), "BUFFERED")
    again = refused(lambda_.create_function_url_config, FunctionName=f"{name}:live", AuthType="NONE")
    assert (again.status, again.code) == (409, "ResourceConflictException")
    assert again.message == (
        f"Failed to create function url config for [functionArn = {arn(name, 'live')}]. Error message:  "
        "FunctionUrlConfig exists for this Lambda function"
    )
    pages = lambda_.get_paginator("list_function_url_configs").paginate(
        FunctionName=name, PaginationConfig={"PageSize": 1}
    )
    listed = [[config["FunctionArn"] for config in page["FunctionUrlConfigs"]] for page in pages]
    assert sorted(listed) == [[arn(name)], [arn(name, "live")]]
    # A published version has none of its own, and the URL of a deleted alias stays.
    assert not refused(lambda_.create_function_url_config, FunctionName=f"{name}:1", AuthType="NONE").status < 400
    lambda_.delete_alias(FunctionName=name, Name="live")
    assert lambda_.get_function_url_config(FunctionName=name, Qualifier="live")["FunctionUrl"] == alias["FunctionUrl"]


REFUSED = {
    "no function": (
        {"FunctionName": "no-such-function", "AuthType": "NONE"},
        (404, NOT_FOUND, "Function does not exist"),
    ),
    "no alias": ({"Qualifier": "nowhere", "AuthType": "NONE"}, (404, NOT_FOUND, None)),
    "a version": ({"Qualifier": "1", "AuthType": "NONE"}, (400, "ValidationException", None)),
    "$LATEST": ({"Qualifier": "$LATEST", "AuthType": "NONE"}, (400, "ValidationException", None)),
    "auth type": ({"AuthType": "OPEN"}, (400, "ValidationException", None)),
    "no auth type": ({}, (400, "ValidationException", None)),
    "invoke mode": ({"AuthType": "NONE", "InvokeMode": "FAST"}, (400, "ValidationException", None)),
    "long method": (
        {"AuthType": "NONE", "Cors": {"AllowMethods": ["OPTIONS"]}},
        (400, "ValidationException", "less than or equal to 6"),
    ),
    "max age": ({"AuthType": "NONE", "Cors": {"MaxAge": 86401}}, (400, "ValidationException", "86400")),
    "many origins": (
        {"AuthType": "NONE", "Cors": {"AllowOrigins": [f"https://{n}" for n in range(101)]}},
        (400, "ValidationException", "100"),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_are_awss(lambda_, probe, case):
    parameters, (status, code, message) = REFUSED[case]
    refusal = refused(lambda_.create_function_url_config, **{"FunctionName": probe, **parameters})
    assert (refusal.status, refusal.code) == (status, code), refusal
    assert message is None or message in refusal.message


def test_absent_functions_are_answered_by_each_operation(lambda_):
    name = unique("none")
    for operation in (lambda_.get_function_url_config, lambda_.update_function_url_config):
        gone = refused(operation, FunctionName=name)
        assert (gone.status, gone.message) == (404, "The resource you requested does not exist.")
    assert refused(lambda_.delete_function_url_config, FunctionName=name).status == 404
    assert refused(lambda_.list_function_url_configs, FunctionName=name).message == "Function does not exist"
