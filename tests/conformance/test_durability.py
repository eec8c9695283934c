"""What is acknowledged survives `kill -9`; what a killed server leaves behind goes away; SIGTERM lets work finish."""

import os
import random
import signal
import socket
import threading

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from support import functions, processes
from support.clients import Clients
from support.functions import ROLE, probe_zip, until_active
from support.server import ROOTLESS, own_with_either_rights
from support.streams import messages
from support.wait import until

# Another number tries other moments; the failing one is in the output.
SEED = int(os.environ.get("LAMBENT_TEST_SEED", random.SystemRandom().randrange(2**32)))


def create(client, name, python, **settings):
    client.create_function(
        FunctionName=name,
        Runtime=python,
        Role=ROLE,
        Handler="lambda_function.lambda_handler",
        Timeout=20,
        Code={"ZipFile": probe_zip(name)},
        **settings,
    )


class Writer(threading.Thread):
    """Creates and changes functions until the server is gone, and remembers what was acknowledged."""

    def __init__(self, client, prefix, python):
        super().__init__()
        self.client, self.prefix, self.python = client, prefix, python
        self.acknowledged = {}
        self.error = None

    def run(self):
        try:
            for number in range(1000):
                name = f"{self.prefix}-{number:03}"
                create(self.client, name, self.python)
                self.acknowledged[name] = 128
                until_active(self.client, name)
                memory = 128 + number % 64
                self.client.update_function_configuration(FunctionName=name, MemorySize=memory)
                self.acknowledged[name] = memory
        except BotoCoreError:
            pass  # The connection broke: that is the kill.
        except ClientError as error:
            self.error = error


@pytest.mark.parametrize("round_", range(3))
def test_acknowledged_changes_survive_a_kill(own_server, python, round_):
    chance = random.Random(SEED + round_)
    enough = chance.randrange(4, 20)
    print(f"seed {SEED}, round {round_}: kill after {enough} functions")
    server = own_server.start()
    clients = Clients(server)
    writers = [Writer(clients.boto("lambda"), prefix, python) for prefix in ("a", "b")]
    for writer in writers:
        writer.start()
    until(lambda: sum(len(writer.acknowledged) for writer in writers) >= enough, "functions to be created", 60)
    # Somewhere in the middle of the next ones, not at their edge.
    threading.Event().wait(chance.random() * 0.05)
    server.kill()
    for writer in writers:
        writer.join()
        assert writer.error is None
    acknowledged = {name: memory for writer in writers for name, memory in writer.acknowledged.items()}
    server.start()
    client = Clients(server).boto("lambda")
    there = {
        function["FunctionName"]
        for page in client.get_paginator("list_functions").paginate()
        for function in page["Functions"]
    }
    assert acknowledged.keys() <= there
    assert len(there - acknowledged.keys()) <= len(writers), "at most the ones whose answers were lost"
    for name in sorted(there):
        configuration = until_active(client, name)
        # A change whose answer was lost may have been made as well.
        number = int(name.split("-")[1])
        assert configuration["MemorySize"] in {acknowledged.get(name, 128), 128 + number % 64}
        assert functions.invoke(client, name).ok["marker"] == name
    assert server.packages(), "the packages are there"
    assert os.listdir(server.data_dir / "code" / "staging") == [], "nothing half-done is left"


@pytest.mark.namespaces
@own_with_either_rights
def test_a_killed_server_leaves_nothing_running(own_server):
    server = own_server.start()
    python = server.python()
    client = Clients(server).boto("lambda")
    logs = Clients(server).boto("logs")
    create(client, "sleeper", python)
    until_active(client, "sleeper")
    functions.invoke(client, "sleeper", {"do": "background", "seconds": "600"})

    def sleep():
        with pytest.raises(BotoCoreError):
            functions.invoke(client, "sleeper", {"do": "sleep", "seconds": 600, "print": "begun"})

    sleeper = threading.Thread(target=sleep)
    sleeper.start()
    until(lambda: "begun" in messages(logs, "sleeper"), "the invocation to begin")
    inside = processes.sandboxed(server)
    helpers = processes.descendants(server.pid)
    groups = set().union(*(processes.cgroups(pid) for pid in inside)) - processes.cgroups("self")
    # An ordinary user has no control groups but those that are delegated to it.
    assert inside and (groups or server.rights == ROOTLESS) and set(inside) <= set(helpers)
    server.kill()
    until(lambda: not any(map(processes.alive, helpers)), "functions and helpers to be gone", timeout=1)
    assert processes.sandboxed(server) == []
    sleeper.join()
    server.start()
    assert [group for group in groups if group.exists()] == [], "control groups are swept up"
    assert processes.host_mounts(server) == []
    assert functions.invoke(Clients(server).boto("lambda"), "sleeper").ok["name"] == "sleeper"


@pytest.mark.namespaces
@own_with_either_rights
def test_a_regular_end_leaves_nothing_at_all(own_server):
    server = own_server.start()
    python = server.python()
    client = Clients(server).boto("lambda")
    create(client, "once", python)
    until_active(client, "once")
    functions.invoke(client, "once").ok
    inside, helpers = processes.sandboxed(server), processes.descendants(server.pid)
    groups = set().union(*(processes.cgroups(pid) for pid in inside)) - processes.cgroups("self")
    assert inside and (groups or server.rights == ROOTLESS)
    assert server.stop() == 0
    # The launcher ends when it sees its server's end, and takes what is left with it.
    until(lambda: not any(map(processes.alive, helpers)), "functions and helpers to be gone", timeout=5)
    assert [group for group in groups if group.exists()] == []
    assert processes.host_mounts(server) == []


def test_sigterm_lets_a_running_invocation_finish(own_server, python):
    server = own_server.start()
    client, logs = Clients(server).boto("lambda"), Clients(server).boto("logs")
    create(client, "finishing", python)
    until_active(client, "finishing")
    answers = []
    event = {"do": "sleep", "seconds": 3, "print": "begun"}
    caller = threading.Thread(target=lambda: answers.append(functions.invoke(client, "finishing", event, tail=True)))
    caller.start()
    until(lambda: "begun" in messages(logs, "finishing"), "the invocation to begin")
    server.terminate()

    def refuses():
        try:
            socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
        except OSError:
            return True
        return False

    until(refuses, "the door to close")
    assert not answers, "it closed while the invocation ran"
    caller.join()
    assert answers[0].ok["name"] == "finishing"
    assert server.stop() == 0
    server.start()
    kept = messages(Clients(server).boto("logs"), "finishing")
    assert [line for line in kept if line.startswith(f"REPORT RequestId: {answers[0].request_id}")], (
        "its log was written"
    )


@own_with_either_rights
def test_a_server_ends_with_its_launcher(own_server):
    own_server.start()
    os.kill(processes.launcher(own_server), signal.SIGKILL)
    # It would go on refusing invocations otherwise, and nobody would start it again.
    assert own_server.process.wait(timeout=60) != 0
    assert "the process that makes sandboxes has ended" in own_server.output(), own_server.output()


def test_two_servers_do_not_share_a_data_folder(own_server):
    server = own_server.start()
    other = type(server)(data_dir=server.data_dir)
    try:
        with pytest.raises(AssertionError, match="the server ended with [1-9]"):
            other.start()
        assert str(server.data_dir) in other.output()
    finally:
        other.remove()


def test_the_data_folder_is_the_servers_alone(own_server, python):
    server = own_server.start()
    client = Clients(server).boto("lambda")
    create(client, "private", python)
    until_active(client, "private")
    functions.invoke(client, "private").ok
    # Code and clients are shown to functions; `code` itself is closed, and the clients are no secret. Whoever is to trust
    # the server's https reads the certificate of its authority.
    public = ("runtimes", "code")
    certificate = {"ca.pem", "names"}
    readable = []
    for folder, folders, files in os.walk(server.data_dir):
        folders[:] = [name for name in folders if name not in public]
        is_open = certificate if os.path.basename(folder) == "tls" else set()
        paths = [os.path.join(folder, name) for name in files if name not in is_open]
        readable += [path for path in paths if os.stat(path).st_mode & 0o077]
    assert readable == [], "other users of the host may read these"
    assert os.stat(server.data_dir / "code").st_mode & 0o077 == 0
