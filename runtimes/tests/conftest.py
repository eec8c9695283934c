"""The clients under test, and the official ones as reference where they can be had."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import CLIENTS, Client  # noqa: E402

CACHE = Path(__file__).resolve().parent / ".cache"
REFERENCE_PYTHON_PACKAGE = "awslambdaric==4.2.2"
REFERENCE_NODE_PACKAGE = "aws-lambda-ric@3.3.0"
REFERENCE_RUBY_GEM = "aws_lambda_ric"
REPOSITORY = Path(__file__).resolve().parent.parent.parent


def _succeeds(*argv, **options):
    return subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options).returncode == 0


def lambent_python(interpreter):
    return Client("lambent-python", [interpreter, str(CLIENTS / "python" / "bootstrap.py")], {})


def official_python():
    """AWS's client in a virtual environment of its own, or None where it cannot be installed."""
    python = CACHE / "python" / "bin" / "python"
    if not python.exists():
        _succeeds(sys.executable, "-m", "venv", str(CACHE / "python"))
    if not _succeeds(str(python), "-c", "import awslambdaric"):
        _succeeds(str(python), "-m", "pip", "install", "--quiet", REFERENCE_PYTHON_PACKAGE)
    if not _succeeds(str(python), "-c", "import awslambdaric"):
        return None
    return Client("official-python", [str(python), "-m", "awslambdaric"], {}, handler_argument=True, official=True)


def official_node():
    """AWS's client with its native HTTP part replaced by one in JavaScript, since that part needs autotools to
    build. What is compared (handlers, errors, logs, context) is in AWS's own JavaScript."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    folder = CACHE / "node" / "node_modules" / "aws-lambda-ric"
    if not folder.exists():
        (CACHE / "node").mkdir(parents=True, exist_ok=True)
        _succeeds(npm, "install", "--ignore-scripts", "--no-audit", "--prefix", str(CACHE / "node"), REFERENCE_NODE_PACKAGE)
    if not folder.exists():
        return None
    script = Path(__file__).resolve().parent / "official_node.mjs"
    return Client(
        "official-node", [node, str(script), str(folder / "dist" / "index.mjs")], {}, handler_argument=True, official=True
    )


def lambent_node(node):
    return Client("lambent-node", [node, "--expose-gc", str(CLIENTS / "nodejs" / "index.mjs")], {})


def _pythons():
    """Every CPython from 3.8 on that this machine offers, one per minor version."""
    found = {}
    candidates = [Path(sys.executable)]
    candidates += sorted(Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob("versions/*/bin/python"))
    for path in candidates:
        probe = subprocess.run(
            [str(path), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], capture_output=True, text=True
        )
        if probe.returncode == 0 and tuple(map(int, probe.stdout.split("."))) >= (3, 8):
            found.setdefault(probe.stdout.strip(), str(path))
    return found


def _nodes():
    """The node on PATH and those that LAMBENT_TEST_NODES names (paths, separated by colons), by major version."""
    found = {}
    for path in [shutil.which("node"), *os.environ.get("LAMBENT_TEST_NODES", "").split(":")]:
        if path:
            version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
            found.setdefault(int(version[1:].split(".")[0]), path)
    return found


def _rubies():
    """The rubies on PATH and those that LAMBENT_TEST_RUBIES names (paths, separated by colons), from 3.2 on."""
    found = {}
    for path in [shutil.which("ruby"), *os.environ.get("LAMBENT_TEST_RUBIES", "").split(":")]:
        if path:
            version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
            numbers = re.match(r"ruby (\d+)\.(\d+)\.", version)
            if numbers and (int(numbers[1]), int(numbers[2])) >= (3, 2):
                found.setdefault("{}.{}".format(*numbers.groups()), path)
    return found


def lambent_ruby(ruby):
    return Client("lambent-ruby", [ruby, str(CLIENTS / "ruby" / "bootstrap.rb")], {})


def official_ruby(ruby):
    """AWS's client, as a gem in a folder of its own, or None where it cannot be installed."""
    gems = CACHE / "ruby"
    if not list(gems.glob("gems/aws_lambda_ric-*")):
        install = ["install", "--silent", "--no-document", "--install-dir", str(gems), REFERENCE_RUBY_GEM]
        _succeeds(str(Path(ruby).with_name("gem")), *install)
    found = sorted(gems.glob("gems/aws_lambda_ric-*/lib/aws_lambda_ric.rb"))
    if not found:
        return None
    start = "AwsLambdaRIC::Bootstrap.new.start"
    return Client("official-ruby", [ruby, "-r", str(found[-1]), "-e", start], {}, official=True)


PYTHONS = _pythons()
RUBIES = _rubies()
NODES = _nodes()


@pytest.fixture(params=sorted(PYTHONS, key=lambda minor: int(minor[2:])))
def any_python(request):
    """Our client on each CPython of this machine, with the runtime it stands for."""
    return lambent_python(PYTHONS[request.param]), "python" + request.param


@pytest.fixture(params=sorted(NODES) or [None])
def any_node(request):
    """Our client on each Node.js there is, with the runtime it stands for."""
    if request.param is None:
        pytest.skip("no node on PATH and none in LAMBENT_TEST_NODES")
    return lambent_node(NODES[request.param]), "nodejs{}.x".format(request.param)


@pytest.fixture(scope="session")
def python():
    """Our client on the interpreter that runs the tests."""
    return lambent_python(sys.executable)


@pytest.fixture(scope="session")
def reference_python():
    client = official_python()
    if client is None:
        pytest.skip("{} could not be installed from PyPI".format(REFERENCE_PYTHON_PACKAGE))
    return client


@pytest.fixture(scope="session")
def node():
    if shutil.which("node") is None:
        pytest.skip("no node on PATH")
    return lambent_node(shutil.which("node"))


@pytest.fixture(scope="session")
def reference_node():
    client = official_node()
    if client is None:
        pytest.skip("{} could not be installed from npm".format(REFERENCE_NODE_PACKAGE))
    return client


@pytest.fixture(params=sorted(RUBIES) or [None])
def any_ruby(request):
    """Our client on each Ruby there is, with the runtime it stands for."""
    if request.param is None:
        pytest.skip("no Ruby from 3.2 on on PATH and none in LAMBENT_TEST_RUBIES")
    return lambent_ruby(RUBIES[request.param]), "ruby" + request.param


@pytest.fixture(scope="session")
def ruby():
    if not RUBIES:
        pytest.skip("no Ruby from 3.2 on on PATH and none in LAMBENT_TEST_RUBIES")
    return lambent_ruby(RUBIES[max(RUBIES)])


@pytest.fixture(scope="session")
def reference_ruby(ruby):
    client = official_ruby(ruby.argv[0])
    if client is None:
        pytest.skip("the gem {} could not be installed from rubygems.org".format(REFERENCE_RUBY_GEM))
    return client


@pytest.fixture(scope="session")
def java(tmp_path_factory):
    """AWS's Java client started as Lambent starts it, and plainly."""
    if not shutil.which("javac") or not shutil.which("cargo"):
        pytest.skip("javac and cargo are needed, and one of them is not on PATH")
    version = subprocess.run(["javac", "-version"], capture_output=True, text=True, check=True).stdout
    runtime = "java" + re.search(r"(\d+)", version)[1]
    command = ["cargo", "run", "--quiet", "--package", "lambent-runtimes", "--example", "command_line", "--"]
    command += [str(CACHE / "java"), runtime, "512", "HANDLER"]
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
