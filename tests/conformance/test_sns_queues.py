"""SNS and queues: envelopes, raw messages, dead letters, FIFO topics. moto from PyPI stands for the queues."""

import json

import pytest

from support.clients import REGION, Clients
from support.functions import unique
from support.receiver import Receiver, verify
from support.server import Server
from support.wait import until

pytest.importorskip("moto", reason="moto, which stands for the queues, is not installed")

from support.moto import MOTO_ACCOUNT, Moto, Queue  # noqa: E402

# Twenty seconds of waiting are 0.2 s.
SCALE = 0.01


@pytest.fixture(scope="module")
def server():
    server = Server()
    moto = Moto(server.home)
    (server.home / "lambent.toml").write_text(f'event_time_scale = {SCALE}\n[endpoints]\nsqs = "{moto.url}"\n')
    server.moto = moto
    yield server.start()
    server.remove()
    moto.end()


@pytest.fixture(scope="module")
def sns(server):
    return Clients(server).boto("sns", key=MOTO_ACCOUNT)


@pytest.fixture
def topic(sns):
    return sns.create_topic(Name=unique("topic"))["TopicArn"]


@pytest.fixture
def queue(server):
    return Queue(server.moto, unique("queue"))


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


def test_what_nobody_takes_goes_to_the_dead_letter_queue(sns, server, topic, queue):
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
    gone = f"arn:aws:sqs:{REGION}:{MOTO_ACCOUNT}:{unique('gone')}"
    function = f"arn:aws:lambda:{REGION}:{MOTO_ACCOUNT}:function:{unique('gone')}"
    for protocol, endpoint in [("sqs", gone), ("lambda", function)]:
        attributes = {"RedrivePolicy": dead_letters(queue)}
        arn = sns.subscribe(TopicArn=topic, Protocol=protocol, Endpoint=endpoint, Attributes=attributes)
        sns.publish(TopicArn=topic, Message=protocol)
        assert json.loads(queue.one()["Body"])["Message"] == protocol
        sns.unsubscribe(SubscriptionArn=arn["SubscriptionArn"])


def test_a_fifo_topic_keeps_order_and_knows_duplicates(sns, server):
    sqs = server.moto.boto("sqs")
    name = unique("queue") + ".fifo"
    url = sqs.create_queue(QueueName=name, Attributes={"FifoQueue": "true"})["QueueUrl"]
    arn = f"arn:aws:sqs:{REGION}:{MOTO_ACCOUNT}:{name}"
    attributes = {"FifoTopic": "true", "ContentBasedDeduplication": "true"}
    topic = sns.create_topic(Name=unique("topic") + ".fifo", Attributes=attributes)["TopicArn"]
    shown = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    assert (shown["FifoTopic"], shown["ContentBasedDeduplication"], shown["FifoThroughputScope"]) == ("true", "true", "Topic")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    published = [sns.publish(TopicArn=topic, Message=str(n), MessageGroupId="g") for n in range(30)]
    numbers = [int(one["SequenceNumber"]) for one in published]
    assert numbers == sorted(set(numbers))
    again = sns.publish(TopicArn=topic, Message="7", MessageGroupId="other")
    assert (again["MessageId"], again["SequenceNumber"]) == (published[7]["MessageId"], published[7]["SequenceNumber"])
    explicit = sns.publish(TopicArn=topic, Message="7", MessageGroupId="g", MessageDeduplicationId="anew")
    assert int(explicit["SequenceNumber"]) > numbers[-1]
    came = []

    def all_came():
        received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"])
        for message in received.get("Messages", []):
            came.append((json.loads(message["Body"]), message["Attributes"]))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return len(came) >= 31

    until(all_came, lambda: f"{len(came)} messages", timeout=40)
    assert [body["Message"] for body, _ in came] == [str(n) for n in range(30)] + ["7"]
    assert [body["SequenceNumber"] for body, _ in came[:30]] == [one["SequenceNumber"] for one in published]
    assert {attributes["MessageGroupId"] for _, attributes in came} == {"g"}
    assert came[-1][1]["MessageDeduplicationId"] == "anew"
    assert "Signature" not in came[0][0]


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
