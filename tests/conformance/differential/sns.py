"""Amazon SNS."""

ACCOUNT = "123456789012"
QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:subscriber"


def life(script):
    """Topics and subscriptions are made, shown, changed and deleted."""
    call = script.call
    arn = call("create", "create_topic", Name="life")["TopicArn"]
    call("again", "create_topic", Name="life")
    call("bad name", "create_topic", Name="a b")
    call("attributes", "get_topic_attributes", TopicArn=arn)
    call("absent", "get_topic_attributes", TopicArn=arn + "x")
    call("set", "set_topic_attributes", TopicArn=arn, AttributeName="DisplayName", AttributeValue="Life")
    call("set unknown", "set_topic_attributes", TopicArn=arn, AttributeName="Colour", AttributeValue="red")
    call("tag", "tag_resource", ResourceArn=arn, Tags=[{"Key": "a", "Value": "1"}])
    call("tags", "list_tags_for_resource", ResourceArn=arn)
    call("untag", "untag_resource", ResourceArn=arn, TagKeys=["a"])
    subscription = call("subscribe", "subscribe", TopicArn=arn, Protocol="sqs", Endpoint=QUEUE,
                        ReturnSubscriptionArn=True)["SubscriptionArn"]
    call("subscribe again", "subscribe", TopicArn=arn, Protocol="sqs", Endpoint=QUEUE)
    call("bad protocol", "subscribe", TopicArn=arn, Protocol="pigeon", Endpoint=QUEUE)
    call("subscription", "get_subscription_attributes", SubscriptionArn=subscription)
    call("filter", "set_subscription_attributes", SubscriptionArn=subscription, AttributeName="FilterPolicy",
         AttributeValue='{"kind":["a"]}')
    call("bad filter", "set_subscription_attributes", SubscriptionArn=subscription, AttributeName="FilterPolicy",
         AttributeValue='{"kind":"a"}')
    call("raw", "set_subscription_attributes", SubscriptionArn=subscription, AttributeName="RawMessageDelivery",
         AttributeValue="true")
    call("list", "list_subscriptions_by_topic", TopicArn=arn)
    call("unsubscribe", "unsubscribe", SubscriptionArn=subscription)
    call("unsubscribe again", "unsubscribe", SubscriptionArn=subscription)
    call("delete", "delete_topic", TopicArn=arn)
    call("delete again", "delete_topic", TopicArn=arn)


def publishing(script):
    """Messages are published, alone and in batches."""
    call = script.call
    arn = call("create", "create_topic", Name="publishing")["TopicArn"]
    call("publish", "publish", TopicArn=arn, Message="one", Subject="s")
    call("empty", "publish", TopicArn=arn, Message="")
    call("to nobody", "publish", TopicArn=arn + "x", Message="one")
    call("structure", "publish", TopicArn=arn, Message='{"default":"d","sqs":"q"}', MessageStructure="json")
    call("no default", "publish", TopicArn=arn, Message='{"sqs":"q"}', MessageStructure="json")
    call("no json", "publish", TopicArn=arn, Message="x", MessageStructure="json")
    call("bad attribute", "publish", TopicArn=arn, Message="x",
         MessageAttributes={"a": {"DataType": "Text", "StringValue": "b"}})
    call("large", "publish", TopicArn=arn, Message="x" * (256 * 1024 + 1))
    entries = [{"Id": str(index), "Message": "m"} for index in range(2)]
    call("batch", "publish_batch", TopicArn=arn, PublishBatchRequestEntries=entries)
    call("batch of none", "publish_batch", TopicArn=arn, PublishBatchRequestEntries=[])
    call("batch of eleven", "publish_batch", TopicArn=arn,
         PublishBatchRequestEntries=[{"Id": str(index), "Message": "m"} for index in range(11)])
    call("batch of twins", "publish_batch", TopicArn=arn, PublishBatchRequestEntries=[entries[0], entries[0]])
    ordered = call("create fifo", "create_topic", Name="p.fifo", Attributes={"FifoTopic": "true"})["TopicArn"]
    call("no group", "publish", TopicArn=ordered, Message="x", MessageDeduplicationId="d")
    call("no deduplication", "publish", TopicArn=ordered, Message="x", MessageGroupId="g")
    call("fifo", "publish", TopicArn=ordered, Message="x", MessageGroupId="g", MessageDeduplicationId="d")


SCRIPTS = [life, publishing]
