"""SNS and queues: envelopes, raw messages, dead letters, FIFO topics, policies of queues."""

import json

import pytest

from support.clients import ACCOUNT, REGION, Clients
from support.errors import refused
from support.functions import unique
from support.receiver import Receiver, verify
from support.server import Server
from support.wait import until

# Twenty seconds of waiting are 0.2 s.
SCALE = 0.01


@pytest.fixture(scope="module")
def server():
    server = Server()
    (server.home / "lambent.toml").write_text(f"event_time_scale = {SCALE}\n")
    yield server.start()
    server.remove()


@pytest.fixture(scope="module")
def sns(server):
    return Clients(server).boto("sns")


@pytest.fixture(scope="module")
def sqs(server):
    return Clients(server).boto("sqs")


class Queue:
    """A queue that lets topics of this account in, and what came to it."""

    def __init__(self, sqs, name, open_to="arn:aws:sns:*:*:*", **attributes):
        self._sqs = sqs
        self.arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
        allow = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": self.arn,
            "Condition": {"ArnLike": {"aws:SourceArn": open_to}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        self.url = sqs.create_queue(QueueName=name, Attributes={"Policy": policy, **attributes})["QueueUrl"]

    def some(self):
        """What there is, which is taken out."""
        received = self._sqs.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=1,
            AttributeNames=["All"], MessageAttributeNames=["All"],
        ).get("Messages", [])
        for message in received:
            self._sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return received

    def one(self):
        """The next message."""
        [message] = until(self.some, "a message to arrive", timeout=40)
        return message


@pytest.fixture
def topic(sns):
    return sns.create_topic(Name=unique("topic"))["TopicArn"]


@pytest.fixture
def queue(sqs):
    return Queue(sqs, unique("queue"))


def dead_letters(queue):
    return json.dumps({"deadLetterTargetArn": queue.arn})


def test_a_queue_has_the_signed_document(sns, topic, queue):
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue.arn)
    attributes = {"n": {"DataType": "String.Array", "StringValue": '["a",1]'}}
    published = sns.publish(TopicArn=topic, Message="hello", MessageAttributes=attributes)
    message = queue.one()
    document = json.loads(message["Body"])
    assert document["MessageId"] == published["MessageId"]
    assert document["MessageAttributes"] == {"n": {"Type": "String.Array", "Value": '["a",1]'}}
    assert message["Body"].startswith('{\n  "Type" : "Notification",\n')
    verify(document)


def test_a_raw_message_keeps_its_attributes(sns, topic, queue):
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue.arn, Attributes={"RawMessageDelivery": "true"})
    attributes = {
        "s": {"DataType": "String", "StringValue": "x"},
        "b": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    sns.publish(TopicArn=topic, Message="hello", MessageAttributes=attributes)
    message = queue.one()
    assert message["Body"] == "hello"
    assert message["MessageAttributes"]["s"]["StringValue"] == "x"
    assert message["MessageAttributes"]["b"]["BinaryValue"] == b"\x00\xff"


def test_what_nobody_takes_goes_to_the_dead_letter_queue(sns, topic, queue):
    receiver = Receiver()
    try:
        policy = {"healthyRetryPolicy": {"numRetries": 1}}
        attributes = {"RedrivePolicy": dead_letters(queue), "DeliveryPolicy": json.dumps(policy)}
        arn = sns.subscribe(
            TopicArn=topic, Protocol="http", Endpoint=receiver.url, Attributes=attributes, ReturnSubscriptionArn=True
        )["SubscriptionArn"]
        token = receiver.next("SubscriptionConfirmation").json["Token"]
        sns.confirm_subscription(TopicArn=topic, Token=token)
        receiver.statuses = [500, 500]
        published = sns.publish(TopicArn=topic, Message="lost", Subject="S")
        letter = json.loads(queue.one()["Body"])
        assert (letter["MessageId"], letter["Message"], letter["Subject"]) == (published["MessageId"], "lost", "S")
        assert len([post for post in receiver.posts if post.kind == "Notification"]) == 2
        # A refusal is final.
        receiver.statuses = [403]
        sns.publish(TopicArn=topic, Message="refused")
        assert json.loads(queue.one()["Body"])["Message"] == "refused"
        assert len([post for post in receiver.posts if post.kind == "Notification"]) == 3
        sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName="RedrivePolicy", AttributeValue="")
        assert "RedrivePolicy" not in sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    finally:
        receiver.end()


def test_a_function_that_is_gone_and_a_queue_that_is_gone_leave_dead_letters(sns, topic, queue):
    gone = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{unique('gone')}"
    function = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{unique('gone')}"
    for protocol, endpoint in [("sqs", gone), ("lambda", function)]:
        attributes = {"RedrivePolicy": dead_letters(queue)}
        arn = sns.subscribe(TopicArn=topic, Protocol=protocol, Endpoint=endpoint, Attributes=attributes)
        sns.publish(TopicArn=topic, Message=protocol)
        assert json.loads(queue.one()["Body"])["Message"] == protocol
        sns.unsubscribe(SubscriptionArn=arn["SubscriptionArn"])


def test_a_queue_that_does_not_let_the_topic_in_has_nothing(sns, sqs, topic, queue):
    closed = Queue(sqs, unique("closed"), open_to=f"{topic}-other")
    attributes = {"RedrivePolicy": dead_letters(queue)}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=closed.arn, Attributes=attributes)
    sns.publish(TopicArn=topic, Message="refused")
    assert json.loads(queue.one()["Body"])["Message"] == "refused"
    assert closed.some() == []


def test_a_queue_of_another_account_is_asked(server, sns, topic):
    other = Clients(server).boto("sqs", key="333333333333")
    queue = Queue(other, unique("queue"))
    arn = f"arn:aws:sqs:{REGION}:333333333333:{queue.arn.rsplit(':', 1)[1]}"
    policy = json.loads(other.get_queue_attributes(QueueUrl=queue.url, AttributeNames=["Policy"])["Attributes"]["Policy"])
    policy["Statement"][0]["Resource"] = arn
    other.set_queue_attributes(QueueUrl=queue.url, Attributes={"Policy": json.dumps(policy)})
    answer = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    assert answer["SubscriptionArn"] == "pending confirmation"
    asked = json.loads(queue.one()["Body"])
    assert asked["Type"] == "SubscriptionConfirmation"
    verify(asked)
    sns.confirm_subscription(TopicArn=topic, Token=asked["Token"])
    sns.publish(TopicArn=topic, Message="hello")
    assert json.loads(queue.one()["Body"])["Message"] == "hello"


def test_a_fifo_topic_keeps_order_and_knows_duplicates(sns, sqs):
    queue = Queue(sqs, unique("queue") + ".fifo", FifoQueue="true")
    attributes = {"FifoTopic": "true", "ContentBasedDeduplication": "true"}
    topic = sns.create_topic(Name=unique("topic") + ".fifo", Attributes=attributes)["TopicArn"]
    shown = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    assert (shown["FifoTopic"], shown["ContentBasedDeduplication"]) == ("true", "true")
    assert shown["FifoThroughputScope"] == "Topic"
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue.arn)
    published = [sns.publish(TopicArn=topic, Message=str(n), MessageGroupId="g") for n in range(30)]
    numbers = [int(one["SequenceNumber"]) for one in published]
    assert numbers == sorted(set(numbers))
    again = sns.publish(TopicArn=topic, Message="7", MessageGroupId="other")
    assert (again["MessageId"], again["SequenceNumber"]) == (published[7]["MessageId"], published[7]["SequenceNumber"])
    explicit = sns.publish(TopicArn=topic, Message="7", MessageGroupId="g", MessageDeduplicationId="anew")
    assert int(explicit["SequenceNumber"]) > numbers[-1]
    came = []

    def all_came():
        came.extend((json.loads(message["Body"]), message["Attributes"]) for message in queue.some())
        return len(came) >= 31

    until(all_came, lambda: f"{len(came)} messages", timeout=40)
    assert [body["Message"] for body, _ in came] == [str(n) for n in range(30)] + ["7"]
    assert [body["SequenceNumber"] for body, _ in came[:30]] == [one["SequenceNumber"] for one in published]
    assert {attributes["MessageGroupId"] for _, attributes in came} == {"g"}
    assert came[-1][1]["MessageDeduplicationId"] == "anew"
    assert "Signature" not in came[0][0]


def test_dead_letters_of_a_fifo_topic_keep_their_order_in_a_fifo_queue(sns, sqs):
    closed = Queue(sqs, unique("queue") + ".fifo", open_to="arn:aws:sns:*:*:nobody", FifoQueue="true")
    dead = Queue(sqs, unique("dead") + ".fifo", FifoQueue="true")
    plain = Queue(sqs, unique("dead"))
    attributes = {"FifoTopic": "true", "ContentBasedDeduplication": "true"}
    topic = sns.create_topic(Name=unique("topic") + ".fifo", Attributes=attributes)["TopicArn"]
    given = {"TopicArn": topic, "Protocol": "sqs", "Endpoint": closed.arn}
    refusal = refused(sns.subscribe, **given, Attributes={"RedrivePolicy": dead_letters(plain)})
    assert (refusal.code, "FIFO queue" in refusal.message) == ("InvalidParameter", True)
    sns.subscribe(**given, Attributes={"RedrivePolicy": dead_letters(dead)})
    for number in range(20):
        sns.publish(TopicArn=topic, Message=str(number), MessageGroupId="g")
    came = []

    def all_came():
        came.extend((json.loads(message["Body"])["Message"], message["Attributes"]) for message in dead.some())
        return len(came) >= 20

    until(all_came, lambda: f"{len(came)} dead letters", timeout=40)
    assert [text for text, _ in came] == [str(number) for number in range(20)]
    assert {attributes["MessageGroupId"] for _, attributes in came} == {"g"}


def test_groups_may_tell_duplicates_for_themselves(sns):
    attributes = {"FifoTopic": "true", "FifoThroughputScope": "MessageGroup"}
    topic = sns.create_topic(Name=unique("topic") + ".fifo", Attributes=attributes)["TopicArn"]

    def publish(group):
        answer = sns.publish(TopicArn=topic, Message="m", MessageGroupId=group, MessageDeduplicationId="d")
        return answer["SequenceNumber"]

    one, other = publish("a"), publish("b")
    assert one != other
    assert (publish("a"), publish("b")) == (one, other)


def test_what_fifo_topics_refuse(sns):
    attributes = {"FifoTopic": "true"}
    topic = sns.create_topic(Name=unique("topic") + ".fifo", Attributes=attributes)["TopicArn"]
    for text, call, arguments in [
        ("MessageGroupId parameter is required", sns.publish, {"Message": "m"}),
        ("ContentBasedDeduplication enabled", sns.publish, {"Message": "m", "MessageGroupId": "g"}),
        ("Invalid protocol type: http", sns.subscribe, {"Protocol": "http", "Endpoint": "http://localhost"}),
    ]:
        with pytest.raises(sns.exceptions.InvalidParameterException, match=text):
            call(TopicArn=topic, **arguments)
