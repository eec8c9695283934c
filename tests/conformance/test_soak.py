"""Many environments made and destroyed, some by kill at any moment: of all that they take, nothing stays.

`cargo xtask prove soak` makes 2,000 of them; a run of all tests makes as many as `SAMPLE`.
"""

import collections
import concurrent.futures
import contextlib
import os
import random
import re
import signal
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from support import functions, processes
from support.clients import Clients
from support.functions import until_active
from support.server import OURS, ROOT, ROOTLESS, Server
from support.wait import until

pytestmark = pytest.mark.namespaces

SAMPLE = 60
ENVIRONMENTS = int(os.environ.get("LAMBENT_SOAK_ENVIRONMENTS", SAMPLE))
SEED = int(os.environ.get("LAMBENT_TEST_SEED", random.SystemRandom().randrange(2**32)))
# Environments between two kills of the launcher or of the whole server.
ROUND = max(10, min(100, ENVIRONMENTS // 4))
FUNCTIONS = 3
EITHER = [ROOT, ROOTLESS] if OURS == ROOT else [ROOTLESS]


def comm(pid):
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "gone"


def descriptors(pid):
    """What a process has open, by kind and number."""
    found = collections.Counter()
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            # Whoever waits has its cgroup's files open, which are named by it.
            target = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "", os.readlink(f"/proc/{pid}/fd/{name}"))
            target = re.sub(r"\[?\d+\]?", "", target)
            # The databases have a few connections each, which open their files when they are first used.
            found[target] += ".db" not in target
    return +found


def mounts(pid):
    return len(Path(f"/proc/{pid}/mountinfo").read_text().splitlines())


def loop_devices(server):
    """Those whose file was in the server's folder."""
    found = []
    for file in Path("/sys/block").glob("loop*/loop/backing_file"):
        with contextlib.suppress(OSError):
            if server.home.name in file.read_text():
                found.append(file.parts[3])
    return found


def disk(server):
    """Kilobytes of what environments may leave: everything but the databases, which hold what they were told."""
    total = 0
    for folder, _, files in os.walk(server.data_dir):
        for name in files:
            if ".db" not in name:
                with contextlib.suppress(FileNotFoundError):
                    total += (Path(folder) / name).stat().st_blocks // 2
    return total


def cgroups(folders):
    """Control groups below the launcher's own."""
    return sum(1 for folder in folders if folder.is_dir() for entry in folder.iterdir() if entry.is_dir())


def interfaces():
    return set(os.listdir("/sys/class/net"))


class Soak:
    """One server after the other on one data folder, and what each of them holds when it rests."""

    def __init__(self, server, python, chance, waiting):
        self.server, self.python, self.chance, self.waiting = server, python, chance, waiting
        self.made = 0
        self.cgroup_folders = set()
        self.start()
        self.names = [functions.unique("soak") for _ in range(FUNCTIONS)]
        for name in self.names:
            self.client.create_function(
                FunctionName=name,
                Runtime=self.python,
                Role=functions.ROLE,
                Handler="lambda_function.lambda_handler",
                Timeout=20,
                Code={"ZipFile": functions.probe_zip()},
            )
            until_active(self.client, name)

    def start(self):
        self.server.start()
        self.client = Clients(self.server).boto("lambda")

    def resting(self):
        """Counts of what is left when no function has an environment."""
        server, maker = self.server.pid, processes.launcher(self.server)
        return {
            "processes": sorted(comm(pid) for pid in processes.descendants(server)),
            "sandboxed": len(processes.sandboxed(self.server)),
            "mounts of the host": len(processes.host_mounts(self.server)),
            "mounts of the launcher": mounts(maker),
            "descriptors of the server": descriptors(server),
            "descriptors of the launcher": descriptors(maker),
            "control groups": cgroups(self.cgroup_folders),
            "loop devices": len(loop_devices(self.server)),
        }

    def retire(self):
        """Ends every environment: a changed function's old ones go."""
        for name in self.names:
            self.change(name)
        self.client.close()
        until(self.rests, lambda: f"the environments to end: {self.resting()}", timeout=60)

    def rests(self):
        """Whether the server has nothing but its launcher and what waits, and that nothing but the makers of `/tmp`."""
        if self.waiting:
            health = Clients(self.server).http("GET", "/_lambent/health", sign=False).json
            made = health["prewarmed"] == health["prewarm_wanted"] > 0
            return made and health["environments"] == 0
        names = {comm(pid) for pid in processes.descendants(self.server.pid)}
        return names <= {"lambent-launch", "lambent-tmp"} and not processes.sandboxed(self.server)

    def change(self, name):
        self.client.update_function_configuration(FunctionName=name, Description=f"{self.made} {self.chance.random()}")
        until_active(self.client, name)

    def one(self, name):
        """A new environment, which may be killed at any moment of its life."""
        with contextlib.suppress(ClientError, BotoCoreError):
            self.change(name)
            functions.invoke(self.client, name, {"do": "sleep", "seconds": 0.01})

    def kill_something(self):
        """Init, the function or what it has started: whoever it hits."""
        inside = processes.sandboxed(self.server)
        if inside:
            pid = self.chance.choice(inside)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def round(self):
        with concurrent.futures.ThreadPoolExecutor(FUNCTIONS) as pool:
            for _ in range(ROUND // FUNCTIONS):
                running = [pool.submit(self.one, name) for name in self.names]
                # What waits and was killed is not made again for a while: then no two moments could be compared.
                if not self.waiting and self.chance.random() < 0.5:
                    concurrent.futures.wait(running, timeout=self.chance.random() * 0.2)
                    self.kill_something()
                concurrent.futures.wait(running)
                self.made += len(running)
                for pid in processes.sandboxed(self.server)[:1]:
                    self.cgroup_folders |= {folder.parent for folder in processes.cgroups(pid) if "lambent" in folder.parts}

    def end_abruptly(self):
        """Kills the launcher or the server while environments live; what it leaves is the next start's."""
        victim = self.chance.choice([processes.launcher(self.server), self.server.pid])
        with concurrent.futures.ThreadPoolExecutor(FUNCTIONS) as pool:
            for name in self.names:
                pool.submit(self.one, name)
            os.kill(victim, signal.SIGKILL)
            # Without its launcher a server is of no use, and ends by itself.
            self.server.process.wait(timeout=60)
        until(lambda: not processes.sandboxed(self.server), "the killed one's sandboxes to die", timeout=60)
        self.start()


@pytest.mark.parametrize("waiting", [False, True], ids=["made", "waiting"])
@pytest.mark.parametrize("rights", EITHER)
def test_nothing_stays_of_many_environments(rights, waiting, python):
    # With a number instead of `auto` the same number waits in any two moments that are compared.
    server = Server(arguments=["--prewarm", "3" if waiting else "off"], rights=rights)
    chance = random.Random(SEED)
    print(f"LAMBENT_TEST_SEED={SEED}")
    hosts = interfaces()
    try:
        soak = Soak(server, python, chance, waiting)
        soak.round()
        soak.retire()
        before, used = soak.resting(), disk(server)
        while soak.made < ENVIRONMENTS:
            soak.end_abruptly()
            soak.round()
            soak.retire()
            until(
                lambda: soak.resting() == before,
                lambda: f"{soak.made} environments: {soak.resting()} is to become {before}\n{server.output()[-2000:]}",
                timeout=60,
            )
            print(f"{soak.made} environments: nothing is left", flush=True)
            assert interfaces() - hosts == set() and disk(server) <= used + 64, (disk(server), used)
        assert soak.made >= ENVIRONMENTS
        pid, made = processes.launcher(server), soak.made
        assert server.stop() == 0
        until(lambda: not processes.alive(pid), "the launcher to end after its server")
        until(lambda: not loop_devices(server), "the kernel to let go of the last loop device")
        assert not processes.host_mounts(server) and cgroups(soak.cgroup_folders) == 0
        print(f"{made} environments, {rights}: {before}")
    finally:
        server.remove()
