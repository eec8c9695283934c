"""Tenant isolation (AWS Lambda Developer Guide, "Tenant isolation"): an environment serves one tenant and no other."""

import base64
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.errors import refused
from support.packages import pack
from support.wait import until

PARAMETER = "InvalidParameterValueException"
ISOLATED = {"TenancyConfig": {"TenantIsolationMode": "PER_TENANT"}}
CODE = """import os, time
seen = []
def handler(event, context):
    seen.append(context.tenant_id)
    with open("/tmp/seen", "a") as file:
        file.write(context.tenant_id + "\\n")
    time.sleep(event.get("sleep", 0))
    print("for", context.tenant_id)
    return {"tenant": context.tenant_id, "seen": seen, "tmp": open("/tmp/seen").read().splitlines(),
            "stream": context.log_stream_name}
"""


@pytest.fixture
def isolated(make):
    return make.create("tenants", zip_file=pack({"lambda_function.py": CODE}), Handler="lambda_function.handler", **ISOLATED)


def call(lambda_, name, tenant, event=None):
    answer = lambda_.invoke(FunctionName=name, TenantId=tenant, Payload=json.dumps(event or {}))
    assert "FunctionError" not in answer, answer["Payload"].read()
    return json.loads(answer["Payload"].read())


def test_no_environment_is_shared_by_tenants(lambda_, isolated):
    tenants = ["blue", "green", "a b:c/d=e+f-g@h._", "blue", "green", "blue"]
    answers = [call(lambda_, isolated, tenant) for tenant in tenants]
    for tenant, answer in zip(tenants, answers, strict=True):
        assert answer["tenant"] == tenant
        assert set(answer["seen"]) == set(answer["tmp"]) == {tenant}
    # And a tenant's own is used again.
    assert [len(answer["seen"]) for answer in answers] == [1, 1, 1, 2, 2, 3]
    assert len({answer["stream"] for answer in answers}) == 3


def test_many_tenants_at_once(lambda_, isolated):
    tenants = [f"t{number % 6}" for number in range(24)]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda tenant: call(lambda_, isolated, tenant, {"sleep": 0.05}), tenants))
    for tenant, answer in zip(tenants, answers, strict=True):
        assert {answer["tenant"], *answer["seen"], *answer["tmp"]} == {tenant}


def test_a_tenant_is_named_where_there_are_tenants_and_nowhere_else(lambda_, isolated, probe):
    for kind in ("RequestResponse", "Event", "DryRun"):
        missing = refused(lambda_.invoke, FunctionName=isolated, InvocationType=kind)
        assert (missing.code, "enabled with tenancy configuration. Add" in missing.message) == (PARAMETER, True), missing
        surplus = refused(lambda_.invoke, FunctionName=probe, InvocationType=kind, TenantId="blue")
        assert (surplus.code, "not enabled with tenancy" in surplus.message) == (PARAMETER, True), surplus
    error = refused(lambda_.invoke_with_response_stream, FunctionName=isolated)
    assert error.code == PARAMETER
    for bad in ("", "x" * 257, "a,b"):
        assert refused(lambda_.invoke, FunctionName=isolated, TenantId=bad).status == 400, bad


def test_streams_versions_and_aliases_have_tenants(lambda_, isolated):
    version = lambda_.publish_version(FunctionName=isolated)["Version"]
    lambda_.create_alias(FunctionName=isolated, Name="live", FunctionVersion=version)
    stream = lambda_.invoke_with_response_stream(FunctionName=isolated, Qualifier="live", TenantId="blue")
    chunks = [event["PayloadChunk"]["Payload"] for event in stream["EventStream"] if "PayloadChunk" in event]
    assert json.loads(b"".join(chunks))["tenant"] == "blue"


def test_the_setting_is_shown_and_excludes_what_it_cannot_go_with(lambda_, isolated, make):
    shown = lambda_.get_function_configuration(FunctionName=isolated)
    assert shown["TenancyConfig"] == ISOLATED["TenancyConfig"]
    lambda_.update_function_configuration(FunctionName=isolated, Description="changed")
    until(
        lambda: lambda_.get_function_configuration(FunctionName=isolated)["LastUpdateStatus"] == "Successful",
        lambda: "the update",
    )
    assert lambda_.get_function_configuration(FunctionName=isolated)["TenancyConfig"] == ISOLATED["TenancyConfig"]
    version = lambda_.publish_version(FunctionName=isolated)["Version"]
    queue = "arn:aws:sqs:us-east-1:000000000000:q"
    for operation, arguments in (
        (lambda_.create_function_url_config, {"AuthType": "NONE"}),
        (lambda_.put_provisioned_concurrency_config, {"Qualifier": version, "ProvisionedConcurrentExecutions": 1}),
        (lambda_.create_event_source_mapping, {"EventSourceArn": queue}),
        (lambda_.update_function_configuration, {"SnapStart": {"ApplyOn": "PublishedVersions"}}),
    ):
        error = refused(operation, FunctionName=isolated, **arguments)
        assert (error.code, "tenancy configuration" in error.message) == (PARAMETER, True), error


def test_events_keep_their_tenant(lambda_, logs, isolated):
    lambda_.update_function_configuration(FunctionName=isolated, LoggingConfig={"LogFormat": "JSON"})
    until(
        lambda: lambda_.get_function_configuration(FunctionName=isolated)["LastUpdateStatus"] == "Successful",
        lambda: "the update",
    )
    accepted = lambda_.invoke(FunctionName=isolated, InvocationType="Event", TenantId="green", Payload="{}")
    assert accepted["StatusCode"] == 202

    def records():
        try:
            events = logs.filter_log_events(logGroupName=f"/aws/lambda/{isolated}")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return []
        return [json.loads(event["message"]) for event in events if event["message"].startswith("{")]

    until(lambda: any(record["type"] == "platform.report" for record in records() if "type" in record), records)
    platform = {record["type"]: record["record"] for record in records() if "type" in record}
    assert platform["platform.start"]["tenantId"] == platform["platform.report"]["tenantId"] == "green"
    assert "tenantId" not in platform["platform.initStart"]


def test_the_tail_of_a_tenants_log_is_theirs(lambda_, isolated):
    answer = lambda_.invoke(FunctionName=isolated, TenantId="blue", LogType="Tail")
    assert b"for blue" in base64.b64decode(answer["LogResult"])


RUBY_AND_NODE = {
    "nodejs": ("index.handler", {"index.mjs": "export const handler = async (event, context) => context.tenantId;"}),
    "ruby": ("f.handler", {"f.rb": "def handler(event:, context:)\n  context.tenant_id\nend\n"}),
}


@pytest.mark.parametrize("language", RUBY_AND_NODE)
def test_every_client_knows_the_tenant(lambda_, make, runtimes, language):
    runtime = max((name for name in runtimes if name.startswith(language)), default=None)
    if runtime is None:
        pytest.skip(f"this host has no {language}")
    handler, files = RUBY_AND_NODE[language]
    name = make.create("tenant", zip_file=pack(files), Handler=handler, Runtime=runtime, **ISOLATED)
    assert call(lambda_, name, "blue") == "blue"
