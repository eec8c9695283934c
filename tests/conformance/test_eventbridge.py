"""EventBridge: rules, targets, schedules, archives (EventBridge User Guide), by boto3 and the AWS CLI."""

import datetime
import json

import pytest

from support import packages
from support.clients import ACCOUNT, REGION, Cli, Clients
from support.errors import refused
from support.functions import ROLE, unique, until_active
from support.server import Server
from support.streams import messages
from support.wait import until

TELLER = """
import json

def lambda_handler(event, context):
    print("TOLD " + json.dumps(event))
"""

# A minute of waiting is 0.3 s.
SCALE = 0.005
DEFAULT = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default"


@pytest.fixture(scope="module")
def server():
    server = Server()
    (server.home / "lambent.toml").write_text(f"event_time_scale = {SCALE}\n")
    yield server.start()
    server.remove()


@pytest.fixture(scope="module")
def clients(server):
    return Clients(server)


@pytest.fixture(scope="module")
def lambda_(clients):
    return clients.boto("lambda")


@pytest.fixture(scope="module")
def logs(clients):
    return clients.boto("logs")


@pytest.fixture(scope="module")
def events(clients):
    return clients.boto("events")


@pytest.fixture(scope="module")
def python(server):
    return server.python()


@pytest.fixture
def teller(make):
    return make.create("teller", packages.pack({"lambda_function.py": TELLER}))


def told(logs, name):
    return [json.loads(line[5:]) for line in messages(logs, name) if line.startswith("TOLD ")]


def arn(lambda_, name):
    return lambda_.get_function_configuration(FunctionName=name)["FunctionArn"]


def permit(lambda_, name, rule_arn):
    lambda_.add_permission(
        FunctionName=name,
        StatementId=unique("s"),
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=rule_arn,
    )


def entry(source, detail, **more):
    return {"Source": source, "DetailType": "Order", "Detail": json.dumps(detail), **more}


@pytest.fixture
def rule(events):
    """Makes rules, and takes them away again."""
    made = []

    def make(bus="default", targets=(), **settings):
        name = unique("rule")
        answer = events.put_rule(Name=name, EventBusName=bus, **settings)
        made.append((name, bus))
        if targets:
            assert events.put_targets(Rule=name, EventBusName=bus, Targets=targets)["FailedEntryCount"] == 0
        return name, answer["RuleArn"]

    yield make
    for name, bus in made:
        targets = events.list_targets_by_rule(Rule=name, EventBusName=bus)["Targets"]
        if targets:
            events.remove_targets(Rule=name, EventBusName=bus, Ids=[target["Id"] for target in targets])
        events.delete_rule(Name=name, EventBusName=bus)


def test_an_event_reaches_the_function_that_permits_its_rule(events, lambda_, logs, teller, rule):
    source = unique("shop")
    pattern = json.dumps({"source": [source], "detail": {"state": [{"prefix": "pa"}]}})
    target = {"Id": "1", "Arn": arn(lambda_, teller)}
    _, rule_arn = rule(EventPattern=pattern, targets=[target])
    # A rule without a permission: what it sends is refused.
    rule(EventPattern=pattern, targets=[{**target, "Input": '{"without": "permission"}'}])
    permit(lambda_, teller, rule_arn)
    answer = events.put_events(
        Entries=[entry(source, {"state": "paid", "n": 1.50}, Resources=["r"]), entry(source, {"state": "open"})]
    )
    assert answer["FailedEntryCount"] == 0
    until(lambda: told(logs, teller), "the function to have the event")
    (event,) = told(logs, teller)
    assert event.pop("time").endswith("Z")
    assert event == {
        "version": "0",
        "id": answer["Entries"][0]["EventId"],
        "detail-type": "Order",
        "source": source,
        "account": ACCOUNT,
        "region": REGION,
        "resources": ["r"],
        "detail": {"state": "paid", "n": 1.5},
    }


def test_a_template_is_filled_in_and_a_bus_forwards(events, lambda_, logs, teller, rule):
    source, bus = unique("shop"), unique("bus")
    events.create_event_bus(Name=bus)
    bus_arn = events.describe_event_bus(Name=bus)["Arn"]
    pattern = json.dumps({"source": [source]})
    rule(EventPattern=pattern, targets=[{"Id": "1", "Arn": bus_arn}])
    transformer = {
        "InputPathsMap": {"n": "$.detail.n", "type": "$.detail-type"},
        "InputTemplate": '{"n": <n>, "text": "<type> by <aws.events.rule-name>", "id": <aws.events.event.json>}',
    }
    target = {"Id": "1", "Arn": arn(lambda_, teller), "InputTransformer": transformer}
    name, rule_arn = rule(bus=bus, EventPattern=pattern, targets=[target])
    permit(lambda_, teller, rule_arn)
    events.put_events(Entries=[entry(source, {"n": 7})])
    until(lambda: told(logs, teller), "the function to have the event")
    (event,) = told(logs, teller)
    assert (event["n"], event["text"]) == (7, f"Order by {name}")
    assert event["id"]["source"] == source
    assert rule_arn == f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{bus}/{name}"
    refusal = refused(events.delete_event_bus, Name=bus)
    assert (refusal.code, refusal.message) == ("ValidationException", "Event bus can't be deleted since it has rules.")


def test_what_is_not_permitted_goes_to_the_dead_letter_queue(events, lambda_, clients, teller, rule):
    sqs = clients.boto("sqs")
    url = sqs.create_queue(QueueName=unique("dead"))["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    source = unique("shop")
    target = {"Id": "1", "Arn": arn(lambda_, teller), "DeadLetterConfig": {"Arn": queue}}
    _, rule_arn = rule(EventPattern=json.dumps({"source": [source]}), targets=[target])
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": queue,
                "Condition": {"ArnEquals": {"aws:SourceArn": rule_arn}},
            }
        ],
    }
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    events.put_events(Entries=[entry(source, {})])
    answer = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20, MessageAttributeNames=["All"])
    (message,) = answer["Messages"]
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert (attributes["RULE_ARN"], attributes["TARGET_ARN"]) == (rule_arn, target["Arn"])
    assert attributes["ERROR_CODE"] == "NO_PERMISSIONS" and attributes["ERROR_MESSAGE"]
    assert json.loads(message["Body"])["source"] == source


def queue_for_rules(sqs):
    """A queue that takes dead letters of every rule; its URL and its ARN."""
    url = sqs.create_queue(QueueName=unique("dead"))["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue,
        # A star alone is any ARN.
        "Condition": {"ArnLike": {"aws:SourceArn": "*"}},
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    return url, queue


def dead_letter(sqs, url):
    """The next message, as its body and its attributes' texts."""
    answer = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20, MessageAttributeNames=["All"])
    (message,) = answer["Messages"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    return json.loads(message["Body"]), attributes


def test_a_log_group_takes_events_once_its_account_permits_that(events, logs, clients, rule):
    sqs = clients.boto("sqs")
    url, dead = queue_for_rules(sqs)
    group, source = f"/aws/events/{unique('group')}", unique("shop")
    group_arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}"
    letters = {"DeadLetterConfig": {"Arn": dead}}
    transformer = {
        "InputPathsMap": {"at": "$.time", "n": "$.detail.n"},
        "InputTemplate": '{"timestamp": <at>, "message": "n is <n>"}',
    }
    targets = [
        {"Id": "whole", "Arn": group_arn, **letters},
        {"Id": "made", "Arn": group_arn, "InputTransformer": transformer, **letters},
    ]
    pattern = json.dumps({"source": [source]})
    name, rule_arn = rule(EventPattern=pattern, targets=targets)

    def refused_with(code):
        events.put_events(Entries=[entry(source, {"n": 1})])
        for _ in targets:
            body, attributes = dead_letter(sqs, url)
            assert attributes["ERROR_CODE"] == code, attributes
            assert (attributes["RULE_ARN"], attributes["TARGET_ARN"]) == (rule_arn, group_arn)
            assert body["detail"] == {"n": 1}

    refused_with("NO_PERMISSIONS")
    # As the guide has it, with a statement of its own for the streams.
    services = {"Service": ["events.amazonaws.com", "delivery.logs.amazonaws.com"]}
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": services,
                "Action": "logs:CreateLogStream",
                "Resource": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/events/*:*",
            },
            {
                "Effect": "Allow",
                "Principal": services,
                "Action": "logs:PutLogEvents",
                "Resource": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/events/*:*:*",
                "Condition": {"ArnEquals": {"aws:SourceArn": rule_arn}},
            },
        ],
    }
    policy_name = unique("policy")
    logs.put_resource_policy(policyName=policy_name, policyDocument=json.dumps(policy))
    refused_with("NO_RESOURCE")
    logs.create_log_group(logGroupName=group)
    answer = events.put_events(Entries=[entry(source, {"n": 2})])

    def written():
        return logs.filter_log_events(logGroupName=group)["events"]

    until(lambda: len(written()) == 2, "both targets to be written")
    plain = [event for event in written() if event["message"] == "n is 2"]
    (whole,) = [json.loads(event["message"]) for event in written() if event not in plain]
    assert (whole["id"], whole["detail"]) == (answer["Entries"][0]["EventId"], {"n": 2})
    at = datetime.datetime.fromisoformat(whole["time"]).timestamp() * 1000
    assert [event["timestamp"] for event in written()] == [at, at]
    # What the log service does not take is no loss either.
    old = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=20)
    events.put_events(Entries=[entry(source, {"n": 3}, Time=old)])
    assert {dead_letter(sqs, url)[0]["detail"]["n"] for _ in targets} == {3}
    # A policy that is gone counts for the very next event.
    logs.delete_resource_policy(policyName=policy_name)
    refused_with("NO_PERMISSIONS")
    assert len(written()) == 2
    refusal = refused(events.put_targets, Rule=name, Targets=[{"Id": "1", "Arn": group_arn, "Input": "{}"}])
    assert (refusal.code, "InputTransformer" in refusal.message) == ("ValidationException", True)


def test_what_a_role_may_counts_from_one_event_to_the_next(events, clients, rule):
    sqs, iam = clients.boto("sqs"), clients.boto("iam")
    url, dead = queue_for_rules(sqs)
    wanted = sqs.create_queue(QueueName=unique("wanted"))["QueueUrl"]
    wanted_arn = sqs.get_queue_attributes(QueueUrl=wanted, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    statement = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = unique("role")
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    role_arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    source = unique("shop")
    target = {"Id": "1", "Arn": wanted_arn, "RoleArn": role_arn, "DeadLetterConfig": {"Arn": dead}}
    rule(EventPattern=json.dumps({"source": [source]}), targets=[target])

    def statement_of(effect):
        one = {"Effect": effect, "Action": "sqs:SendMessage", "Resource": wanted_arn}
        return json.dumps({"Version": "2012-10-17", "Statement": [one]})

    def arrives():
        events.put_events(Entries=[entry(source, {})])
        message = sqs.receive_message(QueueUrl=wanted, WaitTimeSeconds=20)["Messages"][0]
        sqs.delete_message(QueueUrl=wanted, ReceiptHandle=message["ReceiptHandle"])

    def is_refused():
        events.put_events(Entries=[entry(source, {})])
        assert dead_letter(sqs, url)[1]["ERROR_CODE"] == "NO_PERMISSIONS"

    policy_arn = iam.create_policy(PolicyName=unique("p"), PolicyDocument=statement_of("Allow"))["Policy"]["Arn"]
    for _ in range(3):
        is_refused()
        iam.attach_role_policy(RoleName=role, PolicyArn=policy_arn)
        arrives()
        iam.put_role_policy(RoleName=role, PolicyName="no", PolicyDocument=statement_of("Deny"))
        is_refused()
        iam.delete_role_policy(RoleName=role, PolicyName="no")
        arrives()
        iam.detach_role_policy(RoleName=role, PolicyArn=policy_arn)


def test_a_schedule_fires(events, lambda_, logs, teller, rule):
    now = datetime.datetime.now(datetime.timezone.utc)
    # The next minute, and if that is close the one after.
    moment = (now + datetime.timedelta(seconds=65)).replace(second=0, microsecond=0)
    name, rule_arn = rule(
        ScheduleExpression=f"cron({moment.minute} {moment.hour} * * ? *)",
        targets=[{"Id": "1", "Arn": arn(lambda_, teller)}],
    )
    permit(lambda_, teller, rule_arn)
    until(lambda: told(logs, teller), "the minute to come", timeout=90)
    (event,) = told(logs, teller)
    assert event.pop("id")
    assert event == {
        "version": "0",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": REGION,
        "resources": [rule_arn],
        "detail": {},
    }


def test_an_archive_is_replayed(events, lambda_, logs, teller, rule):
    source, archive = unique("shop"), unique("archive")
    start = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=1)
    made = events.create_archive(
        ArchiveName=archive, EventSourceArn=DEFAULT, EventPattern=json.dumps({"source": [source]})
    )
    events.put_events(Entries=[entry(source, {"n": n}) for n in range(3)])
    until(lambda: events.describe_archive(ArchiveName=archive)["EventCount"] == 3, "the archive to have the events")
    _, rule_arn = rule(
        EventPattern=json.dumps({"source": [source]}), targets=[{"Id": "1", "Arn": arn(lambda_, teller)}]
    )
    permit(lambda_, teller, rule_arn)
    replay = unique("replay")
    events.start_replay(
        ReplayName=replay,
        EventSourceArn=made["ArchiveArn"],
        EventStartTime=start,
        EventEndTime=start + datetime.timedelta(hours=1),
        Destination={"Arn": DEFAULT, "FilterArns": [rule_arn]},
    )
    until(lambda: events.describe_replay(ReplayName=replay)["State"] == "COMPLETED", "the replay")
    until(lambda: len(told(logs, teller)) == 3, "the events to come again")
    again = told(logs, teller)
    assert sorted(event["detail"]["n"] for event in again) == [0, 1, 2]
    assert {event["replay-name"] for event in again} == {replay}
    events.delete_archive(ArchiveName=archive)
    assert refused(events.describe_archive, ArchiveName=archive).code == "ResourceNotFoundException"


def test_functions_put_events_and_make_no_rules(events, lambda_, logs, make, teller, rule):
    source = unique("inside")
    _, rule_arn = rule(
        EventPattern=json.dumps({"source": [source]}), targets=[{"Id": "1", "Arn": arn(lambda_, teller)}]
    )
    permit(lambda_, teller, rule_arn)
    caller = make.create("caller", packages.pack({"lambda_function.py": INSIDE}))
    answer = json.loads(
        lambda_.invoke(FunctionName=caller, Payload=json.dumps({"source": source}))["Payload"].read()
    )
    assert answer == {"PutEvents": 200, "DeleteRule": "AccessDeniedException"}
    until(lambda: told(logs, teller), "the event to come")


# The standard library alone: a signature that is well-formed is enough inside.
INSIDE = """
import json, os, urllib.error, urllib.request

AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/events/aws4_request, "
    "SignedHeaders=host, Signature=" + "0" * 64
)

def call(operation, body):
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "AWSEvents." + operation,
        "X-Amz-Date": "20260101T000000Z",
        "Authorization": AUTHORIZATION,
    }
    request = urllib.request.Request(os.environ["AWS_ENDPOINT_URL"], json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return json.loads(error.read())["__type"].split("#")[-1]

def lambda_handler(event, context):
    entry = {"Source": event["source"], "DetailType": "t", "Detail": "{}"}
    return {
        "PutEvents": call("PutEvents", {"Entries": [entry]}),
        "DeleteRule": call("DeleteRule", {"Name": "none"}),
    }
"""


def test_what_is_accepted_is_delivered_after_a_kill(own_server):
    clients = Clients(own_server.start())
    lambda_, events = clients.boto("lambda"), clients.boto("events")
    lambda_.create_function(
        FunctionName="teller",
        Runtime=own_server.python(),
        Handler="lambda_function.lambda_handler",
        Role=ROLE,
        Code={"ZipFile": packages.pack({"lambda_function.py": TELLER})},
    )
    until_active(lambda_, "teller")
    rule_arn = events.put_rule(Name="all", EventPattern='{"source": ["shop"]}')["RuleArn"]
    events.put_targets(Rule="all", Targets=[{"Id": "1", "Arn": arn(lambda_, "teller")}])
    permit(lambda_, "teller", rule_arn)
    for n in range(5):
        events.put_events(Entries=[entry("shop", {"n": 10 * n + m}) for m in range(10)])
    own_server.kill()
    logs = Clients(own_server.start()).boto("logs")
    until(lambda: {event["detail"]["n"] for event in told(logs, "teller")} == set(range(50)), "all events to come")


def test_the_cli_reads_what_it_wrote(server, home):
    cli = Cli(server, home)
    name = unique("rule")
    cli.json("events", "put-rule", "--name", name, "--event-pattern", '{"source": ["s"]}', "--tags", "Key=k,Value=v")
    shown = cli.json("events", "describe-rule", "--name", name)
    assert (shown["Name"], shown["State"], shown["EventBusName"]) == (name, "ENABLED", "default")
    tags = cli.json("events", "list-tags-for-resource", "--resource-arn", shown["Arn"])
    assert tags["Tags"] == [{"Key": "k", "Value": "v"}]
    cli.run("events", "delete-rule", "--name", name)
    event = {"id": "1", "account": "1", "source": "s", "time": "t", "region": "r", "resources": [], "detail-type": "d"}
    tested = cli.json(
        "events", "test-event-pattern", "--event-pattern", '{"source": ["s"]}', "--event", json.dumps(event)
    )
    assert tested == {"Result": True}


def test_what_is_not_offered_is_refused(events):
    key = {"ApiKeyAuthParameters": {"ApiKeyName": "n", "ApiKeyValue": "v"}}
    refusal = refused(events.create_connection, Name="c", AuthorizationType="API_KEY", AuthParameters=key)
    assert refusal.status == 501
