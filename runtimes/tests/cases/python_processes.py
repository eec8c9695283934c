"""Python functions that need a process of their own: how they are found, loaded and started, and how they end.

Each entry is what it shows → the arguments of `harness.run`.
"""

from fake_api import Event

ECHO = {"app.py": "def handler(event, context):\n    return event\n"}
NAME = "def f(event, context): return [__name__, __file__.rpartition('/')[2]]"
HANDLERS = {
    "a module": dict(files={"app.py": NAME}, handler="app.f"),
    "a package": dict(files={"pkg/__init__.py": NAME}, handler="pkg.f"),
    "a module in a package, with a dot": dict(files={"pkg/__init__.py": "", "pkg/mod.py": NAME}, handler="pkg.mod.f"),
    "a module in a folder, with a slash": dict(files={"pkg/mod.py": NAME}, handler="pkg/mod.f"),
    "slashes and dots": dict(files={"pkg/__init__.py": "", "pkg/sub/mod.py": NAME}, handler="pkg/sub.mod.f"),
    "a folder deep down": dict(files={"a/b/c/d.py": NAME}, handler="a/b/c/d.f"),
    "a slash at the beginning": dict(files={"app.py": NAME}, handler="/app.f"),
    "a dot at the beginning": dict(files={"app.py": NAME}, handler="./app.f"),
    "two dots": dict(files={"app.py": NAME}, handler="app..f"),
    "an empty function": dict(files={"app.py": NAME}, handler="app."),
    "an empty module": dict(files={"app.py": NAME}, handler=".f"),
    "no dot": dict(files={"app.py": NAME}, handler="app"),
    "the name of the file": dict(files={"app.py": NAME}, handler="app.py.f"),
    "a name with a hyphen": dict(files={"my-app.py": NAME}, handler="my-app.f"),
    "a name beyond ASCII": dict(files={"änd.py": NAME}, handler="änd.f"),
    "a built-in module": dict(files={}, handler="sys.f"),
    "a module of the standard library": dict(files={}, handler="json.dumps"),
    "a module of the client": dict(files={}, handler="awslambdaric.nothing"),
    "a method of a class": dict(files={"app.py": "class C:\n    @staticmethod\n    def f(e, c): return 1"}, handler="app.C.f"),
    "an object that can be called": dict(files={"app.py": "class C:\n    def __call__(self, e, c): return 'called'\nf = C()"}, handler="app.f"),
    "a partial function": dict(files={"app.py": "import functools\nf = functools.partial(lambda a, e, c: [a, e], 1)"}, handler="app.f", events=[Event(b"2")]),
    "a function of one parameter": dict(files={"app.py": "def f(event): return 1"}, handler="app.f"),
    "a function of three parameters": dict(files={"app.py": "def f(event, context, more): return 1"}, handler="app.f"),
    "a value that is no function": dict(files={"app.py": "f = 5"}, handler="app.f"),
    "None": dict(files={"app.py": "f = None"}, handler="app.f"),
    "a name from __getattr__": dict(files={"app.py": "def __getattr__(name): return lambda e, c: name"}, handler="app.any"),
    "no such module": dict(files={}, handler="nope.f"),
    "no such package": dict(files={}, handler="nope.mod.f"),
    "no such function": dict(files={"app.py": ""}, handler="app.f"),
    "a compiled module alone": dict(files={"app.pyc": b"not code"}, handler="app.f"),
}
LOADING = {
    "an import that is missing": dict(files={"app.py": "import missing_package"}, handler="app.f"),
    "a name that an import misses": dict(files={"app.py": "from json import nothing"}, handler="app.f"),
    "an import below that is missing": dict(files={"app.py": "import other", "other.py": "import missing_package"}, handler="app.f"),
    "an import in a circle": dict(files={"app.py": "from other import g\ndef f(e, c): pass", "other.py": "from app import f\ng = 1"}, handler="app.f"),
    "an import that raises ImportError": dict(files={"app.py": "raise ImportError('by hand')"}, handler="app.f"),
    "a native module that is damaged": dict(files={"app.py": "import broken", "broken.so": b"not ELF"}, handler="app.f"),
    "bad syntax": dict(files={"app.py": "x = \n"}, handler="app.f"),
    "bad syntax below": dict(files={"app.py": "import other", "other.py": "def f(:\n    pass\n"}, handler="app.f"),
    "bad indentation": dict(files={"app.py": "def f(e, c):\nreturn 1\n"}, handler="app.f"),
    "tabs and blanks": dict(files={"app.py": "def f(e, c):\n\tx = 1\n        return x\n"}, handler="app.f"),
    "bytes that are no UTF-8": dict(files={"app.py": b"x = '\xff'\n"}, handler="app.f"),
    "a zero byte": dict(files={"app.py": b"x = 1\0\n"}, handler="app.f"),
    "an error": dict(files={"app.py": "def g(): raise ValueError('at import')\ng()"}, handler="app.f"),
    "an error below": dict(files={"app.py": "import other", "other.py": "1 / 0"}, handler="app.f"),
    "an error with a cause": dict(files={"app.py": "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise RuntimeError('config') from e"}, handler="app.f"),
    "an error as JSON": dict(files={"app.py": "raise ValueError('at import')"}, handler="app.f", env={"AWS_LAMBDA_LOG_FORMAT": "JSON"}),
    "an error without descriptor": dict(files={"app.py": "raise ValueError('at\\nimport')"}, handler="app.f", telemetry=False),
    "output": dict(files={"app.py": "import logging\nprint('printed')\nlogging.warning('logged')\nlogging.getLogger('n').error('named')\ndef f(e, c): print('later')"}, handler="app.f"),
    "output as JSON": dict(files={"app.py": "import logging\nlogging.warning('logged')\ndef f(e, c): pass"}, handler="app.f", env={"AWS_LAMBDA_LOG_FORMAT": "JSON"}),
    "exit": dict(files={"app.py": "import sys; sys.exit(3)"}, handler="app.f"),
    "exit with a text": dict(files={"app.py": "import sys; sys.exit('text')"}, handler="app.f"),
    "exit at once": dict(files={"app.py": "import os; os._exit(5)"}, handler="app.f"),
    "an interrupt": dict(files={"app.py": "raise KeyboardInterrupt"}, handler="app.f"),
    "a thread": dict(files={"app.py": "import threading\nv = []\nt = threading.Thread(target=lambda: v.append(1)); t.start(); t.join()\ndef f(e, c): return v"}, handler="app.f"),
    "variables": dict(files={"app.py": "import os\nV = sorted(n for n in os.environ if n.startswith(('AWS_', '_', 'LAMBDA')))\ndef f(e, c): return V"}, handler="app.f"),
    "the main module": dict(files={"app.py": "import sys, os\ndef f(e, c): return [os.getcwd(), sys.path[0], __name__]"}, handler="app.f"),
    "PYTHONPATH": dict(files={"app.py": "import extra\ndef f(e, c): return extra.V", "lib/extra.py": "V = 'extra'"}, handler="app.f", env={"PYTHONPATH": "lib"}),
    "a module that is in the standard library too": dict(files={"app.py": "import colorsys\ndef f(e, c): return colorsys.OWN", "colorsys.py": "OWN = 1"}, handler="app.f"),
    "a data file beside it": dict(files={"app.py": "def f(e, c): return open('data.txt').read()", "data.txt": "data"}, handler="app.f"),
}
ENDS = {
    "exit": dict(files={"app.py": "import sys\ndef f(e, c): sys.exit(4)"}, handler="app.f"),
    "exit without a code": dict(files={"app.py": "import sys\ndef f(e, c): sys.exit()"}, handler="app.f"),
    "exit with a text": dict(files={"app.py": "import sys\ndef f(e, c): sys.exit('text')"}, handler="app.f"),
    "exit at once": dict(files={"app.py": "import os\ndef f(e, c): print('x', end=''); os._exit(6)"}, handler="app.f"),
    "exit handlers": dict(files={"app.py": "import atexit, sys\natexit.register(print, 'at exit')\ndef f(e, c): sys.exit(1)"}, handler="app.f"),
    "an interrupt": dict(files={"app.py": "def f(e, c): raise KeyboardInterrupt"}, handler="app.f"),
    "a base exception": dict(files={"app.py": "class Mine(BaseException): pass\ndef f(e, c): raise Mine('base')"}, handler="app.f"),
    "a generator's end": dict(files={"app.py": "def f(e, c): raise GeneratorExit"}, handler="app.f"),
    "a signal": dict(files={"app.py": "import os, signal\ndef f(e, c): os.kill(os.getpid(), signal.SIGTERM); signal.pause()"}, handler="app.f"),
    "a kill": dict(files={"app.py": "import os, signal\ndef f(e, c): os.kill(os.getpid(), signal.SIGKILL)"}, handler="app.f"),
    "an abort": dict(files={"app.py": "import os\ndef f(e, c): os.abort()"}, handler="app.f"),
    "a fault": dict(files={"app.py": "import os, signal\ndef f(e, c): os.kill(os.getpid(), signal.SIGSEGV)"}, handler="app.f"),
    "a signal that is handled": dict(files={"app.py": "import os, signal\nseen = []\nsignal.signal(signal.SIGTERM, lambda *a: seen.append(a[0]))\ndef f(e, c): os.kill(os.getpid(), signal.SIGTERM); return seen"}, handler="app.f"),
    "a signal that is handled while idle": dict(files={"app.py": "import os, signal, threading\ndef h(*a):\n    print('handled'); os._exit(0)\nsignal.signal(signal.SIGTERM, h)\ndef f(e, c):\n    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()"}, handler="app.f", stays=True),
    "an error whose text fails": dict(files={"app.py": "class Bad(Exception):\n    def __str__(self): raise ValueError('worse')\ndef f(e, c): raise Bad"}, handler="app.f"),
    "a result that UTF-8 cannot hold": dict(files={"app.py": "def f(e, c): return '\\ud800'"}, handler="app.f", events=[Event(), Event()]),
    "an error that UTF-8 cannot hold": dict(files={"app.py": "def f(e, c): raise ValueError('\\ud800')"}, handler="app.f"),
    "a record that UTF-8 cannot hold": dict(files={"app.py": "import logging\ndef f(e, c): logging.error('\\ud800')"}, handler="app.f"),
}
EVENTS = {
    "no JSON": [Event(b"bad"), Event(b"{'a': 1}"), Event(b"[1,]")],
    "nothing": [Event(b"")],
    "white space": [Event(b" 1 "), Event(b" ")],
    "no UTF-8": [Event(b'"\xff"')],
    "a byte order mark": [Event(b"\xef\xbb\xbf{}")],
    "NaN and infinities": [Event(b"NaN"), Event(b"[-Infinity]")],
    "numbers": [Event(b"[1.0, 1e5, 12345678901234567890, -0, 1E400]")],
    "escapes": [Event(b'"\\u00e9\\ud83d\\ude00\\n\xc3\xa9"'), Event(b'"\\ud800"')],
    "keys twice": [Event(b'{"a":1,"a":2}')],
    "control characters": [Event(b'"a\x01b"')],
    "another type": [Event(b"text", {"Content-Type": "text/plain"}), Event(b"{}", {"Content-Type": "application/octet-stream"})],
    "JSON with a character set": [Event(b"{}", {"Content-Type": "application/json; charset=utf-8"})],
    "chunks": [Event(b'{"a":"' + b"x" * 1000 + b'"}', chunked=True)],
}
_RESTORE = "from snapshot_restore_py import register_after_restore, register_before_snapshot\nseen = []\n"
SNAPSHOTS = {
    "hooks": _RESTORE + "register_before_snapshot(seen.append, 'first')\nregister_before_snapshot(seen.append, 'second')\nregister_after_restore(seen.append, 'restored')\ndef f(e, c): return seen",
    "no hooks": "def f(e, c): return 1",
    "hooks with keywords": _RESTORE + "register_before_snapshot(lambda a, b: seen.append([a, b]), 1, b=2)\ndef f(e, c): return seen",
    "hooks as decorators": _RESTORE + "@register_before_snapshot\ndef before(): seen.append('before')\n@register_after_restore\ndef after(): seen.append('after')\ndef f(e, c): return seen",
    "a hook that fails before": _RESTORE + "register_before_snapshot(lambda: 1 / 0)\ndef f(e, c): return 1",
    "a hook that fails after": _RESTORE + "register_after_restore(lambda: 1 / 0)\ndef f(e, c): return 1",
    "a hook that exits": _RESTORE + "import sys\nregister_before_snapshot(sys.exit, 7)\ndef f(e, c): return 1",
    "a hook that prints and logs": _RESTORE + "import logging\nregister_after_restore(logging.error, 'hooked')\nregister_before_snapshot(print, 'printed')\ndef f(e, c): return 1",
}

CASES = {
    **{"handler: " + what: case for what, case in HANDLERS.items()},
    **{"loading: " + what: case for what, case in LOADING.items()},
    **{"end: " + what: case for what, case in ENDS.items()},
    "handler: a coroutine that nobody awaits, and a further event": dict(
        files={"app.py": "async def c(): return 1\ndef f(e, c_): return c() if e else 2"},
        handler="app.f",
        events=[Event(b"1"), Event(b"0")],
    ),
    **{
        "event: " + what: dict(files={"app.py": "def f(e, c): return repr(e)"}, handler="app.f", events=events)
        for what, events in EVENTS.items()
    },
    **{
        "snapshot: " + what: dict(files={"app.py": code}, handler="app.f", env={"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"})
        for what, code in SNAPSHOTS.items()
    },
}
