"""What any source has accepted reaches its function, whenever the server is killed: messages of queues, of topics, events of
a bus, objects of a bucket. In a FIFO queue the order of each group holds, and never are two of a group under way, under a
function that fails at random.

A little of it with every run of the tests; `cargo xtask prove sources` does more.
"""

import itertools
import json
import os
import random
import threading

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from support import packages
from support.clients import ACCOUNT, REGION, Clients
from support.functions import ROLE, until_active
from support.wait import until
from support.witness import Witness

SEED = int(os.environ.get("LAMBENT_TEST_SEED", random.SystemRandom().randrange(2**32)))
KILLS = int(os.environ.get("LAMBENT_TEST_KILLS", "3"))
EACH = int(os.environ.get("LAMBENT_TEST_EVENTS", "60"))
GROUPS = 4

# One connection to the witness for the life of an environment, a line and an answer for each thing handled.
FUNCTION = """
import json
import os
import random
import socket
from urllib.parse import unquote_plus

witness = None

def things(event):
    if "detail" in event:
        yield event["detail"]
    for record in event.get("Records", []):
        if record.get("eventSource") == "aws:sqs":
            yield json.loads(record["body"])
        elif record.get("EventSource") == "aws:sns":
            yield json.loads(record["Sns"]["Message"])
        else:
            yield {"n": int(unquote_plus(record["s3"]["object"]["key"]))}

def tell(number):
    global witness
    if witness is None:
        witness = socket.create_connection(("127.0.0.1", int(os.environ["PORT"])), timeout=20)
    witness.sendall(b"%d\\n" % number)
    if witness.recv(1) != b"k":
        witness = None
        raise ConnectionError("the witness has not heard it")

def lambda_handler(event, context):
    for thing in things(event):
        if os.environ["FAILS"] == "no":
            tell(thing["n"])
            continue
        # Even: begun. Odd: over, well or not.
        tell(thing["n"] * 4)
        fails = random.random() < 0.2
        tell(thing["n"] * 4 + (3 if fails else 1))
        if fails:
            raise RuntimeError("by chance")
"""


def queue_arn(name):
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"


class Sources:
    """One of each source with its function, and what each has accepted."""

    def __init__(self, server, plain, ordered):
        self.server = server
        self.numbers = itertools.count()
        self.accepted = {"sqs": set(), "fifo": set(), "sns": set(), "events": set(), "s3": set()}
        self._ports = {"plain": plain.port, "ordered": ordered.port}
        self._stop = threading.Event()
        self._threads = []

    def boto(self, service):
        options = {"s3": {"addressing_style": "path"}} if service == "s3" else {}
        return Clients(self.server).boto(service, **options)

    def deploy(self):
        lambda_, python = self.boto("lambda"), self.server.python()
        for name in ("plain", "ordered"):
            lambda_.create_function(
                FunctionName=name, Runtime=python, Role=ROLE, Handler="lambda_function.lambda_handler", Timeout=6,
                Environment={"Variables": {"PORT": str(self._ports[name]), "FAILS": "yes" if name == "ordered" else "no"}},
                Code={"ZipFile": packages.pack({"lambda_function.py": FUNCTION})},
            )
            until_active(lambda_, name)
        sqs = self.boto("sqs")
        attributes = {"VisibilityTimeout": "30"}
        self.url = sqs.create_queue(QueueName="work", Attributes=attributes)["QueueUrl"]
        # What failed, or was under way at a kill, holds its group up for so long.
        attributes = {"VisibilityTimeout": "6", "FifoQueue": "true", "ContentBasedDeduplication": "true"}
        self.fifo_url = sqs.create_queue(QueueName="work.fifo", Attributes=attributes)["QueueUrl"]
        for queue, function in (("work", "plain"), ("work.fifo", "ordered")):
            lambda_.create_event_source_mapping(
                EventSourceArn=queue_arn(queue), FunctionName=function, BatchSize=1 if function == "ordered" else 5
            )
        function = lambda_.get_function(FunctionName="plain")["Configuration"]["FunctionArn"]
        self.topic = self.boto("sns").create_topic(Name="work")["TopicArn"]
        self.boto("sns").subscribe(TopicArn=self.topic, Protocol="lambda", Endpoint=function)
        events = self.boto("events")
        rule = events.put_rule(Name="work", EventPattern='{"source":["work"]}')["RuleArn"]
        events.put_targets(Rule="work", Targets=[{"Id": "1", "Arn": function}])
        for source, arn in (("sns", self.topic), ("events", rule), ("s3", "arn:aws:s3:::work")):
            lambda_.add_permission(
                FunctionName="plain", StatementId=source, Action="lambda:InvokeFunction",
                Principal=f"{source}.amazonaws.com", SourceArn=arn,
            )
        s3 = self.boto("s3")
        s3.create_bucket(Bucket="work")
        configuration = {"LambdaFunctionArn": function, "Events": ["s3:ObjectCreated:*"]}
        s3.put_bucket_notification_configuration(
            Bucket="work", NotificationConfiguration={"LambdaFunctionConfigurations": [configuration]}
        )

    def _send(self, source):
        """Returns once the source has accepted it, and what: a number."""
        client = self.boto("sqs" if source == "fifo" else source)
        send = {
            "sqs": lambda text, _: client.send_message(QueueUrl=self.url, MessageBody=text),
            "fifo": lambda text, n: client.send_message(
                QueueUrl=self.fifo_url, MessageBody=text, MessageGroupId=str(n % GROUPS)
            ),
            "sns": lambda text, _: client.publish(TopicArn=self.topic, Message=text),
            "events": lambda text, _: client.put_events(
                Entries=[{"Source": "work", "DetailType": "work", "Detail": text}]
            ),
            "s3": lambda _, n: client.put_object(Bucket="work", Key=str(n), Body=b""),
        }[source]
        try:
            while not self._stop.is_set():
                number = next(self.numbers)
                answer = send(json.dumps({"n": number}), number)
                assert not answer.get("FailedEntryCount"), answer
                self.accepted[source].add(number)
        except (BotoCoreError, ClientError):
            pass  # The connection broke: that is the kill, and what was on its way does not count.

    def begin(self):
        self._stop.clear()
        # One sender for each: the order in a queue is that in which they were sent.
        self._threads = [threading.Thread(target=self._send, args=(source,)) for source in self.accepted]
        for thread in self._threads:
            thread.start()

    def end(self):
        self._stop.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def witnesses():
    both = Witness(), Witness()
    yield both
    for witness in both:
        witness.close()


def test_what_sources_accept_survives_kills(own_server, witnesses):
    plain, ordered = witnesses
    (own_server.home / "lambent.toml").write_text("event_time_scale = 0.2\n")
    own_server.arguments += ["--network", "host"]
    own_server.start()
    chance = random.Random(SEED)
    print(f"seed {SEED}")
    sources = Sources(own_server, plain, ordered)
    sources.deploy()
    killed_at = []
    for round_ in range(KILLS + 1):
        enough = {source: len(done) + EACH // (KILLS + 1) for source, done in sources.accepted.items()}
        sources.begin()
        until(
            lambda: all(len(done) >= enough[source] for source, done in sources.accepted.items()),
            lambda: f"each source to accept more: {({s: len(d) for s, d in sources.accepted.items()})}", 180,
        )
        if round_ == KILLS:
            sources.end()
            break
        threading.Event().wait(chance.random() * 0.1)
        own_server.kill()
        sources.end()
        # Whatever was under way is dead by now, whether or not it has said that it is over.
        killed_at.append(len(ordered.heard))
        own_server.start()
    for source, done in sources.accepted.items():
        until(
            lambda source=source, done=done: missing(source, done, plain, ordered) == [],
            lambda source=source, done=done: f"{source}: {missing(source, done, plain, ordered)[:20]} to be handled", 240,
        )
    check_order(ordered.heard, killed_at, sources.accepted["fifo"])
    print(", ".join(f"{source}: {len(done)}" for source, done in sources.accepted.items()), "accepted and handled")


def missing(source, numbers, plain, ordered):
    if source == "fifo":
        return sorted(number for number in numbers if number * 4 + 1 not in ordered.handled)
    return sorted(number for number in numbers if number not in plain.handled)


def check_order(heard, killed_at, accepted):
    """A group's messages are done in the order in which they were sent, and none is begun while another is under way."""
    open_, done = {}, {}
    for place, word in enumerate(heard):
        if place in killed_at:
            open_.clear()
        number, said = divmod(word, 4)
        group = number % GROUPS
        if said == 0:
            assert group not in open_, f"{number} was begun while {open_[group]} of its group was under way"
            open_[group] = number
            earlier = {n for n in accepted if n % GROUPS == group and n < number} - done.get(group, set())
            assert not earlier, f"{number} was begun before {sorted(earlier)} of its group were done"
            continue
        open_.pop(group, None)
        if said == 1:
            done.setdefault(group, set()).add(number)
