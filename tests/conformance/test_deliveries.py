"""What is delivered to somebody who does not answer: it disturbs nobody else, and whoever looks after the server sees it."""

import json
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from support.clients import ACCOUNT, REGION, Clients
from support.functions import unique
from support.server import Server
from support.wait import until

NEVER = f"arn:aws:sqs:{REGION}:{ACCOUNT}:never"
ANYBODY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}


@pytest.fixture(scope="module")
def server():
    server = Server()
    # Nobody listens there. A second of waiting is 50 ms.
    config = f'event_time_scale = 0.05\n[endpoints]\n"{NEVER}" = "http://127.0.0.1:1"\n'
    (server.home / "lambent.toml").write_text(config)
    yield server.start()
    server.remove()


@pytest.fixture(scope="module")
def clients(server):
    return Clients(server)


def page(clients):
    answer = clients.http("GET", "/_lambent/deliveries", sign=False)
    assert answer.status == 200
    return json.loads(answer.body)


def trouble(clients, source):
    """The lane in trouble with the deliveries of a resource."""
    lanes = [lane for lane in page(clients)["lanes"] if lane.get("trouble", {}).get("source", "").startswith(source)]
    return lanes[0] if lanes else None


@pytest.fixture
def live(clients):
    sqs = clients.boto("sqs")
    url = sqs.create_queue(QueueName=unique("live"))["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = {**ANYBODY, "Statement": [{**ANYBODY["Statement"][0], "Resource": arn, "Action": "sqs:*"}]}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    return url, arn


def received(clients, url):
    answer = clients.boto("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=20)
    return [message["Body"] for message in answer["Messages"]]


def test_a_dead_target_is_shown_and_disturbs_no_other(clients, live):
    assert page(clients) == {"lanesWaiting": 0, "lanesInTrouble": 0, "lanes": []}
    events, sns = clients.boto("events"), clients.boto("sns")
    url, arn = live
    rule, source = unique("rule"), unique("shop")
    rule_arn = events.put_rule(Name=rule, EventPattern=json.dumps({"source": [source]}))["RuleArn"]
    targets = [{"Id": "dead", "Arn": NEVER}, {"Id": "live", "Arn": arn}]
    events.put_targets(Rule=rule, Targets=targets)
    events.put_events(Entries=[{"Source": source, "DetailType": "d", "Detail": '{"n": 1}'} for _ in range(3)])
    messages = []
    while len(messages) < 3:
        messages += received(clients, url)
    until(lambda: (trouble(clients, rule_arn) or {"trouble": {"failedAttempts": 0}})["trouble"]["failedAttempts"] > 3, "it")
    lane = trouble(clients, rule_arn)
    assert (lane["lane"], lane["waiting"]) == (f"delivery/{NEVER}", 3)
    seen = lane["trouble"]
    assert (seen["destination"], seen["source"], seen["givenUp"]) == (NEVER, rule_arn, 0)
    assert seen["since"] < seen["lastAttempt"] < seen["nextAttempt"]
    assert "there was no answer" in seen["lastError"]
    # A topic has lanes of its own.
    topic = sns.create_topic(Name=unique("topic"))["TopicArn"]
    dead = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=NEVER, ReturnSubscriptionArn=True)["SubscriptionArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    sns.publish(TopicArn=topic, Message="hello")
    assert received(clients, url) == ["hello"]
    until(lambda: trouble(clients, dead), "the subscription to be shown")
    assert page(clients)["lanesInTrouble"] == 2
    metrics = clients.http("GET", "/metrics", sign=False).body.decode()
    assert "\nlambent_delivery_lanes_in_trouble 2\n" in metrics
    assert clients.http("POST", "/_lambent/deliveries", sign=False).status == 405
    page_of_others = clients.http("GET", "/_lambent/deliveries", headers={"Origin": "http://evil.example"}, sign=False)
    assert page_of_others.status == 403
    events.remove_targets(Rule=rule, Ids=["dead", "live"])


def test_what_is_given_up_is_shown_until_something_arrives(clients, live):
    events = clients.boto("events")
    rule, source = unique("rule"), unique("shop")
    rule_arn = events.put_rule(Name=rule, EventPattern=json.dumps({"source": [source]}))["RuleArn"]
    url, arn = live
    # Nobody may send there until its policy says so.
    sqs = clients.boto("sqs")
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
    events.put_targets(Rule=rule, Targets=[{"Id": "1", "Arn": arn, "RetryPolicy": {"MaximumRetryAttempts": 0}}])
    entry = {"Source": source, "DetailType": "d", "Detail": "{}"}
    events.put_events(Entries=[entry])
    # It is noted a moment before its end is written.
    until(lambda: (trouble(clients, rule_arn) or {"waiting": 1})["waiting"] == 0, "the rule to be shown")
    lane = trouble(clients, rule_arn)
    assert (lane["nextDue"], lane["trouble"]["nextAttempt"]) == (None, None)
    assert (lane["trouble"]["givenUp"], "AccessDenied" in lane["trouble"]["lastError"]) == (1, True)
    policy = {**ANYBODY, "Statement": [{**ANYBODY["Statement"][0], "Resource": arn, "Action": "sqs:*"}]}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    events.put_events(Entries=[entry])
    assert len(received(clients, url)) == 1
    until(lambda: not trouble(clients, rule_arn), "the rule to be out of trouble")


class Handler(BaseHTTPRequestHandler):
    """Takes every message but those that say `poison`; at `/hang` nothing is answered but who asks for a subscription."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if body["Type"] == "SubscriptionConfirmation":
            self.server.asked[self.path] = body["SubscribeURL"]
        elif self.path == "/hang":
            self.server.hangs.set()
            self.server.released.wait()
        elif body["Message"] == "poison":
            self.server.poisoned += 1
            self.send_error(500)
            return
        else:
            self.server.took.append((self.path, body["Message"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Nothing to say."""


@pytest.fixture
def endpoint():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.took, server.poisoned = {}, [], 0
    server.hangs, server.released = threading.Event(), threading.Event()
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_hangs_and_what_is_poison_keeps_nothing_else_back(clients, endpoint):
    sns = clients.boto("sns")
    topic = sns.create_topic(Name=unique("topic"))["TopicArn"]
    url, arns = f"http://127.0.0.1:{endpoint.server_address[1]}", {}
    for path in ("/hang", "/good"):
        subscribed = sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=url + path, ReturnSubscriptionArn=True)
        arns[path] = subscribed["SubscriptionArn"]
        until(lambda: path in endpoint.asked, "the endpoint to be asked")
        urllib.request.urlopen(endpoint.asked[path], timeout=10).close()
    sns.publish(TopicArn=topic, Message="poison")
    until(lambda: endpoint.poisoned >= 2, "the poison to be tried again")
    for number in range(30):
        sns.publish(TopicArn=topic, Message=str(number))
    until(lambda: len(endpoint.took) == 30, lambda: f"30 messages, {len(endpoint.took)} came", 30)
    assert {path for path, _ in endpoint.took} == {"/good"}
    assert endpoint.hangs.is_set()
    # All of that while nothing that hangs has ended, so that it is no trouble yet and waits as a whole.
    lanes = {lane["lane"]: lane for lane in page(clients)["lanes"]}
    assert lanes[f"post/{arns['/hang']}"]["waiting"] == 31
