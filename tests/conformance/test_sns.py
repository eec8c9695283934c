"""SNS: topics, subscriptions and their attributes; messages to functions and to HTTP endpoints."""

import json
import urllib.error
import urllib.request

import pytest
from cryptography.exceptions import InvalidSignature

from support import packages
from support.clients import ACCOUNT, REGION, Cli, Clients
from support.errors import refused
from support.functions import ROLE, unique, until_active
from support.receiver import Receiver, verify
from support.server import Server
from support.streams import messages
from support.wait import until

# Says what it was given.
TELLER = """
import json

def lambda_handler(event, context):
    print("TOLD " + json.dumps(event))
"""

# Twenty seconds of waiting are 0.2 s.
SCALE = 0.01


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
def sns(clients):
    return clients.boto("sns")


@pytest.fixture(scope="module")
def cli(server, tmp_path_factory):
    return Cli(server, tmp_path_factory.mktemp("home"))


@pytest.fixture
def topic(sns):
    arn = sns.create_topic(Name=unique("topic"))["TopicArn"]
    yield arn
    sns.delete_topic(TopicArn=arn)


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.end()


@pytest.fixture(scope="module")
def teller(server, clients):
    """A function, and what it has been told."""
    lambda_, name = clients.boto("lambda"), unique("teller")
    lambda_.create_function(
        FunctionName=name,
        Runtime=server.python(),
        Role=ROLE,
        Handler="app.lambda_handler",
        Code={"ZipFile": packages.pack({"app.py": TELLER})},
    )
    until_active(lambda_, name)
    lambda_.add_permission(
        FunctionName=name, StatementId="sns", Action="lambda:InvokeFunction", Principal="sns.amazonaws.com"
    )
    logs = clients.boto("logs")

    def told():
        lines = [line for line in messages(logs, name) if line.startswith("TOLD ")]
        return [json.loads(line.removeprefix("TOLD ")) for line in lines]

    told.arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
    return told


def confirmed(sns, receiver, topic, path="/", **options):
    """A subscription of the receiver's, confirmed by its link."""
    before = len(receiver.posts)
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=receiver.url + path, **options)
    asked = receiver.next("SubscriptionConfirmation", before).json
    with urllib.request.urlopen(asked["SubscribeURL"], timeout=10) as answer:
        text = answer.read().decode()
    return text.split("<SubscriptionArn>")[1].split("</SubscriptionArn>")[0]


def failure(code, operation, **parameters):
    """The refusal of a call that has to have this code."""
    refusal = refused(operation, **parameters)
    assert refusal.code == code, refusal
    return refusal


def attributes_of(sns, subscription):
    return sns.get_subscription_attributes(SubscriptionArn=subscription)["Attributes"]


def test_a_topic_is_made_once_and_shown(sns):
    name = unique("topic")
    arn = sns.create_topic(Name=name, Attributes={"DisplayName": "Orders"}, Tags=[{"Key": "a", "Value": "b"}])["TopicArn"]
    assert arn == f"arn:aws:sns:{REGION}:{ACCOUNT}:{name}"
    assert sns.create_topic(Name=name)["TopicArn"] == arn
    error = failure("InvalidParameter", sns.create_topic, Name=name, Attributes={"DisplayName": "Other"})
    assert error.message == "Invalid parameter: Attributes Reason: Topic already exists with different attributes"
    failure("InvalidParameter", sns.create_topic, Name=name, Tags=[{"Key": "a", "Value": "c"}])
    shown = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
    assert (shown["TopicArn"], shown["Owner"], shown["DisplayName"]) == (arn, ACCOUNT, "Orders")
    assert (shown["SubscriptionsConfirmed"], shown["SubscriptionsPending"]) == ("0", "0")
    assert json.loads(shown["Policy"])["Id"] == "__default_policy_ID"
    assert json.loads(shown["EffectiveDeliveryPolicy"])["http"]["defaultHealthyRetryPolicy"]["numRetries"] == 3
    assert arn in [one["TopicArn"] for page in sns.get_paginator("list_topics").paginate() for one in page["Topics"]]
    sns.set_topic_attributes(TopicArn=arn, AttributeName="SignatureVersion", AttributeValue="2")
    assert sns.get_topic_attributes(TopicArn=arn)["Attributes"]["SignatureVersion"] == "2"
    sns.tag_resource(ResourceArn=arn, Tags=[{"Key": "a", "Value": "c"}, {"Key": "d", "Value": "e"}])
    sns.untag_resource(ResourceArn=arn, TagKeys=["d"])
    assert sns.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "c"}]
    assert sns.get_data_protection_policy(ResourceArn=arn).get("DataProtectionPolicy") is None
    sns.delete_topic(TopicArn=arn)
    sns.delete_topic(TopicArn=arn)
    assert failure("NotFound", sns.get_topic_attributes, TopicArn=arn).message == "Topic does not exist"


def test_defaults_are_the_same_as_nothing(sns):
    name = unique("topic") + ".fifo"
    arn = sns.create_topic(Name=name, Attributes={"FifoTopic": "true"})["TopicArn"]
    more = {"FifoTopic": "true", "ContentBasedDeduplication": "false", "SignatureVersion": "1", "DisplayName": ""}
    assert sns.create_topic(Name=name, Attributes=more)["TopicArn"] == arn
    failure("InvalidParameter", sns.create_topic, Name=name, Attributes={**more, "ContentBasedDeduplication": "true"})


def test_the_command_line_makes_publishes_and_deletes(cli):
    arn = cli.json("sns", "create-topic", "--name", unique("topic"), "--tags", "Key=a,Value=b")["TopicArn"]
    attributes = '{"n": {"DataType": "Number", "StringValue": "1"}}'
    published = cli.json("sns", "publish", "--topic-arn", arn, "--message", "hi", "--message-attributes", attributes)
    assert len(published["MessageId"]) == 36
    assert cli.json("sns", "list-tags-for-resource", "--resource-arn", arn)["Tags"] == [{"Key": "a", "Value": "b"}]
    cli.run("sns", "delete-topic", "--topic-arn", arn)


def test_more_topics_than_a_page(clients):
    sns = clients.boto("sns", key="777777777777")
    made = {sns.create_topic(Name=f"topic-{n}")["TopicArn"] for n in range(101)}
    pages = list(sns.get_paginator("list_topics").paginate())
    assert [len(page["Topics"]) for page in pages] == [100, 1]
    assert {one["TopicArn"] for page in pages for one in page["Topics"]} == made


def test_permissions_let_other_accounts_in(sns, clients, topic):
    other = clients.boto("sns", key="222222222222")
    failure("AuthorizationError", other.publish, TopicArn=topic, Message="hi")
    sns.add_permission(TopicArn=topic, Label="l", AWSAccountId=["222222222222"], ActionName=["Publish", "Subscribe"])
    other.publish(TopicArn=topic, Message="hi")
    function = f"arn:aws:lambda:{REGION}:222222222222:function:f"
    arn = other.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=function)["SubscriptionArn"]
    assert [one["SubscriptionArn"] for one in other.list_subscriptions()["Subscriptions"]] == [arn]
    assert arn not in [one["SubscriptionArn"] for one in sns.list_subscriptions()["Subscriptions"]]
    other.unsubscribe(SubscriptionArn=arn)
    assert other.list_subscriptions()["Subscriptions"] == []
    sns.remove_permission(TopicArn=topic, Label="l")
    failure("AuthorizationError", other.publish, TopicArn=topic, Message="hi")
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:Send", "Resource": topic}]}
    failure("InvalidParameter", sns.set_topic_attributes, TopicArn=topic, AttributeName="Policy", AttributeValue=json.dumps(policy))


def test_a_function_has_the_event_of_aws(sns, topic, teller):
    subscription = sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=teller.arn)["SubscriptionArn"]
    assert subscription.startswith(f"{topic}:")
    assert sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=teller.arn)["SubscriptionArn"] == subscription
    published = sns.publish(
        TopicArn=topic,
        Message="hello",
        Subject="greeting",
        MessageAttributes={"n": {"DataType": "Number", "StringValue": "5"}, "b": {"DataType": "Binary", "BinaryValue": b"x"}},
    )

    def mine():
        return [event for event in teller() if event["Records"][0]["EventSubscriptionArn"] == subscription]

    [event] = until(mine, "the function to be told")
    [record] = event["Records"]
    assert (record["EventSource"], record["EventVersion"]) == ("aws:sns", "1.0")
    told = record["Sns"]
    assert told["MessageId"] == published["MessageId"]
    assert (told["Type"], told["TopicArn"], told["Subject"], told["Message"]) == ("Notification", topic, "greeting", "hello")
    assert told["MessageAttributes"] == {"n": {"Type": "Number", "Value": "5"}, "b": {"Type": "Binary", "Value": "eA=="}}
    verify({**told, "SigningCertURL": told["SigningCertUrl"]})
    # Once more after a subscription that is gone: nothing comes.
    sns.unsubscribe(SubscriptionArn=subscription)
    sns.unsubscribe(SubscriptionArn=subscription)
    sns.publish(TopicArn=topic, Message="nobody")
    assert sns.get_topic_attributes(TopicArn=topic)["Attributes"]["SubscriptionsDeleted"] == "1"


def test_an_endpoint_is_asked_first_and_then_has_signed_messages(sns, topic, receiver):
    pending = sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=f"{receiver.url}/in?a=b")
    assert pending["SubscriptionArn"] == "pending confirmation"
    [listed] = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert listed["SubscriptionArn"] == "PendingConfirmation"
    post = receiver.next("SubscriptionConfirmation")
    asked = post.json
    assert (post.path, post.headers["x-amz-sns-topic-arn"]) == ("/in?a=b", topic)
    assert post.headers["content-type"] == "text/plain; charset=UTF-8"
    assert post.headers["user-agent"] == "Amazon Simple Notification Service Agent"
    verify(asked)
    sns.publish(TopicArn=topic, Message="too early")
    # Subscribed once more it is asked once more, with the same token.
    again = sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=f"{receiver.url}/in?a=b", ReturnSubscriptionArn=True)
    until(lambda: len(receiver.posts) == 2, "the second question")
    assert receiver.posts[1].json["Token"] == asked["Token"]
    failure("InvalidParameter", sns.confirm_subscription, TopicArn=topic, Token=asked["Token"][:-1] + "x")
    arn = sns.confirm_subscription(TopicArn=topic, Token=asked["Token"])["SubscriptionArn"]
    assert arn == again["SubscriptionArn"]
    assert attributes_of(sns, arn)["ConfirmationWasAuthenticated"] == "true"
    published = sns.publish(TopicArn=topic, Message='{"a": "\\u00e9"}\n', Subject="S")
    post = receiver.next("Notification")
    assert post.headers["x-amz-sns-subscription-arn"] == arn
    assert post.headers["x-amz-sns-message-id"] == published["MessageId"]
    notification = post.json
    assert list(notification) == [
        "Type", "MessageId", "TopicArn", "Subject", "Message", "Timestamp", "SignatureVersion", "Signature",
        "SigningCertURL", "UnsubscribeURL",
    ]
    assert (notification["Message"], notification["SignatureVersion"]) == ('{"a": "\\u00e9"}\n', "1")
    verify(notification)
    with pytest.raises(InvalidSignature):
        verify({**notification, "Message": "another"})
    sns.set_topic_attributes(TopicArn=topic, AttributeName="SignatureVersion", AttributeValue="2")
    sns.publish(TopicArn=topic, Message="two")
    second = receiver.next("Notification", 3).json
    assert second["SignatureVersion"] == "2"
    verify(second)
    # The link ends it, and the endpoint can take that back.
    urllib.request.urlopen(second["UnsubscribeURL"], timeout=10).close()
    goodbye = receiver.next("UnsubscribeConfirmation").json
    verify(goodbye)
    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []
    urllib.request.urlopen(goodbye["SubscribeURL"], timeout=10).close()
    assert len(sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]) == 1


def test_links_are_no_way_around_signatures(server, sns, topic, receiver):
    arn = confirmed(sns, receiver, topic)
    assert attributes_of(sns, arn)["ConfirmationWasAuthenticated"] == "false"
    for query in ["Action=Publish&TopicArn=x&Message=y", "Action=DeleteTopic", "Action=ConfirmSubscription"]:
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(f"{server.url}/?{query}", timeout=10)
        assert error.value.code == 403, query
    guarded = sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=f"{receiver.url}/guarded", ReturnSubscriptionArn=True)
    until(lambda: any(post.path == "/guarded" for post in receiver.posts), "the question")
    token = next(post for post in receiver.posts if post.path == "/guarded").json["Token"]
    sns.confirm_subscription(TopicArn=topic, Token=token, AuthenticateOnUnsubscribe="true")
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(f"{server.url}/?Action=Unsubscribe&SubscriptionArn={guarded['SubscriptionArn']}", timeout=10)
    assert error.value.code == 403
    # A page of somebody else's cannot open them.
    request = urllib.request.Request(f"{server.url}/?Action=Unsubscribe&SubscriptionArn={arn}")
    request.add_header("Sec-Fetch-Site", "cross-site")
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request, timeout=10)
    assert error.value.code == 403
    assert len(sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]) == 2


def test_an_endpoint_that_fails_is_tried_again_as_its_policy_says(sns, topic, receiver):
    policy = {"healthyRetryPolicy": {"numRetries": 3, "minDelayTarget": 1, "maxDelayTarget": 2}}
    confirmed(sns, receiver, topic, Attributes={"DeliveryPolicy": json.dumps(policy)})
    before = len(receiver.posts)
    receiver.statuses = [500, 429, 503]
    published = sns.publish(TopicArn=topic, Message="again")
    until(lambda: len(receiver.posts) == before + 4, "three retries")
    posts = receiver.posts[before:]
    assert [post.status for post in posts] == [500, 429, 503, 200]
    assert {post.json["MessageId"] for post in posts} == {published["MessageId"]}
    # What refuses is not asked again.
    receiver.statuses = [404]
    sns.publish(TopicArn=topic, Message="refused")
    sns.publish(TopicArn=topic, Message="next")
    until(lambda: receiver.posts[-1].json["Message"] == "next", "the next message")
    assert [post.json["Message"] for post in receiver.posts[before + 4 :]].count("refused") == 1


def test_raw_messages_have_their_own_type(sns, topic, receiver):
    policy = {"requestPolicy": {"headerContentType": "application/json"}}
    arn = confirmed(sns, receiver, topic, Attributes={"RawMessageDelivery": "true", "DeliveryPolicy": json.dumps(policy)})
    shown = attributes_of(sns, arn)
    assert shown["RawMessageDelivery"] == "true"
    assert json.loads(shown["EffectiveDeliveryPolicy"])["requestPolicy"]["headerContentType"] == "application/json"
    sns.publish(TopicArn=topic, Message='{"a":1}')
    post = receiver.next("Notification")
    assert (post.body, post.headers["x-amz-sns-rawdelivery"]) == ('{"a":1}', "true")
    assert post.headers["content-type"] == "application/json"


def test_filters_and_texts_for_each_protocol(sns, topic, receiver):
    attributes = {"FilterPolicy": json.dumps({"kind": ["a", {"anything-but": ["b", "c"]}]})}
    by_attributes = confirmed(sns, receiver, topic, "/attributes", Attributes=attributes)
    body = {"FilterPolicy": json.dumps({"order": {"total": [{"numeric": [">", 100]}]}}), "FilterPolicyScope": "MessageBody"}
    confirmed(sns, receiver, topic, "/body", Attributes=body)
    confirmed(sns, receiver, topic, "/all")
    assert attributes_of(sns, by_attributes)["FilterPolicyScope"] == "MessageAttributes"
    before = len(receiver.posts)

    def publish(message, kind, **options):
        attribute = {"kind": {"DataType": "String", "StringValue": kind}}
        sns.publish(TopicArn=topic, Message=message, MessageAttributes=attribute, **options)

    publish("one", "b")
    publish('{"order": {"total": 99}}', "d")
    publish('{"order": {"total": 101}}', "c")
    publish(json.dumps({"default": "x", "http": '{"order": {"total": 200}}'}), "b", MessageStructure="json")
    until(lambda: len(receiver.posts) == before + 7, lambda: str([post.path for post in receiver.posts[before:]]))
    came = sorted((post.path, post.json["Message"]) for post in receiver.posts[before:])
    texts = ["one", '{"order": {"total": 99}}', '{"order": {"total": 101}}', '{"order": {"total": 200}}']
    assert came == sorted(
        [("/all", text) for text in texts] + [("/attributes", texts[1]), ("/body", texts[2]), ("/body", texts[3])]
    )
    sns.set_subscription_attributes(SubscriptionArn=by_attributes, AttributeName="FilterPolicy", AttributeValue="{}")
    assert "FilterPolicy" not in attributes_of(sns, by_attributes)
    wrong = json.dumps({letter: ["x"] for letter in "abcdef"})
    error = failure(
        "InvalidParameter", sns.set_subscription_attributes, SubscriptionArn=by_attributes,
        AttributeName="FilterPolicy", AttributeValue=wrong,
    )
    assert error.message == "Invalid parameter: FilterPolicy: Filter policy can not have more than 5 keys"


def test_a_batch_says_what_of_it_failed(sns, topic, receiver):
    confirmed(sns, receiver, topic)
    before = len(receiver.posts)
    entries = [{"Id": "a", "Message": "one"}, {"Id": "b", "Message": "two", "MessageDeduplicationId": "x"}, {"Id": "c", "Message": "three"}]
    answer = sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
    assert [one["Id"] for one in answer["Successful"]] == ["a", "c"]
    [failed] = answer["Failed"]
    assert (failed["Id"], failed["Code"], failed["SenderFault"]) == ("b", "InvalidParameter", True)
    until(lambda: len(receiver.posts) == before + 2, "two messages")
    for entries, code in [
        ([], "EmptyBatchRequest"),
        ([{"Id": str(n), "Message": "m"} for n in range(11)], "TooManyEntriesInBatchRequest"),
        ([{"Id": "a", "Message": "m"}] * 2, "BatchEntryIdsNotDistinct"),
        ([{"Id": "a b", "Message": "m"}], "InvalidBatchEntryId"),
        ([{"Id": "a", "Message": "m" * 200_000}, {"Id": "b", "Message": "m" * 200_000}], "BatchRequestTooLong"),
    ]:
        failure(code, sns.publish_batch, TopicArn=topic, PublishBatchRequestEntries=entries)


def test_what_is_refused(sns, topic):
    for code, text, call, arguments in [
        ("InvalidParameter", "Topic Name", sns.create_topic, {"Name": "a b"}),
        ("InvalidParameter", "must end with .fifo", sns.create_topic, {"Name": "a", "Attributes": {"FifoTopic": "true"}}),
        ("InvalidParameter", "encrypts no messages", sns.create_topic, {"Name": "a", "Attributes": {"KmsMasterKeyId": "k"}}),
        ("InvalidParameter", "does not offer email", sns.subscribe, {"TopicArn": topic, "Protocol": "email", "Endpoint": "a@b.c"}),
        ("InvalidParameter", "Empty message", sns.publish, {"TopicArn": topic, "Message": ""}),
        ("InvalidParameter", "Message too long", sns.publish, {"TopicArn": topic, "Message": "m" * 262_145}),
        ("InvalidParameter", "text messages", sns.publish, {"PhoneNumber": "+15555550100", "Message": "m"}),
        ("NotFound", "Topic does not exist", sns.publish, {"TopicArn": topic + "x", "Message": "m"}),
        ("NotFound", "Subscription does not exist", sns.get_subscription_attributes, {"SubscriptionArn": f"{topic}:1"}),
    ]:
        assert text in failure(code, call, **arguments).message, arguments
    error = failure("NotImplementedException", sns.list_platform_applications)
    assert "ListPlatformApplications" in error.message


def test_a_restart_keeps_topics_subscriptions_and_what_was_answered(receiver):
    server = Server()
    try:
        (server.home / "lambent.toml").write_text(f"event_time_scale = {SCALE}\n")
        server.start()
        sns = Clients(server).boto("sns")
        topic = sns.create_topic(Name="kept")["TopicArn"]
        arn = confirmed(sns, receiver, topic)
        path = receiver.next("SubscriptionConfirmation").json["SigningCertURL"].rsplit("/", 1)[1]
        receiver.statuses = [500] * 3
        before = len(receiver.posts)
        message = sns.publish(TopicArn=topic, Message="survives")["MessageId"]
        server.kill()
        server.start()
        sns = Clients(server).boto("sns")
        until(lambda: any(post.status == 200 for post in receiver.posts[before:]), "the message after the restart")
        assert {post.json["MessageId"] for post in receiver.posts[before:]} == {message}
        assert [one["SubscriptionArn"] for one in sns.list_subscriptions()["Subscriptions"]] == [arn]
        with urllib.request.urlopen(f"{server.url}/{path}", timeout=10) as answer:
            assert b"BEGIN CERTIFICATE" in answer.read()
    finally:
        server.remove()
