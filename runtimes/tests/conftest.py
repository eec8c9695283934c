"""The clients under test."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import clients  # noqa: E402
import jvm_and_ruby  # noqa: E402

PYTHONS = clients.pythons()
NODES = clients.nodes()
RUBIES = jvm_and_ruby.rubies()


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


@pytest.fixture(params=sorted(RUBIES) or [None])
def any_ruby(request):
    """Our client on each Ruby there is, with the runtime it stands for."""
    if request.param is None:
        pytest.skip("no Ruby from 3.2 on on PATH and none in LAMBENT_TEST_RUBIES")
    return jvm_and_ruby.lambent_ruby(RUBIES[request.param]), "ruby" + request.param


@pytest.fixture(scope="session")
def ruby():
    """Our client on the newest Ruby there is."""
    if not RUBIES:
        pytest.skip("no Ruby from 3.2 on on PATH and none in LAMBENT_TEST_RUBIES")
    return jvm_and_ruby.lambent_ruby(RUBIES[max(RUBIES)])


@pytest.fixture(scope="session")
def reference_ruby(ruby):
    client = jvm_and_ruby.official_ruby(ruby.argv[0])
    if client is None:
        pytest.skip("the gem {} could not be installed from rubygems.org".format(jvm_and_ruby.REFERENCE_RUBY_GEM))
    return client


@pytest.fixture(scope="session")
def java():
    """AWS's Java client started as Lambent starts it, and plainly."""
    found = jvm_and_ruby.javas()
    if isinstance(found, str):
        pytest.skip(found)
    return found


@pytest.fixture(scope="session")
def java_classes(java, tmp_path_factory):
    """The compiled test functions, as the files of a package."""
    source = Path(__file__).resolve().parent / "java" / "Handlers.java"
    return jvm_and_ruby.compile_java(java[1], source, tmp_path_factory.mktemp("classes"))


@pytest.fixture
def task(tmp_path):
    folder = tmp_path / "task"
    folder.mkdir()
    return folder
