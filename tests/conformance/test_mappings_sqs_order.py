"""Queues' mappings under load and under failures: order, concurrency, loops, what disturbs whom, and what a crash loses
(Lambda Developer Guide: "Using Lambda with Amazon SQS", "Configuring scaling behavior for SQS event source mappings", "Use
Lambda recursive loop detection to prevent infinite loops"). With this server's own queues."""

import json
import re
import signal
import textwrap

import pytest

from support.clients import ACCOUNT, Clients
from support.mappings import INSIDE, Mapped
from support.server import Server
from support.wait import until

# Works off its batch in order, message by message, fails at random, and gives back what follows the first failure.
CONSUMER = textwrap.dedent("""
    import json, random, time

    def lambda_handler(event, context):
        chance = float("%s")
        failures, stopped = [], set()
        began = time.time_ns()
        time.sleep(0.05)
        if random.random() < chance:
            raise RuntimeError("the whole batch")
        for record in event["Records"]:
            group = record["attributes"]["MessageGroupId"]
            if group in stopped or random.random() < chance:
                stopped.add(group)
                failures.append({"itemIdentifier": record["messageId"]})
            else:
                print("DONE " + json.dumps([group, int(record["body"]), time.time_ns()]))
        groups = sorted({record["attributes"]["MessageGroupId"] for record in event["Records"]})
        print("SPAN " + json.dumps([began, time.time_ns(), groups]))
        return {"batchItemFailures": failures}
""")
SLEEPER = textwrap.dedent("""
    import json, time

    def lambda_handler(event, context):
        began = time.time_ns()
        time.sleep(0.3)
        print("SPAN " + json.dumps([began, time.time_ns()]))
""")
# Tells a second queue, durably, what it was given.
WITNESS = INSIDE + textwrap.dedent("""
    def lambda_handler(event, context):
        for record in event["Records"]:
            time.sleep(0.02)
            sqs("SendMessage", QueueUrl=os.environ["WITNESS"], MessageBody=record["body"])
""")
LOOP = INSIDE + textwrap.dedent("""
    def lambda_handler(event, context):
        for record in event["Records"]:
            print("ROUND " + record["body"])
            if record["body"] != "other":
                sqs("SendMessage", QueueUrl=os.environ["QUEUE"], MessageBody=str(int(record["body"]) + 1))
""")


@pytest.fixture(scope="module")
def server():
    server = Server()
    (server.home / "lambent.toml").write_text("event_time_scale = 0.05\n")
    try:
        yield server.start()
        assert server.process.poll() is None, f"the server ended by itself:\n{server.output()}"
    finally:
        server.remove()


def mapped_of(server):
    clients = Clients(server)
    return Mapped(clients, ACCOUNT, clients.sqs(), server.python())


@pytest.fixture
def mapped(server):
    mapped = mapped_of(server)
    yield mapped
    mapped.clean()


def drained(queue, timeout=90):
    until(queue.is_empty, lambda: f"the queue to be empty, it has {queue.counts()}", timeout, interval=0.1)


def at_once(spans):
    """How many of these were under way at once."""
    moments = sorted([(began, 1) for began, *_ in spans] + [(ended, -1) for _, ended, *_ in spans])
    most = now = 0
    for _, step in moments:
        now += step
        most = max(most, now)
    return most


def test_message_groups_are_worked_off_in_order_by_a_consumer_that_fails(mapped):
    # On a busy machine a cold start takes its part of the visibility timeout, too.
    queue = mapped.queue(VisibilityTimeout="5", FifoQueue="true", ContentBasedDeduplication="true")
    function = mapped.function(CONSUMER % 0.1, timeout=5, MemorySize=256)
    groups, each = [f"g{n}" for n in range(6)], 15
    for group in groups:
        for number in range(each):
            queue.sqs.send_message(
                QueueUrl=queue.url, MessageBody=str(number), MessageGroupId=group, MessageDeduplicationId=f"{group}-{number}"
            )
    mapped.map(function, queue, FunctionResponseTypes=["ReportBatchItemFailures"])
    drained(queue)
    done = sorted(mapped.told(function, "DONE"), key=lambda one: one[2])
    for group in groups:
        assert [number for of, number, _ in done if of == group] == list(range(each)), group
        spans = [span for span in mapped.told(function, "SPAN") if group in span[2]]
        assert at_once(spans) == 1, group
    assert at_once(mapped.told(function, "SPAN")) > 1, "groups do not wait for each other"


@pytest.mark.parametrize("most", [2, 4])
def test_maximum_concurrency_is_reached_and_kept(mapped, most):
    function, queue = mapped.function(SLEEPER), mapped.queue()
    queue.send(*(str(number) for number in range(40)))
    mapped.map(function, queue, BatchSize=1, ScalingConfig={"MaximumConcurrency": most})
    drained(queue)
    spans = mapped.told(function, "SPAN")
    assert (len(spans), at_once(spans)) == (40, most)


def test_provisioned_pollers_are_there_from_the_start():
    """ "Each event poller can handle up to 10 concurrent invokes"; without them there are five and then more with time."""
    server = Server()
    mapped = None
    try:
        server.start()
        mapped = mapped_of(server)
        function = mapped.function("import time\n\ndef lambda_handler(event, context):\n    time.sleep(8)\n")
        plain, provisioned = mapped.queue(VisibilityTimeout="60"), mapped.queue(VisibilityTimeout="60")
        for queue in (plain, provisioned):
            queue.send(*(str(number) for number in range(40)))
        mapped.map(function, plain, BatchSize=1)
        pollers = {"MinimumPollers": 2, "MaximumPollers": 2}
        mapping = mapped.map(function, provisioned, BatchSize=1, ProvisionedPollerConfig=pollers)
        # What the pollers have is what is being processed.
        under_way = lambda queue: queue.counts()[1]  # noqa: E731
        until(lambda: under_way(provisioned) >= 20, lambda: f"20 under way, there are {under_way(provisioned)}", 20, 0.02)
        assert under_way(plain) < 20
        assert {under_way(provisioned) for _ in range(20)} == {20}, "two pollers have no more"
        shown = mapped.lambda_.get_event_source_mapping(UUID=mapping)
        assert shown["ProvisionedPollerConfig"] == pollers
        mapped.until_state(mapping, "Enabled")
        more = {"MinimumPollers": 3, "MaximumPollers": 3}
        mapped.lambda_.update_event_source_mapping(UUID=mapping, ProvisionedPollerConfig=more)
        until(lambda: under_way(provisioned) >= 30, lambda: f"30 under way, there are {under_way(provisioned)}", 20, 0.02)
        assert under_way(provisioned) == 30
        drained(provisioned)
    finally:
        if mapped:
            mapped.clean()
        server.remove()


def test_what_fails_or_is_missing_disturbs_no_other_mapping(server, mapped):
    poison, throttled, gone, good = (mapped.queue(VisibilityTimeout="20") for _ in range(4))
    failing, limited, worker = mapped.function(), mapped.function(), mapped.function()
    mapped.lambda_.put_function_concurrency(FunctionName=limited, ReservedConcurrentExecutions=0)
    metrics = {"MetricsConfig": {"Metrics": ["EventCount"]}}
    mapped.map(failing, poison)
    mapped.map(limited, throttled)
    lost = mapped.map(worker, gone, **metrics)
    mapping = mapped.map(worker, good, **metrics)
    poison.send(*("raise" for _ in range(30)))
    throttled.send("waits")
    gone.sqs.delete_queue(QueueUrl=gone.url)
    for number in range(10):
        good.send(*(f"{number} {n}" for n in range(10)))
    drained(good)
    assert len(set(mapped.bodies(worker, "DONE"))) == 100

    def metric(name, of):
        page = mapped_page(server)
        found = re.search(rf'lambent_event_source_mapping_{name}_total{{[^}}]*mapping="{of}"}} (\d+)', page)
        return int(found[1]) if found else 0

    assert [metric(f"{name}_events", mapping) for name in ("polled", "invoked", "deleted")] == [100, 100, 100]
    assert metric("failed_invoke_events", mapping) == 0
    until(lambda: metric("back_offs", lost) > 0, "the mapping without a queue to back off", 60)
    # What was throttled is processed once there is concurrency for it.
    mapped.lambda_.delete_function_concurrency(FunctionName=limited)
    drained(throttled)
    assert mapped.bodies(limited) == ["waits"]


def mapped_page(server):
    import urllib.request

    with urllib.request.urlopen(f"{server.url}/metrics", timeout=10) as answer:
        return answer.read().decode()


def test_a_loop_over_a_queue_is_stopped_after_sixteen_rounds_and_nothing_else_is(mapped):
    queue = mapped.queue(VisibilityTimeout="3")
    dead = mapped.queue()
    queue.set(RedrivePolicy=json.dumps({"deadLetterTargetArn": dead.arn, "maxReceiveCount": "1"}))
    function = mapped.function(LOOP, timeout=2, Environment={"Variables": {"QUEUE": queue.url}})
    mapped.map(function, queue)
    queue.send("1")
    until(lambda: dead.counts()[0] == 1, "the message of the seventeenth round", 60)
    queue.send("other")
    drained(queue)

    def rounds():
        lines = [line[6:] for line in mapped_lines(mapped, function) if line.startswith("ROUND ")]
        return "other" in lines and lines

    told = until(rounds, "the other message")
    assert sorted(int(line) for line in told if line != "other") == list(range(1, 17))
    assert dead.take(1) == ["17"]


def mapped_lines(mapped, function):
    from support.streams import messages

    return messages(mapped.logs, function)


def test_a_server_that_is_killed_loses_nothing():
    server = Server()
    (server.home / "lambent.toml").write_text("event_time_scale = 0.05\n")
    try:
        mapped = mapped_of(server.start())
        witness, queue = mapped.queue(), mapped.queue(VisibilityTimeout="5")
        function = mapped.function(WITNESS, timeout=5, Environment={"Variables": {"WITNESS": witness.url}})
        mapped.map(function, queue)
        bodies = [f"message {number}" for number in range(150)]
        queue.send(*bodies)
        for wanted in (20, 50, 80):
            until(lambda wanted=wanted: witness.counts()[0] >= min(wanted, 150), "some to be processed", 60)
            server.process.send_signal(signal.SIGKILL)
            server.process.wait(20)
            mapped = mapped_of(server.start())
            url = f"{server.url}/{ACCOUNT}/"
            for one in (witness, queue):
                one.sqs, one.url = mapped.sqs, url + one.name
        drained(queue, 120)
        seen = set()

        def all_seen():
            seen.update(witness.take(min(10, max(1, witness.counts()[0]))))
            return len(seen) == 150

        until(all_seen, lambda: f"every message, {len(seen)} came", 60)
        assert seen == set(bodies)
    finally:
        server.remove()
