"""Between two invocations nothing of a function runs, and what it left unfinished goes on in the next."""

import concurrent.futures
import json
import os
import signal
import time
from pathlib import Path

import pytest

from support import functions, processes
from support.clients import Clients
from support.functions import ROLE, source, until_active
from support.packages import pack
from support.server import OURS, ROOT, Server
from support.wait import until
from test_runtimes import newest, rust_function

pytestmark = pytest.mark.skipif(OURS != ROOT, reason="only root has a cgroup of version 2 or a freezer everywhere")


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


def all_frozen(server, least=1):
    pids = inside(server)
    return len(pids) >= least and all(is_frozen(pid) for pid in pids) and pids


def cpu(pid):
    """User and system time, in the kernel's ticks."""
    return processes._read(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()[11:13]


@pytest.fixture
def alone():
    """A server whose only environments are this test's."""
    server = Server()
    server.start()
    yield server
    server.remove()


@pytest.mark.parametrize("kind", TICKERS)
def test_a_ticker_stands_still_between_invocations(alone, kind):
    client = Clients(alone).boto("lambda")
    settings = TICKERS[kind](alone.runtimes())
    package = settings.pop("zip_file")
    client.create_function(FunctionName=kind, Role=ROLE, Timeout=20, Code={"ZipFile": package}, **settings)
    until_active(client, kind)

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


def test_frozen_environments_are_killed_and_the_next_invocation_starts_anew(alone):
    client = Clients(alone).boto("lambda")
    runtimes = alone.runtimes()
    for name in ("first", "second"):
        settings = python_ticker(runtimes)
        package = settings.pop("zip_file")
        client.create_function(FunctionName=name, Role=ROLE, Timeout=20, Code={"ZipFile": package}, **settings)
        until_active(client, name)
    functions.invoke(client, "first").ok
    pids = until(lambda: all_frozen(alone), "the environment to be frozen")
    runtime = next(pid for pid in pids if "python" in processes._read(f"/proc/{pid}/cmdline"))
    # The runtime alone, from outside: the environment finds out at once and not in the next invocation.
    os.kill(runtime, signal.SIGKILL)
    until(lambda: not processes.alive(runtime), "the frozen runtime to be gone")
    until(lambda: len(inside(alone)) == 1, "init alone to be left")
    assert functions.invoke(client, "first").ok["before"] < 5, "by a new runtime"
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
