"""One running `lambent up`, started and ended by its process id."""

import atexit
import functools
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import urllib.request
from pathlib import Path

import pytest

from .wait import until

REPOSITORY = Path(__file__).resolve().parents[3]
# Without root, namespaces work where the host lets ordinary users make them; tests can be told otherwise.
ISOLATION = os.environ.get("LAMBENT_TEST_ISOLATION", "namespaces")

# Whose rights the server has: root's, or those of an ordinary user, who is nobody else on this host.
ROOT, ROOTLESS = "root", "rootless"
OURS = ROOT if os.geteuid() == 0 else ROOTLESS
RIGHTS = os.environ.get("LAMBENT_TEST_RIGHTS", OURS)
ORDINARY_USER = 54_321

# For tests of what the server promises with either rights: each runs once with each that can be had here, on the
# server that all share or on one of its own.
EITHER = [ROOT, ROOTLESS] if os.geteuid() == 0 else [ROOTLESS]
with_either_rights = pytest.mark.parametrize("server", EITHER, indirect=True, scope="session")
own_with_either_rights = pytest.mark.parametrize("own_server", EITHER, indirect=True)


def binary():
    """The program under test: what `cargo xtask test` built, or the debug build of this tree."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
    path = Path(os.environ.get("LAMBENT_TEST_BINARY", target / "debug" / "lambent"))
    assert path.is_file(), f"{path} is missing: run `cargo build -p lambent`"
    return path


@functools.cache
def binary_for_others():
    """The program, where every user may execute it: a copy, when it lies below a private folder."""
    path = binary()
    if all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents)):
        return path
    folder = scratch()
    atexit.register(shutil.rmtree, folder)
    return shutil.copy2(path, folder / path.name)


def scratch():
    """A folder outside of any private one: functions run as users that own nothing."""
    folder = Path(tempfile.mkdtemp(prefix="lambent-test-", dir="/tmp"))
    folder.chmod(0o755)
    return folder


class Server:
    """A server on a free loopback port with a data folder of its own."""

    def __init__(self, data_dir=None, arguments=(), rights=RIGHTS):
        self.home = scratch()
        self.rights = rights
        # Root becomes somebody else; anybody else is an ordinary user already.
        self.becomes = ORDINARY_USER if rights != OURS else None
        if self.becomes is not None:
            os.chown(self.home, self.becomes, self.becomes)
        self.data_dir = Path(data_dir) if data_dir else self.home / "data"
        self.arguments = list(arguments)
        self.listen = "127.0.0.1:0"
        self.process = None
        # What else is in its environment. Snapshots are for the tests that ask for them, whether this host has CRIU or not.
        self.environment = {"LAMBENT_SNAPSHOTS": "off"}
        self.url = None
        self._starts = 0

    @property
    def port(self):
        return int(self.url.rsplit(":", 1)[1])

    @property
    def pid(self):
        return self.process.pid

    def binary(self):
        return binary() if self.becomes is None else binary_for_others()

    def identity(self):
        """Who the server is, for `subprocess`: its user and environment."""
        # Only what the server needs: nothing of the tests' environment may decide what it does.
        environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        environment |= self.environment
        if self.becomes is None:
            return {"env": environment}
        environment["HOME"] = str(self.home)
        return {"env": environment, "user": self.becomes, "group": self.becomes, "extra_groups": []}

    def run(self, *arguments):
        """Another command of the program, by the server's user."""
        command = [str(part) for part in (self.binary(), *arguments)]
        return subprocess.run(
            command, cwd=self.home, capture_output=True, text=True, timeout=60, check=False, **self.identity()
        )

    def runtimes(self):
        """What this host has interpreters for, as the server's user sees it: runtime id → interpreter."""
        found = self.run("runtimes", "--json")
        assert found.returncode == 0, found.stderr
        entries = json.loads(found.stdout)["runtimes"]
        return {entry["id"]: entry["interpreter"] for entry in entries if entry["interpreter"]}

    def python(self):
        """The newest Python runtime among them."""
        ids = [name for name in self.runtimes() if name.startswith("python")]
        assert ids, "no Python runtime on this host, although the tests run in Python"
        return max(ids, key=lambda name: int(name.rsplit(".", 1)[1]))

    def start(self):
        """Starts the server and waits until it is ready; raises with its output when it ends instead."""
        self.launch()
        until(self._is_ready, lambda: self.output(), timeout=60)
        return self

    def launch(self):
        """Starts the server and waits for nothing."""
        self._starts += 1
        self._log = self.home / f"output-{self._starts}.txt"
        command = [self.binary(), "up", "--listen", self.listen, "--data-dir", self.data_dir]
        command += ["--isolation", ISOLATION, *self.arguments]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [str(part) for part in command],
                **self.identity(),
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=self.home,
                start_new_session=True,
            )

    def _is_ready(self):
        output = self.output()
        assert self.process.poll() is None, f"the server ended with {self.process.returncode}:\n{output}"
        address = re.search(r"http://(?:127\.0\.0\.1|\[::1\]):(\d+)", output)
        if not address or not re.search(r"^Ready\.$", output, re.MULTILINE):
            return False
        self.url = address.group(0)
        with urllib.request.urlopen(f"{self.url}/_lambent/health", timeout=10) as answer:
            return answer.status == 200

    def output(self):
        return self._log.read_text(errors="replace")

    def kill(self):
        """`kill -9`: no chance to tidy up."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=20)

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def stop(self, timeout=60):
        """Ends the server in the regular way and returns its exit code."""
        if self.process.poll() is None:
            self.terminate()
        try:
            return self.process.wait(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the server did not end within {timeout} s:\n{self.output()}") from None

    def remove(self):
        """Ends the server whatever its state, and removes what it kept."""
        if self.process is not None and self.process.poll() is None:
            try:
                self.stop()
            finally:
                self.process.poll() is None and self.kill()
        shutil.rmtree(self.home, ignore_errors=True)

    def packages(self):
        """The stored packages: each is one folder, named by its digest."""
        return sorted(entry.name for entry in (self.data_dir / "code" / "packages").iterdir())
