"""Amazon SQS by boto3, in JSON and in forms (Amazon SQS API Reference; Amazon SQS Developer Guide)."""

import hashlib
import json
import time

import boto3
import botocore.session
import pytest
from botocore.config import Config

from support.clients import ACCOUNT, REGION, Cli, Clients
from support.errors import refused
from support.functions import unique
from support.server import Server

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
        try:
            sqs.delete_queue(QueueUrl=url)
        except sqs.exceptions.QueueDoesNotExist:
            pass


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
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"].get(name)


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
