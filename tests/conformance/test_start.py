"""`lambent up` with settings that it cannot honour: it says which, and does not start."""

import subprocess

import pytest

from support.server import ISOLATION, binary

WRONG = {
    "microvm": (["--isolation", "microvm"], "microvm"),
    "nat-without-isolation": (["--network", "nat", "--isolation", "process"], "nat"),
    "postgres": (["--store", "postgres://localhost/lambent"], "PostgreSQL"),
    "enforce": (["--auth", "enforce"], "enforce"),
    "everywhere": (["--listen", "0.0.0.0:0"], "0.0.0.0"),
    "unknown-setting": (["--config", "lambent.toml"], "idle_minutes"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_honoured_is_named(case, home):
    arguments, named = WRONG[case]
    (home / "lambent.toml").write_text("idle_minutes = 1\n")
    command = [binary(), "up", "--data-dir", home / "data", *arguments]
    if "--listen" not in arguments:
        command += ["--listen", "127.0.0.1:0"]
    if "--isolation" not in arguments:
        command += ["--isolation", ISOLATION]
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode != 0
    assert named in done.stderr, done.stderr
    assert "Ready." not in done.stdout
    assert not (home / "data").exists(), "nothing is made for a server that does not start"


def test_a_taken_port_is_named(server, home):
    command = [binary(), "up", "--listen", f"127.0.0.1:{server.port}", "--data-dir", home / "data"]
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode != 0
    assert f"127.0.0.1:{server.port}" in done.stderr
