"""Sandboxes that wait for functions: what a function sees must not depend on whether it got one."""

import json
import os
import os
import re

import pytest

from support import functions, processes
from support.clients import Clients
from support.functions import ROLE, until_active
from support.packages import pack
from support.server import OURS, ROOT, ROOTLESS, Server
from support.wait import until
from test_runtimes import newest

pytestmark = pytest.mark.namespaces

EITHER_RIGHTS = [ROOT, ROOTLESS] if OURS == ROOT else [ROOTLESS]

PYTHON = """
import json, locale, os, resource, sys, time, threading
def read(path):
    with open(path) as file:
        return file.read()
def handler(event, context):
    return {
        "environ": dict(os.environ), "order": list(os.environ), "proc": read("/proc/self/environ").rstrip("\\0"),
        "argv": sys.argv, "orig_argv": getattr(sys, "orig_argv", None), "cmdline": read("/proc/self/cmdline"),
        "cwd": os.getcwd(), "path": sys.path, "executable": sys.executable, "flags": repr(sys.flags),
        "zone": time.tzname, "encodings": [sys.getfilesystemencoding(), locale.getpreferredencoding()],
        "fds": {fd: kind(fd) for fd in os.listdir("/proc/self/fd")}, "umask": os.umask(0o022),
        "limits": [resource.getrlimit(which) for which in range(16)],
        "mounts": sorted(line.split()[4:6] for line in read("/proc/self/mountinfo").splitlines()),
        "threads": [thread.name for thread in threading.enumerate()], "ids": [os.getpid(), os.getuid(), os.getsid(0)],
        # Python looks up the user's home, by `pwd`, where HOME does not name it.
        "modules": sorted(set(sys.modules) - {"pwd"}),
        "child": os.popen("env | sort | grep -v -e ^_=").read(),
    }
def kind(fd):
    try:
        return os.readlink("/proc/self/fd/" + fd).split(":")[0]
    except OSError:
        return "gone"
"""

NODE = """
const fs = require("node:fs");
const { execSync } = require("node:child_process");
const text = (path) => fs.readFileSync(path, "utf8");
const kind = (fd) => { try { return fs.readlinkSync("/proc/self/fd/" + fd).split(":")[0]; } catch { return "gone"; } };
const globals = Object.getOwnPropertyNames(globalThis).sort();
const symbols = Object.getOwnPropertySymbols(globalThis).map(String).sort();
exports.handler = async () => ({
  environ: process.env, order: Object.keys(process.env), proc: text("/proc/self/environ").replace(/\\0+$/, ""),
  argv: process.argv, execArgv: process.execArgv, cmdline: text("/proc/self/cmdline"), cwd: process.cwd(),
  title: process.title, paths: module.paths, globals, symbols, cache: Object.keys(require.cache),
  global: require("node:module").globalPaths, zone: new Date(0).getTimezoneOffset(),
  heap: require("node:v8").getHeapStatistics().heap_size_limit, umask: process.umask(),
  fds: fs.readdirSync("/proc/self/fd").map(kind).filter((name) => name !== "gone").sort(),
  mounts: text("/proc/self/mountinfo").split("\\n").map((line) => line.split(" ").slice(4, 6).join(" ")).sort(),
  child: execSync("env | sort | grep -v -e ^_=").toString(), ids: [process.pid, process.getuid()],
});
"""

CODE = {"python": ("app.py", PYTHON), "nodejs": ("app.js", NODE)}

# What differs from one environment to the next, however it was made.
CHANGING = re.compile(
    r"(AWS_LAMBDA_METADATA_TOKEN"
    r"|AWS_ACCESS_KEY_ID|AWS_SECRET_ACCESS_KEY|AWS_SESSION_TOKEN|AWS_LAMBDA_LOG_STREAM_NAME|_X_AMZN_TRACE_ID|AWS_ENDPOINT_URL"
    r"|AWS_LAMBDA_FUNCTION_NAME|AWS_LAMBDA_LOG_GROUP_NAME)=[^\0\n]*"
)


def deploy(client, runtime, family, code=None, **settings):
    file, usual = CODE[family]
    name = functions.unique("waiting")
    client.create_function(
        FunctionName=name, Runtime=runtime, Role=ROLE, Handler="app.handler", Timeout=60,
        Code={"ZipFile": pack({file: code or usual})}, **settings,
    )  # fmt: skip
    until_active(client, name)
    return name


def prewarmed(server):
    return Clients(server).http("GET", "/_lambent/health", sign=False).json["prewarmed"]


def seen(server, runtime, family, **settings):
    """What a first invocation sees, and whether it took a process that had waited."""
    client = Clients(server).boto("lambda")
    if "off" not in server.arguments:
        # Whoever has been wanted once waits the next time.
        first = deploy(client, runtime, family, **settings)
        command = functions.invoke(client, first).ok["cmdline"]
        storage = settings.get("EphemeralStorage", {"Size": 512})["Size"]
        until(lambda: waits_for(server, command, storage), "a sandbox to wait")
    before = set(processes.waiting(server))
    name = deploy(client, runtime, family, **settings)
    report = functions.invoke(client, name).ok
    taken = before - set(processes.waiting(server))
    return plain(report), taken


def waits_for(server, command="python", storage=512):
    """
    The processes with this in their command line that wait with so many MB of /tmp, once all that have been started do.
    """
    pids = processes.waiting(server)
    found = [
        pid for pid in pids if command in processes._read(f"/proc/{pid}/cmdline") and temporary(pid) == storage
    ]
    health = Clients(server).http("GET", "/_lambent/health", sign=False).json
    # A process is there before its sandbox is ready, and a sandbox may wait without one.
    return found if health["prewarmed"] >= health["prewarm_wanted"] else []


def temporary(pid):
    """The size of a process's /tmp in MB, to the nearest 64: a file system needs some for itself."""
    try:
        found = os.statvfs(f"/proc/{pid}/root/tmp")
    except FileNotFoundError:
        # The process has ended meanwhile.
        return None
    return round(found.f_blocks * found.f_frsize / (64 << 20)) * 64


def plain(report):
    for name in list(report["environ"]):
        report["environ"][name] = CHANGING.sub(r"\1", f"{name}={report['environ'][name]}")
    report["proc"] = CHANGING.sub(r"\1", report["proc"])
    report["child"] = CHANGING.sub(r"\1", report["child"])
    report["mounts"] = re.sub(r"waiting-[0-9a-f]+", "", json.dumps(report["mounts"]))
    return report


SETTINGS = {
    "plain": {},
    "variables": {
        "Environment": {"Variables": {"TZ": "Asia/Tokyo", "HOME": "/tmp", "NODE_PATH": "/opt/x", "GREETING": "Grüß Gott"}},
        "MemorySize": 256,
    },
    "storage": {"EphemeralStorage": {"Size": 1024}},
}


@pytest.mark.parametrize("server_with_sandboxes", EITHER_RIGHTS, indirect=True)
@pytest.mark.parametrize("settings", list(SETTINGS))
@pytest.mark.parametrize("family", ["python", "nodejs"])
def test_a_function_sees_the_same_in_a_sandbox_that_waited(server_with_sandboxes, family, settings):
    with_waiting, without = server_with_sandboxes
    runtime = newest(with_waiting.runtimes(), family)
    settings = SETTINGS[settings]
    expected, none = seen(without, runtime, family, **settings)
    found, taken = seen(with_waiting, runtime, family, **settings)
    assert not none and len(taken) == 1, "one of the two did not start as it should"
    for what, value in expected.items():
        assert found[what] == value, what


@pytest.fixture(scope="module")
def server_with_sandboxes(request):
    servers = [Server(rights=request.param), Server(arguments=["--prewarm", "off"], rights=request.param)]
    try:
        yield [server.start() for server in servers]
    finally:
        for server in servers:
            server.remove()


def test_they_are_used_once_and_end_with_the_server(own_server):
    server = own_server.start()
    runtime = server.python()
    client = Clients(server).boto("lambda")
    until(lambda: waits_for(server), "a sandbox to wait")
    code = "import os, random\ndef handler(e, c): return [random.random(), os.urandom(4).hex()]"
    numbers, used = [], []
    for _ in range(5):
        name = deploy(client, runtime, "python", code)
        until(lambda: waits_for(server), "a sandbox to wait")
        before = set(processes.waiting(server))
        numbers += functions.invoke(client, name).ok
        used += before - set(processes.waiting(server))
    assert len(set(numbers)) == len(numbers) == 10
    assert len(set(used)) == len(used) == 5
    assert prewarmed(server) >= 1
    pids = processes.waiting(server)
    server.stop()
    until(lambda: not any(processes.alive(pid) for pid in pids), "what waited to end")


def test_a_process_that_waited_and_was_killed_is_not_given_away(own_server):
    server = own_server.start()
    client = Clients(server).boto("lambda")
    (victim,) = until(lambda: waits_for(server), "a sandbox to wait")
    os.kill(victim, 9)
    until(lambda: not processes.alive(victim), "it to end")
    name = deploy(client, server.python(), "python", "def handler(e, c): return 1")
    assert functions.invoke(client, name).ok == 1


def test_a_variable_that_is_read_at_the_start_has_its_effect(own_server):
    server = own_server.start()
    client = Clients(server).boto("lambda")
    until(lambda: waits_for(server), "a sandbox to wait")
    code = "import sys\ndef handler(e, c): return [sys.flags.optimize, sys.flags.utf8_mode, __debug__]"
    name = deploy(
        client, server.python(), "python", code, Environment={"Variables": {"PYTHONOPTIMIZE": "2", "PYTHONUTF8": "1"}}
    )
    assert functions.invoke(client, name).ok == [2, 1, False]


def test_python_is_launched_from_its_image(own_server):
    server = own_server.start()
    clients = Clients(server)
    code = "import logging\nprint('loaded')\ndef handler(event, context):\n    return logging.__spec__.cached\n"
    name = deploy(
        clients.boto("lambda"), newest(server.runtimes(), "python"), "python", code,
        Environment={"Variables": {"PYTHONVERBOSE": "1"}},
    )  # fmt: skip
    bytecode = functions.invoke(clients.boto("lambda"), name).ok

    def messages():
        pages = clients.boto("logs").get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{name}")
        found = [event["message"].strip() for page in pages for event in page["events"]]
        return found if "loaded" in found else None

    read = [line for line in until(messages, "what the interpreter has said") if "code object from" in line]
    # The interpreter tells of bytecode that it reads: of the client's first modules, and not of the image's.
    assert any("/var/runtime/awslambdaric/" in line for line in read)
    assert not any(bytecode in line for line in read)
