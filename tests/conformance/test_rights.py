"""What the server may do once it serves: as root's child it has none of root's rights."""

import os
import re
import stat
import subprocess

import pytest
from support.server import RIGHTS, ROOT

pytestmark = pytest.mark.skipif(RIGHTS != ROOT, reason="the server gives up root's rights, and the tests have none")

# What a host without a user of the name `lambent` gives the server (docs/security.md).
FIXED = 0x7FC0_0001


def status(pid):
    with open(f"/proc/{pid}/status") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def service_user():
    """The ids that the server has to have: of the host's user and group, or fixed ones."""

    def find(database):
        found = subprocess.run(["getent", database, "lambent"], capture_output=True, text=True, check=False)
        return int(found.stdout.split(":")[2]) if found.returncode == 0 else FIXED

    return find("passwd"), find("group")


def threads(pid):
    return [f"{pid}/task/{thread}" for thread in os.listdir(f"/proc/{pid}/task")]


def test_every_thread_of_the_server_is_the_services_user_without_a_right(server):
    uid, gid = service_user()
    assert len(threads(server.pid)) > 1
    for thread in threads(server.pid):
        found = status(thread)
        assert found["Uid"].split() == [str(uid)] * 4, thread
        assert found["Gid"].split() == [str(gid)] * 4, thread
        assert found["Groups"].split() == [], thread
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(found[name], 16) == 0, (thread, name, found[name])
        assert found["NoNewPrivs"] == "1", thread
    # Not dumpable: the kernel then gives its files in /proc to root, and nobody else may trace it.
    assert os.stat(f"/proc/{server.pid}/mem").st_uid == 0
    assert re.search(r" · as: (lambent|uid \d+)$", server.output(), re.MULTILINE), server.output()


def test_the_server_holds_no_descriptor_that_is_roots(server, probe, invoke):
    invoke(probe)
    uid, _ = service_user()
    meant = re.compile(
        # Sockets, pipes, events: made by the server, or handed to it. Programs in sealed memory.
        r"(socket|pipe):\[\d+\]|anon_inode:.*|/memfd:lambent-(init|launcher|unpack) \(deleted\)|/dev/null"
        # The counters of a sandbox's memory, which the launcher opens for reading, and what freezes it.
        r"|/sys/fs/cgroup/.*/(memory\.(max_usage_in_bytes|oom_control|peak|events)|cgroup\.freeze|freezer\.state)"
    )
    # What the host says of its memory to everybody: the server has opened it by itself.
    told = re.compile(r"/proc/meminfo|/sys/fs/cgroup/(.*/)?memory\.(limit_in_bytes|usage_in_bytes|max|current|stat)")
    folder = f"/proc/{server.pid}/fd"
    for number in os.listdir(folder):
        try:
            target = os.readlink(f"{folder}/{number}")
            found = os.stat(f"{folder}/{number}")
        except FileNotFoundError:
            continue
        if int(number) <= 2 or meant.fullmatch(target):
            continue
        flags = flags_of(f"/proc/{server.pid}/fdinfo/{number}")
        if told.fullmatch(target):
            assert flags & os.O_ACCMODE == os.O_RDONLY and found.st_mode & stat.S_IROTH, (number, target)
            continue
        # It stands for a place alone.
        if flags & os.O_PATH:
            # The folder that the server is started for, below which code may be run from. It can be passed through by that
            # descriptor, and not be read.
            assert stat.S_ISDIR(found.st_mode) and target == str(server.home), (number, target)
            continue
        assert target.startswith(f"{server.data_dir}/"), (number, target)
        assert found.st_uid == uid, (number, target, found.st_uid)


def flags_of(info):
    """How a descriptor was opened (proc_pid_fdinfo(5))."""
    with open(info) as file:
        flags = next(line for line in file if line.startswith("flags:"))
    return int(flags.split()[1], 8)


def test_the_data_folder_keeps_root_and_server_apart(server, probe):
    uid, gid = service_user()
    found = os.stat(server.data_dir)
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (0, gid, 0o1771)
    for name in os.listdir(server.data_dir):
        owner = os.stat(server.data_dir / name).st_uid
        assert owner == (0 if name in ("runtimes", "scratch") else uid), name
    for folder, folders, files in os.walk(server.data_dir / "code"):
        for name in folders + files:
            assert os.lstat(os.path.join(folder, name)).st_uid == uid, (folder, name)


def test_a_folder_of_an_earlier_version_goes_on_working(own_server):
    """Everything in it was root's."""
    own_server.start()
    own_server.stop()
    subprocess.run(["chown", "-R", "0:0", own_server.data_dir], check=True)
    own_server.data_dir.chmod(0o711)
    own_server.start()
    uid, _ = service_user()
    assert os.stat(own_server.data_dir / "lambent.db").st_uid == uid
    assert os.stat(own_server.data_dir / "runtimes").st_uid == 0


def test_a_folder_that_the_server_cannot_reach_says_which_is_closed(own_server):
    own_server.home.chmod(0o700)
    with pytest.raises(AssertionError) as failed:
        own_server.start()
    assert f"let others pass through {own_server.home} (chmod o+x)" in str(failed.value)


def test_a_folder_of_somebody_else_is_left_alone(own_server):
    own_server.data_dir.mkdir()
    thing = own_server.data_dir / "thing"
    thing.write_text("mine")
    with pytest.raises(AssertionError) as failed:
        own_server.start()
    assert "choose a folder of its own with --data-dir" in str(failed.value)
    assert (os.stat(thing).st_uid, stat.S_IMODE(os.stat(own_server.data_dir).st_mode)) == (0, 0o755)


def test_a_port_below_1024_can_be_had(own_server):
    """The door is bound while there is still the right to."""
    for port in range(1023, 900, -1):
        own_server.listen = f"127.0.0.1:{port}"
        try:
            own_server.start()
        except AssertionError as error:
            assert "cannot listen" in str(error), error
            continue
        assert own_server.port == port
        return
    pytest.fail("no port below 1024 is free")
