"""The clients under test."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import clients  # noqa: E402

PYTHONS = clients.pythons()
NODES = clients.nodes()


@pytest.fixture(params=sorted(PYTHONS, key=lambda minor: int(minor[2:])))
def any_python(request):
    """Our client on each CPython of this machine, with the runtime it stands for."""
    return clients.lambent_python(PYTHONS[request.param]), "python" + request.param


@pytest.fixture(params=sorted(NODES) or [None])
def any_node(request):
    """Our client on each Node.js there is, with the runtime it stands for."""
    if request.param is None:
        pytest.skip("no node on PATH, none in LAMBENT_TEST_NODES and none from npm")
    return clients.lambent_node(NODES[request.param]), "nodejs{}.x".format(request.param)


@pytest.fixture(scope="session")
def python():
    """Our client on the interpreter that runs the tests."""
    return clients.lambent_python([sys.executable])


@pytest.fixture(scope="session")
def node():
    """Our client on the Node.js of `PATH`, or the oldest there is."""
    if not NODES:
        pytest.skip("no node on PATH, none in LAMBENT_TEST_NODES and none from npm")
    return clients.lambent_node(NODES[min(NODES)])


@pytest.fixture(scope="session")
def modern_node():
    """Our client on a Node.js whose runtime has no callbacks."""
    if not any(major >= 24 for major in NODES):
        pytest.skip("no Node.js 24 or later: none on PATH, none in LAMBENT_TEST_NODES and none from npm")
    return clients.lambent_node(NODES[min(major for major in NODES if major >= 24)])


@pytest.fixture
def task(tmp_path):
    folder = tmp_path / "task"
    folder.mkdir()
    return folder
