"""What is configured beside a function: reserved concurrency, recursion, runtime management, asynchronous invocation."""

import concurrent.futures
import time

import pytest

from support.errors import refused
from support.functions import arn
from support.wait import until

PARAMETER, NOT_FOUND = "InvalidParameterValueException", "ResourceNotFoundException"
QUEUE = "arn:aws:sqs:us-east-1:000000000000:queue"


def bare(answer):
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}


@pytest.fixture
def account(clients):
    """A client of an account that no other test uses: reservations are the whole account's."""
    return clients.boto("lambda", key="777777777777")


@pytest.fixture
def own(make, account):
    def create():
        return make.create("reserved", client=account)

    return create


def test_reserved_concurrency(account, own):
    def unreserved():
        limits = account.get_account_settings()["AccountLimit"]
        return limits["ConcurrentExecutions"], limits["UnreservedConcurrentExecutions"]

    one, two = own(), own()
    assert bare(account.get_function_concurrency(FunctionName=one)) == {}
    put = account.put_function_concurrency(FunctionName=one, ReservedConcurrentExecutions=600)
    assert bare(put) == {"ReservedConcurrentExecutions": 600}
    assert bare(account.get_function_concurrency(FunctionName=one)) == {"ReservedConcurrentExecutions": 600}
    assert account.get_function(FunctionName=one)["Concurrency"] == {"ReservedConcurrentExecutions": 600}
    assert "Concurrency" not in account.get_function(FunctionName=two)
    assert unreserved() == (1000, 400)
    error = refused(account.put_function_concurrency, FunctionName=two, ReservedConcurrentExecutions=301)
    assert (error.status, error.code) == (400, PARAMETER)
    assert error.message == (
        "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below "
        "its minimum value of [100]."
    )
    account.put_function_concurrency(FunctionName=two, ReservedConcurrentExecutions=300)
    account.put_function_concurrency(FunctionName=one, ReservedConcurrentExecutions=10)
    assert unreserved() == (1000, 690)
    for _ in range(2):
        deleted = account.delete_function_concurrency(FunctionName=one)
        assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert unreserved() == (1000, 700)
    account.delete_function(FunctionName=two)
    assert unreserved() == (1000, 1000)
    for operation, options in (
        (account.put_function_concurrency, {"ReservedConcurrentExecutions": 1}),
        (account.get_function_concurrency, {}),
        (account.delete_function_concurrency, {}),
    ):
        error = refused(operation, FunctionName=f"{one}:1", **options)
        assert error.message.startswith("This operation is permitted on Lambda functions only."), error
        assert refused(operation, FunctionName="absent", **options).code == NOT_FOUND


def test_reservations_that_race_do_not_exceed_the_account(account, own):
    names = [own() for _ in range(4)]

    def reserve(name):
        try:
            account.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=400)
        except account.exceptions.InvalidParameterValueException:
            return False
        return True

    with concurrent.futures.ThreadPoolExecutor(len(names)) as pool:
        assert sum(pool.map(reserve, names)) == 2, "two of 400 leave room for none"


def test_a_reservation_is_kept(account, own):
    name = own()
    account.publish_version(FunctionName=name)
    account.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    for qualifier in ("$LATEST", "1"):
        error = refused(account.invoke, FunctionName=name, Qualifier=qualifier)
        assert (error.status, error.code, error.message) == (429, "TooManyRequestsException", "Rate Exceeded.")
        assert error.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
        assert error.response["ResponseMetadata"]["HTTPHeaders"]["retry-after"]
    account.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)

    def runs(qualifier, event):
        try:
            return account.invoke(FunctionName=name, Qualifier=qualifier, Payload=event)["StatusCode"] == 200
        except account.exceptions.TooManyRequestsException:
            return False

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        # The two compete for the one place until the longer invocation has it.
        sleep = b'{"do": "sleep", "seconds": 2}'
        sleeping = pool.submit(until, lambda: runs("$LATEST", sleep), "a place for the longer one", 20)
        until(lambda: not runs("1", b'{"do": "echo"}'), "versions to share the function's reservation", 20)
        assert sleeping.result()
    assert account.invoke(FunctionName=name, Payload=b'{"do": "echo"}')["StatusCode"] == 200
    account.delete_function_concurrency(FunctionName=name)
    assert account.invoke(FunctionName=name, Payload=b'{"do": "echo"}')["StatusCode"] == 200


def test_recursion(lambda_, make):
    name = make.create()
    assert bare(lambda_.get_function_recursion_config(FunctionName=name)) == {"RecursiveLoop": "Terminate"}
    put = lambda_.put_function_recursion_config(FunctionName=name, RecursiveLoop="Allow")
    assert bare(put) == {"RecursiveLoop": "Allow"}
    assert bare(lambda_.get_function_recursion_config(FunctionName=name)) == {"RecursiveLoop": "Allow"}
    error = refused(lambda_.put_function_recursion_config, FunctionName=name, RecursiveLoop="Sometimes")
    assert error.code == "ValidationException"


def test_runtime_management(lambda_, make):
    name = make.create()
    lambda_.publish_version(FunctionName=name)
    pinned = lambda_.get_function_configuration(FunctionName=name)["RuntimeVersionConfig"]["RuntimeVersionArn"]
    put = lambda_.put_runtime_management_config(
        FunctionName=name, Qualifier="1", UpdateRuntimeOn="Manual", RuntimeVersionArn=pinned
    )
    expected = {"UpdateRuntimeOn": "Manual", "FunctionArn": arn(name, "1"), "RuntimeVersionArn": pinned}
    assert bare(put) == expected
    assert bare(lambda_.get_runtime_management_config(FunctionName=name, Qualifier="1")) == expected
    latest = {"UpdateRuntimeOn": "Auto", "FunctionArn": arn(name)}
    assert bare(lambda_.get_runtime_management_config(FunctionName=name)) == latest
    for options in (
        {"UpdateRuntimeOn": "Manual"},
        {"UpdateRuntimeOn": "Auto", "RuntimeVersionArn": pinned},
        {"UpdateRuntimeOn": "Manual", "RuntimeVersionArn": pinned[:-1] + "x"},
    ):
        error = refused(lambda_.put_runtime_management_config, FunctionName=name, **options)
        assert (error.status, error.code) == (400, PARAMETER), options
    put = lambda_.put_runtime_management_config(FunctionName=name, UpdateRuntimeOn="FunctionUpdate")
    assert bare(put) == latest | {"UpdateRuntimeOn": "FunctionUpdate"}


def test_asynchronous_invocation(lambda_, make):
    name = make.create()
    lambda_.publish_version(FunctionName=name)
    lambda_.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    before = time.time()
    put = bare(lambda_.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=1))
    modified = put.pop("LastModified").timestamp()
    assert before - 1 < modified < time.time() + 1
    expected = {
        "FunctionArn": arn(name, "$LATEST"),
        "MaximumRetryAttempts": 1,
        "DestinationConfig": {"OnSuccess": {}, "OnFailure": {}},
    }
    assert put == expected
    destination = {"OnFailure": {"Destination": QUEUE}}
    updated = bare(
        lambda_.update_function_event_invoke_config(
            FunctionName=name, MaximumEventAgeInSeconds=60, DestinationConfig=destination
        )
    )
    updated.pop("LastModified")
    expected |= {"MaximumEventAgeInSeconds": 60, "DestinationConfig": {"OnSuccess": {}, **destination}}
    assert updated == expected
    got = bare(lambda_.get_function_event_invoke_config(FunctionName=name))
    got.pop("LastModified")
    assert got == expected
    for qualifier in ("1", "live"):
        lambda_.put_function_event_invoke_config(FunctionName=name, Qualifier=qualifier, MaximumRetryAttempts=0)
    pages = lambda_.get_paginator("list_function_event_invoke_configs").paginate(
        FunctionName=name, PaginationConfig={"PageSize": 2}
    )
    listed = [entry["FunctionArn"] for page in pages for entry in page["FunctionEventInvokeConfigs"]]
    assert listed == [arn(name, qualifier) for qualifier in ("$LATEST", "1", "live")]
    # A put replaces, and what is configured for an alias goes with it.
    put = lambda_.put_function_event_invoke_config(FunctionName=name, MaximumEventAgeInSeconds=61)
    assert "MaximumRetryAttempts" not in put
    lambda_.delete_alias(FunctionName=name, Name="live")
    lambda_.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    lambda_.delete_function_event_invoke_config(FunctionName=name)
    for operation in (
        lambda_.get_function_event_invoke_config,
        lambda_.delete_function_event_invoke_config,
    ):
        for qualifier in ("$LATEST", "live"):
            error = refused(operation, FunctionName=name, Qualifier=qualifier)
            assert (error.status, error.code) == (404, NOT_FOUND)
            assert error.message == f"The function {arn(name, qualifier)} doesn't have an EventInvokeConfig"
    error = refused(lambda_.put_function_event_invoke_config, FunctionName="absent", MaximumRetryAttempts=1)
    assert (error.status, error.message) == (404, "The function doesn't exist.")
    assert refused(lambda_.put_function_event_invoke_config, FunctionName=name).code == PARAMETER
    own = {"OnSuccess": {"Destination": arn(name, "1")}}
    error = refused(lambda_.put_function_event_invoke_config, FunctionName=name, DestinationConfig=own)
    assert (error.code, error.message) == (PARAMETER, "You can't specify the function as a destination for itself.")
