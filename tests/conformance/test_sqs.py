"""Amazon SQS by boto3, in JSON and in forms (Amazon SQS API Reference; Amazon SQS Developer Guide)."""

import concurrent.futures
import contextlib
import functools
import hashlib
import json
import re
import time
import urllib.request

import pytest
from botocore.exceptions import ClientError

from support.clients import ACCOUNT, REGION, Cli, Clients
from support.errors import refused
from support.functions import ROLE, probe_zip, unique, until_active
from support.inside import call
from support.server import Server
from support.wait import until

OTHER = "111122223333"


@pytest.fixture(scope="module")
def server():
    server = Server()
    yield server.start()
    server.remove()


@pytest.fixture(scope="module")
def clients(server):
    return Clients(server)


@pytest.fixture(scope="module", params=["json", "query"])
def sqs(request, clients):
    """boto3's client in each of the protocols that SQS speaks."""
    return clients.sqs(request.param)


@pytest.fixture
def queue(sqs):
    """Makes queues, and deletes them."""
    made = []

    def make(fifo=False, suffix=None, **attributes):
        name = unique("queue") + (".fifo" if fifo else "")
        if fifo:
            attributes = {"FifoQueue": "true"} | attributes
        url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        made.append(url)
        return url

    yield make
    for url in made:
        with contextlib.suppress(ClientError):
            sqs.delete_queue(QueueUrl=url)


def receive(sqs, url, count=10, wait=0, **options):
    answer = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=count, WaitTimeSeconds=wait, **options
    )
    return answer.get("Messages", [])


def bodies(messages):
    return [message["Body"] for message in messages]


def arn_of(sqs, url):
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return attributes["Attributes"]["QueueArn"]


def attribute(sqs, url, name):
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name]).get("Attributes", {}).get(name)


def test_a_message_comes_is_hidden_and_goes(sqs, queue):
    url = queue()
    assert url.endswith(f"/{ACCOUNT}/{url.rsplit('/', 1)[1]}")
    assert sqs.get_queue_url(QueueName=url.rsplit("/", 1)[1])["QueueUrl"] == url
    sent = sqs.send_message(QueueUrl=url, MessageBody="héllo <&>")
    assert sent["MD5OfMessageBody"] == hashlib.md5("héllo <&>".encode()).hexdigest()
    [message] = receive(sqs, url, AttributeNames=["All"])
    assert (message["Body"], message["MessageId"]) == ("héllo <&>", sent["MessageId"])
    attributes = message["Attributes"]
    assert attributes["ApproximateReceiveCount"] == "1"
    assert attributes["SenderId"] == ACCOUNT
    assert abs(int(attributes["SentTimestamp"]) / 1000 - time.time()) < 60
    assert attributes["ApproximateFirstReceiveTimestamp"] >= attributes["SentTimestamp"]
    assert receive(sqs, url) == []
    assert attribute(sqs, url, "ApproximateNumberOfMessagesNotVisible") == "1"
    sqs.change_message_visibility(
        QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
    )
    [again] = receive(sqs, url, MessageSystemAttributeNames=["ApproximateReceiveCount"])
    assert again["Attributes"] == {"ApproximateReceiveCount": "2"}
    assert again["ReceiptHandle"] != message["ReceiptHandle"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert attribute(sqs, url, "ApproximateNumberOfMessagesNotVisible") == "1", "an older handle deletes nothing"
    sqs.delete_message(QueueUrl=url, ReceiptHandle=again["ReceiptHandle"])
    sqs.delete_message(QueueUrl=url, ReceiptHandle=again["ReceiptHandle"])
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert counts["ApproximateNumberOfMessages"] == counts["ApproximateNumberOfMessagesNotVisible"] == "0"


def test_attributes_of_messages_come_with_their_digests(sqs, queue):
    url = queue()
    attributes = {
        "text": {"DataType": "String", "StringValue": "v"},
        "Number.one": {"DataType": "Number.int", "StringValue": "1"},
        "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793"}}
    sent = sqs.send_message(
        QueueUrl=url, MessageBody="x", MessageAttributes=attributes, MessageSystemAttributes=trace
    )
    assert sent["MD5OfMessageAttributes"] == digest(attributes)
    assert sent["MD5OfMessageSystemAttributes"] == digest(trace)
    for wanted, names in [
        (["All"], set(attributes)),
        (["text"], {"text"}),
        (["Num.*", "bytes"], {"Number.one", "bytes"}),
        (["Number.*"], {"Number.one"}),
        ([], set()),
    ]:
        [message] = receive(
            sqs, url, VisibilityTimeout=0, MessageAttributeNames=wanted, AttributeNames=["AWSTraceHeader"]
        )
        found = message.get("MessageAttributes", {})
        assert set(found) == names, wanted
        assert message.get("MD5OfMessageAttributes") == (digest(found) if found else None)
        assert message["Attributes"] == {"AWSTraceHeader": trace["AWSTraceHeader"]["StringValue"]}
        for name in names:
            assert {k: v for k, v in found[name].items() if v} == attributes[name]


def digest(attributes):
    """As the Developer Guide prescribes it: "Calculating the MD5 message digest for message attributes"."""
    md5 = hashlib.md5()

    def part(data):
        md5.update(len(data).to_bytes(4, "big") + data)

    for name in sorted(attributes):
        value = attributes[name]
        part(name.encode())
        part(value["DataType"].encode())
        if "StringValue" in value:
            md5.update(b"\x01")
            part(value["StringValue"].encode())
        else:
            md5.update(b"\x02")
            part(value["BinaryValue"])
    return md5.hexdigest()


def test_batches_fail_entry_by_entry(sqs, queue):
    url = queue()
    entries = [{"Id": str(n), "MessageBody": f"m{n}"} for n in range(8)]
    entries += [{"Id": "empty", "MessageBody": ""}, {"Id": "late", "MessageBody": "x", "DelaySeconds": 901}]
    sent = sqs.send_message_batch(QueueUrl=url, Entries=entries)
    assert [entry["Id"] for entry in sent["Successful"]] == [str(n) for n in range(8)]
    failed = {entry["Id"]: (entry["Code"], entry["SenderFault"]) for entry in sent["Failed"]}
    assert failed == {"empty": ("MissingParameter", True), "late": ("InvalidParameterValue", True)}
    messages = receive(sqs, url)
    assert sorted(bodies(messages)) == [f"m{n}" for n in range(8)]
    assert {m["MD5OfBody"] for m in messages} == {entry["MD5OfMessageBody"] for entry in sent["Successful"]}
    handles = [{"Id": f"h{n}", "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(messages)]
    changed = sqs.change_message_visibility_batch(
        QueueUrl=url,
        Entries=[{**handles[0], "VisibilityTimeout": 0}, {"Id": "x", "ReceiptHandle": "no", "VisibilityTimeout": 1}],
    )
    assert [entry["Id"] for entry in changed["Successful"]] == ["h0"]
    assert changed["Failed"][0]["Code"] == "ReceiptHandleIsInvalid"
    deleted = sqs.delete_message_batch(QueueUrl=url, Entries=[*handles[1:], {"Id": "x", "ReceiptHandle": "no"}])
    assert len(deleted["Successful"]) == 7 and len(deleted["Failed"]) == 1
    assert bodies(receive(sqs, url)) == [messages[0]["Body"]]
    for wrong, code in [
        ([], "EmptyBatchRequest"),
        ([{"Id": str(n), "MessageBody": "x"} for n in range(11)], "TooManyEntriesInBatchRequest"),
        ([{"Id": "a", "MessageBody": "x"}] * 2, "BatchEntryIdsNotDistinct"),
        ([{"Id": "a b", "MessageBody": "x"}], "InvalidBatchEntryId"),
        ([{"Id": str(n), "MessageBody": "x" * 600_000} for n in range(2)], "BatchRequestTooLong"),
    ]:
        if not wrong and sqs.meta.service_model.resolved_protocol == "query":
            continue  # A form has no empty list.
        error = refused(sqs.send_message_batch, QueueUrl=url, Entries=wrong)
        assert error.code == f"AWS.SimpleQueueService.{code}"


def test_errors_have_the_names_that_clients_look_for(sqs, queue, clients):
    url = queue()
    gone = f"{url}-gone"
    for call, code in [
        (lambda: sqs.send_message(QueueUrl=gone, MessageBody="x"), "AWS.SimpleQueueService.NonExistentQueue"),
        (lambda: sqs.get_queue_url(QueueName="nothing"), "AWS.SimpleQueueService.NonExistentQueue"),
        (lambda: sqs.send_message(QueueUrl="nothing", MessageBody="x"), "InvalidAddress"),
        (lambda: sqs.send_message(QueueUrl=url, MessageBody=""), "MissingParameter"),
        (lambda: sqs.send_message(QueueUrl=url), "MissingParameter"),
        (lambda: sqs.send_message(QueueUrl=url, MessageBody="\x00"), "InvalidMessageContents"),
        (lambda: sqs.send_message(QueueUrl=url, MessageBody="x" * 1_048_577), "InvalidParameterValue"),
        (lambda: sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=11), "InvalidParameterValue"),
        (lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=21), "InvalidParameterValue"),
        (lambda: sqs.receive_message(QueueUrl=url, AttributeNames=["Nothing"]), "InvalidAttributeName"),
        (lambda: sqs.delete_message(QueueUrl=url, ReceiptHandle="x"), "ReceiptHandleIsInvalid"),
        (lambda: sqs.create_queue(QueueName="a b"), "InvalidParameterValue"),
        (lambda: sqs.create_queue(QueueName="x", Attributes={"DelaySeconds": "901"}), "InvalidAttributeValue"),
        (lambda: sqs.create_queue(QueueName="x", Attributes={"Nothing": "1"}), "InvalidAttributeName"),
        (lambda: sqs.set_queue_attributes(QueueUrl=url, Attributes={"FifoQueue": "true"}), "InvalidAttributeName"),
        (
            lambda: sqs.create_queue(QueueName=url.rsplit("/", 1)[1], Attributes={"DelaySeconds": "1"}),
            "QueueAlreadyExists",
        ),
    ]:
        assert refused(call).code == code
    with pytest.raises(clients.boto("sqs").exceptions.QueueDoesNotExist):
        clients.boto("sqs").get_queue_attributes(QueueUrl=gone, AttributeNames=["All"])
    answer = clients.http(
        "POST", "/", b'{"QueueUrl": "%s"}' % gone.encode(), service="sqs",
        headers={"content-type": "application/x-amz-json-1.0", "x-amz-target": "AmazonSQS.PurgeQueue"},
    )
    assert answer.status == 400
    assert answer.headers["x-amzn-query-error"] == "AWS.SimpleQueueService.NonExistentQueue;Sender"
    assert json.loads(answer.body)["__type"] == "com.amazonaws.sqs#QueueDoesNotExist"


def test_a_form_goes_to_the_queues_own_address(clients, queue, sqs):
    url = queue()
    path = "/" + url.split("/", 3)[3]
    body = b"Action=SendMessage&Version=2012-11-05&MessageBody=a%20b"
    form = {"content-type": "application/x-www-form-urlencoded"}
    answer = clients.http("POST", path, body, form, service="sqs")
    assert answer.status == 200 and b"<SendMessageResult><MD5OfMessageBody>" in answer.body, answer.body
    answer = clients.http("POST", path, b"Action=ReceiveMessage", form, service="sqs")
    assert b"<Message>" in answer.body and b"<Body>a b</Body>" in answer.body
    answer = clients.http("POST", path + "x", b"Action=ReceiveMessage", form, service="sqs")
    assert answer.status == 400 and b"<Code>AWS.SimpleQueueService.NonExistentQueue</Code>" in answer.body


def test_queues_are_listed_and_found(sqs, queue, clients):
    urls = sorted(queue() for _ in range(3))
    prefix = "queue"
    listed = sqs.list_queues(QueueNamePrefix=prefix)["QueueUrls"]
    assert set(urls) <= set(listed)
    pages, token = [], None
    while True:
        page = sqs.list_queues(QueueNamePrefix=prefix, MaxResults=2, **({"NextToken": token} if token else {}))
        pages += page["QueueUrls"]
        token = page.get("NextToken")
        if not token:
            break
    assert pages == listed
    assert "QueueUrls" not in sqs.list_queues(QueueNamePrefix="none")
    assert "QueueUrls" not in clients.boto("sqs", region="eu-west-1").list_queues()


def test_messages_wait_for_their_time(sqs, queue):
    url = queue(DelaySeconds="1", ReceiveMessageWaitTimeSeconds="5")
    sqs.send_message(QueueUrl=url, MessageBody="late")
    sqs.send_message(QueueUrl=url, MessageBody="now", DelaySeconds=0)
    assert bodies(receive(sqs, url)) == ["now"]
    assert attribute(sqs, url, "ApproximateNumberOfMessagesDelayed") == "1"
    # The queue's own patience, and the clock wakes it.
    answer = sqs.receive_message(QueueUrl=url, VisibilityTimeout=1)
    [late] = answer["Messages"]
    assert late["Body"] == "late"
    assert bodies(receive(sqs, url, wait=20)) == ["late"], "it is back after its visibility timeout"


def test_a_receive_that_waits_is_woken(sqs, queue, clients):
    url = queue()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = [pool.submit(receive, sqs, url, 1, 20) for _ in range(8)]
        for n in range(8):
            sqs.send_message(QueueUrl=url, MessageBody=str(n))
        found = [message["Body"] for one in waiting for message in one.result()]
    assert sorted(found) == [str(n) for n in range(8)]
    assert receive(sqs, url, wait=1) == []


def test_deleting_and_purging(sqs, queue):
    url = queue()
    name = url.rsplit("/", 1)[1]
    sqs.send_message(QueueUrl=url, MessageBody="old")
    [held] = receive(sqs, url)
    sqs.send_message(QueueUrl=url, MessageBody="older")
    sqs.purge_queue(QueueUrl=url)
    assert receive(sqs, url) == [] and attribute(sqs, url, "ApproximateNumberOfMessagesNotVisible") == "0"
    sqs.delete_message(QueueUrl=url, ReceiptHandle=held["ReceiptHandle"])
    assert refused(sqs.purge_queue, QueueUrl=url).code == "AWS.SimpleQueueService.PurgeQueueInProgress"
    sqs.send_message(QueueUrl=url, MessageBody="new")
    assert bodies(receive(sqs, url)) == ["new"]
    sqs.delete_queue(QueueUrl=url)
    code = "AWS.SimpleQueueService.NonExistentQueue"
    assert refused(sqs.receive_message, QueueUrl=url).code == code
    assert refused(sqs.create_queue, QueueName=name).code == "AWS.SimpleQueueService.QueueDeletedRecently"


def test_attributes_of_queues(sqs, queue):
    url = queue(VisibilityTimeout="7")
    shown = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert shown == shown | {
        "VisibilityTimeout": "7",
        "DelaySeconds": "0",
        "MaximumMessageSize": "1048576",
        "MessageRetentionPeriod": "345600",
        "ReceiveMessageWaitTimeSeconds": "0",
        "SqsManagedSseEnabled": "true",
        "QueueArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{url.rsplit('/', 1)[1]}",
    }
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"MaximumMessageSize": "1024", "KmsMasterKeyId": "alias/k"})
    assert attribute(sqs, url, "MaximumMessageSize") == "1024"
    assert attribute(sqs, url, "SqsManagedSseEnabled") == "false"
    assert refused(sqs.send_message, QueueUrl=url, MessageBody="x" * 1025).code == "InvalidParameterValue"
    assert sqs.get_queue_attributes(QueueUrl=url).get("Attributes") is None


def test_tags(sqs, queue):
    url = queue()
    sqs.tag_queue(QueueUrl=url, Tags={"a": "1", "b": ""})
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"a": "1", "b": ""}
    sqs.untag_queue(QueueUrl=url, TagKeys=["a"])
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"b": ""}
    assert refused(sqs.tag_queue, QueueUrl=url, Tags={"aws:x": "1"}).code == "InvalidParameterValue"


def test_what_fails_too_often_goes_to_the_dead_letter_queue(sqs, queue):
    dead, url = queue(), queue()
    policy = {"deadLetterTargetArn": arn_of(sqs, dead), "maxReceiveCount": 2}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": json.dumps(policy)})
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [url]
    sent = sqs.send_message(QueueUrl=url, MessageBody="poison")
    for _ in range(2):
        assert bodies(receive(sqs, url, VisibilityTimeout=0)) == ["poison"]
    assert receive(sqs, url, VisibilityTimeout=0) == []
    [message] = receive(sqs, dead, wait=5, AttributeNames=["All"])
    assert message["MessageId"] == sent["MessageId"]
    assert message["Attributes"]["DeadLetterQueueSourceArn"] == arn_of(sqs, url)
    assert message["Attributes"]["ApproximateReceiveCount"] == "3"
    # And back.
    sqs.change_message_visibility(QueueUrl=dead, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    source = arn_of(sqs, dead)
    handle = sqs.start_message_move_task(SourceArn=source)["TaskHandle"]
    [back] = receive(sqs, url, wait=10, AttributeNames=["All"])
    assert back["Body"] == "poison" and back["MessageId"] != sent["MessageId"]
    assert back["Attributes"]["ApproximateReceiveCount"] == "1"

    def ended():
        [task] = sqs.list_message_move_tasks(SourceArn=source)["Results"]
        return task["Status"] == "COMPLETED" and task

    task = until(ended, "the end of the task")
    assert (task["ApproximateNumberOfMessagesMoved"], task.get("TaskHandle")) == (1, None)
    assert refused(sqs.cancel_message_move_task, TaskHandle=handle).code.endswith("UnsupportedOperation")
    error = refused(sqs.start_message_move_task, SourceArn=arn_of(sqs, url))
    assert error.code == "InvalidParameterValue"
    error = refused(sqs.start_message_move_task, SourceArn=f"{source}-gone")
    assert error.code == "ResourceNotFoundException"


def test_move_tasks_are_slowed_down_and_cancelled(sqs, queue):
    dead, url, elsewhere = queue(), queue(), queue()
    source = arn_of(sqs, dead)
    policy = {"deadLetterTargetArn": source, "maxReceiveCount": 1}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": json.dumps(policy)})
    sqs.send_message_batch(QueueUrl=dead, Entries=[{"Id": str(n), "MessageBody": "x"} for n in range(10)])
    task = sqs.start_message_move_task(
        SourceArn=source, DestinationArn=arn_of(sqs, elsewhere), MaxNumberOfMessagesPerSecond=1
    )
    error = refused(sqs.start_message_move_task, SourceArn=source)
    assert error.code == "AWS.SimpleQueueService.UnsupportedOperation"
    assert len(receive(sqs, elsewhere, wait=10)) >= 1
    moved = sqs.cancel_message_move_task(TaskHandle=task["TaskHandle"])["ApproximateNumberOfMessagesMoved"]
    assert 1 <= moved < 10
    [shown] = sqs.list_message_move_tasks(SourceArn=source)["Results"]
    assert (shown["Status"], shown["ApproximateNumberOfMessagesToMove"]) == ("CANCELLED", 10)
    # Sent to it directly, so there is nowhere to go back to.
    sqs.start_message_move_task(SourceArn=source)
    until(lambda: sqs.list_message_move_tasks(SourceArn=source)["Results"][0]["Status"] == "FAILED", "its failure")
    [shown] = sqs.list_message_move_tasks(SourceArn=source)["Results"]
    assert shown["FailureReason"] == "CouldNotDetermineMessageSource"


def test_redrive_policies_are_checked(sqs, queue):
    dead, url, fifo = queue(), queue(), queue(fifo=True)
    source, target = arn_of(sqs, url), arn_of(sqs, dead)

    def redrive(target, count=3):
        policy = json.dumps({"deadLetterTargetArn": target, "maxReceiveCount": count})
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": policy})

    for wrong in [(f"{target}-gone",), (target, 0), (arn_of(sqs, fifo),), (source,), ("x",)]:
        assert refused(functools.partial(redrive, *wrong)).code == "InvalidParameterValue"
    for allowed, fits in [
        ({"redrivePermission": "denyAll"}, False),
        ({"redrivePermission": "byQueue", "sourceQueueArns": [target]}, False),
        ({"redrivePermission": "byQueue", "sourceQueueArns": [source]}, True),
    ]:
        sqs.set_queue_attributes(QueueUrl=dead, Attributes={"RedriveAllowPolicy": json.dumps(allowed)})
        if fits:
            redrive(target)
        else:
            assert refused(functools.partial(redrive, target)).code == "InvalidParameterValue"
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": ""})
    assert attribute(sqs, url, "RedrivePolicy") is None


def test_groups_keep_their_order(sqs, queue):
    url = queue(fifo=True, ContentBasedDeduplication="true", VisibilityTimeout="30")
    sent = [
        sqs.send_message(QueueUrl=url, MessageBody=f"{group}{n}", MessageGroupId=group)
        for n in range(3) for group in "ab"
    ]
    numbers = [int(one["SequenceNumber"]) for one in sent]
    assert numbers == sorted(set(numbers)) and all(len(one["SequenceNumber"]) == 20 for one in sent)
    first = receive(sqs, url, count=2, AttributeNames=["All"])
    assert bodies(first) == ["a0", "a1"]
    assert first[0]["Attributes"]["MessageGroupId"] == "a"
    assert first[0]["Attributes"]["MessageDeduplicationId"] == hashlib.sha256(b"a0").hexdigest()
    assert first[0]["Attributes"]["SequenceNumber"] == sent[0]["SequenceNumber"]
    assert bodies(receive(sqs, url)) == ["b0", "b1", "b2"]
    assert receive(sqs, url) == [], "both groups are held"
    sqs.delete_message(QueueUrl=url, ReceiptHandle=first[0]["ReceiptHandle"])
    assert receive(sqs, url) == []
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = pool.submit(receive, sqs, url, 10, 20)
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=first[1]["ReceiptHandle"], VisibilityTimeout=0)
        again = waiting.result()
    assert bodies(again) == ["a1", "a2"]
    error = refused(sqs.delete_message, QueueUrl=url, ReceiptHandle="x")
    assert error.code == "ReceiptHandleIsInvalid"


def test_a_message_that_is_sent_again_is_not_there_twice(sqs, queue):
    url = queue(fifo=True)
    missing = refused(sqs.send_message, QueueUrl=url, MessageBody="x", MessageDeduplicationId="1")
    assert missing.code == "MissingParameter"
    send = functools.partial(sqs.send_message, QueueUrl=url, MessageDeduplicationId="1")
    assert refused(sqs.send_message, QueueUrl=url, MessageBody="x", MessageGroupId="g").code == "InvalidParameterValue"
    first = send(MessageBody="one", MessageGroupId="a")
    second = send(MessageBody="two", MessageGroupId="b")
    assert (first["MessageId"], first["SequenceNumber"]) == (second["MessageId"], second["SequenceNumber"])
    [message] = receive(sqs, url)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    send(MessageBody="three", MessageGroupId="a")
    assert (message["Body"], receive(sqs, url)) == ("one", []), "also after it was deleted"
    sqs.set_queue_attributes(
        QueueUrl=url,
        Attributes={"DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"},
    )
    send(MessageBody="four", MessageGroupId="a")
    send(MessageBody="five", MessageGroupId="b")
    assert bodies(receive(sqs, url)) == ["four", "five"]


def test_a_lost_answer_is_asked_for_again(sqs, queue):
    url = queue(fifo=True, ContentBasedDeduplication="true")
    for body in ["1", "2", "3"]:
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId="g")
    first = receive(sqs, url, count=2, ReceiveRequestAttemptId="try")
    again = receive(sqs, url, count=2, ReceiveRequestAttemptId="try")
    assert bodies(first) == bodies(again) == ["1", "2"]
    assert [m["MessageId"] for m in first] == [m["MessageId"] for m in again]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=again[0]["ReceiptHandle"])
    assert receive(sqs, url, ReceiveRequestAttemptId="try") == [], "they have changed"


def test_dead_letters_of_groups(sqs, queue):
    dead, url = queue(fifo=True), queue(fifo=True, ContentBasedDeduplication="true")
    policy = json.dumps({"deadLetterTargetArn": arn_of(sqs, dead), "maxReceiveCount": 1})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": policy})
    for body in ["1", "2", "3"]:
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId="g")
    assert bodies(receive(sqs, url, count=2, VisibilityTimeout=0)) == ["1", "2"]
    assert bodies(receive(sqs, url)) == ["3"]
    assert bodies(receive(sqs, dead, wait=5)) == ["1", "2"]


def test_policies_open_a_queue_to_others(sqs, queue, clients):
    url = queue()
    other = clients.boto("sqs", key=OTHER)
    error = refused(other.send_message, QueueUrl=url, MessageBody="x")
    assert error.code in ("AccessDenied", "AccessDeniedException")
    sqs.add_permission(QueueUrl=url, Label="send", AWSAccountIds=[OTHER], Actions=["SendMessage"])
    other.send_message(QueueUrl=url, MessageBody="from outside")
    assert refused(other.receive_message, QueueUrl=url).code in ("AccessDenied", "AccessDeniedException")
    [message] = receive(sqs, url, AttributeNames=["SenderId"])
    assert (message["Body"], message["Attributes"]) == ("from outside", {"SenderId": OTHER})
    policy = json.loads(attribute(sqs, url, "Policy"))
    assert policy["Statement"][0]["Sid"] == "send"
    for wrong in [{"Label": "send"}, {"Label": "a b"}, {"Actions": ["Nothing"]}, {"AWSAccountIds": ["x"]}]:
        options = {"Label": "l", "AWSAccountIds": [OTHER], "Actions": ["SendMessage"]} | wrong
        assert refused(sqs.add_permission, QueueUrl=url, **options).code == "InvalidParameterValue"
    sqs.remove_permission(QueueUrl=url, Label="send")
    assert attribute(sqs, url, "Policy") is None
    assert refused(sqs.remove_permission, QueueUrl=url, Label="send").code == "InvalidParameterValue"


def test_the_cli(server, home, queue):
    url, cli = queue(), Cli(server, home)
    cli.json("sqs", "send-message", "--queue-url", url, "--message-body", "typed")
    [message] = cli.json("sqs", "receive-message", "--queue-url", url, "--attribute-names", "All")["Messages"]
    assert message["Body"] == "typed"
    cli.run("sqs", "delete-message", "--queue-url", url, "--receipt-handle", message["ReceiptHandle"])
    shown = cli.json("sqs", "get-queue-attributes", "--queue-url", url, "--attribute-names", "All")
    assert shown["Attributes"]["ApproximateNumberOfMessages"] == "0"


def test_whoever_leaves_takes_no_message_along(clients, queue, sqs):
    url = queue()
    body = json.dumps({"QueueUrl": url, "WaitTimeSeconds": 20}).encode()
    headers = {"content-type": "application/x-amz-json-1.0", "x-amz-target": "AmazonSQS.ReceiveMessage"}
    for _ in range(5):
        connection = clients.connect()
        connection.request("POST", "/", body, clients.signed("POST", "/", body, headers, service="sqs"))
        # Its answer does not come, and it does not wait for it.
        connection.sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.getresponse()
        connection.close()
    sqs.send_message(QueueUrl=url, MessageBody="for those who stayed")
    assert bodies(receive(sqs, url, wait=5)) == ["for those who stayed"]


def test_a_server_that_stops_answers_who_waits(own_server):
    client = Clients(own_server.start()).boto("sqs")
    url = client.create_queue(QueueName=unique("queue"))["QueueUrl"]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = pool.submit(receive, client, url, 1, 20)
        until(lambda: is_under_way(own_server), "the receive")
        began = time.monotonic()
        assert own_server.stop() == 0
        assert waiting.result() == []
    assert time.monotonic() - began < 15, "it did not wait for the receive"


def is_under_way(server):
    # The question itself is one of them.
    with urllib.request.urlopen(f"{server.url}/metrics") as page:
        return re.search(rb"^lambent_http_requests_in_flight [2-9]", page.read(), re.M)


@pytest.fixture(scope="module")
def function(server, clients):
    """A function that makes calls from inside."""
    client, name = clients.boto("lambda"), unique("inside")
    client.create_function(
        FunctionName=name,
        Runtime=server.python(),
        Role=ROLE,
        Handler="lambda_function.lambda_handler",
        Timeout=60,
        Code={"ZipFile": probe_zip(name)},
    )
    until_active(client, name)
    return client, name


def test_functions_use_queues_and_make_none(function, sqs, queue):
    client, name = function
    url = queue()

    def inside(operation, **parameters):
        target = f"AmazonSQS.{operation}"
        return call(client, name, "POST", "/", body=json.dumps(parameters), target=target, service="sqs")

    status, sent = inside("SendMessage", QueueUrl=url, MessageBody="from inside")
    assert status == 200, sent
    [message] = receive(sqs, url, VisibilityTimeout=0, AttributeNames=["SenderId"])
    assert message["Body"] == "from inside" and message["Attributes"]["SenderId"].endswith(f":{name}")
    status, received = inside("ReceiveMessage", QueueUrl=url)
    [message] = received["Messages"]
    assert inside("DeleteMessage", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])[0] == 200
    for operation in ("CreateQueue", "DeleteQueue", "PurgeQueue", "SetQueueAttributes"):
        status, refusal = inside(operation, QueueUrl=url, QueueName="x", Attributes={})
        assert (status, refusal["__type"].rsplit("#")[-1]) == (400, "AccessDeniedException"), operation


def test_records_of_events_come_to_a_queue(function, sqs, queue):
    client, name = function
    url = queue()
    destination = {"OnSuccess": {"Destination": arn_of(sqs, url)}}
    client.put_function_event_invoke_config(FunctionName=name, DestinationConfig=destination)
    event = json.dumps({"do": "echo", "n": 1})
    client.invoke(FunctionName=name, InvocationType="Event", Payload=event)
    [message] = receive(sqs, url, wait=20)
    record = json.loads(message["Body"])
    assert record["requestPayload"] == json.loads(event) and record["requestContext"]["condition"] == "Success"
    client.delete_function_event_invoke_config(FunctionName=name)
