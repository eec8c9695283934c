"""`lambent up` by an ordinary user: what it says of itself, and what it says where namespaces are refused."""

import json
import re
import shutil
import subprocess
import urllib.request
from pathlib import Path

import pytest

from support import processes
from support.server import OURS, ROOT, ROOTLESS, Server, own_with_either_rights

pytestmark = pytest.mark.namespaces


@pytest.fixture
def own_server_of_a_user():
    server = Server(rights=ROOTLESS)
    yield server
    server.remove()


@own_with_either_rights
def test_it_says_whose_code_it_is_for(own_server):
    server = own_server.start()
    first = server.output()
    with urllib.request.urlopen(f"{server.url}/_lambent/health", timeout=10) as answer:
        health = json.load(answer)
    weaker = server.rights == ROOTLESS
    assert health["isolation"] == "namespaces" and health["rootless"] is weaker
    assert ("namespaces, rootless: one user id; for your own code, not for strangers'" in first) is weaker
    if weaker:
        # Each limit is named that is kept with other means or not at all; a delegated cgroup keeps the first three.
        kept = re.findall(r"this limit of functions is (?:not kept|kept in another way) here: ([a-z ]+):", first)
        assert set(kept) in ({"memory", "cpu", "pids", "ephemeral storage"}, {"ephemeral storage"}), first
    found = json.loads(server.run("doctor", "--json").stdout)
    rights = next(check for check in found["checks"] if check["name"] == "rights")
    assert (rights["status"] == "ok") is not weaker, rights


@pytest.mark.skipif(OURS != ROOT, reason="only root can have another user start the server")
def test_an_ordinary_users_server_is_that_user_in_every_process(own_server_of_a_user):
    server = own_server_of_a_user.start()
    pids = [pid for pid in (server.pid, *processes.descendants(server.pid)) if processes.alive(pid)]
    assert len(pids) >= 2, "the server and its launcher"
    for pid in pids:
        text = Path(f"/proc/{pid}/status").read_text()
        assert re.search(r"^Uid:\t(\d+)\t\1\t\1\t\1$", text, re.MULTILINE).group(1) == str(server.becomes), text
    strangers = [path for path in server.data_dir.rglob("*") if path.lstat().st_uid != server.becomes]
    assert strangers == []


@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare(1) is not installed")
@pytest.mark.skipif(OURS != ROOT, reason="only root can have another user start the server")
def test_where_namespaces_are_refused_the_remedy_is_exact(own_server_of_a_user):
    server = own_server_of_a_user
    # A host that allows no namespaces, for this one process: the setting belongs to its user namespace.
    script = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
    command = ["unshare", "--user", "--map-current-user", "--keep-caps", "sh", "-c", script, "sh", server.binary()]
    command += ["up", "--listen", "127.0.0.1:0", "--data-dir", server.data_dir]
    done = subprocess.run(
        [str(part) for part in command],
        cwd=server.home,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        **server.identity(),
    )
    assert done.returncode != 0 and "Ready." not in done.stdout
    for part in ("make a user namespace", "user.max_user_namespaces=", "sudo", "`--isolation process`"):
        assert part in done.stderr, done.stderr
