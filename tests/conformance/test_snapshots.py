"""SnapStart from snapshots that CRIU takes (Lambda Developer Guide: "Improving startup performance with Lambda SnapStart",
"Implement code before or after Lambda function snapshots", "Handling uniqueness with Lambda SnapStart", "Monitoring for
Lambda SnapStart")."""

import concurrent.futures
import os

import botocore.exceptions
import pytest

from support import functions, java
from support.clients import Clients
from support.functions import ROLE
from support.packages import pack
from support.server import OURS, ROOT, Server
from support.wait import until

PUBLISHED = {"ApplyOn": "PublishedVersions"}
SOURCE = """
import os, random, ssl, time, urllib.request, uuid
from snapshot_restore_py import register_after_restore, register_before_snapshot
BORN, HOOKS = uuid.uuid4().hex, []
random.random(), ssl.RAND_bytes(1)
if os.environ.get("BROKEN"):
    raise ValueError("not today")
if os.environ.get("DAEMON"):
    os.system("setsid sleep 60 &")

@register_before_snapshot
def before():
    HOOKS.append("before")

@register_after_restore
def after():
    HOOKS.append("after")
    if os.environ.get("AFTER") == "raise":
        raise ValueError("not here")
    if os.environ.get("AFTER") == "sleep":
        time.sleep(60)

def lambda_handler(event, context):
    if event.get("exit"):
        os._exit(3)
    time.sleep(event.get("seconds", 0))
    request = urllib.request.Request(os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"])
    request.add_header("Authorization", os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"])
    return {
        "born": BORN, "hooks": HOOKS, "type": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"],
        "random": [random.random(), ssl.RAND_bytes(8).hex()], "keys": urllib.request.urlopen(request).status,
        "names": [os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME"), context.log_stream_name],
        "status": [line.split() for line in open("/proc/self/status") if line.startswith(("CapEff", "Seccomp:", "NoNew"))],
    }
"""


class Photographed:
    """A server that takes snapshots, and a function."""

    def __init__(self, criu):
        self.server = Server(arguments=["--snapshots", criu])
        self.start()

    def start(self):
        self.client = Clients(self.server.start()).boto("lambda")

    def publish(self, name, **settings):
        """A new function's first version, settled; whether it was optimised."""
        defaults = {
            "Runtime": self.server.python(),
            "Handler": "lambda_function.lambda_handler",
            "Code": {"ZipFile": pack({"lambda_function.py": SOURCE})},
            "Timeout": 6,
        }
        self.client.create_function(
            FunctionName=name, Role=ROLE, SnapStart=PUBLISHED, **{**defaults, **settings}
        )
        functions.until_active(self.client, name)
        self.client.publish_version(FunctionName=name)
        until(lambda: self.shown(name)["State"] != "Pending", "the version to be settled")
        return self.status(name)

    def status(self, name):
        return self.shown(name)["SnapStart"]["OptimizationStatus"]

    def shown(self, name):
        return self.client.get_function_configuration(FunctionName=name, Qualifier="1")

    def invoke(self, name, event=None):
        return functions.invoke(self.client, name, event, True, Qualifier="1")

    def at_once(self, name, count):
        """As many environments answer, for each is busy."""
        with concurrent.futures.ThreadPoolExecutor(count) as pool:
            return list(pool.map(lambda _: self.invoke(name, {"seconds": 1}), range(count)))


@pytest.fixture(scope="module")
def photographed():
    criu = os.environ.get("LAMBENT_TEST_CRIU")
    if criu is None or OURS != ROOT:
        pytest.skip("snapshots need CRIU 4.2 (LAMBENT_TEST_CRIU) and root")
    one = Photographed(criu)
    try:
        if int(one.server.python().rsplit(".", 1)[1]) < 12:
            pytest.skip("SnapStart needs Python 3.12")
        yield one
    finally:
        one.server.remove()


def test_environments_begin_where_the_snapshot_was_taken_and_differ_in_what_has_to_differ(photographed):
    assert photographed.publish("snap") == "On"
    answers = photographed.at_once("snap", 3)
    found = [answer.ok for answer in answers]
    assert len({one["born"] for one in found}) == 1, "the module ran once"
    for number in range(2):
        assert len({one["random"][number] for one in found}) == 3, "none has another's random numbers"
    for answer, one in zip(answers, found):
        assert (one["type"], one["hooks"], one["keys"]) == ("snap-start", ["before", "after"], 200)
        assert one["status"] == [["CapEff:", "0000000000000000"], ["NoNewPrivs:", "1"], ["Seccomp:", "2"]]
        assert one["names"] == [None, None], "they would be those of the environment that was photographed"
        assert "Restore Duration" in answer.report and "Billed Restore Duration" in answer.report
        assert "Init Duration" not in answer.report
    again = photographed.invoke("snap")
    assert again.ok["born"] == found[0]["born"] and "Restore Duration" not in again.report


def test_an_environment_from_a_snapshot_is_reset_like_any_other(photographed):
    assert photographed.publish("reset") == "On"
    born = photographed.invoke("reset").ok["born"]
    assert photographed.invoke("reset", {"exit": True}).json["errorType"] == "Runtime.ExitError"
    anew = photographed.invoke("reset").ok
    assert anew["born"] != born and anew["hooks"] == ["before", "after"]
    assert "timed out" in photographed.invoke("reset", {"seconds": 30}).json["errorMessage"]
    assert photographed.invoke("reset").ok["born"] not in (born, anew["born"])


def test_java_has_its_snapshots_too(photographed, runtimes):
    found = [name for name in runtimes if name.startswith("java") and "." not in name]
    if not found:
        pytest.skip("no Java of one of AWS's releases on this host")
    jars = java.client_jars()
    code, _, problem = java.runtimes_command("add", found[0], "--data-dir", photographed.server.data_dir, "--from", jars)
    assert code == 0, problem
    package = java.package(jars, "Snap")
    settings = {"Handler": "example.Snap", "Code": {"ZipFile": package}, "MemorySize": 512, "Timeout": 30}
    for runtime in found:
        assert photographed.publish(runtime, Runtime=runtime, **settings) == "On", photographed.server.output()
        answers = photographed.at_once(runtime, 2)
        assert all("Restore Duration" in answer.report for answer in answers)
        ones = [answer.ok for answer in answers]
        assert len({one["born"] for one in ones}) == 1 and len({one["random"] for one in ones}) == 2
        for one in ones:
            assert one["file"] == one["born"], "what it has put into /tmp is there"
            assert (one["hooks"], one["type"]) == (["before", "after"], "snap-start")


def test_a_hook_that_fails_or_takes_too_long_after_the_restore_fails_the_invocation(photographed):
    errors = photographed.client.exceptions
    for hook, error, status, text in [
        ("raise", errors.SnapStartException, 400, "hook encountered an error"),
        ("sleep", errors.SnapStartTimeoutException, 408, "within the timeout limit"),
    ]:
        photographed.publish(hook, Environment={"Variables": {"AFTER": hook}})
        with pytest.raises(error, match=text) as raised:
            photographed.invoke(hook)
        assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_a_version_that_cannot_be_initialised_has_failed(photographed):
    assert photographed.publish("broken", Environment={"Variables": {"BROKEN": "1"}}) == "Off"
    shown = photographed.shown("broken")
    why = "An error occurred during function initialization."
    for what in ("State", "LastUpdateStatus"):
        found = shown[what], shown[f"{what}Reason"], shown[f"{what}ReasonCode"]
        assert found == ("Failed", why, "FunctionError")
    client = photographed.client
    pointed = {"FunctionName": "broken", "Name": "live", "FunctionVersion": "1"}
    for call in (lambda: photographed.invoke("broken"), lambda: client.create_alias(**pointed)):
        with pytest.raises(client.exceptions.ResourceConflictException, match="Failed"):
            call()
    assert client.get_function_configuration(FunctionName="broken")["State"] == "Active", "$LATEST is as it was"
    with pytest.raises(botocore.exceptions.WaiterError):
        client.get_waiter("published_version_active").wait(FunctionName="broken", Qualifier="1")


def test_what_a_snapshot_would_lack_is_initialised_anew(photographed):
    assert photographed.publish("daemon", Environment={"Variables": {"DAEMON": "1"}}) == "Off"
    born = {answer.ok["born"] for answer in photographed.at_once("daemon", 2)}
    assert len(born) == 2
    assert "2 processes are init's children" in photographed.server.output(), "the server's log says why"


def test_after_a_restart_a_snapshot_is_taken_once_more_for_whoever_wants_it(photographed):
    assert photographed.publish("kept") == "On"
    before = photographed.invoke("kept").ok["born"]
    assert photographed.server.stop() == 0
    folder = photographed.server.data_dir / "snapshots"
    photographed.start()
    assert os.listdir(folder) == [], "what was there was of processes of before"
    assert photographed.status("kept") == "Off", "there is none at this moment"
    assert photographed.invoke("kept").ok["born"] != before

    def restored():
        answers = photographed.at_once("kept", 3)
        return any("Restore Duration" in answer.report for answer in answers if answer.ok)

    until(restored, "an environment from the new snapshot", timeout=30)
    assert photographed.status("kept") == "On"
    photographed.client.delete_function(FunctionName="kept")
    until(lambda: os.listdir(folder) == [], "the snapshot's files to be gone")
