"""Other servers that speak as AWS does, from PyPI, to compare ourselves with from outside."""

import contextlib
import os
import socket
import subprocess
import sys
import urllib.request

import boto3
import botocore.config

from .clients import REGION
from .wait import until

# moto's one account, unless it is told another, and a key of ours that names it.
PEER_ACCOUNT = "123456789012"
# Of each: what is imported and run, how it is told where to listen, a path that answers 200.
KNOWN = {
    "moto": ("moto.server", {}, ["-H", "127.0.0.1", "-p", "{port}"], "/moto-api/"),
    "ministack": ("ministack.app", {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": "{port}"}, [], "/_ministack/health"),
}


def interpreter(name):
    """The Python that has it; `None` where none has. Its libraries may be others than those of the tests."""
    named = os.environ.get(f"LAMBENT_TEST_{name.upper()}")
    python = named or sys.executable
    known = [python, "-c", f"import importlib.util, sys; sys.exit(importlib.util.find_spec({name!r}) is None)"]
    with contextlib.suppress(OSError):
        if subprocess.run(known, check=False).returncode == 0:
            return python
    return None


class Peer:
    """One such server, started and ended by its process."""

    def __init__(self, name, home):
        module, variables, words, self._path = KNOWN[name]
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.name, self.url = name, f"http://127.0.0.1:{port}"
        environment = {**os.environ, **{key: value.format(port=port) for key, value in variables.items()}}
        self._log = (home / f"{name}.txt").open("wb")
        self.process = subprocess.Popen(
            [interpreter(name), "-c", f"from {module} import main; main()", *(word.format(port=port) for word in words)],
            stdout=self._log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=home, env=environment,
        )
        until(self._answers, f"{name} to answer", timeout=60)

    def _answers(self):
        assert self.process.poll() is None, f"{self.name} ended by itself"
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}{self._path}", timeout=5) as answer:
            return answer.status == 200
        return False

    def boto(self, service):
        return client(service, self.url)

    def end(self):
        self.process.terminate()
        self.process.wait(20)
        self._log.close()


def client(service, url):
    """The same client for every server."""
    config = botocore.config.Config(
        retries={"total_max_attempts": 1}, parameter_validation=False, s3={"addressing_style": "path"}
    )
    return boto3.client(
        service, endpoint_url=url, region_name=REGION, aws_access_key_id=PEER_ACCOUNT,
        aws_secret_access_key="test", config=config,
    )
