"""A source that nobody lets in does not deliver: of each kind, also when the permission goes after it was configured.

For rules and schedules see test_eventbridge.py and test_scheduler.py, for destinations test_destinations.py.
"""

import json

import pytest

from support.clients import ACCOUNT, REGION
from support.functions import unique
from support.mappings import Mapped, Queue
from support.wait import until

TELLER = """
import json
def lambda_handler(event, context):
    print("TOLD " + json.dumps(event))
"""


@pytest.fixture
def mapped(server, clients):
    mapped = Mapped(clients, ACCOUNT, clients.boto("sqs"), server.python())
    yield mapped
    mapped.clean()


def arn_of(function):
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}"


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def records(mapped, function):
    return [record for event in mapped.told(function, "TOLD") for record in event["Records"]]


def permit(mapped, function, service):
    mapped.lambda_.add_permission(
        FunctionName=function, StatementId="s", Action="lambda:InvokeFunction", Principal=f"{service}.amazonaws.com"
    )


def test_a_poller_whose_role_loses_its_right(clients, mapped):
    iam, role, queue = clients.boto("iam"), unique("role"), mapped.queue()
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
    role_arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument=policy(trust))["Role"]["Arn"]
    allow = {"Effect": "Allow", "Action": "sqs:*", "Resource": queue.arn}
    iam.put_role_policy(RoleName=role, PolicyName="allow", PolicyDocument=policy(allow))
    function = mapped.function(Role=role_arn)
    mapping = mapped.map(function, queue)
    queue.send("before")
    until(lambda: mapped.bodies(function) == ["before"], "the message to be handled")
    deny = {"Effect": "Deny", "Action": "sqs:ReceiveMessage", "Resource": "*"}
    iam.put_role_policy(RoleName=role, PolicyName="deny", PolicyDocument=policy(deny))

    def backs_off():
        page = clients.http("GET", "/metrics", sign=False).body.decode()
        lines = [line for line in page.splitlines() if mapping in line and "back_offs" in line]
        return lines and not lines[0].endswith(" 0")

    # Receives that began before may wait for as long as a receive waits.
    until(backs_off, "the poller to be refused", 60)
    queue.send("denied")
    iam.delete_role_policy(RoleName=role, PolicyName="deny")
    until(lambda: mapped.bodies(function) == ["before", "denied"], "the message to be handled", 60)
    events = mapped.told(function, "EVENT")
    attributes = [record["attributes"] for event in events for record in event["Records"]]
    assert [one["ApproximateReceiveCount"] for one in attributes] == ["1", "1"], "nobody received it meanwhile"


def test_a_topic_that_a_function_does_not_let_in(clients, mapped):
    sns, letters = clients.boto("sns"), Queue(clients.boto("sqs"), ACCOUNT)
    allow = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:*", "Resource": "*"}
    letters.set(Policy=policy(allow))
    topic, function = sns.create_topic(Name=unique("topic"))["TopicArn"], mapped.function(TELLER)
    sns.subscribe(
        TopicArn=topic, Protocol="lambda", Endpoint=arn_of(function),
        Attributes={"RedrivePolicy": json.dumps({"deadLetterTargetArn": letters.arn})},
    )  # fmt: skip
    told = []
    for number in range(2):
        sns.publish(TopicArn=topic, Message=f"denied {number}")
        (letter,) = letters.take(1)
        assert json.loads(letter)["Message"] == f"denied {number}"
        permit(mapped, function, "sns")
        sns.publish(TopicArn=topic, Message=f"let in {number}")
        told.append(f"let in {number}")
        until(lambda: [event["Sns"]["Message"] for event in records(mapped, function)] == told, "the message to be told")
        mapped.lambda_.remove_permission(FunctionName=function, StatementId="s")
    assert letters.is_empty()
    sns.delete_topic(TopicArn=topic)


def test_a_bucket_that_a_function_does_not_let_in_any_more(clients, mapped):
    s3, bucket, function = clients.boto("s3"), unique("bucket").lower(), mapped.function(TELLER)
    s3.create_bucket(Bucket=bucket)
    wish = {"LambdaFunctionArn": arn_of(function), "Events": ["s3:ObjectCreated:*"]}
    configure = lambda: s3.put_bucket_notification_configuration(  # noqa: E731
        Bucket=bucket, NotificationConfiguration={"LambdaFunctionConfigurations": [wish]}
    )
    with pytest.raises(s3.exceptions.ClientError, match="Unable to validate the following destination configurations"):
        configure()
    permit(mapped, function, "s3")
    configure()
    mapped.lambda_.remove_permission(FunctionName=function, StatementId="s")
    s3.put_object(Bucket=bucket, Key="denied", Body=b"1")

    def given_up():
        lanes = json.loads(clients.http("GET", "/_lambent/deliveries", sign=False).body)["lanes"]
        # Without trouble there is nothing to tell: the object has not been delivered yet.
        return [lane for lane in lanes if arn_of(function) in lane["lane"] and lane.get("trouble", {}).get("givenUp") == 1]

    until(given_up, "the delivery to be refused for good")
    permit(mapped, function, "s3")
    s3.put_object(Bucket=bucket, Key="let-in", Body=b"1")
    until(lambda: records(mapped, function), "the function to be invoked")
    assert [event["s3"]["object"]["key"] for event in records(mapped, function)] == ["let-in"]
