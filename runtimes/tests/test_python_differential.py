"""The same functions under our client and under AWS's: everything that can be seen must be equal."""

import pytest

from fake_api import Event
from harness import observable, run

CONTEXT = b'{"client":{"installation_id":"i","app_title":"t"},"custom":{"a":1},"env":{"b":2},"w3c":{"traceparent":"x","z":1}}'
RESULTS = """
import collections, decimal, enum, datetime, uuid
class Color(str, enum.Enum):
    RED = "red"
class Level(enum.IntEnum):
    LOW = 1
Point = collections.namedtuple("Point", "x y")
loop = []; loop.append(loop)
surrogates = {"s": "\\U0001F600 \\u00e9 \\u2028 \\x7f \\x00 / < \\" \\\\ "}
VALUES = [None, True, 0, -1, 1.5, 1e400, -1e400, float("nan"), 1e16, 123456789012345678901234567890, "text", "", [], {}, (), (1, [2, (3,)]),
    {"a": {"b": [1, {"c": None}]}}, {1: 2, None: 3, True: 4, 1.5: 5}, surrogates, decimal.Decimal("1.10"), decimal.Decimal("NaN"),
    decimal.Decimal("1E+3"), {"d": [decimal.Decimal("0.1"), "x"]}, Color.RED, Level.LOW, [Color.RED], Point(1, Point(2, "z")),
    [b"bytes"], {"k": b"v"}, {b"k": "v"}, bytearray(b"x"), {1, 2}, object, lambda: 1, datetime.datetime(2026, 1, 1), uuid.UUID(int=1), loop,
    {(1, 2): 3}, {"x": {4}}, collections.OrderedDict(b=1, a=2), collections.defaultdict(list, a=[1]), range(3), iter([1]),
    ValueError("v"), 10**25, {"": ""}, b"raw bytes", "x" * 70000]
def handler(event, context):
    return VALUES[event]
"""
LOGS = """
import logging, sys
def handler(event, context):
    print("printed"); print("to stderr", file=sys.stderr)
    log = logging.getLogger("some.name"); logging.getLogger().setLevel(logging.DEBUG)
    log.debug("debug %s", 1); log.info("two\\nlines"); log.warning({"object": "ü"}); log.error("e", extra={"k": [1], "u": object})
    log.critical("c"); log.log(25, "between"); context.log("raw"); context.log(5)
    try:
        1 / 0
    except ZeroDivisionError:
        log.exception("caught")
    raise RuntimeError("multi\\nline")
"""
CASES = {
    "results": dict(
        files={"app.py": RESULTS}, handler="app.handler", events=[Event(str(n).encode()) for n in range(46)],
    ),
    "events": dict(
        files={"app.py": "def handler(e, c): return repr(e)"},
        handler="app.handler",
        events=[Event(body) for body in (b"null", b'"\xc3\xa9"', b"[1.0, 1e5, 12345678901234567890]", b'{"a":{"b":[]}}', b" 1 ", b"NaN")]
        + [Event(b"bad"), Event(b""), Event(b'"\xff"'), Event(b"text", {"Content-Type": "text/plain"})],
    ),
    "context": dict(
        files={
            "app.py": "import os\ndef handler(e, c):\n    assert 0 < c.get_remaining_time_in_millis() <= 60000\n"
            "    return [repr(c), c.w3c(), sorted(k for k in vars(c) if k[0] != '_'), os.environ.get('_X_AMZN_TRACE_ID'),"
            " '_LAMBDA_TELEMETRY_LOG_FD' in os.environ]"
        },
        handler="app.handler",
        events=[
            Event(),
            Event(headers={"Lambda-Runtime-Client-Context": CONTEXT.decode(), "Lambda-Runtime-Aws-Tenant-Id": "tenant"}),
            Event(headers={"Lambda-Runtime-Cognito-Identity": '{"cognitoIdentityId":"i","cognitoIdentityPoolId":"p"}'}),
            Event(headers={"Lambda-Runtime-Client-Context": "{bad"}),
            Event(headers={"Lambda-Runtime-Trace-Id": None}),
        ],
    ),
    "logs": dict(files={"app.py": LOGS}, handler="app.handler"),
    "logs as JSON": dict(
        files={"app.py": LOGS}, handler="app.handler", env={"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"}
    ),
    "logs with a level": dict(files={"app.py": LOGS}, handler="app.handler", env={"AWS_LAMBDA_LOG_LEVEL": "TRACE"}),
    "logs without descriptor": dict(files={"app.py": LOGS}, handler="app.handler", telemetry=False),
    "errors": dict(
        files={
            "app.py": "class Odd(Exception):\n    def __str__(self): return ''\n"
            "def inner(): raise KeyError('k')\n"
            "def handler(e, c):\n    if e == 0: inner()\n    if e == 1: raise Odd\n"
            "    if e == 2:\n        try: inner()\n        except KeyError as k: raise ValueError('from') from k\n"
            "    def deep(n): return deep(n + 1)\n    deep(0)\n"
        },
        handler="app.handler",
        events=[Event(str(n).encode()) for n in range(3)],
    ),
    "a folder as package": dict(
        files={"pkg/__init__.py": "", "pkg/sub/mod.py": "def f(e, c): return __name__"}, handler="pkg/sub/mod.f"
    ),
    "dots as package": dict(
        files={"pkg/__init__.py": "", "pkg/mod.py": "def f(e, c): return __name__"}, handler="pkg.mod.f"
    ),
    "no such module": dict(files={}, handler="nope.f"),
    "no such import": dict(files={"app.py": "import missing_package"}, handler="app.f"),
    "no such function": dict(files={"app.py": ""}, handler="app.f"),
    "no dot": dict(files={}, handler="app"),
    "a built-in module": dict(files={}, handler="sys.f"),
    "bad syntax": dict(files={"app.py": "x = \n"}, handler="app.f"),
    "an error at import": dict(files={"app.py": "def g(): raise ValueError('at import')\ng()"}, handler="app.f"),
    "exit at import": dict(files={"app.py": "import sys; sys.exit(3)"}, handler="app.f"),
    "exit in the handler": dict(files={"app.py": "import sys\ndef f(e, c): sys.exit(4)"}, handler="app.f"),
}


def _without_long_warning(seen):
    # AWS's text goes on about updates of managed runtimes, which there are none of here.
    for index, (kind, message) in enumerate(seen["log"]):
        if "LAMBDA_WARNING" in message:
            seen["log"][index] = (kind, message[: message.index(" function code.") + 15])
    return seen


@pytest.mark.parametrize("runtime", ["python3.11", "python3.13"])
@pytest.mark.parametrize("case", CASES)
def test_same_as_the_official_client(case, runtime, python, reference_python, tmp_path):
    arguments = dict(CASES[case])
    seen = {}
    for client in (python, reference_python):
        task = tmp_path / client.name / "task"
        task.mkdir(parents=True)
        seen[client.name] = _without_long_warning(observable(run(client, task, runtime=runtime, **arguments)))
    assert seen[python.name] == seen[reference_python.name]
