"""Queues and the functions that are mapped to them, whoever the queues belong to."""

import json
import textwrap

from . import packages
from .clients import REGION
from .functions import ROLE, unique, until_active
from .streams import messages
from .wait import until

# Does with its batch what the first word of each body says, and tells what it was given.
WORKER = textwrap.dedent("""
    import json, time

    def lambda_handler(event, context):
        bodies = [record["body"] for record in event["Records"]]
        print("BATCH " + json.dumps({"bodies": bodies, "id": context.aws_request_id}))
        print("EVENT " + json.dumps(event))
        failures = []
        for record in event["Records"]:
            word, _, rest = record["body"].partition(" ")
            count = int(record["attributes"]["ApproximateReceiveCount"])
            if word == "sleep":
                time.sleep(float(rest))
            if word == "raise" or (word == "once" and count == 1):
                raise ValueError(record["body"])
            if word == "fail" or (word == "failonce" and count == 1):
                failures.append({"itemIdentifier": record["messageId"]})
        print("DONE " + json.dumps({"bodies": bodies, "id": context.aws_request_id}))
        return {"batchItemFailures": failures}
""")


# Calls of SQS from inside, signed, with the trace of the invocation, as an SDK makes them; then the function.
INSIDE = textwrap.dedent("""
    import json, os, time, urllib.request

    def sqs(operation, **members):
        request = urllib.request.Request(os.environ["AWS_ENDPOINT_URL"], data=json.dumps(members).encode())
        signature = "SignedHeaders=host;x-amz-date, Signature=" + "0" * 64
        request.add_header("Authorization", "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/sqs/aws4_request, " + signature)
        request.add_header("X-Amz-Date", "20260101T000000Z")
        request.add_header("X-Amz-Target", "AmazonSQS." + operation)
        request.add_header("Content-Type", "application/x-amz-json-1.0")
        request.add_header("X-Amzn-Trace-Id", os.environ["_X_AMZN_TRACE_ID"])
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read() or b"{}")
""")


class Queue:
    """A queue of an account, by boto3's client of whoever has it."""

    def __init__(self, sqs, account, name=None, **attributes):
        self.sqs = sqs
        self.name = name or unique("queue")
        if attributes.get("FifoQueue"):
            self.name += ".fifo"
        self.url = sqs.create_queue(QueueName=self.name, Attributes=attributes)["QueueUrl"]
        self.arn = f"arn:aws:sqs:{REGION}:{account}:{self.name}"

    def send(self, *bodies, **options):
        for start in range(0, len(bodies), 10):
            entries = [
                {"Id": str(place), "MessageBody": body, **options} for place, body in enumerate(bodies[start : start + 10])
            ]
            answer = self.sqs.send_message_batch(QueueUrl=self.url, Entries=entries)
            assert not answer.get("Failed"), answer

    def counts(self):
        """Messages that are shown, and those that somebody has."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return tuple(int(attributes[name]) for name in names)

    def is_empty(self):
        return self.counts() == (0, 0)

    def set(self, **attributes):
        self.sqs.set_queue_attributes(QueueUrl=self.url, Attributes=attributes)

    def take(self, count, timeout=30):
        """Takes out so many messages."""
        bodies = []

        def receive():
            answer = self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10, AttributeNames=["All"])
            for message in answer.get("Messages", []):
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
                bodies.append(message["Body"])
            return len(bodies) >= count

        until(receive, lambda: f"{count} messages, of which {len(bodies)} came", timeout)
        return bodies


class Mapped:
    """Functions and their mappings in one account, taken away at the end."""

    def __init__(self, clients, account, sqs, python):
        self.account = account
        self.lambda_ = clients.boto("lambda", key=account)
        self.logs = clients.boto("logs", key=account)
        self.sqs = sqs
        self.python = python
        self._functions, self._mappings = [], []

    def queue(self, **attributes):
        return Queue(self.sqs, self.account, **{"VisibilityTimeout": "30", **attributes})

    def function(self, source=WORKER, timeout=20, **settings):
        name = unique("worker")
        self.lambda_.create_function(
            **{
                "FunctionName": name,
                "Runtime": self.python,
                "Role": ROLE.replace("000000000000", self.account),
                "Handler": "lambda_function.lambda_handler",
                "Code": {"ZipFile": packages.pack({"lambda_function.py": source})},
                "Timeout": timeout,
                **settings,
            }
        )
        self._functions.append(name)
        until_active(self.lambda_, name)
        return name

    def map(self, function, queue, **settings):
        made = self.lambda_.create_event_source_mapping(FunctionName=function, EventSourceArn=queue.arn, **settings)
        self._mappings.append(made["UUID"])
        return made["UUID"]

    def state(self, mapping):
        return self.lambda_.get_event_source_mapping(UUID=mapping)["State"]

    def until_state(self, mapping, state, timeout=30):
        until(lambda: self.state(mapping) == state, lambda: f"{state}, it is {self.state(mapping)}", timeout)

    def told(self, function, word):
        """What the worker has told, oldest first."""
        lines = messages(self.logs, function)
        return [json.loads(line[len(word) + 1 :]) for line in lines if line.startswith(f"{word} ")]

    def bodies(self, function, word="BATCH"):
        return [body for batch in self.told(function, word) for body in batch["bodies"]]

    def clean(self):
        for mapping in self._mappings:
            self._until_deleted(mapping)
        for function in self._functions:
            self.lambda_.delete_function(FunctionName=function)

    def _until_deleted(self, mapping):
        def deleted():
            try:
                self.lambda_.delete_event_source_mapping(UUID=mapping)
            except self.lambda_.exceptions.ResourceInUseException:
                # Being deleted, or about to rest.
                return self.state_or_none(mapping) == "Deleting"
            except self.lambda_.exceptions.ResourceNotFoundException:
                return True
            return True

        until(deleted, f"{mapping} to be deleted", 40)

    def state_or_none(self, mapping):
        try:
            return self.state(mapping)
        except self.lambda_.exceptions.ResourceNotFoundException:
            return None
