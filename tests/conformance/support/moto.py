"""moto from PyPI as the services outside: queues, topics, buses and buckets at an endpoint of their own."""

import contextlib
import socket
import subprocess
import sys
import urllib.request

import boto3

from .clients import REGION
from .wait import until

# moto's one account, unless it is told another.
MOTO_ACCOUNT = "123456789012"


class Moto:
    """One `moto_server`, started and ended by its process."""

    def __init__(self, home):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = (home / "moto.txt").open("wb")
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        self.process = subprocess.Popen(command, stdout=self._log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        until(self._answers, "moto to answer", timeout=60)

    def _answers(self):
        assert self.process.poll() is None, "moto ended by itself"
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/moto-api/", timeout=5) as answer:
            return answer.status == 200
        return False

    def boto(self, service):
        keys = {"aws_access_key_id": MOTO_ACCOUNT, "aws_secret_access_key": "test"}
        return boto3.client(service, endpoint_url=self.url, region_name=REGION, **keys)

    def end(self):
        self.process.terminate()
        self.process.wait(20)
        self._log.close()


class Queue:
    """A queue, and what came to it."""

    def __init__(self, moto, name):
        self._sqs = moto.boto("sqs")
        self.url = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        self.arn = f"arn:aws:sqs:{REGION}:{MOTO_ACCOUNT}:{name}"

    def one(self):
        """The next message, which is taken out."""
        message = until(self._receive, "a message to arrive", timeout=60)
        self._sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return message

    def _receive(self):
        received = self._sqs.receive_message(QueueUrl=self.url, MessageAttributeNames=["All"])
        return next(iter(received.get("Messages", [])), None)

    def is_empty(self):
        return self._receive() is None
