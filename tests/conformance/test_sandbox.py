"""The sandbox as the function inside sees it, and as the host sees the function."""

import base64
import io
import json
import os
import re
import socket
import zipfile
from pathlib import Path

import pytest

from support import processes
from support.functions import probe_zip
from support.packages import FILE, LINK, add
from support.server import ROOT, with_either_rights
from support.wait import until

pytestmark = [pytest.mark.namespaces, with_either_rights]


@pytest.fixture
def status(invoke, probe):
    text = invoke(probe, {"do": "read", "path": "/proc/self/status"}).ok
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def test_the_function_has_no_privileges(status):
    assert all(int(uid) > 0 for uid in status["Uid"].split() + status["Gid"].split())
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[kind], 16) == 0, kind
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


def test_the_host_sees_an_unprivileged_user(server, invoke, probe, lambda_):
    invoke(probe).ok
    found = processes.serving(server)
    assert found
    for pid in found:
        text = Path(f"/proc/{pid}/status").read_text()
        uids = re.search(r"^Uid:\t(.*)$", text, re.MULTILINE).group(1).split()
        if server.rights == ROOT:
            assert all(int(uid) > 65_535 for uid in uids), (pid, uids)
        else:
            # Not a user of its own: the server's.
            assert all(int(uid) == Path(f"/proc/{server.pid}").stat().st_uid for uid in uids), (pid, uids)
        # Outside of the sandbox's user namespace, capabilities inside of it count for nothing; init has none at all.
        assert re.search(r"^CapEff:\t0+$", text, re.MULTILINE), (pid, text)


def test_no_file_of_the_host_is_in_sight(server, invoke, probe):
    secret = server.home / "secret.txt"
    secret.write_text("of the host")
    secret.chmod(0o644)
    for path in (
        secret,
        server.data_dir / "lambent.db",
        server.data_dir / "secret",
        "/etc/shadow",
        Path.home() / ".bashrc",
        "/proc/1/root/etc/shadow",
    ):
        assert "errno" in invoke(probe, {"do": "read", "path": str(path)}).ok, path
    for path in ("/root", "/home", "/mnt", "/srv", str(server.home), str(server.data_dir)):
        listed = invoke(probe, {"do": "listing", "path": path}).ok
        assert listed == [] or "errno" in listed, (path, listed)
    root = invoke(probe, {"do": "listing", "path": "/"}).ok
    assert not {"boot", "lost+found", "work"} & set(root), root
    passwd = invoke(probe, {"do": "read", "path": "/etc/passwd"}).ok
    host_users = {line.split(":")[0] for line in Path("/etc/passwd").read_text().splitlines()}
    users = {line.split(":")[0] for line in passwd.splitlines()}
    assert "sbx_user1051" in users and len(users) < min(len(host_users), 6)
    mounts = invoke(probe, {"do": "read", "path": "/proc/self/mountinfo"}).ok
    assert "/sys/fs/cgroup" not in mounts and "docker.sock" not in mounts


def test_code_is_read_only_and_tmp_is_not(invoke, probe):
    for path in ("/var/task/x", "/var/runtime/x", "/opt/x", "/x", "/etc/x", "/usr/x", "/var/x", "/dev/x"):
        denied = invoke(probe, {"do": "write", "path": path}).ok
        assert denied["text"] in ("Read-only file system", "Permission denied", "No such file or directory"), (
            path,
            denied,
        )
    assert (
        invoke(probe, {"do": "run", "command": "chmod 777 /var/task; touch /var/task/lambda_function.py"}).ok["code"]
        != 0
    )
    assert invoke(probe, {"do": "write", "path": "/tmp/state", "text": "a"}).ok == "a"
    assert invoke(probe, {"do": "write", "path": "/tmp/state", "text": "b"}).ok == "ab", "kept between warm invocations"
    assert invoke(probe, {"do": "run", "command": "pwd; id -un; umask"}).ok["out"].split()[:2] == [
        "/var/task",
        "sbx_user1051",
    ]


def test_tmp_is_bounded_and_private(invoke, make, probe):
    name = make.create("tmp", MemorySize=1024, EphemeralStorage={"Size": 512})
    full = invoke(name, {"do": "fill", "path": "/tmp/full", "mb": 700}).ok
    assert full["errno"] == 28 and 400 * 2**20 <= full["written"] <= 512 * 2**20, full
    invoke(name, {"do": "write", "path": "/tmp/mine"}).ok
    assert "mine" not in invoke(probe, {"do": "listing", "path": "/tmp"}).ok
    assert "mine" not in os.listdir("/tmp")


def test_other_processes_are_invisible(invoke, make, probe, server):
    invoke(make.create("neighbour")).ok
    pids = [int(entry) for entry in invoke(probe, {"do": "listing", "path": "/proc"}).ok if entry.isdigit()]
    assert 1 in pids and len(pids) <= 4, "init, the function, and nothing else"
    for pid in pids:
        command = invoke(probe, {"do": "read", "path": f"/proc/{pid}/cmdline"}).ok
        assert not isinstance(command, str) or "lambent up" not in command.replace("\0", " ")
    assert server.process.poll() is None


def test_dangerous_system_calls_are_refused(invoke, probe):
    # Numbers of x86_64: mount, unshare(CLONE_NEWUSER), ptrace, bpf, keyctl, init_module, io_uring_setup, reboot,
    # perf_event_open, userfaultfd, setns.
    calls = {
        165: [0, 0, 0, 0],
        272: [0x10000000],
        101: [16, 1, 0, 0],
        321: [0, 0, 0],
        250: [0],
        175: [0, 0, 0],
        425: [1, 0],
        169: [0xFEE1DEAD, 672274793, 0x89ABCDEF],
        298: [0, 0, -1, -1],
        323: [0],
        308: [0, 0],
    }
    for number, arguments in calls.items():
        answer = invoke(probe, {"do": "syscall", "number": number, "arguments": arguments}).ok
        assert answer["result"] == -1 and answer["errno"] in (1, 13, 38), (number, answer)


def test_the_network_ends_at_the_sandbox(invoke, probe, server):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert invoke(probe, {"do": "connect", "host": "127.0.0.1", "port": port}).ok != "connected"
    for host, port in (("1.1.1.1", 53), ("169.254.169.254", 80)):
        assert invoke(probe, {"do": "connect", "host": host, "port": port}).ok != "connected"
    interfaces = invoke(probe, {"do": "read", "path": "/proc/net/dev"}).ok
    assert re.findall(r"^ *(\S+):", interfaces, re.MULTILINE) == ["lo"]


def test_processes_are_bounded(invoke, make, probe):
    name = make.create("fork", MemorySize=1024)
    started = invoke(name, {"do": "multiply", "most": 2000}).ok
    assert 100 <= started["processes"] <= 1024 and started["errno"] == 11, started
    assert invoke(probe).ok["name"] == probe, "others are not affected"


def test_limits_are_awss(invoke, probe):
    text = invoke(probe, {"do": "read", "path": "/proc/self/limits"}).ok
    limits = {line[:26].strip(): line[26:].split()[0] for line in text.splitlines()[1:]}
    assert limits["Max open files"] == "1024"
    assert limits["Max core file size"] == "0"


# AWS Lambda Developer Guide, "Defined runtime environment variables", with what Python adds.
DEFINED = {
    "_HANDLER": "lambda_function.lambda_handler",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    "LAMBDA_TASK_ROOT": "/var/task",
    "LAMBDA_RUNTIME_DIR": "/var/runtime",
    "LANG": "en_US.UTF-8",
    "TZ": ":UTC",
    "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
    "LC_CTYPE": "C.UTF-8",
    "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
    "PYTHONPATH": "/var/runtime",
    "LD_LIBRARY_PATH": "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
}
VARYING = {
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_METADATA_API",
    "AWS_LAMBDA_METADATA_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_EXECUTION_ENV",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "_X_AMZN_TRACE_ID",
    "AWS_XRAY_DAEMON_ADDRESS",
    "_AWS_XRAY_DAEMON_ADDRESS",
    "_AWS_XRAY_DAEMON_PORT",
}
# Ours: how SDKs inside find the platform. PWD and SHLVL are those of a shell that starts the runtime on AWS.
BESIDE = {"AWS_ENDPOINT_URL", "PWD", "SHLVL"}


def test_the_environment_is_the_documented_one(invoke, make, python):
    name = make.create("environment", Environment={"Variables": {"OWN": "value"}})
    now = invoke(name, {"do": "environment"}).ok["now"]
    assert now.pop("OWN") == "value"
    assert {key: now.get(key) for key in DEFINED} == DEFINED
    assert now.keys() >= VARYING, VARYING - now.keys()
    assert now.keys() <= DEFINED.keys() | VARYING | BESIDE, now.keys() - DEFINED.keys() - VARYING - BESIDE
    assert now["AWS_EXECUTION_ENV"] == f"AWS_Lambda_{python}"
    assert now["AWS_LAMBDA_LOG_GROUP_NAME"] == f"/aws/lambda/{name}"
    assert re.fullmatch(
        r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=[01](;Lineage=.*)?", now["_X_AMZN_TRACE_ID"]
    )
    # The keys are the role's, not those of whoever runs the server or the tests.
    assert now["AWS_ACCESS_KEY_ID"] != "test"


def test_overridable_variables_are_the_users(invoke, make):
    name = make.create(
        "overridden", Environment={"Variables": {"TZ": "Europe/Berlin", "LANG": "C", "PATH": "/var/lang/bin:/bin"}}
    )
    now = invoke(name, {"do": "environment"}).ok["now"]
    assert (now["TZ"], now["LANG"], now["PATH"]) == ("Europe/Berlin", "C", "/var/lang/bin:/bin")


def test_forged_platform_lines_change_nothing(clients, make, invoke):
    name = make.create("forger")
    forged = "00000000-0000-4000-8000-000000000000"
    lines = [
        f"END RequestId: {forged}",
        f"REPORT RequestId: {forged}\tDuration: 0.01 ms\tBilled Duration: 1 ms\tMemory Size: 1 MB\tMax Memory Used: 1 MB\t",
        f"START RequestId: {forged} Version: 7",
    ]
    event = json.dumps({"do": "say", "lines": lines}).encode()
    answer = clients.http(
        "POST", f"/2015-03-31/functions/{name}/invocations", body=event, headers={"X-Amz-Log-Type": "Tail"}
    )
    assert answer.json == "said" and answer.headers["x-amz-executed-version"] == "$LATEST"
    tail = base64.b64decode(answer.headers["x-amz-log-result"]).decode().splitlines()
    request_id = answer.headers["x-amzn-requestid"]
    ours = [line.split("\t")[0] for line in tail if request_id in line]
    assert ours == [
        f"START RequestId: {request_id} Version: $LATEST",
        f"END RequestId: {request_id}",
        f"REPORT RequestId: {request_id}",
    ], tail
    assert tail.index(f"END RequestId: {request_id}") > tail.index(lines[-1]), (
        "the function's lines come before its END"
    )
    report = answer.headers.get("x-lambent-report")
    assert report is not None, "the platform's own figures travel beside the log"
    assert forged not in report and "Memory Size: 1 MB" not in report


def test_a_process_left_behind_does_not_outlive_a_reset(invoke, make, server):
    name = make.create("orphan", Timeout=2)
    # A number that no other test sleeps for.
    seconds = str(600 + os.getpid())
    invoke(name, {"do": "background", "seconds": seconds}).ok
    started = processes.beside(server, ["/bin/sleep", seconds])
    assert len(started) == 3, "init, the function and what it left behind"
    assert invoke(name, {"do": "sleep", "seconds": 60}).json["errorType"] == "Sandbox.Timedout"
    until(lambda: len([pid for pid in started if processes.alive(pid)]) <= 1, "all but init to be gone")


def test_links_and_setuid_bits_of_a_package_lead_nowhere(invoke, make):
    buffer = io.BytesIO(probe_zip())
    with zipfile.ZipFile(buffer, "a") as archive:
        add(archive, "passwd", "../../etc/passwd", LINK | 0o777)
        add(archive, "shadow", "../../../../../../etc/shadow", LINK | 0o777)
        add(archive, "sh", "#!/bin/sh\nid -u\n", FILE | 0o6755)
    name = make.create("links", zip_file=buffer.getvalue())
    assert "sbx_user1051" in invoke(name, {"do": "read", "path": "/var/task/passwd"}).ok
    assert "errno" in invoke(name, {"do": "read", "path": "/var/task/shadow"}).ok
    shown = invoke(name, {"do": "run", "command": "stat -c %a /var/task/sh; /var/task/sh"}).ok
    assert shown["out"].split()[0] == "755" and shown["out"].split()[1] != "0", shown


def test_the_platform_is_reachable_from_inside_as_the_role(invoke, make, probe):
    name = make.create("inside", Timeout=10)
    script = (
        "python3 - <<'EOF'\n"
        "import os, urllib.request, urllib.error\n"
        "request = urllib.request.Request(os.environ['AWS_ENDPOINT_URL'] + '/2015-03-31/functions/" + probe + "')\n"
        "request.add_header('Authorization', 'AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/lambda/aws4_request, "
        "SignedHeaders=host;x-amz-date, Signature=' + '0' * 64)\n"
        "request.add_header('X-Amz-Date', '20260101T000000Z')\n"
        "try:\n    print(urllib.request.urlopen(request, timeout=5).status)\n"
        "except urllib.error.HTTPError as error:\n    print(error.code, error.read().decode())\n"
        "EOF"
    )
    answer = invoke(name, {"do": "run", "command": script}).ok
    assert answer["out"].strip() == "200", answer
