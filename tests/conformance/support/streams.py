"""What is in a function's log, read through CloudWatch Logs' API."""


def events(logs, group):
    """Every event of a log group, oldest first; none while the group does not exist."""
    try:
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
        return [event for page in pages for event in page["events"]]
    except logs.exceptions.ResourceNotFoundException:
        return []


def messages(logs, name):
    """The lines of a function's own log group, without their line ends."""
    return [event["message"].rstrip("\n") for event in events(logs, f"/aws/lambda/{name}")]
