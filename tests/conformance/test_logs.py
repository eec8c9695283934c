"""Logs through CloudWatch Logs' API, and the two formats in which functions write them."""

import json
import re
import time

import pytest

from support.errors import refused
from support.functions import unique
from support.packages import pack
from support.streams import events, messages
from support.wait import until

CODE = """
import logging
logger = logging.getLogger()
def handler(event, context):
    logger.debug("a debug line")
    logger.info("an info line")
    logger.warning("a warning with %s", "an argument")
    try:
        1 / 0
    except ZeroDivisionError:
        logger.exception("a caught error")
    print("printed")
    return 1
"""
PACKAGE = {"zip_file": pack({"app.py": CODE}), "Handler": "app.handler"}


def reported(logs, name, count=1):
    """The log of a function, once it holds so many REPORTs."""

    def lines():
        found = messages(logs, name)
        return (
            len([line for line in found if '"platform.report"' in line or line.startswith("REPORT ")]) >= count
            and found
        )

    return until(lines, f"{count} reports in the log of {name}")


def test_a_group_and_a_stream_come_with_the_first_invocation(logs, invoke, make):
    name = make.create("logged")
    group = f"/aws/lambda/{name}"
    assert logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"] == []
    assert refused(logs.describe_log_streams, logGroupName=group).code == "ResourceNotFoundException"
    invoke(name, {"do": "say", "lines": ["first", "second"], "stderr": "to stderr"}).ok
    lines = reported(logs, name)
    assert [line for line in lines if line in ("first", "second", "to stderr")] == ["first", "second", "to stderr"]
    found = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert [(entry["logGroupName"], entry["arn"]) for entry in found] == [
        (group, f"arn:aws:logs:us-east-1:000000000000:log-group:{group}:*")
    ]
    assert found[0]["creationTime"] <= time.time() * 1000 and found[0]["storedBytes"] >= 0
    assert "retentionInDays" not in found[0]
    (stream,) = logs.describe_log_streams(logGroupName=group)["logStreams"]
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", stream["logStreamName"])
    assert stream["firstEventTimestamp"] <= stream["lastEventTimestamp"]


def test_events_are_read_by_time_page_and_stream(logs, invoke, make):
    name = make.create("paged")
    group = f"/aws/lambda/{name}"
    lines = [f"line {number:03}" for number in range(120)]
    invoke(name, {"do": "say", "lines": lines}).ok
    reported(logs, name)
    everything = events(logs, group)
    assert [event["message"].rstrip("\n") for event in everything if event["message"].startswith("line ")] == lines
    times = [event["timestamp"] for event in everything]
    assert times == sorted(times)
    assert len({event["eventId"] for event in everything}) == len(everything)
    page = logs.filter_log_events(logGroupName=group, limit=10)
    assert len(page["events"]) == 10 and page["nextToken"]
    following = logs.filter_log_events(logGroupName=group, limit=10, nextToken=page["nextToken"])
    assert [event["eventId"] for event in page["events"] + following["events"]] == [
        event["eventId"] for event in everything[:20]
    ]
    assert logs.filter_log_events(logGroupName=group, startTime=times[-1] + 1)["events"] == []
    middle = times[len(times) // 2]
    later = logs.filter_log_events(logGroupName=group, startTime=middle, limit=10_000)["events"]
    assert [event["eventId"] for event in later] == [
        event["eventId"] for event in everything if event["timestamp"] >= middle
    ]
    (stream,) = logs.describe_log_streams(logGroupName=group)["logStreams"]
    tail = logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"], limit=5)
    assert [event["message"] for event in tail["events"]] == [event["message"] for event in everything[-5:]], (
        "the newest first"
    )
    head = logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"], limit=5, startFromHead=True)
    assert [event["message"] for event in head["events"]] == [event["message"] for event in everything[:5]]
    onward = logs.get_log_events(
        logGroupName=group, logStreamName=stream["logStreamName"], limit=5, nextToken=head["nextForwardToken"]
    )
    assert [event["message"] for event in onward["events"]] == [event["message"] for event in everything[5:10]]
    end = logs.get_log_events(
        logGroupName=group, logStreamName=stream["logStreamName"], nextToken=tail["nextForwardToken"]
    )
    assert end["events"] == [] and end["nextForwardToken"] == tail["nextForwardToken"], (
        "the end is told by the same token"
    )


def test_streams_are_one_for_each_environment(logs, invoke, make):
    name = make.create("streams", Timeout=1)
    first = invoke(name).ok["stream"]
    other = invoke(name, {"do": "leave", "code": 1})
    assert other.error
    second = invoke(name).ok["stream"]
    reported(logs, name, 3)
    found = logs.describe_log_streams(logGroupName=f"/aws/lambda/{name}", orderBy="LastEventTime", descending=True)[
        "logStreams"
    ]
    names = [stream["logStreamName"] for stream in found]
    assert {first, second} == set(names)
    prefixed = logs.describe_log_streams(logGroupName=f"/aws/lambda/{name}", logStreamNamePrefix=first)["logStreams"]
    assert [stream["logStreamName"] for stream in prefixed] == [first]


def test_text_is_the_default_format(logs, invoke, make):
    name = make.create("text", **PACKAGE)
    answer = invoke(name, tail=True)
    lines = answer.log.splitlines()
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    assert any(
        re.fullmatch(rf"\[WARNING\]\t{stamp}\t{answer.request_id}\ta warning with an argument", line) for line in lines
    ), answer.log
    assert "printed" in lines
    assert not any("debug line" in line or "info line" in line for line in lines), (
        "Python's root logger begins at WARNING"
    )


def test_json_lines_are_records_filtered_by_level(logs, invoke, make):
    name = make.create(
        "json", LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO"}, **PACKAGE
    )
    answer = invoke(name)
    records = [json.loads(line) for line in reported(logs, name) if line.startswith("{")]
    system = [record for record in records if "type" in record]
    assert [record["type"] for record in system] == ["platform.initStart", "platform.start", "platform.report"]
    report = system[-1]["record"]
    assert (report["requestId"], report["status"]) == (answer.request_id, "success")
    assert report["metrics"].keys() >= {
        "durationMs",
        "billedDurationMs",
        "memorySizeMB",
        "maxMemoryUsedMB",
        "initDurationMs",
    }
    application = [record for record in records if "level" in record]
    assert [(record["level"], record["message"]) for record in application] == [
        ("INFO", "an info line"),
        ("WARN" if application[1]["level"] == "WARN" else "WARNING", "a warning with an argument"),
        ("ERROR", "a caught error"),
    ]
    assert all(record["requestId"] == answer.request_id and record["timestamp"].endswith("Z") for record in application)
    assert application[2]["errorType"] == "ZeroDivisionError"
    assert "printed" in messages(logs, name), "what is printed is no record of the logger"
    quiet = make.create(
        "quiet",
        LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "ERROR", "SystemLogLevel": "WARN"},
        **PACKAGE,
    )
    invoke(quiet).ok
    until(lambda: "a caught error" in str(messages(logs, quiet)), "the error in the log")
    text = "\n".join(messages(logs, quiet))
    assert "info line" not in text and "a warning" not in text and "platform.start" not in text
    assert "printed" not in text, "what has no level is INFO"


def test_what_says_its_level_itself_is_filtered_as_well(invoke, make):
    # Developer Guide, "Log-level filtering": of runtimes and loggers that know nothing of the level.
    stamp = "2024-11-02T16:51:31.587199Z"
    printed = [
        {"level": "debug", "msg": "a debug log", "timestamp": stamp},
        {"level": "WARN", "msg": "a warning log", "time": stamp},
        {"level": "ERROR", "msg": "an error log without a time"},
    ]
    name = make.create("leveled", LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "WARN"})
    answer = invoke(name, {"do": "sleep", "seconds": 0, "print": "\n".join(map(json.dumps, printed))}, tail=True)
    assert answer.error is None
    assert [line for line in answer.log.splitlines() if "platform" not in line] == [json.dumps(printed[1])]


def test_an_own_group_is_shared_under_the_functions_name(logs, invoke, make):
    group = f"/shared/{unique()}"
    names = [make.create("sharing", LoggingConfig={"LogGroup": group}) for _ in range(2)]
    for name in names:
        assert invoke(name).ok["group"] == group

    def streams():
        try:
            found = [stream["logStreamName"] for stream in logs.describe_log_streams(logGroupName=group)["logStreams"]]
        except logs.exceptions.ResourceNotFoundException:
            return False
        return len(found) == 2 and found

    for stream in until(streams, "both streams"):
        assert re.fullmatch(rf"\d{{4}}/\d\d/\d\d/({names[0]}|{names[1]})\[\$LATEST\][0-9a-f]{{32}}", stream)


def test_logs_outlive_their_function(logs, invoke, make, lambda_):
    name = make.create("outlived")
    invoke(name, {"do": "say", "lines": ["last words"]}).ok
    reported(logs, name)
    lambda_.delete_function(FunctionName=name)
    assert "last words" in messages(logs, name)


def test_what_is_not_offered_is_refused(logs):
    for call, parameters in [
        (logs.put_destination, {"destinationName": "d", "targetArn": "arn:aws:s3:::x", "roleArn": "arn:aws:iam::0:role/r"}),
        (logs.describe_deliveries, {}),
    ]:
        error = refused(call, **parameters)
        assert (error.status, error.code) == (501, "NotImplementedException"), error
    assert refused(logs.filter_log_events, logGroupName="absent").code == "ResourceNotFoundException"


@pytest.mark.parametrize("limit", [0, 10_001])
def test_limits_of_pages_are_checked(logs, limit):
    error = refused(logs.filter_log_events, logGroupName="g", limit=limit)
    assert error.status == 400 and error.code == "InvalidParameterException", error
