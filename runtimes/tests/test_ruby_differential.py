"""The same functions under our Ruby client and under AWS's: everything that can be seen must be equal."""

import re

import pytest

from fake_api import Event
from harness import run
from jvm_and_ruby import observable
from test_ruby import FAILURES, INIT_FAILURES, LOGS, RESULTS

CASES = {
    "results": (
        {"app.rb": "VALUES = [{}]\ndef handler(event:, context:) = VALUES[event]\n".format(", ".join(RESULTS))},
        "app.handler",
        {"events": [Event(str(number).encode()) for number in range(len(RESULTS))]},
    ),
    "events": (
        {"app.rb": "def handler(event:, context:) = event.inspect"},
        "app.handler",
        {"events": [Event(body) for body in (b"null", b'"\xc3\xa9"', b"[1.0, 1e5]", b" 1 ", b'{"a":{"b":[]}}')]},
    ),
    "another content type": (
        {"app.rb": "def handler(event:, context:) = [event, event.encoding.to_s]"},
        "app.handler",
        {"events": [Event(b"text", {"Content-Type": "text/plain"})]},
    ),
    "an event that is no JSON": ({"app.rb": "def handler(event:, context:) = 1"}, "app.handler", {"events": [Event(b"bad")]}),
    "a class of a module": (
        {"lib/deep.rb": "module A\n  class B\n    def self.run(event:, context:) = name\n  end\nend\n"},
        "lib/deep.A::B.run",
        {},
    ),
    "logs": ({"app.rb": LOGS}, "app.handler", {}),
    "logs without descriptor": ({"app.rb": "def handler(event:, context:)\n  puts 1\n  raise 'x'\nend"}, "app.handler", {"telemetry": False}),
}
CASES.update({name: (files, handler, {}) for name, (files, handler, *_) in INIT_FAILURES.items()})
CASES.update({code: ({"app.rb": "def handler(event:, context:)\n{}\nend\n".format(code)}, "app.handler", {}) for code in FAILURES})

# Frames of a client and of what starts it, as elements of an array in JSON.
_CAUSE_FRAMES = re.compile(
    r',?\{"path":"(?:[^"]*(?:/runtimes/ruby/|/gems/aws_lambda_ric-)[^"]*|-e)","line":\d+,"label":"[^"]*"\}'
)
_CLIENT_FRAMES = re.compile(r',?\s*"[^"]*(?:/runtimes/ruby/|/gems/aws_lambda_ric-)[^"]*"|,?\s*"-e:1:in [^"]*"')
_LOG_PIDS = re.compile(r"TIME #\d+")
_CLASSES = re.compile(r"#<Class:0x[0-9a-f]+>")


def _plain(value):
    if isinstance(value, dict):
        # AWS's client leaves the content type to Net::HTTP, which takes results for forms.
        return {name: _plain(item) for name, item in value.items() if name != "content type"}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return _CLASSES.sub("CLASS", _LOG_PIDS.sub("TIME", _CLIENT_FRAMES.sub("", _CAUSE_FRAMES.sub("", value))))
    return value


@pytest.mark.parametrize("case", CASES)
def test_same_as_the_official_client(case, ruby, reference_ruby, tmp_path):
    files, handler, options = CASES[case]
    seen = {}
    for client in (ruby, reference_ruby):
        task = tmp_path / client.name / "task"
        task.mkdir(parents=True)
        seen[client.name] = _plain(observable(run(client, task, files, handler, runtime="ruby3.3", **options)))
    assert seen[ruby.name] == seen[reference_ruby.name]
