"""A function's life, from its creation to its end, as boto3 sees it."""

import base64
import hashlib
import re
import threading
import urllib.error
import urllib.request

import pytest

from support import functions
from support.errors import refused
from support.functions import ROLE, arn, probe_zip, unique, until_active
from support.streams import messages
from support.wait import until

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def test_creation_answers_pending_with_every_default(lambda_, make, python):
    package, name = probe_zip(), unique("created")
    make.names.append((lambda_, name))
    created = lambda_.create_function(
        FunctionName=name,
        Runtime=python,
        Role=ROLE,
        Handler="lambda_function.lambda_handler",
        Code={"ZipFile": package},
    )
    answer = created.pop("ResponseMetadata")
    assert answer["HTTPStatusCode"] == 201
    assert UUID.fullmatch(created.pop("RevisionId"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000", created.pop("LastModified"))
    runtime_version = created.pop("RuntimeVersionConfig")["RuntimeVersionArn"]
    assert re.fullmatch(r"arn:aws:lambda:us-east-1::runtime:[0-9a-f]{64}", runtime_version)
    assert created == {
        "FunctionName": name,
        "FunctionArn": arn(name),
        "Runtime": python,
        "Role": ROLE,
        "Handler": "lambda_function.lambda_handler",
        "CodeSize": len(package),
        "CodeSha256": base64.b64encode(hashlib.sha256(package).digest()).decode(),
        "Description": "",
        "Timeout": 3,
        "MemorySize": 128,
        "Version": "$LATEST",
        "TracingConfig": {"Mode": "PassThrough"},
        "State": "Pending",
        "StateReason": "The function is being created.",
        "StateReasonCode": "Creating",
        "PackageType": "Zip",
        "Architectures": ["x86_64"],
        "EphemeralStorage": {"Size": 512},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{name}"},
    }


def test_waiters_see_creation_and_updates_end(lambda_, make):
    name = make.create("waited", active=False)
    lambda_.get_waiter("function_exists").wait(FunctionName=name)
    lambda_.get_waiter("function_active_v2").wait(FunctionName=name)
    active = lambda_.get_function_configuration(FunctionName=name)
    assert (active["State"], active["LastUpdateStatus"]) == ("Active", "Successful")
    assert not {"StateReason", "StateReasonCode"} & active.keys()
    changed = lambda_.update_function_configuration(FunctionName=name, MemorySize=256)
    assert (changed["State"], changed["LastUpdateStatus"]) == ("Active", "InProgress")
    lambda_.get_waiter("function_updated_v2").wait(FunctionName=name)
    settled = lambda_.get_function_configuration(FunctionName=name)
    assert (settled["MemorySize"], settled["LastUpdateStatus"]) == (256, "Successful")
    revisions = {active["RevisionId"], changed["RevisionId"], settled["RevisionId"]}
    assert len(revisions) == 3, "each change and its completion is a revision of its own"


def test_an_invocation_has_one_id_in_header_tail_and_log(invoke, make, logs):
    name = make.create("tailed")
    first = invoke(name, {"do": "identity"}, tail=True)
    assert (first.status, first.error, first.version) == (200, None, "$LATEST")
    seen, tail = first.ok, first.log.splitlines()
    assert seen["request_id"] == first.request_id and seen["arn"] == arn(name)
    assert (seen["name"], seen["version"], int(seen["memory"])) == (name, "$LATEST", 128)
    assert 0 < seen["remaining_ms"] <= 20_000
    assert tail[-3:-1] == [
        f"START RequestId: {first.request_id} Version: $LATEST",
        f"END RequestId: {first.request_id}",
    ]
    assert first.report.keys() == {
        "REPORT RequestId",
        "Duration",
        "Billed Duration",
        "Memory Size",
        "Max Memory Used",
        "Init Duration",
    }
    assert first.report["Memory Size"] == "128 MB"
    duration, init = (float(first.report[key].split()[0]) for key in ("Duration", "Init Duration"))
    billed = int(first.report["Billed Duration"].split()[0])
    assert abs(billed - (duration + init)) <= 1.01
    second = invoke(name, {"do": "identity"}, tail=True)
    assert second.ok["environment"] == seen["environment"] and second.ok["count"] == 2
    assert "Init Duration" not in second.report, "initialisation is reported once"
    assert second.request_id != first.request_id

    def events():
        streams = logs.describe_log_streams(logGroupName=seen["group"])["logStreams"]
        assert [stream["logStreamName"] for stream in streams] == [seen["stream"]]
        found = logs.get_log_events(logGroupName=seen["group"], logStreamName=seen["stream"], startFromHead=True)
        messages = [event["message"].rstrip("\n") for event in found["events"]]
        return len([message for message in messages if message.startswith("REPORT ")]) == 2 and messages

    messages = until(events, "both invocations to be in the log")
    assert seen["group"] == f"/aws/lambda/{name}"
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", seen["stream"])
    assert messages[0].startswith("INIT_START Runtime Version: ")
    kinds = [
        message.split(" ")[0]
        for message in messages
        if message.split(" ")[0] in {"INIT_START", "START", "END", "REPORT"}
    ]
    assert kinds == ["INIT_START", "START", "END", "REPORT", "START", "END", "REPORT"]
    assert messages[1:4] == tail[-3:]


def test_payloads_pass_byte_for_byte(invoke, lambda_, probe):
    for value in [None, 1, "text", [1, 2.5], {"a": {"b": "ü\u2028"}}]:
        assert invoke(probe, {"do": "echo", "value": value}).ok == value
    assert invoke(probe, b'"just text"').ok == "just text"
    assert invoke(probe, b"17").ok == 17
    # An empty body reaches the function as `{}`.
    assert lambda_.invoke(FunctionName=probe)["Payload"].read().startswith(b'{"environment"')
    # Six megabytes and a hundred bytes are the most that a function may return, with the quotes around them.
    largest = invoke(probe, {"do": "big", "size": 6_291_556 - 2})
    assert largest.error is None and len(largest.payload) == 6_291_556


def test_client_context_and_qualifier_reach_the_function(invoke, probe, lambda_):
    context = base64.b64encode(b'{"custom": {"a": "1"}, "env": {"b": "2"}}').decode()
    assert invoke(probe, ClientContext=context).ok["client_context"] == {"a": "1"}
    assert invoke(probe, Qualifier="$LATEST").ok["arn"] == arn(probe, "$LATEST")
    for name in (arn(probe), arn(probe, "$LATEST"), f"000000000000:function:{probe}", f"function:{probe}"):
        assert invoke(name).ok["name"] == probe
    dry = lambda_.invoke(FunctionName=probe, InvocationType="DryRun")
    assert dry["StatusCode"] == 204 and dry["Payload"].read() == b""


def test_code_is_replaced_while_an_invocation_finishes_on_the_old(clients, lambda_, invoke, make, logs):
    name = make.create("replaced", zip_file=probe_zip("old"))
    assert invoke(name).ok["marker"] == "old"
    running = {}

    def run_slowly():
        event = {"do": "sleep", "seconds": 3, "print": "begun"}
        running["answer"] = functions.invoke(clients.boto("lambda"), name, event)

    thread = threading.Thread(target=run_slowly)
    thread.start()
    until(lambda: "begun" in messages(logs, name), "the slow invocation to begin")
    package = probe_zip("new")
    updated = lambda_.update_function_code(FunctionName=name, ZipFile=package)
    assert updated["CodeSha256"] == base64.b64encode(hashlib.sha256(package).digest()).decode()
    assert updated["LastUpdateStatus"] == "InProgress"
    until_active(lambda_, name)
    assert invoke(name).ok["marker"] == "new"
    thread.join()
    assert running["answer"].ok["marker"] == "old"


def test_configuration_is_merged_and_reaches_the_function(lambda_, invoke, make):
    name = make.create(
        "configured", Environment={"Variables": {"FIRST": "1", "SECOND": "2"}}, Timeout=5, Description="first"
    )
    before = invoke(name, {"do": "environment"}).ok["now"]
    assert (before["FIRST"], before["SECOND"], before["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]) == ("1", "2", "128")
    changed = lambda_.update_function_configuration(
        FunctionName=name, Environment={"Variables": {"THIRD": "3"}}, MemorySize=192, Timeout=7
    )
    assert changed["Environment"] == {"Variables": {"THIRD": "3"}}
    assert (changed["Description"], changed["Timeout"], changed["MemorySize"]) == ("first", 7, 192)
    until_active(lambda_, name)
    after = invoke(name, {"do": "environment"}).ok["now"]
    assert "FIRST" not in after and after["THIRD"] == "3" and after["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "192"
    assert 5_000 < invoke(name).ok["remaining_ms"] <= 7_000
    cleared = lambda_.update_function_configuration(FunctionName=name, Environment={})
    assert "Environment" not in cleared
    until_active(lambda_, name)
    assert "THIRD" not in invoke(name, {"do": "environment"}).ok["now"]


def test_revision_guards_and_dry_run_change_nothing(lambda_, make):
    name = make.create("guarded")
    before = lambda_.get_function_configuration(FunctionName=name)
    stale = "00000000-0000-4000-8000-000000000000"
    for call, change in [
        (lambda_.update_function_code, {"ZipFile": probe_zip("other")}),
        (lambda_.update_function_configuration, {"MemorySize": 512}),
    ]:
        error = refused(call, FunctionName=name, RevisionId=stale, **change)
        assert (error.code, error.status) == ("PreconditionFailedException", 412)
        assert error.message.startswith("The Revision Id provided does not match the latest Revision Id.")
    package = probe_zip("dry")
    dry = lambda_.update_function_code(FunctionName=name, ZipFile=package, DryRun=True, RevisionId=before["RevisionId"])
    assert dry["CodeSha256"] == base64.b64encode(hashlib.sha256(package).digest()).decode()
    after = lambda_.get_function_configuration(FunctionName=name)
    assert (after["CodeSha256"], after["RevisionId"]) == (before["CodeSha256"], before["RevisionId"])
    lambda_.update_function_configuration(FunctionName=name, Description="x", RevisionId=after["RevisionId"])


def test_tags_come_and_go(lambda_, make):
    name = make.create("tagged", Tags={"a": "1"})
    lambda_.tag_resource(Resource=arn(name), Tags={"a": "2", "b": "3"})
    assert lambda_.get_function(FunctionName=name)["Tags"] == {"a": "2", "b": "3"}
    lambda_.untag_resource(Resource=arn(name), TagKeys=["a", "unknown"])
    assert lambda_.list_tags(Resource=arn(name))["Tags"] == {"b": "3"}
    lambda_.untag_resource(Resource=arn(name), TagKeys=["b"])
    assert lambda_.list_tags(Resource=arn(name))["Tags"] == {}
    assert "Tags" not in lambda_.get_function(FunctionName=name)


def test_the_package_can_be_downloaded_by_its_link_alone(lambda_, make):
    package = probe_zip("download")
    name = make.create("downloaded", zip_file=package)
    code = lambda_.get_function(FunctionName=name)["Code"]
    assert code["RepositoryType"] == "S3"
    with urllib.request.urlopen(code["Location"]) as answer:
        assert answer.read() == package
    link = code["Location"]
    digits = [match.start() for match in re.finditer(r"[0-9a-f]", link.split("?")[1])]
    offset = len(link.split("?")[0]) + 1
    tampered = set()
    for position in (digits[0], digits[len(digits) // 2], digits[-1]):
        at = offset + position
        tampered.add(link[:at] + ("0" if link[at] != "0" else "1") + link[at + 1 :])
    tampered |= {link.split("?")[0], link.replace("/_lambent/", "/_lambent/../")}
    for wrong in tampered:
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(wrong)
        assert caught.value.code in (403, 404), wrong
        assert package not in caught.value.read()


def test_functions_are_listed_in_pages(clients, make):
    # A world of its own, so that its functions are all there are.
    client = clients.boto("lambda", key="111122223333")
    package = probe_zip("listed")
    names = sorted(f"listed-{number:02}" for number in range(60))
    for name in names:
        make.create(FunctionName=name, zip_file=package, client=client, active=False)
    first = client.list_functions()
    assert len(first["Functions"]) == 50 and first["NextMarker"]
    assert len(client.list_functions(MaxItems=10_000)["Functions"]) == 50, "a page has at most 50"
    rest = client.list_functions(Marker=first["NextMarker"])
    assert len(rest["Functions"]) == 10 and "NextMarker" not in rest
    pages = list(client.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 7}))
    assert [len(page["Functions"]) for page in pages] == [7] * 8 + [4]
    listed = [function for page in pages for function in page["Functions"]]
    assert sorted(function["FunctionName"] for function in listed) == names
    for function in listed:
        assert (
            not {"State", "StateReason", "StateReasonCode", "LastUpdateStatus", "RuntimeVersionConfig"}
            & function.keys()
        )
        assert function["FunctionArn"] == f"arn:aws:lambda:us-east-1:111122223333:function:{function['FunctionName']}"
    assert refused(client.list_functions, Marker="not a marker").code == "InvalidParameterValueException"


def test_a_deleted_function_is_gone_from_every_call(lambda_, make, invoke):
    name = make.create("deleted")
    invoke(name).ok
    answer = lambda_.delete_function(FunctionName=name)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    for call in (lambda_.get_function, lambda_.get_function_configuration, lambda_.delete_function):
        error = refused(call, FunctionName=name)
        assert (error.code, error.status) == ("ResourceNotFoundException", 404)
        assert error.message == f"Function not found: {arn(name)}"
        assert error.response["Type"] == "User"
    for call in (lambda_.update_function_code, lambda_.update_function_configuration):
        change = {"ZipFile": probe_zip()} if call == lambda_.update_function_code else {"MemorySize": 256}
        assert refused(call, FunctionName=name, **change).message == f"Function not found: {arn(name)}"
    error = refused(lambda_.invoke, FunctionName=name)
    assert error.message == f"Function not found: {arn(name)}:$LATEST"


def test_a_name_is_taken_once(lambda_, make, python):
    name = make.create("taken")
    error = refused(
        lambda_.create_function,
        FunctionName=name,
        Runtime=python,
        Role=ROLE,
        Handler="a.b",
        Code={"ZipFile": probe_zip()},
    )
    assert (error.code, error.status) == ("ResourceConflictException", 409)
    assert error.message == f"Function already exist: {name}"
