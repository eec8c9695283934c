"""AWS's client for Java, and functions in Java compiled for it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from support.functions import SOURCES
from support.packages import pack
from support.server import REPOSITORY, binary, scratch

_CACHE = Path(os.environ.get("LAMBENT_TEST_CACHE", REPOSITORY / "target" / "test-functions"))


def runtimes_command(*arguments):
    """`lambent runtimes …`: its exit code, output and complaint."""
    done = subprocess.run(
        [binary(), "runtimes", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


def client_jars():
    """The folder of AWS's client, fetched once; a later run takes it from there without a network."""
    kept = _CACHE / "java"
    found = sorted(kept.glob("runtimes/java-*/lib"))
    if not found:
        code, _, problem = runtimes_command("add", "java17", "--data-dir", kept)
        if code != 0:
            pytest.skip(f"AWS's client for Java cannot be fetched: {problem.strip()}")
        found = sorted(kept.glob("runtimes/java-*/lib"))
    return found[-1]


def package(jars, name):
    """A class of `tests/functions` as Maven would pack it: for the oldest release that can be built here."""
    if shutil.which("javac") is None:
        pytest.skip("javac is not installed")
    folder = scratch()
    path = ":".join(map(str, sorted(jars.glob("*.jar"))))
    source = SOURCES / "java" / "example" / f"{name}.java"
    command = ["javac", "--release", "8", "-Xlint:-options", "-cp", path, "-d", folder, source]
    subprocess.run([str(word) for word in command], check=True)
    files = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*.class")}
    shutil.rmtree(folder)
    return pack({"META-INF/MANIFEST.MF": "Manifest-Version: 1.0\n", **files})
