"""The differences that are there for a reason: the page of AWS's that says ours is right. Everything else that differs is a
defect of ours.

Service, script, label, path of the difference ("" for all of the answer): the peers that differ, and why they do.
"""

BOTH = ("ministack", "moto")
MINISTACK = ("ministack",)
MOTO = ("moto",)


def _of(service, script, rows):
    for label, path, peers, why in rows:
        yield (service, script, label, path), (peers, why)


NAMES = 'CreateQueue, "QueueName": up to 80 alphanumeric characters, hyphens and underscores'
SEND = 'SendMessage: what the request breaks is an error'

KNOWN = {
    **dict(_of("sqs", "life", [
        ("bad name", "", MINISTACK, NAMES),
        ("long name", "", MINISTACK, NAMES),
        ("unknown attribute", "", BOTH, 'CreateQueue, errors: "InvalidAttributeName"'),
        ("bad attribute", "error", MOTO, "follows from the call before, which ours refused"),
        ("set badly", "", MOTO, 'SetQueueAttributes, errors: "InvalidAttributeValue"; the bound is in "VisibilityTimeout"'),
        ("attributes", "Attributes.SqsManagedSseEnabled", MINISTACK,
         'SQS Developer Guide, "Encryption at rest": on by default for all new queues'),
        ("no attribute", "Attributes", MINISTACK, "GetQueueAttributes: only attributes that are asked for"),
        ("list nothing", "QueueUrls", MINISTACK, "an empty list is left out, as the lists of tags are"),
    ])),
    **dict(_of("sqs", "messages", [
        ("empty body", "", MOTO, 'SendMessage, "MessageBody": "The minimum size is one character"'),
        ("empty attribute", "", BOTH,
         'SQS Developer Guide, "Amazon SQS message metadata": name, type and value must not be empty or null'),
        ("bad type", "", MINISTACK, 'the same: "String, Number, Binary" and labels of these'),
        ("bad delay", "", MINISTACK, 'SendMessage, "DelaySeconds": "Valid values: 0 to 900"'),
        ("group on a standard queue", "", BOTH,
         'SendMessage, "MessageDeduplicationId": "This parameter applies only to FIFO"'),
        ("nothing left", "", BOTH, "follows from the messages before, which ours refused"),
        ("too long", "", MINISTACK, 'ReceiveMessage, "WaitTimeSeconds": 0 to 20'),
        ("bad time", "", MINISTACK, 'ChangeMessageVisibility: "Values range: 0 to 43200"'),
        ("delete again", "", MINISTACK, "DeleteMessage: deleting what is gone succeeds"),
    ])),
    **dict(_of("sqs", "batches", [
        ("delete", "Failed.0.Message", MINISTACK, "a text, which no page has"),
    ])),
    **dict(_of("sqs", "dead_letters", [
        ("bad policy", "", BOTH, 'SetQueueAttributes: "InvalidAttributeValue" is for attributes of the queue alone; AWS '
                                 "answers InvalidParameterValue for policies (Terraform's provider and the CDK rely on it)"),
        ("absent target", "", BOTH, "as above"),
        ("sources", "", MINISTACK, "ListDeadLetterSourceQueues exists"),
        ("sources", "queueUrls", MOTO, "ListDeadLetterSourceQueues: queues with a redrive policy that names this one"),
        ("second", "", MOTO, 'SQS Developer Guide, "Using dead-letter queues": the receive beyond maxReceiveCount moves it'),
        ("dead", "", MOTO, "as above"),
    ])),
}
