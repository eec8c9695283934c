"""The arena, the native program, and the line that sums up."""

import os
import subprocess
from pathlib import Path

import pytest

from conftest import Maker
from support.server import REPOSITORY

from .arena import Arena

CACHE = Path(os.environ.get("LAMBENT_TEST_CACHE", REPOSITORY / "target" / "test-functions"))
RESULTS = pytest.StashKey()


@pytest.fixture(scope="session")
def native():
    """The native attacker, linked statically: in a sandbox there need not be the libraries it was built with."""
    target = CACHE / "escape"
    triple = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout
    triple = next(line.split()[1] for line in triple.splitlines() if line.startswith("host:"))
    done = subprocess.run(
        # With a target of its own the flags are not those of build scripts and macros.
        ["cargo", "build", "--quiet", "--locked", "--package", "lambent-sandbox-escape", "--target", triple,
         "--target-dir", str(target)],
        cwd=REPOSITORY,
        env={**os.environ, "CARGO_ENCODED_RUSTFLAGS": "-Ctarget-feature=+crt-static\x1f-Cstrip=symbols"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"the native attacker does not build:\n{done.stderr}"
    return target / triple / "debug" / "lambent-sandbox-escape"


@pytest.fixture(scope="session")
def arena(server, clients, python, native):
    maker = Maker(clients.boto("lambda"), python)
    arena = Arena(server, clients, maker, native)
    yield arena
    arena.remove()
    maker.clean()


@pytest.fixture(scope="session")
def tally(request):
    """What the summary is made of: names by outcome."""
    return request.config.stash.setdefault(RESULTS, {"fought": set(), "contained": set(), "absent": set(), "not kept": set()})


def pytest_terminal_summary(terminalreporter, config):
    tally = config.stash.get(RESULTS, None)
    if not tally:
        return
    line = f"{len(tally['fought'])} attacks, {len(tally['contained'])} contained"
    if tally["not kept"]:
        line += f"; beyond a limit that the server names as not kept: {', '.join(sorted(tally['not kept']))}"
    if tally["absent"]:
        line += f"; nothing to be attacked in this kernel: {', '.join(sorted(tally['absent']))}"
    terminalreporter.write_line(line)
