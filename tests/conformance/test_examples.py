"""The event-driven examples, as their readers run them: each is one command, and ends well or says what did not come."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.server import binary

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NEEDS = {
    "thumbnailer": ["python3"],
    "orders": ["python3", "node", "npm", "curl"],
    "cron-job": [],
    "fan-out": [],
    "partial-batch": [],
}


@pytest.mark.parametrize("example", NEEDS)
def test_the_example_runs(own_server, home, example):
    missing = [tool for tool in NEEDS[example] if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"there is no {', '.join(missing)}")
    server = own_server.start()
    environment = {
        **os.environ,
        "HOME": str(home),
        "LAMBENT": str(binary()),
        "LAMBENT_ENDPOINT": server.url,
        "LAMBENT_DATA_DIR": str(server.data_dir),
        # The AWS CLI of the tests, beside their interpreter.
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    done = subprocess.run(
        [EXAMPLES / example / "run.sh"], env=environment, capture_output=True, text=True, timeout=420, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{server.output()}"
