"""SnapStart where no snapshots are taken (Lambda Developer Guide: "Improving startup performance with Lambda
SnapStart"; API Reference: SnapStart, SnapStartResponse)."""

from pathlib import Path

import pytest

from support.errors import refused
from support.installed import packed, python_packages
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
    assert answer.ok["type"] == "snap-start", "hooks are called, with and without a snapshot"
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


KEYS = """
import json, os, urllib.error, urllib.request, datetime
import boto3
NAMES = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]

def ask(token, method="GET"):
    request = urllib.request.Request(os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"], method=method)
    if token is not None:
        request.add_header("Authorization", token)
    try:
        return [200, json.load(urllib.request.urlopen(request))]
    except urllib.error.HTTPError as error:
        return [error.code, None]

def lambda_handler(event, context):
    token = os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
    status, keys = ask(token)
    left = datetime.datetime.fromisoformat(keys["Expiration"].replace("Z", "+00:00")) - datetime.datetime.now(datetime.timezone.utc)
    session = boto3.Session()
    caller = session.client("sts").get_caller_identity()
    return {
        "variables": [name for name in NAMES if name in os.environ],
        "uri": os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"],
        "names": sorted(keys), "minutes": left.total_seconds() / 60,
        "others": [ask(other)[0] for other in (None, "", "Bearer " + token, token[:-1])] + [ask(token, "POST")[0]],
        "again": ask(token)[1]["AccessKeyId"] != keys["AccessKeyId"],
        "token": token, "method": session.get_credentials().method, "caller": caller["Arn"], "keys": keys,
    }
"""


def test_a_version_fetches_its_credentials(lambda_, snap, make, python, invoke, clients):
    sdk = python_packages(Path(__file__).parent / "packages_python" / "requirements" / "boto3.txt", python)
    name = make.create("fetches", zip_file=packed(sdk, {"lambda_function.py": KEYS}), SnapStart=PUBLISHED)
    lambda_.publish_version(FunctionName=name)
    settled(lambda_, name, "1")
    found = invoke(name, Qualifier="1").ok
    assert found["variables"] == []
    assert found["uri"].endswith("/2021-04-23/credentials")
    assert found["names"] == ["AccessKeyId", "Expiration", "SecretAccessKey", "Token"]
    assert 55 < found["minutes"] <= 60
    assert found["others"] == [404, 404, 404, 404, 405]
    assert found["again"], "who asks again has the whole hour"
    assert (found["method"], found["caller"].split("/")[-1]) == ("container-role", name)
    # They are good outside as well.
    keys = found["keys"]
    outside = clients.boto("sts", key=keys["AccessKeyId"], secret=keys["SecretAccessKey"], token=keys["Token"])
    assert outside.get_caller_identity()["Arn"] == found["caller"]
    # $LATEST has no snapshot.
    latest = invoke(name)
    assert "AWS_CONTAINER" in latest.json["errorMessage"]
