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
    **dict(_of("sns", "life", [
        ("attributes", "Attributes.DeliveryPolicy", MOTO, "GetTopicAttributes: there is none that was set"),
        ("attributes", "Attributes.EffectiveDeliveryPolicy", BOTH,
         'SNS Developer Guide, "Creating an HTTP/S delivery policy": below "http", with these defaults'),
        ("attributes", "Attributes.Policy", MINISTACK, 'SNS Developer Guide, "Initial policy of a topic": eight actions'),
        ("bad name", "", MINISTACK, 'CreateTopic, "Name": letters, digits, underscores and hyphens'),
        ("set unknown", "", BOTH, "SetTopicAttributes: InvalidParameter for what is no attribute"),
        ("bad protocol", "", BOTH, 'Subscribe, "Protocol": a list of nine'),
        ("list", "Subscriptions", BOTH, "follows from the call before, which ours refused"),
        ("subscription", "Attributes.SubscriptionPrincipal", BOTH, "GetSubscriptionAttributes: SubscriptionPrincipal"),
        ("bad filter", "", MINISTACK, 'SNS Developer Guide, "Filter policy constraints": values are lists'),
    ])),
    **dict(_of("sns", "publishing", [
        ("empty", "", BOTH, 'Publish, "Message": "Messages must be UTF-8 encoded strings", and one is required'),
        ("no default", "", BOTH, 'Publish, "MessageStructure": "contain at least a top-level JSON key of \'default\'"'),
        ("no json", "", BOTH, 'Publish, "MessageStructure": "be a syntactically valid JSON object"'),
        ("bad attribute", "", BOTH, "Publish, errors: ParameterValueInvalid for attributes"),
        ("batch of none", "", BOTH, "PublishBatch, errors: EmptyBatchRequest"),
        ("no group", "error", BOTH, "Publish, errors: InvalidParameter is the one that there is"),
        ("no deduplication", "error", MINISTACK, "as above"),
        ("fifo", "SequenceNumber", MOTO, 'Publish, "SequenceNumber": of FIFO topics'),
    ])),
    **dict(_of("events", "life", [
        ("default", "CreationTime", BOTH, "nobody has made the default bus; what AWS says here no page tells"),
        ("default", "LastModifiedTime", BOTH, "as above"),
        ("default", "Description", MINISTACK, "DescribeEventBus: there is none"),
        ("describe", "Description", MINISTACK, "as above"),
        ("bad schedule", "", BOTH, 'EventBridge User Guide, "Rate expressions": a positive number'),
        ("rule of nothing", "", MINISTACK, "PutRule: EventPattern or ScheduleExpression"),
        ("schedule on another bus", "", MINISTACK, 'PutRule: "scheduled rules … on the default event bus"'),
        ("list rules", "", MINISTACK, "follows from the calls before, which ours refused"),
        ("delete with targets", "", MINISTACK, 'DeleteRule: "you must remove all targets"'),
    ])),
    **dict(_of("events", "putting", [
        ("none", "", BOTH, 'PutEvents, "Entries": at least one'),
        ("list for detail", "", BOTH, 'PutEventsRequestEntry, "Detail": "A valid JSON object"'),
        ("no detail", "", MINISTACK, "PutEvents: entries without a detail fail"),
        ("bad detail", "", MINISTACK, "as above"),
        ("no source", "", MINISTACK, "as above"),
    ])),
    **dict(_of("events", "patterns", [
        *((name, "", MOTO, "TestEventPattern: says whether the pattern holds") for name in (
            "source", "number", "prefix", "suffix", "any but", "exists", "case", "or", "wildcard", "no pattern"
        )),
        ("no event", "", BOTH, 'TestEventPattern, "Event": id, account, source, time, region, resources, detail-type'),
    ])),
    **dict(_of("s3", "life", [
        ("bad name", "", MOTO, 'S3 User Guide, "General purpose bucket naming rules"'),
    ])),
    **dict(_of("s3", "parts", [
        ("wrong order", "", BOTH, "CompleteMultipartUpload, errors: InvalidPartOrder"),
        ("unknown upload", "", MOTO, "UploadPart, errors: NoSuchUpload"),
        ("complete", "Location", MOTO, "CompleteMultipartUpload: with the bucket, where that is in the path"),
        ("complete", "VersionId", MOTO, "CompleteMultipartUpload: of buckets with versions"),
    ])),
}

# The same for a member wherever it is, its service and name first.
MEMBERS = {
    ("s3", "ServerSideEncryption"): (BOTH, 'S3 User Guide, "Setting default server-side encryption": AES256 since 2023'),
    ("s3", "ChecksumType"): (BOTH, 'S3 User Guide, "Checking object integrity": full object or composite'),
    ("s3", "ChecksumAlgorithm"): (BOTH, "as above: clients send a CRC32 by themselves"),
    ("s3", "ChecksumCRC32"): (MINISTACK, "as above"),
    ("s3", "ChecksumCRC64NVME"): (BOTH, "as above: the one that S3 makes where none was asked for"),
    ("s3", "BucketArn"): (MINISTACK, "HeadBucket: of directory buckets"),
    ("s3", "ContentType"): (MINISTACK, 'GetObject: "binary/octet-stream" where none was given'),
    ("s3", "DisplayName"): (BOTH, "ListObjectVersions, Owner: S3 has ceased to name owners"),
    ("s3", "EncodingType"): (BOTH, "ListObjectVersions: as was asked for"),
    ("s3", "NextPartNumberMarker"): (MINISTACK, "ListParts: the last part of the page"),
    ("s3", "Prefix"): (BOTH, "ListMultipartUploads: as was asked for, in its form empty"),
}
