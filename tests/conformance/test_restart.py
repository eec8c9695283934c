"""A server that ends lets what runs finish, and a restart behind a service manager's socket refuses nobody."""

import http.client
import json
import socket
import subprocess
import threading
import time

from support import functions
from support.clients import Clients
from support.functions import ROLE, probe_zip, until_active
from support.server import ISOLATION, Server
from support.streams import messages
from support.wait import until


class Supervised(Server):
    """A server whose socket is the supervisor's, as under systemd."""

    def __init__(self):
        super().__init__()
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"

    def start(self):
        self._starts += 1
        self._log = self.home / f"output-{self._starts}.txt"
        passed = self.socket.fileno()
        script = f'export LISTEN_FDS=1 LISTEN_PID=$$ && exec "$0" "$@" 3<&{passed}'
        # Not sh, which may be one that takes descriptors of one digit alone.
        command = ["/bin/bash", "-c", script, self.binary(), "up", "--data-dir", self.data_dir, "--isolation", ISOLATION]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [str(part) for part in command],
                **self.identity(),
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=self.home,
                start_new_session=True,
                pass_fds=[passed],
            )
        until(lambda: "\nReady.\n" in self.output() or self._ended(), self.output, timeout=60)
        return self

    def _ended(self):
        assert self.process.poll() is None, f"the server ended with {self.process.returncode}:\n{self.output()}"

    def remove(self):
        super().remove()
        self.socket.close()


def create(server, client):
    client.create_function(
        FunctionName="served",
        Runtime=server.python(),
        Handler="lambda_function.lambda_handler",
        Role=ROLE,
        Timeout=20,
        Code={"ZipFile": probe_zip()},
    )
    until_active(client, "served")


def test_a_restart_behind_a_passed_socket_refuses_nobody():
    server = Supervised()
    try:
        server.start()
        assert f"on {server.url} " in server.output(), "its address is that of the socket"
        clients = Clients(server)
        client = clients.boto("lambda")
        create(server, client)
        functions.invoke(client, "served").ok
        path, body = "/2015-03-31/functions/served/invocations", json.dumps({"do": "echo", "value": 7}).encode()
        done, answers, refused, longest = threading.Event(), [], [], [0.0]

        def call():
            while not done.is_set():
                began = time.monotonic()
                try:
                    connection = clients.connect()
                    connection.request("POST", path, body, clients.signed("POST", path, body))
                    answer = connection.getresponse()
                    answers.append((answer.status, answer.read()))
                except (ConnectionResetError, BrokenPipeError, http.client.RemoteDisconnected):
                    # Accepted a moment before the end, and nothing of it read, which shows with the answer, or with what is
                    # sent next: clients send that again.
                    continue
                except OSError as error:
                    refused.append(error)
                finally:
                    connection.close()
                longest[0] = max(longest[0], time.monotonic() - began)

        callers = [threading.Thread(target=call) for _ in range(2)]
        for caller in callers:
            caller.start()
        for _ in range(2):
            before = len(answers)
            until(lambda before=before: len(answers) > before + 20, "answers before the restart")
            assert server.stop() == 0
            server.start()
        before = len(answers)
        until(lambda: len(answers) > before + 20, "answers after the restart")
        done.set()
        for caller in callers:
            caller.join()
        print(f"{len(answers)} answers, the longest took {longest[0]:.3f} s")
        assert refused == []
        assert set(answers) == {(200, b"7")}
    finally:
        server.remove()


def test_what_runs_is_finished_and_a_second_signal_does_not_wait(own_server):
    for signals in (1, 2):
        own_server.start()
        client = Clients(own_server).boto("lambda")
        logs = Clients(own_server).boto("logs")
        if signals == 1:
            create(own_server, client)
        answers = []

        def slowly(client=client, answers=answers, signals=signals):
            try:
                event = {"do": "sleep", "seconds": 2 if signals == 1 else 15, "print": f"begun {signals}"}
                answers.append(functions.invoke(client, "served", event).error)
            except Exception as error:
                answers.append(error)

        caller = threading.Thread(target=slowly)
        caller.start()
        until(lambda logs=logs, signals=signals: f"begun {signals}" in messages(logs, "served"), "the invocation")
        began = time.monotonic()
        own_server.terminate()
        if signals == 2:
            # The port is given up at the first.
            address = ("127.0.0.1", own_server.port)
            until(lambda address=address: socket.socket().connect_ex(address) != 0, "the door to be closed")
            own_server.terminate()
        code = own_server.process.wait(timeout=20)
        caller.join()
        assert code == 0
        if signals == 1:
            assert answers == [None], "the answer of a running invocation is waited for"
        else:
            assert isinstance(answers[0], Exception) and time.monotonic() - began < 10, "a second signal forces"
