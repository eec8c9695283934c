"""What `/metrics` says of functions and of the server: AWS's meanings, Prometheus's form."""

import re
import urllib.request

import pytest

from support import functions
from support.clients import ACCOUNT, REGION
from support.errors import refused
from support.functions import probe_zip
from support.wait import until

LINE = re.compile(r"([a-z_]+)(?:\{(.*)\})? (\S+)")
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"(?:,|$)')


class Page:
    """One reading of the page: every line belongs to a metric that was introduced."""

    def __init__(self, server):
        with urllib.request.urlopen(f"{server.url}/metrics", timeout=10) as answer:
            assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
            self.text = answer.read().decode()
        self.values = {}
        kinds = {}
        for line in self.text.splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                assert name not in kinds, f"{name} is there twice"
                kinds[name] = kind
            elif not line.startswith("# HELP "):
                name, labels, value = LINE.fullmatch(line).groups()
                family = re.sub("_(bucket|sum|count)$", "", name)
                assert name in kinds or kinds.get(family) == "histogram", f"{line} belongs to nothing"
                key = name, frozenset(LABEL.findall(labels or ""))
                assert key not in self.values, f"{line} is there twice"
                self.values[key] = float(value)

    def get(self, name, **labels):
        return self.values.get((name, frozenset(labels.items())), 0)

    def of(self, metric, name, resource=None, version=None):
        """A count of a function."""
        labels = {"account": ACCOUNT, "region": REGION, "function": name, "resource": resource or name}
        if version:
            labels["executed_version"] = version
        return self.get(f"lambent_function_{metric}", **labels)


@pytest.fixture
def page(server):
    return lambda: Page(server)


def test_an_invocation_counts_once_by_what_came_of_it(page, make, invoke, lambda_):
    name = make.create("counted", Timeout=1)
    assert invoke(name, {"do": "echo", "value": 1}).ok == 1
    assert invoke(name, {"do": "echo", "value": 2}).ok == 2
    assert invoke(name, {"do": "fail"}).error
    assert invoke(name, {"do": "sleep", "seconds": 5}).error
    assert invoke(name, {"do": "leave", "code": 1}).error
    lambda_.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    for _ in range(2):
        assert refused(invoke, name=name).code == "TooManyRequestsException"
    now = page()
    counts = [now.of(f"{metric}_total", name) for metric in ("invocations", "errors", "throttles")]
    assert counts == [5, 3, 2], now.text
    assert now.of("duration_seconds_count", name) == 5
    assert 1 <= now.of("duration_seconds_sum", name) < 5, "the timeout is in it"
    assert now.of("init_duration_seconds_count", name) == 1
    assert now.of("cold_start_seconds_count", name) == 1


def test_versions_and_aliases_are_dimensions(page, make, invoke, lambda_):
    name = make.create("dimensions")
    for _ in range(2):
        lambda_.publish_version(FunctionName=name)
        lambda_.update_function_code(FunctionName=name, ZipFile=probe_zip("two"))
        functions.until_active(lambda_, name)
    lambda_.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    assert invoke(name).ok
    assert invoke(f"{name}:1").ok
    assert invoke(f"{name}:live").ok
    lambda_.update_alias(FunctionName=name, Name="live", FunctionVersion="2")
    for _ in range(2):
        assert invoke(f"{name}:live").ok
    now = page()
    assert now.of("invocations_total", name) == 1
    assert now.of("invocations_total", name, f"{name}:1") == 1
    assert now.of("invocations_total", name, f"{name}:live", "1") == 1
    assert now.of("invocations_total", name, f"{name}:live", "2") == 2


def test_a_deleted_functions_series_go_and_the_accounts_stay(page, make, invoke, lambda_):
    name = make.create("deleted")
    labels = {"account": ACCOUNT, "region": REGION}
    assert invoke(name).ok
    before = page()
    assert before.of("invocations_total", name) == 1
    lambda_.delete_function(FunctionName=name)
    after = until(lambda: (now := page()) and name not in now.text and now, "its series to go")
    total = "lambent_account_invocations_total"
    assert after.get(total, **labels) >= before.get(total, **labels) >= 1


def test_what_runs_is_a_level(page, make, clients, invoke):
    name = make.create("running")
    connection = clients.connect()
    path = f"/2015-03-31/functions/{name}/invocations"
    body = b'{"do": "sleep", "seconds": 2}'
    connection.request("POST", path, body, clients.signed("POST", path, body))

    def concurrent(now):
        labels = {"account": ACCOUNT, "region": REGION}
        own = now.get("lambent_function_concurrent_executions", function=name, **labels)
        return own, now.get("lambent_account_concurrent_executions", **labels)

    own, account = until(lambda: (levels := concurrent(page())) and levels[0] and levels, "the invocation to begin")
    assert own == 1 and account >= 1
    assert page().get("lambent_environments", state="busy") >= 1
    assert connection.getresponse().status == 200
    assert until(lambda: concurrent(page())[0] == 0, "the level to fall")


def test_an_invocation_whose_caller_hung_up_is_counted(page, make, clients):
    name = make.create("orphan")
    path = f"/2015-03-31/functions/{name}/invocations"
    body = b'{"do": "sleep", "seconds": 1}'
    before = page().get("lambent_http_calls_orphaned_total")
    connection = clients.connect()
    connection.request("POST", path, body, clients.signed("POST", path, body))
    until(lambda: page().get("lambent_environments", state="busy"), "the invocation to begin")
    connection.close()
    until(lambda: page().of("invocations_total", name) == 1, "the invocation to be counted")
    assert page().get("lambent_http_calls_orphaned_total") > before


def test_the_server_counts_itself(page, lambda_, make, clients):
    before = page()
    make.create("itself")
    assert clients.http("GET", "/2015-03-31/functions/", sign=False).status == 403
    now = page()

    def more(name, **labels):
        return now.get(name, **labels) - before.get(name, **labels)

    requests = "lambent_http_requests_total"
    assert more(requests, service="lambda", operation="CreateFunction", status="201") == 1
    assert more(requests, status="403") >= 1
    assert more("lambent_store_commit_seconds_count") >= 1
    assert now.get("lambent_sandbox_launch_seconds_count", outcome="made") >= 1
    assert now.get("process_open_fds") > 5
    assert 0 < now.get("process_cpu_seconds_total")
    assert 1e6 < now.get("process_resident_memory_bytes") < 1e9
    assert now.get("lambent_http_requests_in_flight") >= 1, "this very request"


def test_the_page_is_for_readers_on_this_machine(clients, make, invoke):
    assert clients.http("GET", "/metrics", sign=False).status == 200
    assert clients.http("HEAD", "/metrics", sign=False).body == b""
    post = clients.http("POST", "/metrics", sign=False)
    assert post.status == 405 and post.headers["allow"] == "GET, HEAD"
    for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert clients.http("GET", "/metrics", headers=headers, sign=False).status == 403
    command = (
        "address=${AWS_ENDPOINT_URL#http://}; exec 3<>/dev/tcp/${address/://}; "
        r"printf 'GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3; head -1 <&3"
    )
    curious = invoke(make.create("curious"), {"do": "run", "command": command}).ok
    assert curious["out"].startswith("HTTP/1.1 403"), curious


def test_events_count_when_they_come_and_when_they_are_given_up(page, make, lambda_):
    name = make.create("asynchronous")
    lambda_.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0)
    for event in (b'{"do": "echo", "value": 1}', b'{"do": "fail"}'):
        lambda_.invoke(FunctionName=name, InvocationType="Event", Payload=event)
    until(lambda: page().of("async_events_dropped_total", name) == 1, "the event that fails to be given up")
    until(lambda: page().of("invocations_total", name) == 2, "both to be invoked")
    assert page().of("async_events_received_total", name) == 2
    assert page().of("errors_total", name) == 1
    assert page().of("async_event_age_seconds_count", name) == 2
