"""Starts our clients as the platform does in a sandbox that was made in advance: the function's environment comes later."""

import contextlib
import json
import os
import socket

# With it every run in which an interpreter could wait is one in which it has waited.
ENABLED = bool(os.environ.get("LAMBENT_TEST_WAITING"))
CLIENTS = ("lambent-python", "lambent-node")
# What interpreters read at their start: with these a function gets one of its own (crates/runtimes/src/tier.rs).
READ_AT_START = ("PYTHON", "NODE_", "LD_", "LC_", "LANG", "UV_", "HOME")
HARMLESS = ("NODE_ENV", "NODE_PATH")
COMMON = ("PATH", "LANG", "TZ", "AWS_EXECUTION_ENV", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR", "_LAMBDA_TELEMETRY_LOG_FD")
ROOM_BYTES = 12 * 1024


def can_wait(client, own):
    read = [name for name in own if name.startswith(READ_AT_START) and name not in HARMLESS]
    return ENABLED and client.name in CLIENTS and not read


class Assignment:
    """The channel on which a client waits. `environment` is what it is started with, `fd` what it inherits."""

    def __init__(self, environment, task):
        self._document = {"env": sorted(environment.items()), "cwd": str(task)}
        self._ours, self._theirs = socket.socketpair()
        self.fd = self._theirs.fileno()
        self.environment = {name: environment[name] for name in COMMON if name in environment}
        self.environment["AWS_LAMBDA_RUNTIME_API"] = environment["AWS_LAMBDA_RUNTIME_API"]
        self.environment["_LAMBENT_ASSIGNMENT_FD"] = str(self.fd)
        self.environment["_LAMBENT_ROOM"] = "0" * ROOM_BYTES

    def give(self, patience):
        """Tells the client what it is for, once it waits."""
        self._theirs.close()
        with self._ours as channel:
            channel.settimeout(patience)
            assert channel.recv(1) == b"R", "the client does not wait"
            channel.sendall(b" ")
            channel.sendall(json.dumps(self._document).encode() + b"\n")
            # One that may not run at all has ended by now.
            with contextlib.suppress(BrokenPipeError):
                channel.sendall(b"\n")
