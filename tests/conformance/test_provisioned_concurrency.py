"""Provisioned concurrency (Lambda Developer Guide: "Configuring provisioned concurrency for a function"; API Reference:
PutProvisionedConcurrencyConfig and its kin)."""

import concurrent.futures
import re

import pytest

from support import functions
from support.clients import Clients
from support.errors import refused
from support.functions import ROLE, arn, until_active
from support.packages import pack
from support.streams import messages
from support.wait import until

PARAMETER, NOT_FOUND = "InvalidParameterValueException", "ResourceNotFoundException"
ABSENT = "ProvisionedConcurrencyConfigNotFoundException"

SLOW = """
import os, time
time.sleep({init})
BORN = os.urandom(8).hex()
print("initialised as " + os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"], flush=True)

def lambda_handler(event, context):
    time.sleep(event.get("seconds", 0))
    if event.get("crash"):
        os._exit(3)
    return {{"born": BORN, "type": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"], "mark": "{mark}"}}
"""


def slow(init=0.0, mark="one"):
    return pack({"lambda_function.py": SLOW.format(init=init, mark=mark)})


@pytest.fixture
def published(lambda_, make):
    """A function with version 1, and what is configured for it."""

    def create(qualifier="1", wanted=None, init=0.0, **settings):
        name = make.create("provisioned", zip_file=slow(init), **settings)
        lambda_.publish_version(FunctionName=name)
        if qualifier != "1":
            lambda_.create_alias(FunctionName=name, Name=qualifier, FunctionVersion="1")
        if wanted:
            put(lambda_, name, qualifier, wanted)
        return name

    return create


def put(client, name, qualifier, wanted):
    return client.put_provisioned_concurrency_config(
        FunctionName=name, Qualifier=qualifier, ProvisionedConcurrentExecutions=wanted
    )


def get(client, name, qualifier="1"):
    config = client.get_provisioned_concurrency_config(FunctionName=name, Qualifier=qualifier)
    return {key.replace("ProvisionedConcurrentExecutions", ""): value for key, value in config.items()}


def ready(client, name, qualifier="1", available=None):
    def there():
        config = get(client, name, qualifier)
        enough = available is None or config["Available"] == available
        return config["Status"] == "READY" and enough and config["Available"] == config["Allocated"] and config

    return until(there, lambda: f"{name}:{qualifier} to be ready: {get(client, name, qualifier)}", timeout=60)


def publish(client, name, mark):
    client.update_function_code(FunctionName=name, ZipFile=slow(mark=mark))
    until_active(client, name)
    return client.publish_version(FunctionName=name)["Version"]


def test_environments_are_initialised_ahead_and_that_is_no_part_of_an_invocation(lambda_, published, invoke, logs):
    name = published(init=0.3)
    accepted = put(lambda_, name, "1", 2)
    assert accepted["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert accepted["Status"] == "IN_PROGRESS"
    assert accepted["RequestedProvisionedConcurrentExecutions"] == 2
    assert accepted["AvailableProvisionedConcurrentExecutions"] == 0
    assert accepted["AllocatedProvisionedConcurrentExecutions"] == 0, "nothing has been allocated when it is accepted"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0000", accepted["LastModified"])
    config = ready(lambda_, name)
    assert (config["Requested"], config["Allocated"], config["Available"]) == (2, 2, 2)
    until(lambda: sum("INIT_REPORT" in line for line in messages(logs, name)) == 2, "both initialisations in the log")
    assert sum(line.startswith("INIT_START") for line in messages(logs, name)) == 2
    answer = invoke(name, tail=True, Qualifier="1")
    assert answer.ok["type"] == "provisioned-concurrency" and answer.version == "1"
    assert "Init Duration" not in answer.report
    assert int(answer.report["Billed Duration"].split()[0]) < 300
    # Others of the function have nothing of it.
    assert invoke(name).ok["type"] == "on-demand"


def test_what_is_beyond_spills_over_to_on_demand_and_both_are_counted(lambda_, published, clients):
    name = published("live", wanted=2)
    ready(lambda_, name, "live")
    client = clients.boto("lambda")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        calls = [
            pool.submit(functions.invoke, client, name, {"seconds": 1}, Qualifier="live") for _ in range(4)
        ]
        types = sorted(call.result().ok["type"] for call in calls)
    assert types == ["on-demand"] * 2 + ["provisioned-concurrency"] * 2
    labels = f'function="{name}",resource="{name}:live",executed_version="1"'
    page = clients.http("GET", "/metrics", sign=False).body.decode()
    for metric in ("invocations", "spillover_invocations"):
        assert re.search(f"lambent_function_provisioned_concurrency_{metric}_total{{[^}}]*{labels}}} 2\n", page), page


def test_utilization_is_that_of_each_version_and_alias(lambda_, published, clients):
    name = published("live", wanted=2)
    publish(lambda_, name, "two")
    put(lambda_, name, "2", 1)
    ready(lambda_, name, "live", available=2)
    ready(lambda_, name, "2", available=1)
    client = clients.boto("lambda")

    def shown(metric):
        page = clients.http("GET", "/metrics", sign=False).body.decode()
        found = re.findall(rf'lambent_function_{metric}{{[^}}]*function="{name}",resource="{name}:(\w+)"}} (\S+)\n', page)
        return {qualifier: float(value) for qualifier, value in found}

    assert shown("provisioned_concurrency") == {"2": 1, "live": 2}
    assert shown("provisioned_concurrency_utilization") == {"2": 0, "live": 0}
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        call = pool.submit(functions.invoke, client, name, {"seconds": 3}, Qualifier="live")
        until(lambda: shown("provisioned_concurrent_executions") == {"2": 0, "live": 1}, "the invocation to be shown")
        assert shown("provisioned_concurrency_utilization") == {"2": 0, "live": 0.5}
        assert call.result().ok["type"] == "provisioned-concurrency"
    until(lambda: shown("provisioned_concurrency_utilization") == {"2": 0, "live": 0}, "its end to be shown")


def test_a_crash_is_made_good(lambda_, published, invoke):
    name = published(wanted=1)
    ready(lambda_, name)
    first = invoke(name, Qualifier="1").ok["born"]
    assert invoke(name, {"crash": True}, Qualifier="1").error == "Unhandled"
    ready(lambda_, name, available=1)
    after = until(
        lambda: (answer := invoke(name, Qualifier="1").ok)["type"] == "provisioned-concurrency" and answer,
        "an environment in place of the one that crashed",
    )
    assert after["born"] != first


def test_less_ends_some_and_none_all(lambda_, published, invoke):
    name = published(wanted=3)
    ready(lambda_, name, available=3)
    put(lambda_, name, "1", 1)
    assert ready(lambda_, name, available=1)["Requested"] == 1
    lambda_.delete_provisioned_concurrency_config(FunctionName=name, Qualifier="1")
    lambda_.delete_provisioned_concurrency_config(FunctionName=name, Qualifier="1")
    error = refused(lambda_.get_provisioned_concurrency_config, FunctionName=name, Qualifier="1")
    assert (error.status, error.code) == (404, ABSENT)
    assert invoke(name, Qualifier="1").ok["type"] == "on-demand"


def test_a_moved_alias_serves_the_old_version_until_the_new_one_is_ready(lambda_, published, invoke):
    name = published("live", wanted=1)
    ready(lambda_, name, "live")
    lambda_.update_function_code(FunctionName=name, ZipFile=slow(init=1.5, mark="two"))
    until_active(lambda_, name)
    assert lambda_.publish_version(FunctionName=name)["Version"] == "2"
    lambda_.update_alias(FunctionName=name, Name="live", FunctionVersion="2")
    answer = invoke(name, Qualifier="live")
    assert (answer.version, answer.ok["type"]) == ("1", "provisioned-concurrency")
    assert get(lambda_, name, "live")["Status"] == "IN_PROGRESS"
    until(lambda: invoke(name, Qualifier="live").version == "2", "the new version to serve")
    answer = invoke(name, Qualifier="live")
    assert (answer.ok["mark"], answer.ok["type"]) == ("two", "provisioned-concurrency")
    assert ready(lambda_, name, "live")["Available"] == 1


def test_weights_split_what_is_provisioned(lambda_, published, invoke):
    name = published("live", wanted=2)
    ready(lambda_, name, "live")
    publish(lambda_, name, "two")
    weights = {"AdditionalVersionWeights": {"2": 0.5}}
    lambda_.update_alias(FunctionName=name, Name="live", RoutingConfig=weights)
    ready(lambda_, name, "live", available=2)

    def seen():
        answers = [invoke(name, Qualifier="live") for _ in range(20)]
        return {(answer.version, answer.ok["type"]) for answer in answers}

    until(lambda: {("1", "provisioned-concurrency"), ("2", "provisioned-concurrency")} <= seen(), "both versions")
    error = refused(put, client=lambda_, name=name, qualifier="live", wanted=3)
    assert error.message == "Alias with weights can not be used with Provisioned Concurrency"


def test_an_initialisation_that_fails_says_so_and_may_succeed_later(lambda_, make):
    name = make.create("failing", zip_file=pack({"lambda_function.py": "raise RuntimeError('no')\n"}))
    lambda_.publish_version(FunctionName=name)
    put(lambda_, name, "1", 1)
    config = until(lambda: (got := get(lambda_, name))["Status"] == "FAILED" and got, "the failure", timeout=60)
    assert config["StatusReason"] == "FUNCTION_ERROR_INIT_FAILURE"
    assert (config["Allocated"], config["Available"]) == (0, 0) or config["Available"] == 0


def test_what_cannot_be_provisioned_is_refused(lambda_, published, make):
    name = published("live")
    latest = refused(put, client=lambda_, name=name, qualifier="$LATEST", wanted=1)
    unpublished = "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
    assert (latest.code, latest.message) == (PARAMETER, unpublished)
    asked = refused(lambda_.get_provisioned_concurrency_config, FunctionName=name, Qualifier="$LATEST")
    assert asked.message == "The function resource provided must be an alias or a published version."
    assert refused(put, client=lambda_, name=name, qualifier="7", wanted=1).code == NOT_FOUND
    assert refused(put, client=lambda_, name=name, qualifier="other", wanted=1).code == NOT_FOUND
    error = refused(put, client=lambda_, name=name, qualifier="1", wanted=901)
    assert error.message == (
        "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum "
        "value of [100]."
    )
    put(lambda_, name, "live", 1)
    error = refused(put, client=lambda_, name=name, qualifier="1", wanted=1)
    assert error.message == "Version is pointed by a Provisioned Concurrency alias"
    lambda_.delete_provisioned_concurrency_config(FunctionName=name, Qualifier="live")
    put(lambda_, name, "1", 1)
    error = refused(put, client=lambda_, name=name, qualifier="live", wanted=1)
    assert error.message == (
        "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"
    )


def test_concurrency_is_set_aside_for_it(lambda_, published):
    name = published()

    def unreserved():
        return lambda_.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]

    before = unreserved()
    put(lambda_, name, "1", 3)
    assert unreserved() == before - 3
    error = refused(lambda_.put_function_concurrency, FunctionName=name, ReservedConcurrentExecutions=2)
    assert error.message == (
        " ReservedConcurrentExecutions  2 should not be lower than function's total provisioned concurrency [3]."
    )
    lambda_.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=4)
    assert unreserved() == before - 4, "what is provisioned is part of the reservation"
    error = refused(put, client=lambda_, name=name, qualifier="1", wanted=5)
    assert error.message == (
        "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function"
    )
    lambda_.delete_function_concurrency(FunctionName=name)
    assert unreserved() == before - 3
    lambda_.delete_provisioned_concurrency_config(FunctionName=name, Qualifier="1")
    assert unreserved() == before


def test_lists_show_what_gets_show(lambda_, published):
    name = published("live", wanted=1)
    publish(lambda_, name, "two")
    put(lambda_, name, "2", 1)
    ready(lambda_, name, "live")
    ready(lambda_, name, "2")
    listed = lambda_.list_provisioned_concurrency_configs(FunctionName=name)["ProvisionedConcurrencyConfigs"]
    assert [entry["FunctionArn"] for entry in listed] == [arn(name, "2"), arn(name, "live")]
    assert all(entry["Status"] == "READY" for entry in listed)
    first = lambda_.list_provisioned_concurrency_configs(FunctionName=name, MaxItems=1)
    rest = lambda_.list_provisioned_concurrency_configs(FunctionName=name, Marker=first["NextMarker"])
    assert len(first["ProvisionedConcurrencyConfigs"]) == len(rest["ProvisionedConcurrencyConfigs"]) == 1
    # What belongs to an alias or a version goes with it.
    lambda_.delete_alias(FunctionName=name, Name="live")
    lambda_.delete_function(FunctionName=name, Qualifier="2")
    assert not lambda_.list_provisioned_concurrency_configs(FunctionName=name)["ProvisionedConcurrencyConfigs"]


def test_a_restart_keeps_it(own_server):
    client = Clients(own_server.start()).boto("lambda")
    client.create_function(
        FunctionName="kept",
        Runtime=own_server.python(),
        Handler="lambda_function.lambda_handler",
        Role=ROLE,
        Code={"ZipFile": slow()},
    )
    until_active(client, "kept")
    client.publish_version(FunctionName="kept")
    put(client, "kept", "1", 2)
    ready(client, "kept", available=2)
    own_server.stop()
    client = Clients(own_server.start()).boto("lambda")
    ready(client, "kept", available=2)
    assert functions.invoke(client, "kept", Qualifier="1").ok["type"] == "provisioned-concurrency"
