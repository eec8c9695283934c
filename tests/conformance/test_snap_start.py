"""SnapStart without an engine of snapshots (Lambda Developer Guide: "Improving startup performance with Lambda
SnapStart"; API Reference: SnapStart, SnapStartResponse)."""

import pytest

from support.errors import refused
from support.packages import pack
from support.wait import until

PARAMETER = "InvalidParameterValueException"
PUBLISHED = {"ApplyOn": "PublishedVersions"}
SOURCE = """
import os, time
time.sleep(0.5)
BORN = os.urandom(8).hex()
def lambda_handler(event, context):
    time.sleep(event.get("seconds", 0))
    return {"born": BORN, "type": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]}
"""


@pytest.fixture
def snap(lambda_, make, python):
    if tuple(int(part) for part in python.removeprefix("python").split(".")) < (3, 12):
        pytest.skip(f"SnapStart needs Python 3.12, and the newest here is {python}")

    def create(**settings):
        return make.create("snap", zip_file=pack({"lambda_function.py": SOURCE}), SnapStart=PUBLISHED, **settings)

    return create


def settled(client, name, version):
    def active():
        configuration = client.get_function_configuration(FunctionName=name, Qualifier=version)
        return configuration["State"] == "Active" and configuration

    return until(active, "the version to be active")


def test_a_version_is_prepared_and_starts_from_an_environment_in_stock(lambda_, snap, invoke):
    name = snap()
    shown = lambda_.get_function_configuration(FunctionName=name)["SnapStart"]
    assert shown == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"}
    published = lambda_.publish_version(FunctionName=name)
    assert (published["State"], published["StateReasonCode"]) == ("Pending", "Creating")
    configuration = settled(lambda_, name, "1")
    assert configuration["SnapStart"] == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"}

    def from_stock():
        # Each finds a warm one once it has come; a cold one takes longer than its initialisation.
        answer = invoke(name, tail=True, Qualifier="1")
        return answer.ok and "Init Duration" not in answer.report

    until(from_stock, "an environment in stock")
    answer = invoke(name, Qualifier="1")
    assert answer.ok["type"] == "on-demand", "there is no snapshot"
    assert lambda_.publish_version(FunctionName=name)["Version"] == "1", "nothing has changed"


def test_what_it_does_not_go_with_is_refused(lambda_, snap, make):
    name = snap()
    lambda_.publish_version(FunctionName=name)
    error = refused(
        lambda_.put_provisioned_concurrency_config,
        FunctionName=name,
        Qualifier="1",
        ProvisionedConcurrentExecutions=1,
    )
    assert error.code == PARAMETER and "SnapStart" in error.message
    change = lambda_.update_function_configuration
    error = refused(change, FunctionName=name, EphemeralStorage={"Size": 1024})
    assert error.message.endswith("is not supported for SnapStart enabled functions.")
    error = refused(change, FunctionName=name, Runtime="nodejs22.x")
    assert error.message == "nodejs22.x is not supported for SnapStart enabled functions."
    change(FunctionName=name, SnapStart={"ApplyOn": "None"})
    until(
        lambda: lambda_.get_function_configuration(FunctionName=name)["LastUpdateStatus"] == "Successful", "the update"
    )
    shown = lambda_.get_function_configuration(FunctionName=name)["SnapStart"]
    assert shown == {"ApplyOn": "None", "OptimizationStatus": "Off"}
    kept = lambda_.get_function_configuration(FunctionName=name, Qualifier="1")["SnapStart"]
    assert kept["ApplyOn"] == "PublishedVersions", "a version stays as it was published"
