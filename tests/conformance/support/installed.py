"""Published packages, installed once by their package managers into a cache and zipped with a function."""

import fcntl
import hashlib
import io
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from .functions import REPOSITORY
from .packages import FILE, add

CACHE = Path(os.environ.get("LAMBENT_TEST_CACHE", REPOSITORY / "target" / "test-functions")) / "packages"
# What functions do not need to run, and what alone would fill a package.
_SUPERFLUOUS = ("__pycache__", "/tests/", ".map", ".d.ts", ".d.mts", ".d.cts", ".dist-info/RECORD")
_INSTALL_SECONDS = 240


def _install(name, wanted, command):
    """The folder of an installation; what cannot be had, as on a machine without a network, skips the test."""
    folder = CACHE / "{}-{}".format(name, hashlib.sha256(wanted.encode()).hexdigest()[:12])
    stamp = folder / ".complete"
    CACHE.mkdir(parents=True, exist_ok=True)
    # Whoever else wants the same at the same time waits for it.
    with (CACHE / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _installed(name, folder, stamp, command)


def _installed(name, folder, stamp, command):
    if not stamp.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            done = subprocess.run(
                command(folder), capture_output=True, text=True, check=False, timeout=_INSTALL_SECONDS
            )
        except subprocess.TimeoutExpired:
            pytest.skip(f"the packages {name} could not be installed within {_INSTALL_SECONDS} s")
        if done.returncode != 0:
            pytest.skip(f"the packages {name} could not be installed: {done.stderr[-500:]}")
        stamp.touch()
    return folder


def python_packages(requirements, runtime):
    """The folder of what a requirements file names, as wheels for this runtime."""
    version = runtime.removeprefix("python")
    platforms = ["--platform", "manylinux_2_28_x86_64", "--platform", "manylinux2014_x86_64"]

    def command(folder):
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
        options = ["--target", str(folder), "--only-binary", ":all:", "--python-version", version, *platforms]
        return [*pip, *options, "--requirement", str(requirements)]

    return _install(f"{requirements.stem}-{runtime}", requirements.read_text(), command)


def node_packages(manifest):
    """The folder of what a package.json names, with its `node_modules`."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")

    def command(folder):
        shutil.copy(manifest, folder / "package.json")
        options = ["--loglevel", "error", "--no-audit", "--no-fund", "--ignore-scripts", "--omit=optional"]
        return ["npm", "install", *options, "--prefix", str(folder)]

    return _install(f"node-{manifest.stem}", manifest.read_text(), command)


def packed(folder, files, prefix=""):
    """A deployment package of an installation, in a folder within it, and of a function's own files; or a layer."""
    buffer = io.BytesIO()
    # The fastest compression: the packages stay far below 50 MB with it.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in sorted(folder.rglob("*")):
            name = str(path.relative_to(folder))
            if path.is_file() and not any(part in f"/{name}" for part in _SUPERFLUOUS) and name != ".complete":
                archive.write(path, prefix + name)
        for name, content in files.items():
            add(archive, name, content, FILE | 0o644)
    return buffer.getvalue()


def http_event(path, method="GET", body=None, headers=None):
    """What API Gateway's HTTP APIs send, payload format 2.0."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "a=1",
        "queryStringParameters": {"a": "1"},
        "headers": {"host": "api.example.com", "content-type": "application/json", **(headers or {})},
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "api",
            "domainName": "api.example.com",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "test"},
            "requestId": "gateway-request",
            "routeKey": "$default",
            "stage": "$default",
            "time": "01/Jan/2026:00:00:00 +0000",
            "timeEpoch": 1767225600000,
        },
        "isBase64Encoded": False,
        **({} if body is None else {"body": body}),
    }
