"""The clients under test."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import clients  # noqa: E402
import fetch  # noqa: E402
from harness import Client  # noqa: E402

PYTHONS = clients.pythons()
NODES = clients.nodes()
RUBIES = clients.rubies()
REPOSITORY = HERE.parent.parent


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
    return clients.lambent_ruby(RUBIES[request.param]), "ruby" + request.param


@pytest.fixture(scope="session")
def ruby():
    if not RUBIES:
        pytest.skip("no Ruby from 3.2 on on PATH and none in LAMBENT_TEST_RUBIES")
    return clients.lambent_ruby(RUBIES[max(RUBIES)])


@pytest.fixture(scope="session")
def reference_ruby(ruby):
    client = clients.official_ruby(ruby.argv[0])
    if client is None:
        pytest.skip("the gem {} could not be installed from rubygems.org".format(clients.RUBY_GEM))
    return client


@pytest.fixture(scope="session")
def java(tmp_path_factory):
    """AWS's Java client started as Lambent starts it, and plainly."""
    if not shutil.which("javac") or not shutil.which("cargo"):
        pytest.skip("javac and cargo are needed, and one of them is not on PATH")
    version = subprocess.run(["javac", "-version"], capture_output=True, text=True, check=True).stdout
    runtime = "java" + re.search(r"(\d+)", version)[1]
    command = ["cargo", "run", "--quiet", "--package", "lambent-runtimes", "--example", "command_line", "--"]
    command += [str(fetch.CACHE / "java"), runtime, "512", "HANDLER"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("AWS's Java client cannot be had: {}".format(done.stderr.strip().splitlines()[-1:]))
    argv = json.loads(done.stdout)[:-1]
    path = argv[argv.index("-classpath") + 1]
    plain = [argv[0], "--add-opens=java.base/java.io=ALL-UNNAMED", "-classpath", path, argv[-1]]
    return (
        Client("lambent-java", argv, {}, handler_argument=True),
        Client("plain-java", plain, {}, handler_argument=True, official=True),
    )


@pytest.fixture(scope="session")
def java_classes(java, tmp_path_factory):
    """The compiled test functions, as the files of a package."""
    folder = tmp_path_factory.mktemp("classes")
    source = Path(__file__).resolve().parent / "java" / "Handlers.java"
    path = java[1].argv[java[1].argv.index("-classpath") + 1]
    subprocess.run(["javac", "-encoding", "UTF-8", "-cp", path, "-d", str(folder), str(source)], check=True)
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*.class")}


@pytest.fixture
def task(tmp_path):
    folder = tmp_path / "task"
    folder.mkdir()
    return folder
