"""Event source mappings as a resource (API Reference: CreateEventSourceMapping; Lambda Developer Guide: "How Lambda processes
records from stream and queue-based event sources"). What queues' mappings do is tried in `test_mappings_sqs`; from other
sources nothing is polled yet, and their mappings say so."""

import concurrent.futures
import datetime
import json
import uuid

import pytest

from support.clients import ACCOUNT, REGION
from support.errors import refused
from support.functions import arn, unique
from support.wait import until

PARAMETER, CONFLICT = "InvalidParameterValueException", "ResourceConflictException"


def rests(client, identity, state):
    """Waits for what was begun to be done."""
    told = lambda: client.get_event_source_mapping(UUID=identity)["State"]  # noqa: E731
    until(lambda: told() == state, lambda: f"{state}, it is {told()}", 60)


def is_gone(client, identity):
    """Waits for the refusal of a mapping that is being deleted."""

    def gone():
        try:
            assert client.get_event_source_mapping(UUID=identity)["State"] == "Deleting"
        except client.exceptions.ResourceNotFoundException:
            return refused(client.get_event_source_mapping, UUID=identity)
        return None

    return until(gone, f"{identity} to be gone", 60)


def source(service, resource):
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


def queue():
    return source("sqs", unique("queue"))


@pytest.fixture
def sqs(clients):
    return clients.sqs()


def there(sqs, arn):
    """A queue of this ARN."""
    sqs.create_queue(QueueName=arn.rsplit(":", 1)[1])
    return arn


def stream():
    return source("kinesis", f"stream/{unique('stream')}")


def table():
    return source("dynamodb", "table/t/stream/2026-01-01T00:00:00.000")


ALWAYS = {
    "UUID", "BatchSize", "FunctionArn", "LastModified", "State", "StateTransitionReason", "EventSourceMappingArn",
    "EventSourceArn",
}
OF_QUEUES = {"MaximumBatchingWindowInSeconds", "FunctionResponseTypes"}
OF_STREAMS = OF_QUEUES | {
    "BisectBatchOnFunctionError", "DestinationConfig", "LastProcessingResult", "MaximumRecordAgeInSeconds",
    "MaximumRetryAttempts", "ParallelizationFactor", "StartingPosition", "TumblingWindowInSeconds",
}
BASIC = [{"Type": "BASIC_AUTH", "URI": source("secretsmanager", "secret:s")}]
KINDS = {
    "queue": (lambda: {"EventSourceArn": queue()}, OF_QUEUES, {"BatchSize": 10, "FunctionResponseTypes": []}),
    "stream": (
        lambda: {"EventSourceArn": stream(), "StartingPosition": "TRIM_HORIZON"},
        OF_STREAMS,
        {"BatchSize": 100, "MaximumRetryAttempts": -1, "DestinationConfig": {"OnFailure": {}}, "ParallelizationFactor": 1},
    ),
    "table": (
        lambda: {"EventSourceArn": table(), "StartingPosition": "LATEST", "Enabled": False},
        OF_STREAMS,
        {"BatchSize": 100, "MaximumRecordAgeInSeconds": -1, "BisectBatchOnFunctionError": False},
    ),
    "kafka": (
        lambda: {"EventSourceArn": source("kafka", "cluster/c/u"), "Topics": ["topic"], "StartingPosition": "LATEST"},
        {"LastProcessingResult", "StartingPosition", "Topics", "AmazonManagedKafkaEventSourceConfig"},
        {"BatchSize": 100, "Topics": ["topic"]},
    ),
    "broker": (
        lambda: {"EventSourceArn": source("mq", "broker:b:i"), "Queues": ["q"], "SourceAccessConfigurations": BASIC},
        {"LastProcessingResult", "Queues", "SourceAccessConfigurations"},
        {"BatchSize": 100, "Queues": ["q"]},
    ),
    "documents": (
        lambda: {
            "EventSourceArn": source("rds", "cluster:c"),
            "StartingPosition": "LATEST",
            "DocumentDBEventSourceConfig": {"DatabaseName": "d"},
        },
        {"LastProcessingResult", "StartingPosition", "DocumentDBEventSourceConfig"},
        {"BatchSize": 100, "DocumentDBEventSourceConfig": {"DatabaseName": "d", "FullDocument": "Default"}},
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_defaults_and_members_are_those_of_the_source(lambda_, sqs, probe, kind):
    parameters, members, values = KINDS[kind]
    parameters = parameters()
    if kind == "queue":
        there(sqs, parameters["EventSourceArn"])
    made = lambda_.create_event_source_mapping(FunctionName=probe, **parameters)
    try:
        assert made["ResponseMetadata"]["HTTPStatusCode"] == 202
        assert set(made) - {"ResponseMetadata"} == ALWAYS | members
        assert {name: made[name] for name in values} == values
        assert (made["State"], made["FunctionArn"]) == ("Creating", arn(probe))
        assert made["EventSourceMappingArn"].endswith(f":event-source-mapping:{made['UUID']}")
        assert isinstance(made["LastModified"], datetime.datetime)
        assert ("does not poll" in made["StateTransitionReason"]) == (kind != "queue")
        rests(lambda_, made["UUID"], "Disabled" if parameters.get("Enabled") is False else "Enabled")
    finally:
        deleted = lambda_.delete_event_source_mapping(UUID=made["UUID"])
    assert (deleted["ResponseMetadata"]["HTTPStatusCode"], deleted["State"]) == (202, "Deleting")
    gone = is_gone(lambda_, made["UUID"])
    assert (gone.status, gone.message) == (404, "The resource you requested does not exist.")


REFUSED = {
    "no function": ({"FunctionName": "no-such-function", "EventSourceArn": queue()}, "Function does not exist"),
    "no source": ({}, "Unrecognized event source."),
    "another service": ({"EventSourceArn": source("s3", "bucket")}, "Unrecognized event source."),
    "position of a table": (
        {"EventSourceArn": table(), "StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": 1},
        f"Unsupported starting position for arn type: {table()}",
    ),
    "no position": (
        {"EventSourceArn": stream()},
        "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be "
        "null.",
    ),
    "destination of a queue": (
        {"EventSourceArn": queue(), "DestinationConfig": {"OnFailure": {"Destination": queue()}}},
        "Unsupported DestinationConfig parameter for given event source mapping type.",
    ),
    "success": (
        {
            "EventSourceArn": stream(),
            "StartingPosition": "LATEST",
            "DestinationConfig": {"OnSuccess": {"Destination": queue()}},
        },
        "Unsupported DestinationConfig parameter for given event source mapping type.",
    ),
    "filter": (
        {"EventSourceArn": queue(), "FilterCriteria": {"Filters": [{"Pattern": "{"}]}},
        "Invalid filter pattern definition.",
    ),
    "pollers in a group": (
        {"EventSourceArn": queue(), "ProvisionedPollerConfig": {"MinimumPollers": 2, "PollerGroupName": "g"}},
        "Unsupported ProvisionedPollerConfig.PollerGroupName parameter for given event source mapping type.",
    ),
    "log of a queue": (
        {"EventSourceArn": queue(), "LoggingConfig": {"SystemLogLevel": "DEBUG"}},
        "Unsupported LoggingConfig parameter for given event source mapping type.",
    ),
    "batch without a window": (
        {"EventSourceArn": queue(), "BatchSize": 11},
        "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
    ),
    "self-managed without access": (
        {
            "SelfManagedEventSource": {"Endpoints": {"KAFKA_BOOTSTRAP_SERVERS": ["kafka:1000"]}},
            "Topics": ["topic"],
            "StartingPosition": "LATEST",
        },
        "Required 'sourceAccessConfigurations' parameter is missing.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_are_awss(lambda_, probe, case):
    parameters, message = REFUSED[case]
    refusal = refused(lambda_.create_event_source_mapping, **{"FunctionName": probe, **parameters})
    assert (refusal.status, refusal.code, refusal.message) == (400, PARAMETER, message)


def test_a_queue_has_to_be_there_and_to_hide_its_messages_for_long_enough(lambda_, sqs, make):
    name = make.create("mapped", Timeout=31)
    refusal = refused(lambda_.create_event_source_mapping, FunctionName=name, EventSourceArn=queue())
    assert (refusal.code, refusal.message) == (
        PARAMETER,
        "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: "
        "The specified queue does not exist.",
    )
    where = there(sqs, queue())
    refusal = refused(lambda_.create_event_source_mapping, FunctionName=name, EventSourceArn=where)
    assert (refusal.code, refusal.message) == (
        PARAMETER, "Queue visibility timeout: 30 seconds is less than Function timeout: 31 seconds"
    )
    assert lambda_.list_event_source_mappings(FunctionName=name)["EventSourceMappings"] == []


def test_the_role_has_to_be_allowed_to_poll(lambda_, clients, sqs, make):
    iam, role = clients.boto("iam"), unique("role")
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
    document = lambda *statements: json.dumps({"Version": "2012-10-17", "Statement": statements})  # noqa: E731
    where = there(sqs, queue())
    arn_of_role = iam.create_role(RoleName=role, AssumeRolePolicyDocument=document(trust))["Role"]["Arn"]
    name = make.create("mapped", Role=arn_of_role)
    for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes"):
        refusal = refused(lambda_.create_event_source_mapping, FunctionName=name, EventSourceArn=where)
        assert (refusal.code, refusal.message) == (
            PARAMETER, f"The function execution role does not have permissions to call {action} on SQS"
        )
        allow = {"Effect": "Allow", "Action": f"sqs:{action}", "Resource": where}
        iam.put_role_policy(RoleName=role, PolicyName=action, PolicyDocument=document(allow))
    made = lambda_.create_event_source_mapping(FunctionName=name, EventSourceArn=where)["UUID"]
    rests(lambda_, made, "Enabled")
    lambda_.delete_event_source_mapping(UUID=made)


def test_a_mapping_changes_and_keeps_what_is_not_named(lambda_, sqs, make):
    name, where = make.create("mapped"), there(sqs, queue())
    lambda_.publish_version(FunctionName=name)
    lambda_.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    pattern = '{"body":{"kind":["a"]}}'
    made = lambda_.create_event_source_mapping(
        FunctionName=f"{name}:live",
        EventSourceArn=where,
        BatchSize=100,
        MaximumBatchingWindowInSeconds=5,
        FilterCriteria={"Filters": [{"Pattern": pattern}]},
        ScalingConfig={"MaximumConcurrency": 2},
        FunctionResponseTypes=["ReportBatchItemFailures"],
        Tags={"k": "v"},
    )
    identity = made["UUID"]
    rests(lambda_, identity, "Enabled")
    assert made["FunctionArn"] == arn(name, "live")
    assert made["FilterCriteria"] == {"Filters": [{"Pattern": pattern}]}
    updated = lambda_.update_event_source_mapping(UUID=identity, Enabled=False, FilterCriteria={"Filters": []})
    assert (updated["ResponseMetadata"]["HTTPStatusCode"], updated["State"]) == (202, "Disabling")
    assert "FilterCriteria" not in updated and updated["BatchSize"] == 100
    rests(lambda_, identity, "Disabled")
    assert lambda_.update_event_source_mapping(UUID=identity, Enabled=True)["State"] == "Enabling"
    rests(lambda_, identity, "Enabled")
    assert lambda_.update_event_source_mapping(UUID=identity, FunctionName=name)["FunctionArn"] == arn(name)
    rests(lambda_, identity, "Enabled")
    refusal = refused(lambda_.update_event_source_mapping, UUID=identity, BisectBatchOnFunctionError=True)
    assert (refusal.status, refusal.code) == (400, PARAMETER)

    resource = made["EventSourceMappingArn"]
    lambda_.tag_resource(Resource=resource, Tags={"l": "w"})
    lambda_.untag_resource(Resource=resource, TagKeys=["k"])
    assert lambda_.list_tags(Resource=resource)["Tags"] == {"l": "w"}

    # Mappings outlive their function.
    lambda_.delete_function(FunctionName=name)
    assert lambda_.get_event_source_mapping(UUID=identity)["FunctionArn"] == arn(name)
    lambda_.delete_event_source_mapping(UUID=identity)
    is_gone(lambda_, identity)
    for call in (lambda_.delete_event_source_mapping, lambda_.update_event_source_mapping):
        assert refused(call, UUID=identity).status == 404
    assert refused(lambda_.get_event_source_mapping, UUID=str(uuid.uuid4())).status == 404


def test_lists_are_by_function_and_source(lambda_, sqs, make):
    one, two, where = make.create("mapped"), make.create("mapped"), there(sqs, queue())
    made = [
        lambda_.create_event_source_mapping(FunctionName=name, EventSourceArn=at)["UUID"]
        for name, at in ((one, where), (two, where), (one, there(sqs, queue())))
    ]

    def listed(**filters):
        pages = lambda_.get_paginator("list_event_source_mappings").paginate(
            PaginationConfig={"PageSize": 1}, **filters
        )
        return sorted(mapping["UUID"] for page in pages for mapping in page["EventSourceMappings"])

    assert listed(FunctionName=one) == sorted([made[0], made[2]])
    assert listed(EventSourceArn=where) == sorted(made[:2])
    assert listed(FunctionName=arn(two), EventSourceArn=where) == [made[1]]
    assert set(made) <= set(listed())
    for identity in made:
        rests(lambda_, identity, "Enabled")
        lambda_.delete_event_source_mapping(UUID=identity)
        is_gone(lambda_, identity)
    assert listed(FunctionName=one) == []


def test_of_many_that_map_the_same_one_succeeds(lambda_, sqs, probe):
    where = there(sqs, queue())

    def create(_):
        try:
            return lambda_.create_event_source_mapping(FunctionName=probe, EventSourceArn=where)["UUID"]
        except lambda_.exceptions.ResourceConflictException as error:
            return error.response["Error"]["Message"]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(create, range(8)))
    (made,) = [answer for answer in answers if " " not in answer]
    assert {answer for answer in answers if answer != made} == {
        f'An event source mapping with SQS arn (" {where} ") and function (" {probe} ") already exists. Please update or '
        f"delete the existing mapping with UUID {made}"
    }
    rests(lambda_, made, "Enabled")
    lambda_.delete_event_source_mapping(UUID=made)
    is_gone(lambda_, made)
    again = lambda_.create_event_source_mapping(FunctionName=probe, EventSourceArn=where)["UUID"]
    rests(lambda_, again, "Enabled")
    lambda_.delete_event_source_mapping(UUID=again)
