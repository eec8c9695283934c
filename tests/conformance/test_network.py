"""What functions reach with `--network nat`, through the running binary."""

import json
import os
import shutil

import pytest

from support.server import ORDINARY_USER, ROOT, ROOTLESS, binary, binary_for_others
from support.wait import until
from support.world import HOST, INTERNET, PORT, World, resolver

pytestmark = pytest.mark.namespaces

FUNCTION = f"""
import socket, urllib.request

def fetch(url):
    try:
        return urllib.request.urlopen(url, timeout=5).read().decode()
    except OSError as error:
        return str(error)

def lambda_handler(event, context):
    return {{
        "address": socket.getaddrinfo("lambda.test", 80)[0][4][0],
        "outside": fetch("http://lambda.test:{PORT}/"),
        "metadata": fetch("http://169.254.169.254:{PORT}/"),
        "host": fetch("http://{HOST}:4566/_lambent/health"),
        "platform": fetch("http://127.0.0.1:4566/_lambent/health"),
    }}
"""


@pytest.fixture
def world():
    if os.geteuid() != 0:
        pytest.skip("a host of its own for the test needs root")
    for program in ("ip", "nft", "nsenter", "unshare"):
        if not shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
            pytest.skip(f"{program} is not installed")
    if not resolver():
        pytest.skip("/etc/resolv.conf names no resolver by an address of IPv4")
    with World() as world:
        yield world


@pytest.mark.parametrize("rights", [ROOT, ROOTLESS])
def test_a_function_reaches_the_outside_by_name_and_nothing_else(world, home, rights):
    program, user = binary(), None
    if rights == ROOTLESS:
        if not shutil.which("slirp4netns"):
            pytest.skip("slirp4netns is not installed")
        program, user = binary_for_others(), ORDINARY_USER
        os.chown(home, user, user)
    function = home / "function"
    function.mkdir()
    (function / "lambda_function.py").write_text(FUNCTION)
    server = world.serve(program, home, "--network", "nat", user=user)
    try:
        # What the server's user can run need not be what this one can.
        found = json.loads(world.lambent(program, "runtimes", "--json", user=user, folder=home))["runtimes"]
        python = [entry["id"] for entry in found if entry["interpreter"] and entry["id"].startswith("python")]
        if not python:
            pytest.skip("the ordinary user has no Python on this host")
        options = ("--name", "outside", "--timeout", "30", "--runtime", python[-1])
        world.lambent(binary(), "deploy", function, *options)
        answer = json.loads(world.lambent(binary(), "invoke", "outside"))
        assert answer["address"] == INTERNET
        assert answer["outside"] == f"hello {HOST}"
        assert "refused" in answer["metadata"] and "refused" in answer["host"], answer
        assert '"ready"' in answer["platform"], answer
    finally:
        server.terminate()
        server.wait(timeout=60)
    assert server.returncode == 0
    # The launcher clears away when it sees the server's end.
    left = "ip -o link | grep lmb || nft list tables | grep lambent"
    until(lambda: not world.succeeds(world.host, left), "the host to be as before")
