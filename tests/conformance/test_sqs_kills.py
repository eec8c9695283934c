"""What SQS has acknowledged is there after `kill -9`, what was deleted stays deleted, and groups keep their order."""

import itertools
import os
import random
import threading

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from support.clients import Clients
from support.functions import unique
from support.wait import until

SEED = int(os.environ.get("LAMBENT_TEST_SEED", random.SystemRandom().randrange(2**32)))
KILLS = int(os.environ.get("LAMBENT_TEST_KILLS", "4"))
GROUPS = "abc"


class Campaign:
    """Senders and receivers that live through the kills, and what they were told."""

    def __init__(self, server):
        self.server = server
        self.lock = threading.Lock()
        self.acknowledged, self.received, self.deleted = set(), set(), set()
        # By group the bodies in the order in which they were received, without repetitions.
        self.order = {group: [] for group in GROUPS}
        self.problems = []
        self.stopping = threading.Event()
        self.clients = {}
        sqs = self.client()
        self.standard = sqs.create_queue(QueueName=unique("kills"), Attributes={"VisibilityTimeout": "2"})["QueueUrl"]
        self.fifo = sqs.create_queue(
            QueueName=unique("kills") + ".fifo", Attributes={"FifoQueue": "true", "VisibilityTimeout": "2"}
        )["QueueUrl"]

    def client(self):
        """One for each start of the server: it comes back at another port."""
        with self.lock:
            url = self.server.url
            if url not in self.clients:
                self.clients[url] = Clients(self.server).boto("sqs")
            return self.clients[url]

    def attempt(self, call):
        """Calls until it is stopped; what a kill does to a call is no problem, anything else is."""
        while not self.stopping.is_set():
            try:
                return call(self.client())
            except (BotoCoreError, OSError):
                self.stopping.wait(0.02)
            except ClientError as error:
                self.problems.append(error)
                return None
        return None

    def send_standard(self, number):
        numbers = itertools.count()

        def send(sqs):
            # Others with each attempt: one that was not acknowledged may be there all the same.
            attempt = next(numbers)
            bodies = [f"s{number}-{attempt}-{n}" for n in range(5)]
            entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(bodies)]
            sqs.send_message_batch(QueueUrl=self.standard, Entries=entries)
            return bodies

        while not self.stopping.is_set():
            bodies = self.attempt(send)
            with self.lock:
                self.acknowledged.update(bodies or [])

    def send_fifo(self, group):
        count = 0
        while not self.stopping.is_set():
            body = f"{group}{count}"
            sent = self.attempt(
                lambda sqs: sqs.send_message(
                    QueueUrl=self.fifo, MessageBody=body, MessageGroupId=group, MessageDeduplicationId=body
                )
            )
            if sent:
                count += 1
                with self.lock:
                    self.acknowledged.add(body)

    def note(self, messages):
        with self.lock:
            for message in messages:
                body = message["Body"]
                if body in self.deleted:
                    self.problems.append(f"{body} came after its deletion was acknowledged")
                if body not in self.received and body[0] in GROUPS:
                    self.order[body[0]].append(int(body[1:]))
                self.received.add(body)

    def receive(self, url, rate):
        generator = random.Random(rate)
        while not self.stopping.is_set():
            answer = self.attempt(
                lambda sqs: sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            )
            messages = (answer or {}).get("Messages", [])
            self.note(messages)
            # In a group what is deleted is what comes first, as a consumer works through it.
            keep = generator.randrange(len(messages) + 1) if messages else 0
            for message in messages[:keep]:
                handle = message["ReceiptHandle"]
                try:
                    self.client().delete_message(QueueUrl=url, ReceiptHandle=handle)
                except (BotoCoreError, OSError):
                    break  # Whether it was deleted nobody knows.
                except ClientError as error:
                    if "expired" not in str(error):
                        self.problems.append(error)
                    break
                with self.lock:
                    self.deleted.add(message["Body"])

    def drain(self):
        """Takes all that is left."""
        sqs = self.client()
        for url in (self.standard, self.fifo):

            def is_empty(url=url):
                messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
                self.note(messages)
                for message in messages:
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
                # What was hidden for the receive may be visible for the count.
                names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
                return not messages and all(counts[name] == "0" for name in names)

            until(is_empty, "an empty queue", timeout=120, interval=0)


@pytest.mark.parametrize("seed", [SEED])
def test_nothing_acknowledged_is_lost(own_server, seed):
    server = own_server.start()
    campaign = Campaign(server)
    generator = random.Random(seed)
    work = [threading.Thread(target=campaign.send_standard, args=(n,)) for n in range(2)]
    work += [threading.Thread(target=campaign.send_fifo, args=(group,)) for group in GROUPS]
    work += [threading.Thread(target=campaign.receive, args=(campaign.standard, 1))]
    work += [threading.Thread(target=campaign.receive, args=(campaign.fifo, n)) for n in range(2)]
    for thread in work:
        thread.start()
    try:
        for _ in range(KILLS):
            already = len(campaign.acknowledged)
            more = generator.randrange(5, 60)
            until(lambda: len(campaign.acknowledged) >= already + more, "messages", timeout=60)
            server.kill()
            server.start()
    finally:
        campaign.stopping.set()
        for thread in work:
            thread.join()
    campaign.drain()
    assert not campaign.problems
    assert campaign.acknowledged <= campaign.received, campaign.acknowledged - campaign.received
    for group, order in campaign.order.items():
        assert order == sorted(order), f"group {group}"
