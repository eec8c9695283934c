"""Who is let in, who is throttled, and a function that cannot start."""

import concurrent.futures
import os
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from support import functions, processes
from support.clients import Clients
from support.functions import ROLE, probe_zip, until_active
from support.packages import pack
from support.server import OURS, ROOT, Server
from support.streams import messages
from support.wait import until


def throttled(call):
    """The error of a throttled call, or nothing when it was let in."""
    try:
        call()
    except ClientError as error:
        assert error.response["Error"]["Code"] == "TooManyRequestsException", error.response
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 429
        assert error.response["message"] == "Rate Exceeded." and error.response["Type"] == "User"
        assert int(error.response["ResponseMetadata"]["HTTPHeaders"]["retry-after"]) >= 1
        return error.response["Reason"]
    return None


def test_reserved_concurrency_carries_ten_requests_a_second(clients, lambda_, make):
    name = make.create("rated")
    client = clients.boto("lambda")
    lambda_.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    functions.invoke(client, name, {"do": "echo", "value": 1}).ok

    def refused():
        return throttled(lambda: functions.invoke(client, name, {"do": "echo", "value": 1}))

    assert until(refused, "a request too many", interval=0) == "ReservedFunctionInvocationRateLimitExceeded"
    lambda_.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    assert refused() == "ReservedFunctionConcurrentInvocationLimitExceeded"
    lambda_.delete_function_concurrency(FunctionName=name)
    assert refused() is None


def test_a_function_that_cannot_start_answers_each_caller_and_does_not_try_each_time(lambda_, invoke, make, logs):
    package = pack({"lambda_function.py": "import os\nprint('tried', flush=True)\nos._exit(3)\n"})
    name = make.create("hopeless", zip_file=package)

    def held_back():
        return [line for line in messages(logs, name) if line.startswith("the runtime was not started")]

    invoked = 0
    while not invoked or not held_back():
        invoked += 1
        assert invoked < 100
        answer = invoke(name)
        assert (answer.status, answer.error) == (200, "Unhandled")
        assert answer.json == {
            "errorType": "Runtime.ExitError",
            "errorMessage": f"RequestId: {answer.request_id} Error: Runtime exited with error: exit status 3",
        }
    lambda_.update_function_code(FunctionName=name, ZipFile=probe_zip())
    until_active(lambda_, name)
    assert invoke(name).ok["count"] == 1, "new code is tried at once"


def prewarmed(server):
    return Clients(server).http("GET", "/_lambent/health", sign=False).json["prewarmed"]


MEMORY = 400 << 20


class OnASmallMachine(Server):
    """A server in a control group that has little memory."""

    def binary(self):
        self.group.mkdir(exist_ok=True)
        self.limit(MEMORY)
        wrapper = self.home / "lambent"
        wrapper.write_text(f'#!/bin/sh\necho $$ > {self.group}/cgroup.procs && exec {super().binary()} "$@"\n')
        wrapper.chmod(0o755)
        return wrapper

    @property
    def group(self):
        return Path("/sys/fs/cgroup/memory") / self.home.name

    def limit(self, size):
        (self.group / "memory.limit_in_bytes").write_text(str(size))

    def shrink(self):
        """Takes what it does not use."""
        self.limit(int((self.group / "memory.usage_in_bytes").read_text()) + (8 << 20))


@pytest.fixture
def small():
    """A server on such a machine, with a function."""
    if OURS != ROOT:
        pytest.skip("only root can put a server into a control group")
    if not os.path.exists("/sys/fs/cgroup/memory/cgroup.procs"):
        pytest.skip("no memory cgroup of version 1")
    server = OnASmallMachine()
    try:
        client = Clients(server.start()).boto("lambda")
        client.create_function(
            FunctionName="many",
            Runtime=server.python(),
            Handler="lambda_function.lambda_handler",
            Role=ROLE,
            Timeout=20,
            Code={"ZipFile": probe_zip()},
        )
        until_active(client, "many")
        yield server, client
    finally:
        server.remove()
        until(lambda: not processes._read(server.group / "cgroup.procs"), "the server's last process to be gone")
        server.group.rmdir()


def test_provisioned_concurrency_that_a_full_machine_cannot_hold_fails_and_says_so(small):
    """API Reference, GetProvisionedConcurrencyConfig: StatusReason, "for failed allocations, the reason"."""
    server, client = small
    client.publish_version(FunctionName="many")

    def put(wanted):
        client.put_provisioned_concurrency_config(
            FunctionName="many", Qualifier="1", ProvisionedConcurrentExecutions=wanted
        )

    def config(status=None):
        config = client.get_provisioned_concurrency_config(FunctionName="many", Qualifier="1")
        numbers = [config[f"{kind}ProvisionedConcurrentExecutions"] for kind in ("Requested", "Allocated", "Available")]
        return (numbers, config.get("StatusReason")) if status in (None, config["Status"]) else None

    # More at once than room is kept for while they start, and less than there is room for then: that is no failure.
    put(8)
    assert until(lambda: config("READY") or config("FAILED"), config, timeout=60) == ([8, 8, 8], None)
    server.shrink()
    put(10)
    numbers, reason = until(lambda: config("FAILED"), config, timeout=60)
    code, _, advice = reason.partition(": ")
    assert code == "INSUFFICIENT_CAPACITY" and "memory" in advice
    assert numbers == [10, 8, 8], "what could be had stays"
    assert functions.invoke(client, "many", {"do": "echo", "value": 1}, Qualifier="1").ok == 1
    server.limit(MEMORY)
    assert until(lambda: config("READY"), config, timeout=60) == ([10, 10, 10], None), "it is tried again"


def test_a_full_machine_throttles_and_goes_on(small):
    server, client = small
    until(lambda: prewarmed(server) > 0, "a sandbox to wait")
    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        # Long enough that none ends, and leaves its environment to another, while others still start.
        event = {"do": "sleep", "seconds": 6}
        calls = [
            pool.submit(throttled, lambda: functions.invoke(client, "many", event).ok) for _ in range(24)
        ]
        reasons = [call.result() for call in calls]
    assert set(reasons) == {None, "ConcurrentInvocationLimitExceeded"}, "some fit, and some do not"
    # Those that were not taken have ended for others, and for a while no more are made.
    assert prewarmed(server) == 0
    assert server.output().count("the machine's memory is full") == 1, "the operator is told, once"
    assert throttled(lambda: functions.invoke(client, "many", {"do": "echo", "value": 1}).ok) is None
