"""Powertools' batch processors, unmodified from PyPI and npm, as consumers of queues."""

import json
from pathlib import Path

import pytest

from support.clients import ACCOUNT
from support.installed import node_packages, packed, python_packages
from support.mappings import Mapped
from support.streams import messages
from support.wait import until

HERE = Path(__file__).resolve().parent


def python_package(runtimes):
    usable = [runtime for runtime in ("python3.13", "python3.12", "python3.11") if runtime in runtimes]
    if not usable:
        pytest.skip("no interpreter of Python 3.11 to 3.13 on this host")
    folder = python_packages(HERE / "packages_python" / "requirements" / "powertools.txt", usable[0])
    source = (HERE / "packages_python" / "functions" / "batch.py").read_text()
    return usable[0], packed(folder, {"batch.py": source}), ("batch.handler", "batch.fifo_handler")


def node_package(runtimes):
    usable = [runtime for runtime in ("nodejs22.x", "nodejs20.x") if runtime in runtimes]
    if not usable:
        pytest.skip("no interpreter of Node.js 20 or 22 on this host")
    folder = node_packages(HERE / "packages_nodejs" / "installs" / "batch.json")
    source = (HERE / "packages_nodejs" / "functions" / "batch.mjs").read_text()
    return usable[0], packed(folder, {"batch.mjs": source}), ("batch.handler", "batch.fifoHandler")


@pytest.fixture
def mapped(clients, python):
    mapped = Mapped(clients, ACCOUNT, clients.sqs(), python)
    yield mapped
    mapped.clean()


@pytest.mark.parametrize("package", [python_package, node_package])
@pytest.mark.parametrize("fifo", [False, True])
def test_a_failed_record_alone_comes_again(mapped, runtimes, package, fifo):
    runtime, code, handlers = package(runtimes)
    order = {"FifoQueue": "true", "ContentBasedDeduplication": "true"} if fifo else {}
    dead, queue = mapped.queue(**order), mapped.queue(VisibilityTimeout="3", **order)
    queue.set(RedrivePolicy=json.dumps({"deadLetterTargetArn": dead.arn, "maxReceiveCount": "2"}))
    function = mapped.function(
        timeout=3, Runtime=runtime, Code={"ZipFile": code}, Handler=handlers[fifo], MemorySize=512
    )
    bodies = ["a", "once b", "c", "fail", "d"]
    if fifo:
        queue.send(*bodies, MessageGroupId="g")
    else:
        queue.send(*bodies)
    mapped.map(function, queue, FunctionResponseTypes=["ReportBatchItemFailures"])
    # In order what follows a failure is given back with it, and so has been received as often.
    given_up = ["fail", "d"] if fifo else ["fail"]
    until(lambda: dead.counts()[0] == len(given_up), "the dead letters", 90)
    until(queue.is_empty, "the queue to be empty", 60)
    # The Node.js client writes columns before each line.
    lines = [line.partition("DONE ")[2] for line in messages(mapped.logs, function) if "DONE " in line]
    done = [json.loads(line) for line in lines]
    if fifo:
        assert done == ["a", "once b", "c"]
    else:
        assert sorted(done) == ["a", "c", "d", "once b"]
    assert dead.take(len(given_up)) == given_up
