"""Runs the same functions under our client and under AWS's, and shows what can be seen of each.

Starting interpreters takes most of the time, so a topic (a file in `cases/`) runs all its cases in one process of each
client, one event for each case. What a process needs for itself is in the tables `cases/*_processes.py`.
"""

import ast
import json
import re
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import clients
from fake_api import Event
from harness import FRAME_HEAD_BYTES, run
from normal import observed_post, observed_process, normal

CASES = Path(__file__).resolve().parent / "cases"
_PYTHON_DISPATCHER = """import {topic}
def handler(event, context):
    return getattr({topic}, event["case"])(event.get("with"), context)
"""


@dataclass
class Case:
    """One case of a topic: its name, what it shows, and the headers of its event."""

    name: str
    what: str
    headers: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Pair:
    """Our client and AWS's on one interpreter."""

    language: str
    version: object

    @property
    def runtime(self):
        return clients.runtime_of(self.language, self.version)

    def clients(self):
        """Both clients, and why there are none."""
        if self.language == "python":
            argv = clients.pythons().get(self.version)
            official = argv and clients.official_python(self.version)
            ours = argv and clients.lambent_python(argv)
        else:
            node = clients.nodes().get(self.version)
            official = node and clients.official_node(self.version)
            ours = node and clients.lambent_node(node)
        if ours is None:
            return None, "there is no interpreter for {}, here or from a package manager".format(self.runtime)
        if official is None:
            return None, "AWS's client for {} could not be installed".format(self.runtime)
        return (ours, official), None


def python_topic(topic):
    """The cases of a Python topic: its functions with a description."""
    found = []
    for node in ast.parse((CASES / "python" / (topic + ".py")).read_text()).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and ast.get_docstring(node):
            what, _, rest = ast.get_docstring(node).partition("\n")
            headers = json.loads(rest.partition("headers:")[2] or "{}")
            found.append(Case(node.name, what, headers))
    return found


_NODE_CASE = re.compile(r"(?:^// headers: (.+)\n)?^cases\[\"(.+?)\"\] = ", re.MULTILINE)


def node_topic(topic):
    """The cases of a Node.js topic, which are named by what they show."""
    text = (CASES / "nodejs" / (topic + ".js")).read_text()
    return [Case(name, name, json.loads(headers or "{}")) for headers, name in _NODE_CASE.findall(text)]


def topic_arguments(language, topic):
    """The arguments of `harness.run` that run a whole topic."""
    cases = python_topic(topic) if language == "python" else node_topic(topic)
    events = [Event(json.dumps({"case": case.name}).encode(), case.headers) for case in cases]
    if language == "python":
        code = (CASES / "python" / (topic + ".py")).read_text()
        return dict(files={topic + ".py": code, "app.py": _PYTHON_DISPATCHER.format(topic=topic)}, handler="app.handler", events=events)
    code = (CASES / "nodejs" / (topic + ".js")).read_text()
    return dict(files={topic + ".js": code}, handler=topic + ".handler", events=events)


def _one(client, runtime, arguments):
    with tempfile.TemporaryDirectory(prefix="lambent-differential-") as folder:
        # Of the same length for both, so that nothing depends on it.
        task = Path(folder) / "task"
        task.mkdir()
        return run(client, task, runtime=runtime, **arguments)


_REQUEST = re.compile(r"00000000-0000-4000-8000-(\d{12})")


def _frames_of_cases(run):
    """The log of each case: a record belongs to the invocation that it names, or to the one in which it came."""
    found = {}
    ends, at = [], 0
    for part in run.streams.get("frames", []):
        at += len(part)
        ends.append(at)
    at = 0
    for frame in run.frames:
        named = _REQUEST.search(frame.message)
        came_in = next(number for number, end in enumerate(ends) if at < end)
        found.setdefault(int(named.group(1)) if named else came_in, []).append(frame)
        at += FRAME_HEAD_BYTES + len(frame.message.encode())
    return found


def slices(run, cases):
    """What can be seen of each case of a topic."""
    seen, frames = {}, _frames_of_cases(run)
    for number, case in enumerate(cases):
        if number >= len(run.outcomes):
            seen[case.name] = "no outcome: the process ended with {}\n{}".format(run.exit_code, run.stderr)
            continue
        seen[case.name] = {
            **observed_post(run.outcomes[number], run.task),
            "log": [(hex(frame.type), normal(frame.message, run.task)) for frame in frames.get(number, [])],
            "stdout": normal(run.streams["stdout"][number].decode(), run.task),
            "stderr": normal(run.streams["stderr"][number].decode(), run.task),
        }
    return seen


class Gallery:
    """Runs what the chosen tests need, a few processes at a time, and hands out what was seen."""

    def __init__(self, workers):
        self._pool = ThreadPoolExecutor(workers)
        self._started = {}

    def start(self, pair, key, arguments):
        """Starts both clients on the same function, once."""
        both, _ = pair.clients()
        if both is not None and (pair, key) not in self._started:
            self._started[pair, key] = [self._pool.submit(_one, client, pair.runtime, arguments) for client in both]

    def topic(self, pair, key, case, cases):
        """What both clients showed of one case of a topic: ours, AWS's."""
        return tuple(slices(future.result(), cases)[case] for future in self._started[pair, key])

    def process(self, pair, key):
        """What both clients showed of a process."""
        return tuple(observed_process(future.result()) for future in self._started[pair, key])
