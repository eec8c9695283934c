"""Between two invocations nothing of a function runs, and what it left unfinished goes on in the next."""

import concurrent.futures
import json
import os
import shutil
import signal
import time
import urllib.request

import pytest

from support import functions, processes
from support.clients import Clients
from support.functions import ROLE, source, until_active
from support.packages import pack
from support.server import OURS, ROOT, Server
from support.wait import until
from test_runtimes import newest, rust_function

pytestmark = pytest.mark.skipif(OURS != ROOT, reason="only root has a cgroup of version 2 or a freezer everywhere")

FRESH, PREWARMED = ["--prewarm", "off"], ["--prewarm", "1"]
MANY = int(os.environ.get("LAMBENT_TEST_FROZEN", "40"))


def python_ticker(runtimes):
    package = pack({"app.py": source("ticker/app.py")})
    return {"zip_file": package, "Handler": "app.handler", "Runtime": newest(runtimes, "python")}


def node_ticker(runtimes):
    package = pack({"index.mjs": source("ticker/index.mjs")})
    return {"zip_file": package, "Handler": "index.handler", "Runtime": newest(runtimes, "nodejs")}


TICKERS = {"python": python_ticker, "nodejs": node_ticker, "native": rust_function}


def inside(server, *names):
    """The processes of the server's functions whose command has one of these names, or all of them."""
    pids = processes.sandboxed(server)
    return [pid for pid in pids if not names or processes._read(f"/proc/{pid}/comm").strip() in names]


def is_frozen(pid):
    """As the kernel tells it of the process's control groups."""
    for group in processes.cgroups(pid):
        for file, frozen in (("cgroup.events", "frozen 1"), ("freezer.state", "FROZEN")):
            if frozen in processes._read(group / file).splitlines():
                return True
    return False


def all_frozen(server, least=2):
    """The processes of all environments, once they are frozen. What waits for a function is not, and is none."""
    pids = inside(server)
    if PREWARMED == server.arguments:
        pids = [pid for pid in pids if is_frozen(pid)]
    return len(pids) >= least and all(is_frozen(pid) for pid in pids) and pids


def cpu(pid):
    """User and system time, in the kernel's ticks."""
    return processes._read(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()[11:13]


class OnVersionOne(Server):
    """A server that sees no cgroup of version 2, and so has to freeze by version 1."""

    def binary(self):
        mount = next(line.split(" ")[4] for line in open("/proc/self/mountinfo") if " - cgroup2 " in line)
        wrapper = self.home / "lambent"
        wrapper.write_text(
            f"#!/bin/sh\nexec unshare -m sh -c 'umount {mount} && exec \"$0\" \"$@\"' {super().binary()} \"$@\"\n"
        )
        wrapper.chmod(0o755)
        return wrapper


def has_version_one():
    return any(" - cgroup " in line and "freezer" in line for line in open("/proc/self/mountinfo"))


@pytest.fixture(params=["version-2", "version-1", "prewarmed"])
def alone(request):
    """A server whose only environments are this test's, under each interface of the kernel's that is here, and with
    environments that are made of sandboxes that have waited."""
    if request.param == "version-1" and (not has_version_one() or shutil.which("unshare") is None):
        pytest.skip("the host has no freezer of cgroups of version 1, or no unshare to hide version 2")
    kind = OnVersionOne if request.param == "version-1" else Server
    server = kind(arguments=PREWARMED if request.param == "prewarmed" else FRESH)
    try:
        yield server.start()
    finally:
        server.remove()


def create(server, name, kind):
    client = Clients(server).boto("lambda")
    settings = TICKERS[kind](server.runtimes())
    package = settings.pop("zip_file")
    client.create_function(FunctionName=name, Role=ROLE, Timeout=60, Code={"ZipFile": package}, **settings)
    until_active(client, name)
    return client


@pytest.mark.parametrize("kind", TICKERS)
def test_a_ticker_stands_still_between_invocations(alone, kind):
    client = create(alone, kind, kind)

    def tick(seconds=0):
        return functions.invoke(client, kind, {"seconds": seconds}).ok

    tick(0.1)
    seen = []
    # A busy host may be late with freezing, once.
    for _ in range(3):
        last = tick()["after"]
        pids = until(lambda: all_frozen(alone), "the environment to be frozen")
        used = [cpu(pid) for pid in pids]
        time.sleep(1)
        assert [cpu(pid) for pid in pids] == used, "what is frozen takes no CPU"
        seen.append(tick()["before"] - last)
        if seen[-1] <= 2:
            break
    assert seen[-1] <= 2, f"ticks in an idle second: {seen}"
    during = tick(0.5)
    assert during["after"] - during["before"] >= 5, "in an invocation it goes on"


@pytest.mark.parametrize("alone", ["version-2", "version-1"], indirect=True)
def test_frozen_environments_are_killed_and_the_next_invocation_starts_anew(alone):
    create(alone, "first", "python")
    client = create(alone, "second", "python")
    functions.invoke(client, "first").ok
    pids = until(lambda: all_frozen(alone), "the environment to be frozen")
    runtime = next(pid for pid in pids if "python" in processes._read(f"/proc/{pid}/cmdline"))
    if not isinstance(alone, OnVersionOne):
        # The runtime alone, from outside: the environment finds out at once and not in the next invocation. Under
        # version 1 nothing dies before it is thawed.
        os.kill(runtime, signal.SIGKILL)
        until(lambda: not processes.alive(runtime), "the frozen runtime to be gone")
        until(lambda: len(inside(alone)) == 1, "init alone to be left")
        # The word of it may still be on its way to the server, and then the first invocation fails as the runtime did.
        told = functions.invoke(client, "first")
        told = told if told.error is None else functions.invoke(client, "first")
        assert told.ok["before"] < 5, "by a new runtime"
    # A frozen environment that is not needed any more ends.
    pids = until(lambda: all_frozen(alone), "the environment to be frozen again")
    client.delete_function(FunctionName="first")
    until(lambda: not any(processes.alive(pid) for pid in pids), "the frozen environment to be gone")
    # Nor does one outlive its server, or its launcher.
    for victim in (processes.launcher, lambda server: server.pid):
        functions.invoke(client, "second").ok
        pids = until(lambda: all_frozen(alone), "the other environment to be frozen")
        groups = {group for pid in pids for group in processes.cgroups(pid)}
        os.kill(victim(alone), signal.SIGKILL)
        until(lambda pids=pids: not any(processes.alive(pid) for pid in pids), "what was frozen to be gone")
        alone.process.wait(timeout=20)
        alone.start()
        until(lambda groups=groups: not any(group.exists() for group in groups), "its control groups to be gone")
        client = Clients(alone).boto("lambda")


@pytest.mark.parametrize("alone", ["version-2", "version-1"], indirect=True)
def test_many_frozen_environments_end_with_the_server(alone):
    create(alone, "many", "native")
    body = json.dumps({"seconds": 2 + MANY / 10}).encode()
    path = "/2015-03-31/functions/many/invocations"

    def invoke(_):
        calls = Clients(alone)
        connection = calls.connect()
        connection.request("POST", path, body, calls.signed("POST", path, body))
        answer = connection.getresponse()
        return answer.status, answer.read()

    with concurrent.futures.ThreadPoolExecutor(MANY) as pool:
        assert [status for status, _ in pool.map(invoke, range(MANY))] == [200] * MANY
    with urllib.request.urlopen(f"{alone.url}/_lambent/health", timeout=10) as answer:
        environments = json.load(answer)["environments"]
    # On a slow host the last find those free that the first have left.
    assert environments > MANY / 4
    # Each is a sandbox with init and the function.
    pids = until(lambda: all_frozen(alone, 2 * environments), "all environments to be frozen")
    assert alone.stop(timeout=20) == 0
    assert not any(processes.alive(pid) for pid in pids)
