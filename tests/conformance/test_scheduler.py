"""EventBridge Scheduler: schedules, groups, targets (EventBridge Scheduler User Guide), by boto3 and the AWS CLI."""

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

OFF = {"Mode": "OFF"}


@pytest.fixture(scope="module")
def server():
    server = Server()
    (server.home / "lambent.toml").write_text("event_time_scale = 0.005\n")
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
def scheduler(clients):
    return clients.boto("scheduler")


@pytest.fixture(scope="module")
def python(server):
    return server.python()


def told(logs, name):
    return [json.loads(line[5:]) for line in messages(logs, name) if line.startswith("TOLD ")]


def soon(seconds=2):
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return moment.replace(microsecond=0)


def at(moment):
    return f"at({moment.strftime('%Y-%m-%dT%H:%M:%S')})"


def queue(clients):
    """A queue's URL and ARN."""
    sqs = clients.boto("sqs")
    url = sqs.create_queue(QueueName=unique("q"))["QueueUrl"]
    return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def received(clients, url):
    answer = clients.boto("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=20, MessageAttributeNames=["All"])
    (message,) = answer["Messages"]
    return message


def test_a_function_is_invoked_once_and_the_schedule_goes(scheduler, lambda_, logs, make):
    teller = make.create("teller", packages.pack({"lambda_function.py": TELLER}))
    arn = lambda_.get_function_configuration(FunctionName=teller)["FunctionArn"]
    name, moment = unique("once"), soon()
    text = {
        "n": 1,
        "arn": "<aws.scheduler.schedule-arn>",
        "time": "<aws.scheduler.scheduled-time>",
        "attempt": "<aws.scheduler.attempt-number>",
    }
    made = scheduler.create_schedule(
        Name=name,
        ScheduleExpression=at(moment),
        FlexibleTimeWindow=OFF,
        ActionAfterCompletion="DELETE",
        Target={"Arn": arn, "RoleArn": ROLE, "Input": json.dumps(text)},
    )
    assert made["ScheduleArn"] == f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/default/{name}"
    until(lambda: told(logs, teller), "the moment to come")
    (event,) = told(logs, teller)
    time = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert event == {"n": 1, "arn": made["ScheduleArn"], "time": time, "attempt": "1"}
    assert refused(scheduler.get_schedule, Name=name).code == "ResourceNotFoundException"


def test_queues_buses_and_universal_targets_are_sent_to(scheduler, clients):
    url, arn = queue(clients)
    for target in [
        {"Arn": arn, "Input": "plain text"},
        {
            "Arn": "arn:aws:scheduler:::aws-sdk:sqs:sendMessage",
            "Input": json.dumps({"QueueUrl": url, "MessageBody": "plain text"}),
        },
    ]:
        scheduler.create_schedule(
            Name=unique("s"),
            ScheduleExpression=at(soon(1)),
            FlexibleTimeWindow=OFF,
            Target={"RoleArn": ROLE, **target},
        )
        message = received(clients, url)
        assert message["Body"] == "plain text"
        clients.boto("sqs").delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    # A bus, whose rule sends on to the queue.
    events, source = clients.boto("events"), unique("source")
    rule = events.put_rule(Name=source, EventPattern=json.dumps({"source": [source]}))["RuleArn"]
    permit(clients, url, arn, "events.amazonaws.com", rule)
    events.put_targets(Rule=source, Targets=[{"Id": "1", "Arn": arn, "InputPath": "$.detail"}])
    scheduler.create_schedule(
        Name=unique("s"),
        ScheduleExpression="rate(1 hour)",
        FlexibleTimeWindow=OFF,
        Target={
            "Arn": f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default",
            "RoleArn": ROLE,
            "Input": '{"n": 1}',
            "EventBridgeParameters": {"DetailType": "t", "Source": source},
        },
    )
    assert json.loads(received(clients, url)["Body"]) == {"n": 1}, "a rate without a start begins at once"


def permit(clients, url, arn, service, source):
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": source}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    clients.boto("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})


def test_what_the_role_may_not_goes_to_the_dead_letter_queue(scheduler, clients):
    iam = clients.boto("iam")
    dead_url, dead = queue(clients)
    _, closed = queue(clients)

    def role(service):
        name = unique("role")
        statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        return name, iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]

    name, arn = role("scheduler.amazonaws.com")
    allowed = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": dead}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy)
    target = {"Arn": closed, "RoleArn": arn, "Input": "lost", "DeadLetterConfig": {"Arn": dead}}
    settings = {"ScheduleExpression": "rate(1 day)", "FlexibleTimeWindow": OFF}
    made = scheduler.create_schedule(Name=unique("s"), **settings, Target=target)
    message = received(clients, dead_url)
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert (message["Body"], attributes["SCHEDULE_ARN"]) == ("lost", made["ScheduleArn"])
    assert attributes["TARGET_ARN"] == closed and "AccessDenied" in attributes["ERROR_CODE"]
    _, other = role("lambda.amazonaws.com")
    refusal = refused(scheduler.create_schedule, Name="s", **settings, Target={**target, "RoleArn": other})
    assert refusal.code == "ValidationException" and "to assume the role" in refusal.message


def test_groups_have_tags_and_go_with_their_schedules(scheduler, clients):
    group = unique("group")
    made = scheduler.create_schedule_group(Name=group, Tags=[{"Key": "k", "Value": "v"}])
    arn = made["ScheduleGroupArn"]
    scheduler.tag_resource(ResourceArn=arn, Tags=[{"Key": "l", "Value": "w"}])
    scheduler.untag_resource(ResourceArn=arn, TagKeys=["k"])
    assert scheduler.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "l", "Value": "w"}]
    target = {"Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:q", "RoleArn": ROLE}
    for n in range(5):
        scheduler.create_schedule(
            Name=f"s{n}",
            GroupName=group,
            ScheduleExpression="cron(0 12 * * ? *)",
            ScheduleExpressionTimezone="America/New_York",
            FlexibleTimeWindow={"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15},
            Target=target,
        )
    pages = scheduler.get_paginator("list_schedules").paginate(GroupName=group, PaginationConfig={"PageSize": 2})
    assert [one["Name"] for page in pages for one in page["Schedules"]] == [f"s{n}" for n in range(5)]
    shown = scheduler.get_schedule(Name="s0", GroupName=group)
    assert shown["FlexibleTimeWindow"] == {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15}
    assert shown["ScheduleExpressionTimezone"] == "America/New_York"
    scheduler.delete_schedule_group(Name=group)

    def is_gone():
        names = [one["Name"] for one in scheduler.list_schedule_groups()["ScheduleGroups"]]
        return group not in names

    until(is_gone, "the group to go")
    assert refused(scheduler.get_schedule, Name="s0", GroupName=group).code == "ResourceNotFoundException"


def test_what_was_missed_while_the_server_was_down_is_made_up_for_once(own_server):
    clients = Clients(own_server.start())
    lambda_, scheduler = clients.boto("lambda"), clients.boto("scheduler")
    made = lambda_.create_function(
        FunctionName="teller",
        Runtime=own_server.python(),
        Handler="lambda_function.lambda_handler",
        Role=ROLE,
        Code={"ZipFile": packages.pack({"lambda_function.py": TELLER})},
    )
    until_active(lambda_, "teller")
    moment = soon(2)
    scheduler.create_schedule(
        Name="s",
        ScheduleExpression=at(moment),
        FlexibleTimeWindow=OFF,
        Target={"Arn": made["FunctionArn"], "RoleArn": ROLE, "Input": '{"time": "<aws.scheduler.scheduled-time>"}'},
    )
    own_server.kill()
    until(lambda: soon(0) > moment, "the moment to pass")
    logs = Clients(own_server.start()).boto("logs")
    until(lambda: told(logs, "teller"), "the moment to be made up for")
    assert told(logs, "teller") == [{"time": moment.strftime("%Y-%m-%dT%H:%M:%SZ")}]


def test_the_cli_writes_and_reads(server, home):
    cli, name = Cli(server, home), unique("s")
    target = {"Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:q", "RoleArn": ROLE}
    base = ["--name", name, "--flexible-time-window", "Mode=OFF", "--target", json.dumps(target)]
    cli.json("scheduler", "create-schedule", *base, "--schedule-expression", "rate(5 minutes)", "--state", "DISABLED")
    cli.json("scheduler", "update-schedule", *base, "--schedule-expression", "rate(7 minutes)", "--state", "DISABLED")
    shown = cli.json("scheduler", "get-schedule", "--name", name)
    assert (shown["ScheduleExpression"], shown["State"]) == ("rate(7 minutes)", "DISABLED")
    cli.run("scheduler", "delete-schedule", "--name", name)
