"""The clients that tests run: ours on every interpreter there is, and AWS's own beside it."""

import os
import shutil
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import fetch
from harness import CLIENTS, Client

HERE = Path(__file__).resolve().parent


def _python_version(argv):
    probe = [*argv, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    done = subprocess.run(probe, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


@lru_cache(maxsize=None)
def pythons():
    """The words that start each CPython from 3.8 on, by minor version: this one, pyenv's, and Debian's newest."""
    candidates = [sys.executable]
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates += sorted(str(path) for path in root.glob("versions/*/bin/python"))
    candidates += [shutil.which("python3.{}".format(minor)) for minor in range(8, 16)]
    found = {}
    for path in filter(None, candidates):
        version = _python_version([path])
        if version is not None and tuple(map(int, version.split("."))) >= (3, 8):
            found.setdefault(version, [path])
    for version in fetch.DEBIAN_PYTHONS:
        argv = None if version in found else fetch.debian_python(version)
        if argv is not None and _python_version(argv) == version:
            found[version] = argv
    return found


@lru_cache(maxsize=None)
def nodes():
    """Each Node.js by major version: the one on PATH, those that LAMBENT_TEST_NODES names (paths, separated by
    colons), and npm's for the others."""
    found = {}
    for path in [shutil.which("node"), *os.environ.get("LAMBENT_TEST_NODES", "").split(":")]:
        if path:
            version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
            found.setdefault(int(version[1:].split(".")[0]), path)
    for major in fetch.NODES:
        path = None if major in found else fetch.node(major)
        if path is not None:
            found[major] = path
    return found


@lru_cache(maxsize=None)
def _prepare(*argv):
    """Makes bytecode and image of the clients that are as the binary has them, as the server does when it starts. The
    sources are run without, so that the ordinary way is tried as well."""
    if "LAMBENT_TEST_CLIENTS" in os.environ:
        script = CLIENTS / "python" / "awslambdaric" / "prepare.py"
        subprocess.run([*argv, "-I", "-S", str(script)], check=True)


def lambent_python(argv):
    _prepare(*argv)
    return Client("lambent-python", [*argv, str(CLIENTS / "python" / "bootstrap.py")], {})


@lru_cache(maxsize=None)
def lambent_node(node):
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    # As the catalogue of runtimes chooses; among the sources there is nothing joined.
    is_cjs = (CLIENTS / "nodejs" / "joined.js").exists() and int(version[1:].split(".")[0]) < 24
    script = "index.cjs" if is_cjs else "index.mjs"
    return Client("lambent-node", [node, "--expose-gc", str(CLIENTS / "nodejs" / script)], {})


@lru_cache(maxsize=None)
def official_python(version):
    """AWS's client on the CPython of this version, or None where either cannot be had."""
    folder = fetch.python_client(version) if version in pythons() else None
    if folder is None:
        return None
    argv = [*pythons()[version], str(HERE / "official_python.py"), folder]
    return Client("official-python", argv, {}, handler_argument=True, official=True)


@lru_cache(maxsize=None)
def official_node(major):
    """AWS's client with its native HTTP part replaced by one in JavaScript, since that part needs autotools to
    build. What is compared (handlers, errors, logs, context) is in AWS's own JavaScript."""
    module = fetch.node_client(major) if major in nodes() else None
    if module is None:
        return None
    argv = [nodes()[major], "--expose-gc", str(HERE / "official_node.mjs"), module]
    return Client("official-node", argv, {}, handler_argument=True, official=True)


def runtime_of(language, version):
    """AWS's identifier of a runtime."""
    return "python{}".format(version) if language == "python" else "nodejs{}.x".format(version)
