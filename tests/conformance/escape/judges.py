"""Attacks whose success only others can see: the caller, the host, the reader of the log."""

import concurrent.futures
import io
import json
import os
import pty
import re
import signal
import stat
import subprocess
import tempfile
import zipfile
from pathlib import Path

from support import functions, packages
from support.packages import FILE, add
from support.server import binary
from support.streams import messages
from support.wait import until

from . import believer
from .attack import Outcome, Weakened

NAIVE_UNZIP = Weakened("unpacked by a few lines that trust the names in a zip")
FORGED = "00000000-0000-4000-8000-000000000000"
RECORD = f"REPORT RequestId: {FORGED}\tDuration: 77777.77 ms\tBilled Duration: 77778 ms\tMemory Size: 7 MB\tMax Memory Used: 7 MB\t"


def _bare_output(arena, row, **more):
    """What the attack writes without a sandbox, both to its output and to the log's descriptor."""
    with tempfile.TemporaryFile() as output:
        event = arena.event(row, bare=True, descriptor=output.fileno(), **more)
        started = believer.running(row.language, event, arena.native, output=output, pass_fds=[output.fileno()])
        with started as (process, api):
            believer.answer(process, api)
        output.seek(0)
        return output.read()


def _raw(arena, row, **more):
    """An invocation as bare HTTP, with the tail of its log."""
    name = arena.function(row.language, row.settings)
    body = json.dumps(arena.event(row, bare=False, **more)).encode()
    path = f"/2015-03-31/functions/{name}/invocations"
    return name, arena.clients.http("POST", path, body=body, headers={"X-Amz-Log-Type": "Tail"})


def forged_records(arena, row):
    """Who reads figures out of the log's text is deceived; who reads them where the platform puts them is not."""
    lines = [f"START RequestId: {FORGED} Version: 7", f"END RequestId: {FORGED}", RECORD]
    text = _bare_output(arena, row, lines=lines).decode(errors="replace")
    deceived = re.search(r"REPORT RequestId: (\S+)\tDuration: (\S+) ms", text)
    weakened = Outcome(deceived is not None and deceived.group(1) == FORGED, "a reader of the text is deceived")
    _, answer = _raw(arena, row, lines=lines)
    figures = answer.headers.get("x-lambent-report", "")
    deceived = FORGED in figures or "7777" in figures or not figures
    request_id = answer.headers["x-amzn-requestid"]
    return weakened, Outcome(deceived, f"the figures are the platform's: {request_id}: {figures}")


def terminal_escapes(arena, row):
    """`lambent logs` on a terminal: the function's bytes must not steer it."""
    weakened = b"\x1b]0;owned" in _bare_output(arena, row)
    name, _ = _raw(arena, row)
    mark = arena.targets.event()["mark"]
    until(lambda: any(mark in line for line in messages(arena.logs, name)), "the line to be in the log")
    shown = _on_a_terminal([binary(), "logs", "--endpoint", arena.server.url, name])
    assert mark.encode() in shown, shown
    steered = any(bad in shown for bad in (b"\x1b]0", b"\x1b[2J", b"\x07", b"\x1b]52", b"\xc2\x9b"))
    return Outcome(weakened, "a reader of bare bytes is steered"), Outcome(steered, "shown as text")


def _on_a_terminal(command):
    """What a program writes to a terminal of its own."""
    leader, follower = pty.openpty()
    environment = {"PATH": os.environ["PATH"], "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "NO_COLOR": "1"}
    process = subprocess.Popen(
        [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=follower, stderr=follower, env=environment
    )
    os.close(follower)
    shown = b""
    while True:
        try:
            block = os.read(leader, 65536)
        except OSError:
            # EIO: the last writer has closed it.
            break
        if not block:
            break
        shown += block
    os.close(leader)
    assert process.wait(timeout=30) == 0, shown
    return shown


def split_answer(arena, row):
    """The header that the attack folds into another must not come out as one."""
    with believer.running(
        row.language, arena.event(row, bare=True), arena.native, output=subprocess.DEVNULL
    ) as (process, api):
        error_type, _ = believer.answer(process, api)
    # Passed on as it came, this is a header more.
    weakened = Outcome("\n" in (error_type or "") and "X-Evil" in error_type, f"passes on {error_type!r}")
    _, answer = _raw(arena, row)
    split = "x-evil" in answer.headers or "X-Evil" in str(answer.headers)
    return weakened, Outcome(split, f"no header of its own among {sorted(answer.headers)}")


class OneByOne(believer.Believer):
    """Serves one connection after the other, as a server without limits in time and number comes to do."""

    def process_request(self, request, client_address):
        self.finish_request(request, client_address)
        self.shutdown_request(request)


def slow_loris(arena, row):
    """Whether others are served while an environment holds connections open."""
    name = arena.function(row.language, row.settings)
    held = arena.sandboxed(row)
    assert held.saw.endswith("connections held"), held
    served = functions.invoke(arena.lambda_, arena.neighbour_name, {"do": "echo", "value": 7}).ok == 7
    served &= functions.invoke(arena.lambda_, name, {}).ok == "well"
    contained = Outcome(not served, "others are served, and so is the function itself")
    return Outcome(_starves(arena), "a server that waits for each connection serves nobody else"), contained


def _starves(arena):
    import http.client
    import socket
    import threading

    api = OneByOne({})
    thread = threading.Thread(target=api.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    host, port = api.server_address
    with socket.create_connection((host, port)) as held:
        held.sendall(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Le")
        other = http.client.HTTPConnection(host, port, timeout=0.5)
        try:
            other.request("GET", "/ping")
            other.getresponse()
            starved = False
        except TimeoutError:
            starved = True
        finally:
            other.close()
    api.shutdown()
    api.server_close()
    thread.join()
    return starved


def second_answer(arena, row):
    """The first of two answers counts, and the next caller gets its own."""
    with believer.running(
        row.language, arena.event(row, bare=True), arena.native, output=subprocess.DEVNULL
    ) as (process, api):
        believer.answer(process, api)
        second = api.answers.get(timeout=20)
    weakened = Outcome(second[1] == b'"again"', "believed the second")
    name, answer = _raw(arena, row)
    following = functions.invoke(arena.lambda_, name, {})
    contained = answer.json == "first" and following.ok == "well"
    return weakened, Outcome(not contained, "1 accepted" if contained else f"{answer!r} {following}")


def victim(arena, row):
    """Another function waits in an invocation whose id the attacker knows."""
    weakened = arena.bare(row, victim=believer.REQUEST_ID.replace("5b1f", "ffff"))
    name = arena.maker.create("victim", MemorySize=256)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(
            functions.invoke, arena.clients.boto("lambda"), name, {"do": "sleep", "seconds": 3, "print": "begun"}
        )
        until(lambda: "begun" in messages(arena.logs, name), "the victim to begin")
        start = next(line for line in messages(arena.logs, name) if line.startswith("START "))
        contained = arena.sandboxed(row, victim=start.split()[2])
        answer = waiting.result()
    assert answer.error is None and answer.json["name"] == name, f"the victim's answer is another's: {answer}"
    return weakened, contained


def delete(arena, row):
    """The weakened attack deletes a function made for it; the other one's stays."""
    weakened = arena.bare(row)
    other = arena.clients.boto("lambda", key=arena.event(row, bare=True)["other_account"])
    arena.other_function = arena.maker.create("others", client=other)
    contained = arena.sandboxed(row)
    other.get_function(FunctionName=arena.other_function)
    return weakened, contained


def _alive_by_name(mark):
    """Processes of the host whose name an attack has set."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and Path(f"/proc/{entry}/comm").read_text().strip() == mark[-15:]:
                found.append(int(entry))
        except OSError:
            # It has ended meanwhile.
            continue
    return found


def outlive(arena, row):
    """A daemon of the attack's making: after the end of the program, and after that of a sandbox's invocation."""
    mark = arena.targets.event()["mark"]
    event = arena.event(row, bare=True, seconds=60)
    with believer.running(row.language, event, arena.native, output=subprocess.DEVNULL):
        until(lambda: _alive_by_name(mark), "the daemon to start")
    # Its program is dead, and so is its whole process group.
    survivors = _alive_by_name(mark)
    for pid in survivors:
        os.kill(pid, signal.SIGKILL)
    until(lambda: not _alive_by_name(mark), "the daemon to be gone")
    ended = arena.sandboxed(row, seconds=60)
    assert "Sandbox.Timedout" in ended.saw, ended
    inside = functions.invoke(
        arena.lambda_, arena.function(row.language, row.settings), arena.event(row, False, attack="survivors")
    ).ok
    contained = Outcome(inside["succeeded"] or bool(_alive_by_name(mark)), inside["saw"])
    return Outcome(bool(survivors), f"lives on as {survivors}"), contained


def _memory_mb(pid, field):
    with open(f"/proc/{pid}/status") as status:
        lines = dict(line.split(":", 1) for line in status)
    return int(lines[field].split()[0]) // 1024


def log_flood(arena, row):
    """What a flood makes the server hold, and what it does to the neighbour's own lines."""
    weakened = len(_bare_output(arena, row)) // 2**20
    Path(f"/proc/{arena.server.pid}/clear_refs").write_text("5")
    before = _memory_mb(arena.server.pid, "VmHWM")
    lines = [f"{arena.targets.event()['mark']} {number}" for number in range(200)]
    neighbour = arena.maker.create("talker", MemorySize=256)
    functions.invoke(arena.lambda_, neighbour, {})
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        flood = pool.submit(arena.sandboxed, row)
        for part in range(0, len(lines), 20):
            assert functions.invoke(arena.lambda_, neighbour, {"do": "say", "lines": lines[part : part + 20]}).ok
        outcome = flood.result()
    grown = _memory_mb(arena.server.pid, "VmHWM") - before
    until(lambda: set(lines) <= set(messages(arena.logs, neighbour)), "the neighbour's lines to be complete")
    assert "wrote" in outcome.saw or "Timedout" in outcome.saw, outcome
    return (
        Outcome(weakened >= row.event["mb"], f"a reader that keeps everything holds {weakened} MB"),
        Outcome(grown >= row.event["mb"], f"the server grew by {grown} MB"),
    )


def _package(kind, target):
    """A package that leaves something in the folder `target`, if its names are believed."""
    leave = f"{target}/escaped"
    steps = "../" * 30
    if kind == "parent":
        return packages.with_entry(f"{steps}{leave.lstrip('/')}")
    if kind == "absolute":
        return packages.with_entry(leave)
    if kind == "device":
        return packages.with_entry("null", b"", packages.DEVICE | 0o666)
    buffer = io.BytesIO(packages.pack({"lambda_function.py": "x"}))
    with zipfile.ZipFile(buffer, "a") as archive:
        add(archive, "out", str(target), packages.LINK | 0o777)
        add(archive, "out/escaped", "evil", FILE | 0o644)
    return buffer.getvalue()


def _unzip(package, folder):
    """What a hasty programmer writes."""
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        for entry in archive.infolist():
            path, mode = f"{folder}/{entry.filename}", entry.external_attr >> 16
            path = entry.filename if entry.filename.startswith("/") else path
            if stat.S_ISLNK(mode):
                os.symlink(archive.read(entry), path)
            elif stat.S_ISCHR(mode):
                os.mknod(path, mode, os.makedev(1, 3))
            else:
                Path(path).write_bytes(archive.read(entry))
                os.chmod(path, mode & 0o7777)


def package(arena, row):
    """A deployment package that reaches out of its folder, or brings what is no file."""
    kind, drop = row.name.split(":")[1], arena.targets.drop
    harmful = _package(kind, drop)
    with tempfile.TemporaryDirectory() as folder:
        _unzip(harmful, folder)
        left = [path.name for path in drop.iterdir()]
        if kind == "device":
            left += [name for name in os.listdir(folder) if stat.S_ISCHR(os.stat(f"{folder}/{name}").st_mode)]
    for path in drop.iterdir():
        path.unlink()
    client = arena.lambda_
    name = functions.unique("package")
    try:
        client.create_function(
            FunctionName=name, Runtime=arena.maker.python, Role=functions.ROLE, Handler="a.b", Code={"ZipFile": harmful}
        )
        client.delete_function(FunctionName=name)
        contained = Outcome(True, "accepted")
    except client.exceptions.ClientError as error:
        contained = Outcome(bool(list(drop.iterdir())), error.response["Error"].get("Message", str(error)))
    return Outcome(bool(left), f"left {left}"), contained


def package_setuid(arena, row):
    """A program in a package that claims root's rights."""
    buffer = io.BytesIO(functions.probe_zip())
    with zipfile.ZipFile(buffer, "a") as archive:
        add(archive, "tool", "#!/bin/sh\nid -u\n", FILE | 0o6755)
    with tempfile.TemporaryDirectory() as folder:
        _unzip(buffer.getvalue(), folder)
        weakened = stat.S_IMODE(os.stat(f"{folder}/tool").st_mode)
    name = arena.maker.create("setuid", buffer.getvalue())
    shown = functions.invoke(arena.lambda_, name, {"do": "run", "command": "stat -c %a /var/task/tool"}).ok["out"].strip()
    return Outcome(weakened == 0o6755, oct(weakened)), Outcome(shown != "755", shown)
