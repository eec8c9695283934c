"""Amazon EventBridge."""

ACCOUNT = "123456789012"
QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:target"
EVENT = ('{"id":"1","account":"123456789012","source":"shop","time":"2026-01-01T00:00:00Z","region":"us-east-1",'
         '"resources":[],"detail-type":"order","detail":{"n":5,"tags":["a","b"],"who":{"name":"Ann"}}}')
PATTERNS = {
    "source": ('{"source":["shop"]}', True),
    "number": ('{"detail":{"n":[{"numeric":[">",4,"<=",5]}]}}', True),
    "prefix": ('{"detail":{"who":{"name":[{"prefix":"An"}]}}}', True),
    "suffix": ('{"detail":{"who":{"name":[{"suffix":"x"}]}}}', False),
    "any but": ('{"detail":{"tags":[{"anything-but":["a"]}]}}', True),
    "exists": ('{"detail":{"who":{"age":[{"exists":false}]}}}', True),
    "case": ('{"detail":{"who":{"name":[{"equals-ignore-case":"ANN"}]}}}', True),
    "or": ('{"$or":[{"source":["x"]},{"detail":{"n":[5]}}]}', True),
    "wildcard": ('{"detail":{"who":{"name":[{"wildcard":"A*n"}]}}}', True),
}


def life(script):
    """Buses, rules and targets are made, shown, changed and deleted."""
    call = script.call
    call("default", "describe_event_bus")
    call("create", "create_event_bus", Name="life")
    call("create again", "create_event_bus", Name="life")
    call("describe", "describe_event_bus", Name="life")
    call("absent", "describe_event_bus", Name="absent")
    call("rule", "put_rule", Name="r", EventPattern='{"source":["shop"]}', EventBusName="life", Description="d")
    call("rule of nothing", "put_rule", Name="n", EventBusName="life")
    call("bad pattern", "put_rule", Name="b", EventPattern='{"source":"shop"}', EventBusName="life")
    call("bad schedule", "put_rule", Name="b", ScheduleExpression="rate(0 minutes)")
    call("schedule on another bus", "put_rule", Name="b", ScheduleExpression="rate(1 minute)", EventBusName="life")
    call("describe rule", "describe_rule", Name="r", EventBusName="life")
    call("absent rule", "describe_rule", Name="absent", EventBusName="life")
    call("targets", "put_targets", Rule="r", EventBusName="life", Targets=[{"Id": "1", "Arn": QUEUE}])
    call("targets of nothing", "put_targets", Rule="absent", EventBusName="life",
         Targets=[{"Id": "1", "Arn": QUEUE}])
    call("list targets", "list_targets_by_rule", Rule="r", EventBusName="life")
    call("names", "list_rule_names_by_target", TargetArn=QUEUE, EventBusName="life")
    call("disable", "disable_rule", Name="r", EventBusName="life")
    call("list rules", "list_rules", EventBusName="life")
    call("enable", "enable_rule", Name="r", EventBusName="life")
    call("delete with targets", "delete_rule", Name="r", EventBusName="life")
    call("remove", "remove_targets", Rule="r", EventBusName="life", Ids=["1", "2"])
    call("delete", "delete_rule", Name="r", EventBusName="life")
    call("delete again", "delete_rule", Name="r", EventBusName="life")
    call("delete bus", "delete_event_bus", Name="life")
    call("delete bus again", "delete_event_bus", Name="life")
    call("delete default", "delete_event_bus", Name="default")


def putting(script):
    """Events are put."""
    entry = {"Source": "shop", "DetailType": "order", "Detail": "{}"}
    script.call("one", "put_events", Entries=[entry])
    script.call("none", "put_events", Entries=[])
    script.call("eleven", "put_events", Entries=[entry] * 11)
    script.call("no detail", "put_events", Entries=[entry, {"Source": "shop", "DetailType": "order"}])
    script.call("bad detail", "put_events", Entries=[{**entry, "Detail": "x"}])
    script.call("list for detail", "put_events", Entries=[{**entry, "Detail": "[]"}])
    script.call("no source", "put_events", Entries=[{"DetailType": "order", "Detail": "{}"}])


def patterns(script):
    """Patterns hold, or do not."""
    for name, (pattern, _) in PATTERNS.items():
        script.call(name, "test_event_pattern", EventPattern=pattern, Event=EVENT)
    script.call("no pattern", "test_event_pattern", EventPattern='{"a":1}', Event=EVENT)
    script.call("no event", "test_event_pattern", EventPattern='{"source":["a"]}', Event="{}")


SCRIPTS = [life, putting, patterns]
