"""Settings that are kept and shown, and have no effect: deploy tools send them and compare what they get
(docs/compatibility.md names them)."""

import json
import urllib.request

import pytest

from support.clients import ACCOUNT, REGION
from support.errors import refused
from support.functions import until_active
from support.wait import until

PARAMETER = "InvalidParameterValueException"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"
VPC = {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"], "Ipv6AllowedForDualStack": True}
FILES = [
    {"Arn": f"arn:aws:elasticfilesystem:{REGION}:{ACCOUNT}:access-point/fsap-{'0' * 17}", "LocalMountPath": "/mnt/x"}
]
SETTINGS = {
    "VpcConfig": VPC,
    "FileSystemConfigs": FILES,
    "TracingConfig": {"Mode": "Active"},
    "KMSKeyArn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1",
}
NONE = {
    "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []},
    "FileSystemConfigs": [],
    "TracingConfig": {"Mode": "PassThrough"},
    "KMSKeyArn": "",
}


def test_they_are_shown_kept_by_versions_and_taken_away(server, lambda_, make, invoke):
    name = make.create("around", **SETTINGS)
    shown = lambda_.get_function_configuration(FunctionName=name)
    assert {key: shown[key] for key in SETTINGS} == SETTINGS
    assert invoke(name).ok["name"] == name
    version = lambda_.publish_version(FunctionName=name)
    assert {key: version[key] for key in SETTINGS} == SETTINGS
    lambda_.update_function_configuration(FunctionName=name, Description="kept")
    until_active(lambda_, name)
    shown = lambda_.get_function_configuration(FunctionName=name)
    assert {key: shown[key] for key in SETTINGS} == SETTINGS
    lambda_.update_function_configuration(FunctionName=name, **NONE)
    until_active(lambda_, name)
    shown = lambda_.get_function_configuration(FunctionName=name)
    assert not set(SETTINGS) - {"TracingConfig"} & set(shown)
    assert shown["TracingConfig"] == {"Mode": "PassThrough"}
    # The server says so, once for each.
    for setting in ("VpcConfig", "FileSystemConfigs", "TracingConfig.Mode Active", "KMSKeyArn"):
        line = f"{setting} is kept and shown, and has no effect yet"
        until(lambda line=line: line in server.output(), lambda: server.output())
        assert server.output().count(line) == 1


def test_the_table_says_so(server):
    with urllib.request.urlopen(f"{server.url}/_lambent/compatibility", timeout=10) as answer:
        table = {row["operation"]: row for row in json.load(answer)["operations"]}
    assert len(table) == 91
    shown = {part["name"] for part in table["CreateFunction"]["exceptions"] if part["effect"] == "shown-only"}
    assert shown == set(SETTINGS)
    assert table["CheckpointDurableExecution"]["effect"] == "refused"


REFUSED = {
    "half a network": {"VpcConfig": {"SubnetIds": ["subnet-1"]}},
    "files without a network": {"FileSystemConfigs": FILES},
    "a queue that keeps order": {"DeadLetterConfig": {"TargetArn": f"{QUEUE}.fifo"}},
    "a function as a queue": {"DeadLetterConfig": {"TargetArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"}},
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_aws_refuses_is_refused(lambda_, probe, case):
    error = refused(lambda_.update_function_configuration, FunctionName=probe, **REFUSED[case])
    assert (error.status, error.code) == (400, PARAMETER), error


def test_versions_of_an_alias_share_their_dead_letters(lambda_, make):
    name = make.create("around")
    lambda_.publish_version(FunctionName=name)
    lambda_.update_function_configuration(FunctionName=name, DeadLetterConfig={"TargetArn": QUEUE})
    until_active(lambda_, name)
    lambda_.publish_version(FunctionName=name)
    error = refused(
        lambda_.create_alias,
        FunctionName=name,
        Name="both",
        FunctionVersion="1",
        RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}},
    )
    assert (error.code, "dead letter" in error.message) == (PARAMETER, True), error
