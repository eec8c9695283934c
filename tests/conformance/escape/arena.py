"""The place of the fights: targets on the host, functions that attack, a neighbour that must not notice."""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import uuid
from pathlib import Path

from support import functions
from support.packages import pack
from support.server import REPOSITORY
from support.wait import until

from . import believer
from .attack import Outcome

SOURCES = REPOSITORY / "tests" / "functions" / "escape"
# Long enough that no argument can be cut before it, unlike anything else on the host.
MARK = f"lambent-escape-{uuid.uuid4().hex}"
OTHER_ACCOUNT = "111122223333"


class Targets:
    """What an attack might reach on the host. All of it is ours, so that success hurts nobody."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="lambent-escape-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.secret = self.folder / "secret.txt"
        self.secret.write_text("a secret of the host\n")
        self.drop = self.folder / "drop"
        self.drop.mkdir()
        self.drop.chmod(0o777)
        # A program that nobody runs, so that it may be opened for writing.
        self.program = self.folder / "program"
        self.program.write_text("#!/bin/true\n")
        self.program.chmod(0o777)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.abstract = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.abstract.bind("\0" + MARK)
        self.abstract.listen(8)
        self._thread = threading.Thread(target=self._give_away, daemon=True)
        self._thread.start()
        self.canary = None

    def _give_away(self):
        """Sends a descriptor of the secret to whoever connects."""
        while True:
            try:
                link, _ = self.abstract.accept()
            except OSError:
                return
            with link, self.secret.open("rb") as file:
                socket.send_fds(link, [b"x"], [file.fileno()])

    def canary_pid(self):
        """A process of root's that does nothing; a new one when an attack has ended the last."""
        # A signal that has been sent may not have been delivered: the attack waits for its effect.
        if self.canary is None or self.canary.poll() is not None:
            self.canary = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)", MARK])
        return self.canary.pid

    def _canary_state(self):
        with open(f"/proc/{self.canary.pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0]

    def event(self):
        return {
            "target": self.canary_pid(),
            "secret": str(self.secret),
            "drop": str(self.drop),
            "program": str(self.program),
            "port": self.listener.getsockname()[1],
            "abstract": MARK,
            "mark": MARK,
            "address": host_address(),
            "folder": "/tmp",
        }

    def unharmed(self):
        assert self.canary.poll() is None, "the canary is dead"
        until(lambda: self._canary_state() == "S", "the canary to sleep")
        assert self.secret.read_text() == "a secret of the host\n" and self.program.read_text() == "#!/bin/true\n"
        assert os.listdir(self.drop) == [], "something was left outside"

    def remove(self):
        self.listener.close()
        # Wakes the thread, which a closed socket alone does not.
        self.abstract.shutdown(socket.SHUT_RDWR)
        self.abstract.close()
        self._thread.join()
        if self.canary is not None:
            self.canary.kill()
            self.canary.wait()
        shutil.rmtree(self.folder)


def host_address():
    """An address of the host that is not loopback's, where it has one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        try:
            # Sends nothing: the kernel only chooses the address that it would send from.
            link.connect(("198.51.100.1", 9))
            return link.getsockname()[0]
        except OSError:
            return "127.0.0.1"


class Neighbour:
    """Invokes a function again and again and looks at every answer."""

    def __init__(self, client, name):
        self.client = client
        self.name = name
        self.answers = 0
        self.wrong = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._go_on)

    def _go_on(self):
        while not self._stop.is_set():
            value = f"{MARK}-{self.answers}"
            try:
                answer = functions.invoke(self.client, self.name, {"do": "echo", "value": value})
                if answer.error or answer.json != value:
                    self.wrong.append((answer.error, answer.payload[:300]))
            except Exception as error:  # noqa: BLE001
                # Whatever it is, it is no answer.
                self.wrong.append(repr(error))
            self.answers += 1

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


class Arena:
    """Runs rows of the table."""

    def __init__(self, server, clients, maker, native):
        self.server = server
        self.clients = clients
        self.lambda_ = clients.boto("lambda")
        self.logs = clients.boto("logs")
        self.maker = maker
        self.native = native
        self.targets = Targets()
        self._functions = {}
        self.neighbour_name = maker.create("neighbour", MemorySize=256)
        functions.invoke(self.lambda_, self.neighbour_name, {"do": "echo", "value": 1})
        other = clients.boto("lambda", key=OTHER_ACCOUNT)
        self.other_function = maker.create("others", client=other)

    def function(self, language, settings):
        """A function that attacks; one for each combination of settings."""
        key = (language, json.dumps(settings, sort_keys=True))
        if key not in self._functions:
            settings = {"MemorySize": 512, "Timeout": 25, **settings}
            if language == "python":
                package = pack({path.name: path.read_text() for path in SOURCES.glob("*.py")})
            else:
                package = pack({"bootstrap": (self.native.read_bytes(), 0o755)})
                settings = {"Runtime": "provided.al2023", **settings}
            self._functions[key] = self.maker.create("attacker", package, **settings)
        return self._functions[key]

    def event(self, row, bare, **more):
        facts = {
            "attack": row.name.split(":")[0],
            "bare": bare,
            "data": str(self.server.data_dir),
            "server_port": self.server.port,
            "other_account": OTHER_ACCOUNT,
            "other_function": self.other_function,
            **self.targets.event(),
        }
        if bare:
            facts["folder"] = str(self.targets.folder)
            with socket.create_server(("127.0.0.1", 0)) as free:
                facts["free_port"] = free.getsockname()[1]
            # Nothing is sent beyond the host: what stands for the world without a sandbox is the host itself.
            facts |= {"metadata_host": "127.0.0.1", "metadata_port": facts["port"], "beyond": [host_address(), 9]}
        return {**facts, **row.event, **more}

    def bare(self, row, **more):
        """The attack without a sandbox."""
        endpoint = self.server.url if row.weakened.front_door else None
        with contextlib.ExitStack() as stack:
            inherited = [os.open(self.targets.folder, os.O_RDONLY), os.open("/proc/self/ns/uts", os.O_RDONLY)]
            for descriptor in inherited:
                stack.callback(os.close, descriptor)
            started = believer.running(
                row.language, self.event(row, bare=True, **more), self.native, endpoint=endpoint, pass_fds=inherited,
                output=subprocess.DEVNULL,
            )
            process, api = stack.enter_context(started)
            while True:
                # Some answer their own invocation as part of the attack: what tells is the last answer.
                error, body = believer.answer(process, api)
                try:
                    document = json.loads(body)
                except ValueError:
                    continue
                if isinstance(document, dict) and (error or "succeeded" in document):
                    return self.judged(document, error)

    def sandboxed(self, row, settings=None, **more):
        """The attack in a sandbox."""
        name = self.function(row.language, row.settings if settings is None else settings)
        answer = functions.invoke(self.lambda_, name, self.event(row, bare=False, **more))
        return self.judged(answer.json, answer.error)

    @staticmethod
    def judged(document, error):
        if error or "succeeded" not in document:
            return Outcome(False, f"{document.get('errorType')}: {document.get('errorMessage')}")
        return Outcome(document["succeeded"], str(document["saw"]))

    def weakened(self, row):
        if row.weakened.settings is not None:
            return self.sandboxed(row, {**row.settings, **row.weakened.settings})
        return self.bare(row)

    def fight(self, row):
        """Both outcomes of a row: without its fence, and with it."""
        if row.judge:
            return row.judge(self, row)
        weakened = self.weakened(row)
        self.targets.canary_pid()
        for path in self.targets.drop.iterdir():
            path.unlink()
        if not row.greedy:
            return weakened, self.sandboxed(row)
        with Neighbour(self.lambda_, self.neighbour_name) as neighbour:
            contained = self.sandboxed(row)
            self.sandboxed_still_works(row)
        assert not neighbour.wrong, f"the neighbour did not get its answer: {neighbour.wrong[:3]}"
        assert neighbour.answers, "the neighbour was never asked"
        return weakened, contained

    def sandboxed_still_works(self, row):
        """The function itself is served after its attack, in the same environment or a new one."""
        name = self.function(row.language, row.settings)
        event = {} if row.language == "python" else {"attack": "chroot"}
        assert functions.invoke(self.lambda_, name, event).error is None

    def unharmed(self):
        self.targets.unharmed()
        answer = functions.invoke(self.lambda_, self.neighbour_name, {"do": "echo", "value": MARK})
        assert answer.ok == MARK
        assert self.server.process.poll() is None

    def remove(self):
        self.targets.remove()


def matches(pattern, text):
    return re.search(pattern, text) is not None
