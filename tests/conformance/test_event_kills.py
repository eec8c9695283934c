"""Accepted events are handled at least once, whenever the server is killed, and next to never twice when it is not. Of each
that fails a record or the event itself arrives in a queue.

A little of it with every run of the tests; `cargo xtask prove events` does it with 100 kills, 50 functions and 100,000
events."""

import http.client
import itertools
import json
import os
import random
import threading
import time

import pytest

from support import packages
from support.clients import ACCOUNT, REGION, Clients
from support.functions import ROLE, unique, until_active
from support.wait import until
from support.witness import WITNESSED, Witness

SEED = int(os.environ.get("LAMBENT_TEST_SEED", random.SystemRandom().randrange(2**32)))
KILLS = int(os.environ.get("LAMBENT_TEST_KILLS", "4"))
FUNCTIONS = int(os.environ.get("LAMBENT_TEST_EVENT_FUNCTIONS", "2"))
EVENTS = int(os.environ.get("LAMBENT_TEST_EVENTS", "400"))

# Of all events so many are sent after the last kill, for the count of those that are handled twice without one.
QUIET = 5
SENDERS = 4
# One of so many events fails. Functions send what follows in turn as a record to a destination, and as a dead letter.
DOOMED = 10


@pytest.fixture
def witness():
    witness = Witness()
    yield witness
    witness.close()


GRAVES = "graves"


def is_doomed(number):
    """Of consecutive events, which different functions have."""
    return number % (DOOMED * 2) < 2


class Campaign:
    """The functions, the senders, and what was accepted."""

    def __init__(self, server, port):
        self.server, self.port = server, port
        self.names = [unique("witnessed") for _ in range(FUNCTIONS)]
        self.accepted = set()
        self._numbers = itertools.count()
        self._stop = threading.Event()
        self._senders = []
        self._headers = {}

    def deploy(self):
        client, python = Clients(self.server).boto("lambda"), self.server.python()
        Clients(self.server).boto("sqs").create_queue(QueueName=GRAVES)
        graves = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{GRAVES}"
        for place, name in enumerate(self.names):
            client.create_function(
                FunctionName=name,
                Runtime=python,
                Role=ROLE,
                Handler="lambda_function.lambda_handler",
                # A slow machine must not use up the attempts.
                Timeout=60,
                Code={"ZipFile": packages.pack({"lambda_function.py": WITNESSED})},
                **({} if place % 2 else {"DeadLetterConfig": {"TargetArn": graves}}),
            )
            until_active(client, name)
            client.put_function_event_invoke_config(
                FunctionName=name,
                MaximumRetryAttempts=0,
                DestinationConfig={"OnFailure": {"Destination": graves}} if place % 2 else {},
            )
            # Many functions on a small machine: one environment each, and much that is throttled and comes back.
            if FUNCTIONS > 10:
                client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
            self._headers[name] = Clients(self.server).signed("POST", self._path(name), b"{}")

    def _path(self, name):
        return f"/2015-03-31/functions/{name}/invocations"

    def begin(self):
        self._stop.clear()
        self._senders = [threading.Thread(target=self._send) for _ in range(SENDERS)]
        for sender in self._senders:
            sender.start()

    def end(self):
        self._stop.set()
        for sender in self._senders:
            sender.join()

    def _send(self):
        """Sends until told to stop or the connection breaks. What is on its way then counts as not accepted."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        try:
            for number in self._numbers:
                name = self.names[number % len(self.names)]
                # A signature in a header has to be well-formed and no more: one serves for all.
                headers = {**self._headers[name], "X-Amz-Invocation-Type": "Event"}
                event = {"n": number, "port": self.port, "doomed": is_doomed(number)}
                connection.request("POST", self._path(name), json.dumps(event), headers)
                answer = connection.getresponse()
                body = answer.read()
                assert answer.status == 202, (answer.status, body)
                self.accepted.add(number)
                if self._stop.is_set():
                    return
        except (OSError, http.client.HTTPException):
            pass  # The connection broke: that is the kill.
        finally:
            connection.close()


def test_accepted_events_survive_kills(own_server, witness):
    # Ages must be long enough for the whole campaign on a slow machine, and waits short.
    (own_server.home / "lambent.toml").write_text("event_time_scale = 0.2\n")
    own_server.arguments += ["--network", "host"]
    own_server.start()
    chance, began = random.Random(SEED), time.monotonic()
    print(f"seed {SEED}")
    campaign = Campaign(own_server, witness.port)
    campaign.deploy()
    each = max(1, EVENTS * (QUIET - 1) // QUIET // KILLS)
    kills = 0
    while kills < KILLS:
        enough = len(campaign.accepted) + chance.randrange(each // 2, each + each // 2 + 1)
        campaign.begin()
        until(lambda: len(campaign.accepted) >= enough, "events to be accepted", 120)
        # At some moment of whatever is going on: accepting, starting, handling, settling.
        time.sleep(chance.random() * 0.1)
        own_server.kill()
        kills += 1
        campaign.end()
        # Every third time another one while it starts and recovers.
        while kills < KILLS and chance.random() < 0.33:
            own_server.launch()
            time.sleep(chance.random() * 0.8)
            own_server.kill()
            kills += 1
        own_server.start()
    # Kills at the start have taken rounds away.
    campaign.begin()
    until(lambda: len(campaign.accepted) >= EVENTS * (QUIET - 1) // QUIET, "events to be accepted", 1200)
    campaign.end()
    sent_with_kills = set(campaign.accepted)
    drain(campaign.accepted, witness)
    twice = sum(witness.handled[number] > 1 for number in sent_with_kills)
    print(
        f"{len(sent_with_kills)} events of {FUNCTIONS} functions accepted over {kills} kills, all handled; {twice} more "
        f"than once; {time.monotonic() - began:.0f} s"
    )
    quiet_phase(campaign, witness)
    graves(own_server, campaign)


def graves(server, campaign):
    """What follows from each accepted event that failed has arrived, from either kind of function."""
    sqs = Clients(server).boto("sqs")
    url = sqs.get_queue_url(QueueName=GRAVES)["QueueUrl"]
    missing = {number for number in campaign.accepted if is_doomed(number)}
    doomed, found = len(missing), {"record": 0, "dead letter": 0}
    assert doomed > 0

    def collect():
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", []):
            body = json.loads(message["Body"])
            is_record = "requestPayload" in body
            found["record" if is_record else "dead letter"] += 1
            event = body["requestPayload"] if is_record else body
            assert is_doomed(event["n"]), "what has succeeded leaves nothing"
            missing.discard(event["n"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return not missing

    while before := len(missing):
        until(lambda: collect() or len(missing) < before, lambda: f"what follows from {sorted(missing)[:20]}", 120, 0)
    print(f"of {doomed} that failed {found} arrived")
    assert all(found.values()), found


def quiet_phase(campaign, witness):
    before = set(campaign.accepted)
    enough = len(before) + EVENTS // QUIET
    campaign.begin()
    until(lambda: len(campaign.accepted) >= enough, "events to be accepted", 600)
    campaign.end()
    quiet = campaign.accepted - before
    drain(quiet, witness)
    twice = sum(witness.handled[number] > 1 for number in quiet)
    print(f"{len(quiet)} events without a kill, all handled; {twice} more than once")
    assert twice <= len(quiet) / 1000, "without a kill at most one of a thousand is handled twice"


def drain(numbers, witness):
    """Much may be left behind: as long as something comes of it, it is waited for."""

    def missing():
        return [number for number in numbers if number not in witness.handled]

    while before := len(missing()):
        until(lambda: len(missing()) < before, lambda: f"{sorted(missing())[:20]} to be handled", 120, 0.2)
