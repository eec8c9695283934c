"""A host with a network of its own and a world around it, so that the real one's links and rules stay as they are.

Two network namespaces, "host" and "world", with a link between them; the world has a web server, and the host the
resolver that its `/etc/resolv.conf` names.
"""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

from .wait import until

INTERNET, HOST, PORT = "203.0.113.1", "203.0.113.2", 8080

# Answers every question for an address with the world's, and every other one with nothing (RFC 1035).
RESOLVER = f"""
import socket, sys
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind((sys.argv[1], 53))
print("listening", flush=True)
while True:
    question, asker = server.recvfrom(512)
    end = question.index(0, 12) + 5
    is_a = question[end - 4 : end - 2] == bytes([0, 1])
    head = question[:2] + bytes([0x81, 0x80, 0, 1, 0, is_a, 0, 0, 0, 0]) + question[12:end]
    record = bytes([0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]) + socket.inet_aton("{INTERNET}")
    server.sendto(head + (record if is_a else b""), asker)
"""

# Says who calls.
WEB = f"""
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"hello {{self.client_address[0]}}".encode())
server = http.server.ThreadingHTTPServer(("0.0.0.0", {PORT}), Handler)
print("listening", flush=True)
server.serve_forever()
"""


def resolver():
    """The first resolver of this machine with an address of IPv4, which the world takes over."""
    found = re.search(r"^nameserver\s+(\d+\.\d+\.\d+\.\d+)", Path("/etc/resolv.conf").read_text(), re.MULTILINE)
    return found and found.group(1)


class World:
    """Both namespaces, and what runs in them, for as long as it is open."""

    def __enter__(self):
        self._processes = []
        self.host, self.world = (self._start(["unshare", "--net", *self._hold()]) for _ in range(2))
        self.run(self.host, f"ip link set lo up; ip link add eth0 type veth peer name eth0 netns {self.world}")
        self.run(self.host, f"ip addr add {HOST}/24 dev eth0; ip link set eth0 up; ip route add default via {INTERNET}")
        self.run(self.world, f"ip link set lo up; ip addr add {INTERNET}/24 dev eth0; ip link set eth0 up")
        self.run(self.world, "ip addr add 169.254.169.254/32 dev lo")
        if not resolver().startswith("127."):
            self.run(self.host, f"ip addr add {resolver()}/32 dev lo")
        self._start([*self.inside(self.host), sys.executable, "-c", textwrap.dedent(RESOLVER), resolver()])
        self._start([*self.inside(self.world), sys.executable, "-c", textwrap.dedent(WEB)])
        return self

    def __exit__(self, *_):
        for process in reversed(self._processes):
            process.kill()
            process.wait()

    @staticmethod
    def _hold():
        return ["sh", "-c", "echo listening; exec sleep infinity"]

    @staticmethod
    def inside(pid):
        """The words before a command that make it run there."""
        return ["nsenter", f"--net=/proc/{pid}/ns/net", "--"]

    def run(self, pid, script):
        subprocess.run([*self.inside(pid), "sh", "-ec", script], check=True, timeout=20)

    def succeeds(self, pid, script):
        """Whether a script does."""
        return subprocess.run([*self.inside(pid), "sh", "-c", script], timeout=20, check=False).returncode == 0

    def _start(self, command):
        """Starts a process that says when it listens, and gives its process id."""
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._processes.append(process)
        assert process.stdout.readline() == "listening\n"
        return process.pid

    def lambent(self, binary, *arguments, user=None, folder=None):
        """A command of the program, on the host."""
        command = [*self.inside(self.host), *(become(user, folder) if user else [])]
        command += map(str, (binary, *arguments))
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def serve(self, binary, folder, *arguments, user=None):
        """A server on the host, once it is ready; as an ordinary user, where one is named."""
        log = folder / "server.txt"
        command = [*self.inside(self.host), *(ordinary(user, folder) if user else [])]
        command += [binary, "up", "--data-dir", folder / "data", *arguments]
        with log.open("wb") as output:
            process = subprocess.Popen(list(map(str, command)), stdout=output, stderr=subprocess.STDOUT, cwd=folder)

        def ready():
            assert process.poll() is None, log.read_text()
            return re.search(r"^Ready\.$", log.read_text(), re.MULTILINE)

        until(ready, log.read_text, timeout=60)
        return process


def ordinary(user, folder):
    """The words before a command that make it run as this user, on a host whose users may open /dev/net/tun."""
    device = (
        "mount -t tmpfs none /mnt; mknod /mnt/tun c 10 200; chmod 666 /mnt/tun; "
        "mount --bind /mnt/tun /dev/net/tun; umount -l /mnt; exec \"$@\""
    )
    return ["unshare", "--mount", "sh", "-ec", device, "sh", *become(user, folder)]


def become(user, folder):
    """The words before a command that make it run as this user, with this home."""
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "env", f"HOME={folder}"]
