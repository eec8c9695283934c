"""CloudWatch Logs as a service of its own: what clients create, write, search and delete, without a function."""

import json
import time

import pytest

from support.errors import refused
from support.functions import unique
from support.inside import call
from support.streams import events
from support.wait import until

DAY_MS = 24 * 3_600_000
ABSENT = "The specified log group does not exist."


def now_ms():
    return int(time.time() * 1000)


@pytest.fixture
def group(logs):
    """A log group with one stream `s`, gone with its test."""
    name = f"/conformance/{unique()}"
    logs.create_log_group(logGroupName=name)
    logs.create_log_stream(logGroupName=name, logStreamName="s")
    yield name
    try:
        logs.delete_log_group(logGroupName=name)
    except logs.exceptions.ResourceNotFoundException:
        pass


def put(logs, group, *messages, at=None, stream="s"):
    start = at or now_ms() - len(messages)
    batch = [{"timestamp": start + index, "message": message} for index, message in enumerate(messages)]
    return logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=batch)


def found(logs, group, pattern):
    return [
        event["message"] for event in logs.filter_log_events(logGroupName=group, filterPattern=pattern)["events"]
    ]


def test_a_group_has_what_it_was_given(logs):
    name = f"/conformance/{unique()}"
    assert logs.create_log_group(logGroupName=name, tags={"team": "a"}).keys() == {"ResponseMetadata"}
    arn = f"arn:aws:logs:us-east-1:000000000000:log-group:{name}"
    (described,) = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    assert described.pop("creationTime") <= now_ms()
    assert described == {
        "logGroupName": name,
        "metricFilterCount": 0,
        "arn": f"{arn}:*",
        "storedBytes": 0,
        "logGroupClass": "STANDARD",
        "logGroupArn": arn,
    }
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"team": "a"}
    assert [g["logGroupName"] for g in logs.list_log_groups(logGroupNamePattern=f"^{name[:20]}")["logGroups"]] == [name]
    logs.put_retention_policy(logGroupName=name, retentionInDays=7)
    assert logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"][0]["retentionInDays"] == 7
    logs.delete_retention_policy(logGroupName=name)
    assert "retentionInDays" not in logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"][0]
    again = refused(logs.create_log_group, logGroupName=name)
    assert (again.status, again.code, again.message) == (
        400,
        "ResourceAlreadyExistsException",
        "The specified log group already exists",
    )
    assert logs.delete_log_group(logGroupName=name).keys() == {"ResponseMetadata"}
    assert logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"] == []
    gone = refused(logs.delete_log_group, logGroupName=name)
    assert (gone.code, gone.message) == ("ResourceNotFoundException", ABSENT)


def test_events_are_put_and_read_back(logs, group):
    start = now_ms() - 5
    answer = put(logs, group, "one", "two", "three", at=start)
    assert answer["nextSequenceToken"] and "rejectedLogEventsInfo" not in answer
    page = logs.get_log_events(logGroupName=group, logStreamName="s", startFromHead=True, limit=2)
    assert [(event["timestamp"], event["message"]) for event in page["events"]] == [(start, "one"), (start + 1, "two")]
    rest = logs.get_log_events(logGroupName=group, logStreamName="s", nextToken=page["nextForwardToken"])
    assert [event["message"] for event in rest["events"]] == ["three"]
    end = logs.get_log_events(logGroupName=group, logStreamName="s", nextToken=rest["nextForwardToken"])
    assert end["events"] == [] and end["nextForwardToken"] == rest["nextForwardToken"]
    old = put(logs, group, "too old", "new", at=start - 15 * DAY_MS)
    assert old["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 2}
    (stream,) = logs.describe_log_streams(logGroupName=group)["logStreams"]
    assert (stream["firstEventTimestamp"], stream["lastEventTimestamp"]) == (start, start + 2)
    assert logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]["storedBytes"] == 11 + 3 * 26


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"logGroupName": "/absent"}, "ResourceNotFoundException", ABSENT),
        ({"logStreamName": "absent"}, "ResourceNotFoundException", "The specified log stream does not exist."),
        ({"logEvents": []}, "InvalidParameterException", "Member must have length greater than or equal to 1"),
        (
            {"logEvents": [{"timestamp": 2, "message": "b"}, {"timestamp": 1, "message": "a"}]},
            "InvalidParameterException",
            "Log events in a single PutLogEvents request must be in chronological order.",
        ),
        ({"logStreamName": "a:b"}, "InvalidParameterException", "failed to satisfy constraint"),
    ],
)
def test_events_that_cannot_be_taken_are_refused(logs, group, change, code, message):
    request = {"logGroupName": group, "logStreamName": "s", "logEvents": [{"timestamp": now_ms(), "message": "x"}]}
    error = refused(logs.put_log_events, **{**request, **change})
    assert (error.status, error.code) == (400, code) and message in error.message, error


def test_patterns_find_text_json_and_words(logs, group):
    lines = [
        "[ERROR 400] BAD REQUEST",
        "[INFO] all well",
        json.dumps({"status": 503, "user": {"id": "u-1"}, "error": None}),
        json.dumps({"status": 200, "user": {"id": "u-2"}}),
        '127.0.0.1 - "GET /index.html" 404 1534',
    ]
    put(logs, group, *lines)
    for pattern, expected in [
        ("ERROR", [0]),
        ("?BAD ?well", [0, 1]),
        ('"all well"', [1]),
        ("INFO -ERROR", [1]),
        ("%4[0-9]{2}%", [0, 4]),
        ("{ $.status >= 500 }", [2]),
        ('{ $.user.id = "u-*" && $.error NOT EXISTS }', [3]),
        ("{ $.error IS NULL }", [2]),
        ("[ip, dash, request, status = 4*, bytes > 1000]", [4]),
        ("", [0, 1, 2, 3, 4]),
    ]:
        assert found(logs, group, pattern) == [lines[index] for index in expected], pattern
    error = refused(logs.filter_log_events, logGroupName=group, filterPattern="{ $.a = }")
    assert error.code == "InvalidParameterException" and "Invalid filter pattern" in error.message
    tested = logs.test_metric_filter(filterPattern="{ $.status = 503 }", logEventMessages=lines)
    assert tested["matches"] == [{"eventNumber": 3, "eventMessage": lines[2], "extractedValues": {"$.status": "503"}}]


def run(logs, **request):
    """Runs a query to its end."""
    started = logs.start_query(**{"startTime": int(time.time()) - 600, "endTime": int(time.time()) + 1, **request})

    def over():
        results = logs.get_query_results(queryId=started["queryId"])
        return results["status"] not in ("Scheduled", "Running") and results

    return until(over, "the query's end")


def rows(results):
    return [{field["field"]: field["value"] for field in row if field["field"] != "@ptr"} for row in results["results"]]


def test_insights_counts_what_functions_report(logs, invoke, make):
    name = make.create("queried")
    answer = invoke(name, {"do": "say", "lines": ['{"n": 1}', '{"n": 4}']})
    answer.ok
    group = f"/aws/lambda/{name}"
    until(lambda: [e for e in events(logs, group) if e["message"].startswith("REPORT")], "the report")
    # User Guide, "Sample queries", has such expressions over aggregates and over the columns before.
    text = (
        "filter @type = 'REPORT' | stats count(*) as calls, max(@memorySize) / 1000000 as mb,"
        " count(@initDuration) / count(@type) * 100 as cold, mb - calls as less by @requestId"
    )
    results = run(logs, logGroupName=group, queryString=text)
    assert results["status"] == "Complete"
    (row,) = rows(results)
    assert (row["@requestId"], row["calls"], row["mb"]) == (answer.request_id, "1", "128")
    assert (row["cold"], row["less"]) == ("100", "127")
    error = refused(logs.start_query, logGroupName=group, queryString="stats @duration", startTime=0, endTime=1)
    assert error.code == "MalformedQueryException"
    results = run(logs, logGroupNames=[group], queryString="filter ispresent(n) | fields n, @logStream | sort n desc")
    assert [row["n"] for row in rows(results)] == ["4", "1"]
    pointer = results["results"][0][-1]
    assert pointer["field"] == "@ptr"
    record = logs.get_log_record(logRecordPointer=pointer["value"])["logRecord"]
    assert (record["n"], record["@message"]) == ("4", '{"n": 4}')
    fields = logs.get_log_group_fields(logGroupName=group)["logGroupFields"]
    assert "@duration" in [field["name"] for field in fields]


def test_accounts_and_regions_do_not_see_each_other(clients, logs, group):
    put(logs, group, "here")
    for other in (clients.boto("logs", key="123456789012"), clients.boto("logs", region="eu-west-1")):
        assert other.describe_log_groups(logGroupNamePrefix=group)["logGroups"] == []
        assert refused(other.filter_log_events, logGroupName=group).message == ABSENT
        assert refused(other.delete_log_group, logGroupName=group).message == ABSENT
        other.create_log_group(logGroupName=group)
        assert events(other, group) == []
        other.delete_log_group(logGroupName=group)
    assert found(logs, group, "here") == ["here"]


def test_deleted_streams_take_their_events_along(logs, group):
    logs.create_log_stream(logGroupName=group, logStreamName="t")
    put(logs, group, "of s")
    put(logs, group, "of t", stream="t")
    logs.delete_log_stream(logGroupName=group, logStreamName="s")
    assert [event["message"] for event in events(logs, group)] == ["of t"]
    until(
        lambda: logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]["storedBytes"] == 4 + 26,
        "the space of the deleted stream",
    )


def test_live_tail_shows_what_is_written(clients, logs, group):
    live = clients.boto("logs", inject_host_prefix=False)
    (described,) = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    arn = described["logGroupArn"]
    stream = live.start_live_tail(logGroupIdentifiers=[arn], logEventFilterPattern="wanted")["responseStream"]
    updates = iter(stream)
    start = next(updates)["sessionStart"]
    assert (start["logGroupIdentifiers"], start["logEventFilterPattern"]) == ([arn], "wanted")
    put(logs, group, "wanted one", "other", "wanted two")
    seen = []
    while len(seen) < 2:
        update = next(updates)["sessionUpdate"]
        assert update["sessionMetadata"] == {"sampled": False}
        seen += update["sessionResults"]
    assert [(e["message"], e["logStreamName"]) for e in seen] == [("wanted one", "s"), ("wanted two", "s")]
    assert seen[0]["logGroupIdentifier"] == f"000000000000:{group}"
    stream.close()
    error = refused(live.start_live_tail, logGroupIdentifiers=[f"{arn}-absent"])
    assert error.code == "ResourceNotFoundException"


def test_the_stock_command_line_tails_and_queries(cli, logs, group):
    put(logs, group, "an ERROR line", "a quiet line")
    tailed = cli.run("logs", "tail", group, "--format", "short", "--filter-pattern", "ERROR")
    assert tailed.returncode == 0 and "an ERROR line" in tailed.stdout and "quiet" not in tailed.stdout
    started = cli.run(
        "logs", "start-query", "--log-group-name", group, "--query-string", "stats count(*) as c",
        "--start-time", str(int(time.time()) - 600), "--end-time", str(int(time.time()) + 1),
    )  # fmt: skip
    query = json.loads(started.stdout)["queryId"]

    def over():
        results = json.loads(cli.run("logs", "get-query-results", "--query-id", query).stdout)
        return results["status"] == "Complete" and results

    assert until(over, "the query's end")["results"] == [[{"field": "c", "value": "2"}]]


def test_our_command_line_filters(server, logs, group):
    put(logs, group, "an ERROR line", "a quiet line")
    shown = server.run("logs", group, "--filter", "ERROR -quiet", "--endpoint", server.url)
    assert shown.returncode == 0 and "an ERROR line" in shown.stdout and "quiet" not in shown.stdout, shown
    refused_ = server.run("logs", group, "--filter", "{ $.a", "--endpoint", server.url)
    assert refused_.returncode != 0 and "Invalid filter pattern" in refused_.stderr, refused_


def test_functions_write_logs_and_delete_none(lambda_, logs, probe, group):
    arguments = {"logGroupName": group, "logStreamName": "s"}
    event = {"timestamp": now_ms(), "message": "from inside"}

    def ask(operation, body):
        return call(lambda_, probe, "POST", "/", body=json.dumps(body), target=f"Logs_20140328.{operation}")

    assert ask("PutLogEvents", {**arguments, "logEvents": [event]})[0] == 200
    assert found(logs, group, "inside") == ["from inside"]
    for operation, body in [
        ("DeleteLogGroup", {"logGroupName": group}),
        ("DeleteLogStream", arguments),
        ("PutRetentionPolicy", {"logGroupName": group, "retentionInDays": 1}),
    ]:
        status, answer = ask(operation, body)
        assert status == 400 and answer["__type"] == "AccessDeniedException", answer
        assert f"logs:{operation}" in answer["message"]
    assert found(logs, group, "inside") == ["from inside"]


def test_logs_survive_a_kill(own_server):
    """Everything that was answered is there after `kill -9`, and the server starts."""
    from support.clients import Clients

    logs = Clients(own_server.start()).boto("logs")
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="s")
    lines = [f"line {number}" for number in range(200)]
    for number in range(0, 200, 20):
        put(logs, "g", *lines[number : number + 20])
    own_server.kill()
    logs = Clients(own_server.start()).boto("logs")
    assert sorted(event["message"] for event in events(logs, "g")) == sorted(lines)
