"""Amazon SQS."""

ACCOUNT = "123456789012"


def life(script):
    """Queues are made, shown, changed and deleted."""
    call = script.call
    url = call("create", "create_queue", QueueName="life")["QueueUrl"]
    call("again", "create_queue", QueueName="life")
    call("again with others", "create_queue", QueueName="life", Attributes={"DelaySeconds": "7"})
    call("bad name", "create_queue", QueueName="a b")
    call("long name", "create_queue", QueueName="x" * 81)
    call("fifo without suffix", "create_queue", QueueName="fifo", Attributes={"FifoQueue": "true"})
    call("unknown attribute", "create_queue", QueueName="other", Attributes={"Colour": "red"})
    call("bad attribute", "create_queue", QueueName="other", Attributes={"DelaySeconds": "901"})
    call("url", "get_queue_url", QueueName="life")
    call("absent url", "get_queue_url", QueueName="absent")
    call("attributes", "get_queue_attributes", QueueUrl=url, AttributeNames=["All"])
    call("one attribute", "get_queue_attributes", QueueUrl=url, AttributeNames=["QueueArn"])
    call("no attribute", "get_queue_attributes", QueueUrl=url)
    call("set", "set_queue_attributes", QueueUrl=url, Attributes={"VisibilityTimeout": "5", "DelaySeconds": "0"})
    call("was set", "get_queue_attributes", QueueUrl=url, AttributeNames=["VisibilityTimeout"])
    call("set badly", "set_queue_attributes", QueueUrl=url, Attributes={"VisibilityTimeout": "43201"})
    call("tag", "tag_queue", QueueUrl=url, Tags={"a": "1", "b": ""})
    call("untag", "untag_queue", QueueUrl=url, TagKeys=["a"])
    call("tags", "list_queue_tags", QueueUrl=url)
    call("permit", "add_permission", QueueUrl=url, Label="l", AWSAccountIds=[ACCOUNT], Actions=["SendMessage"])
    call("forbid", "remove_permission", QueueUrl=url, Label="l")
    call("list", "list_queues", QueueNamePrefix="life")
    call("list nothing", "list_queues", QueueNamePrefix="nothing")
    call("delete", "delete_queue", QueueUrl=url)
    call("gone", "get_queue_attributes", QueueUrl=url, AttributeNames=["All"])


def messages(script):
    """Messages are sent, received, put off and deleted."""
    call = script.call
    url = call("create", "create_queue", QueueName="messages", Attributes={"VisibilityTimeout": "30"})["QueueUrl"]
    attributes = {
        "text": {"DataType": "String", "StringValue": "ä"},
        "number": {"DataType": "Number.int", "StringValue": "1"},
        "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    call("send", "send_message", QueueUrl=url, MessageBody="one", MessageAttributes=attributes)
    call("empty body", "send_message", QueueUrl=url, MessageBody="")
    call("empty attribute", "send_message", QueueUrl=url, MessageBody="x",
         MessageAttributes={"a": {"DataType": "String", "StringValue": ""}})
    call("bad type", "send_message", QueueUrl=url, MessageBody="x",
         MessageAttributes={"a": {"DataType": "Text", "StringValue": "b"}})
    call("bad delay", "send_message", QueueUrl=url, MessageBody="x", DelaySeconds=901)
    call("group on a standard queue", "send_message", QueueUrl=url, MessageBody="x", MessageDeduplicationId="d")
    got = call("receive", "receive_message", QueueUrl=url, AttributeNames=["All"], MessageAttributeNames=["All"])
    handle = got["Messages"][0]["ReceiptHandle"]
    call("nothing left", "receive_message", QueueUrl=url)
    call("too many", "receive_message", QueueUrl=url, MaxNumberOfMessages=11)
    call("too long", "receive_message", QueueUrl=url, WaitTimeSeconds=21)
    call("at once", "change_message_visibility", QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
    got = call("again", "receive_message", QueueUrl=url, AttributeNames=["ApproximateReceiveCount"])
    handle = got["Messages"][0]["ReceiptHandle"]
    call("bad time", "change_message_visibility", QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=43201)
    call("bad handle", "change_message_visibility", QueueUrl=url, ReceiptHandle="bad", VisibilityTimeout=1)
    call("delete", "delete_message", QueueUrl=url, ReceiptHandle=handle)
    call("delete again", "delete_message", QueueUrl=url, ReceiptHandle=handle)
    call("delete badly", "delete_message", QueueUrl=url, ReceiptHandle="bad")


def batches(script):
    """Batches succeed and fail entry by entry."""
    call = script.call
    url = call("create", "create_queue", QueueName="batches")["QueueUrl"]
    entries = [{"Id": str(index), "MessageBody": f"m{index}"} for index in range(3)]
    call("send", "send_message_batch", QueueUrl=url, Entries=entries)
    call("none", "send_message_batch", QueueUrl=url, Entries=[])
    many = [{"Id": str(index), "MessageBody": "m"} for index in range(11)]
    call("too many", "send_message_batch", QueueUrl=url, Entries=many)
    call("twice the same", "send_message_batch", QueueUrl=url, Entries=[entries[0], entries[0]])
    call("bad id", "send_message_batch", QueueUrl=url, Entries=[{"Id": "a b", "MessageBody": "m"}])
    got = call("receive", "receive_message", QueueUrl=url, MaxNumberOfMessages=10)
    handles = [{"Id": str(index), "ReceiptHandle": m["ReceiptHandle"]} for index, m in enumerate(got["Messages"])]
    later = [{**entry, "VisibilityTimeout": 60} for entry in handles]
    call("later", "change_message_visibility_batch", QueueUrl=url, Entries=later)
    call("delete", "delete_message_batch", QueueUrl=url, Entries=[*handles, {"Id": "x", "ReceiptHandle": "bad"}])


def fifo(script):
    """Order within a group, deduplication, and one batch of a group at a time."""
    call = script.call
    attributes = {"FifoQueue": "true", "VisibilityTimeout": "30"}
    url = call("create", "create_queue", QueueName="order.fifo", Attributes=attributes)["QueueUrl"]
    call("no group", "send_message", QueueUrl=url, MessageBody="x", MessageDeduplicationId="d")
    call("no deduplication", "send_message", QueueUrl=url, MessageBody="x", MessageGroupId="g")
    for group in "ab":
        for number in (1, 2):
            name = f"{group}{number}"
            call(f"send {name}", "send_message", QueueUrl=url, MessageBody=name, MessageGroupId=group,
                 MessageDeduplicationId=name)
    call("send a1 again", "send_message", QueueUrl=url, MessageBody="other", MessageGroupId="a",
         MessageDeduplicationId="a1")
    call("delay", "send_message", QueueUrl=url, MessageBody="x", MessageGroupId="a", MessageDeduplicationId="z",
         DelaySeconds=1)
    first = call("first", "receive_message", QueueUrl=url, AttributeNames=["All"])["Messages"][0]
    call("rest", "receive_message", QueueUrl=url, MaxNumberOfMessages=10)
    call("delete", "delete_message", QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
    call("next", "receive_message", QueueUrl=url, AttributeNames=["MessageGroupId"])


def dead_letters(script):
    """What is received too often moves."""
    call = script.call
    dead = call("create dead", "create_queue", QueueName="dead")["QueueUrl"]
    arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:dead"
    policy = f'{{"deadLetterTargetArn":"{arn}","maxReceiveCount":1}}'
    attributes = {"RedrivePolicy": policy, "VisibilityTimeout": "0"}
    url = call("create", "create_queue", QueueName="source", Attributes=attributes)["QueueUrl"]
    call("bad policy", "set_queue_attributes", QueueUrl=url, Attributes={"RedrivePolicy": "{}"})
    call("absent target", "set_queue_attributes", QueueUrl=url,
         Attributes={"RedrivePolicy": policy.replace(":dead", ":absent")})
    call("sources", "list_dead_letter_source_queues", QueueUrl=dead)
    call("send", "send_message", QueueUrl=url, MessageBody="bad")
    call("first", "receive_message", QueueUrl=url)
    call("second", "receive_message", QueueUrl=url)
    call("dead", "receive_message", QueueUrl=dead, AttributeNames=["ApproximateReceiveCount"])


SCRIPTS = [life, messages, batches, fifo, dead_letters]
