"""A script of calls, and its answers in a form that two servers can agree on."""

import contextlib
import json
import re

from botocore.exceptions import ClientError

# Whatever each server makes up by itself: that it is there, and of which type, is compared, not what it says.
MADE_UP = {
    "ApproximateFirstReceiveTimestamp", "CreatedTimestamp", "CreationDate", "CreationTime", "Date",
    "DisplayName", "EventId", "EventTime", "HostId", "ID", "LastModified", "LastModifiedTimestamp",
    "MessageId", "NextContinuationToken", "NextToken", "Owner", "ReceiptHandle", "RequestId", "SenderId",
    "SentTimestamp", "SequenceNumber", "SubscriptionArn", "UploadId", "VersionId", "VersionIdMarker",
}
URL = re.compile(r"https?://[^/\"]+")


def settled(value, name=""):
    """The value without what differs between any two servers."""
    if isinstance(value, dict):
        return {key: settled(inner, key) for key, inner in sorted(value.items()) if key != "ResponseMetadata"}
    if isinstance(value, list):
        return [settled(inner, name) for inner in value]
    if isinstance(value, str) and value[:1] == "{":
        # Documents within answers, whatever the order of their keys.
        with contextlib.suppress(ValueError):
            return settled(json.loads(value))
    if name in MADE_UP and value not in ("", None):
        return f"<{type(value).__name__}>"
    if isinstance(value, str):
        return URL.sub("<endpoint>", value)
    if hasattr(value, "read"):
        return value.read()
    if hasattr(value, "isoformat"):
        return "<datetime>"
    return value


class Script:
    """Makes calls and writes down how they were answered, each under a label."""

    def __init__(self, client):
        self.client = client
        self.lines = {}

    def call(self, label, operation, **inputs):
        """The answer as it came, `None` for an error; only what `settled` leaves of it is compared."""
        assert label not in self.lines, f"two calls are labelled {label}"
        try:
            answer = getattr(self.client, operation)(**inputs)
        except ClientError as error:
            answer = error.response
            # Texts are AWS's alone to know; they are in the tests of each service.
            said = {"error": answer["Error"]["Code"], "status": answer["ResponseMetadata"]["HTTPStatusCode"]}
            self.lines[label] = said
            return None
        self.lines[label] = {"status": answer["ResponseMetadata"]["HTTPStatusCode"], **settled(answer)}
        return answer

    def note(self, label, value):
        """Something that follows from several answers."""
        self.lines[label] = value


def differences(ours, theirs, path=()):
    """The paths at which two answers differ, with both sides."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted(set(ours) | set(theirs)):
            yield from differences(ours.get(key, "<absent>"), theirs.get(key, "<absent>"), (*path, key))
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for index, (left, right) in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(left, right, (*path, str(index)))
    elif ours != theirs:
        yield ".".join(path), ours, theirs
