"""The image from which our Python client is launched: nothing may tell it from an ordinary import."""

import json
import keyword
import shutil
import subprocess
from pathlib import Path

import pytest

import waiting
from fake_api import Event
from harness import CLIENTS, Client, run

# Of each module what a function can see of its import, and the expressions that `re` has kept.
LOOK = """
import gc, logging, os, re, sys

def look(module):
    spec = module.__spec__
    code = spec.loader.get_code(spec.name) if type(spec.loader).__name__ == "SourceFileLoader" else None
    functions = [v.__code__.co_filename for v in vars(module).values() if type(v) is type(look)]
    return [
        str(type(spec.loader)), str(type(module.__loader__)), getattr(module, "__file__", None),
        getattr(module, "__cached__", None), spec.origin, spec.cached, spec.submodule_search_locations,
        getattr(module, "__package__", None), code and code.co_filename, sorted(set(functions)),
    ]

def handler(event, context):
    modules = {n: look(m) for n, m in sys.modules.items() if getattr(m, "__spec__", None) is not None}
    cached = [[str(k[1]), int(k[2]), p.pattern == k[1], p.flags, p.groups, dict(p.groupindex)] for k, p in
              sorted(re._cache.items(), key=str)]
    finders = [getattr(f, "__name__", type(f).__name__) for f in sys.meta_path]
    handlers = [str(handler()) for handler in logging._handlerList]
    # The descriptor of the listing itself is gone by then.
    descriptors = ["/proc/self/fd/" + fd for fd in os.listdir("/proc/self/fd")]
    open_files = [os.readlink(file).split(":")[0] for file in descriptors if os.path.lexists(file)]
    return [modules, cached, finders, sys.path, gc.isenabled(), gc.get_freeze_count(), handlers, open_files]
"""
LIBRARY_CODE = "code object from '{}"


@pytest.fixture
def two(any_python, tmp_path):
    """The client on each interpreter: as it is, and prepared."""
    client, runtime = any_python
    interpreter = client.argv[:-1]
    made = []
    for name in ("plain", "prepared"):
        folder = tmp_path / name / "python"
        shutil.copytree(CLIENTS / "python", folder, ignore=shutil.ignore_patterns("__pycache__"))
        made.append(Client("lambent-python", [*interpreter, str(folder / "bootstrap.py")], {}))
    prepare(made[1])
    return (*made, runtime)


def prepare(client):
    script = Path(client.argv[-1]).parent / "awslambdaric" / "prepare.py"
    subprocess.run([*client.argv[:-1], "-I", "-S", str(script)], check=True)


def launched(client, task, runtime, files, **variables):
    result = run(client, task, files, "app.handler", [Event(b"{}")], runtime, env=variables)
    assert [outcome.kind for outcome in result.outcomes] == ["response"], (result.results, result.stderr)
    return result


def test_a_function_sees_no_difference(two, task):
    plain, prepared, runtime = two
    seen = []
    for client in (plain, prepared):
        result = launched(client, task, runtime, {"app.py": LOOK})
        seen.append(json.loads(result.results[0].replace(str(Path(client.argv[-1]).parent), "/var/runtime")))
    # The order in which expressions were compiled is not one that anything depends on.
    assert seen[0] == seen[1]


@pytest.mark.parametrize("is_named", [True, False])
def test_the_image_is_used(two, task, is_named):
    plain, prepared, runtime = two
    files = {"app.py": "import logging\ndef handler(event, context):\n    return logging.__spec__.cached\n"}
    for client, reads in ((plain, True), (prepared, False)):
        # As the platform sets it.
        path = {"PYTHONPATH": str(Path(client.argv[-1]).parent)} if is_named else {}
        result = launched(client, task, runtime, files, PYTHONVERBOSE="1", **path)
        # What the interpreter says of bytecode that it has read.
        assert (LIBRARY_CODE.format(json.loads(result.results[0])) in result.stderr) is reads


def test_modules_before_the_library_come_first(two, task, tmp_path):
    _, prepared, runtime = two
    source = Path(keyword.__file__).read_text()
    (tmp_path / "keyword.py").write_text(source + "\nMARK = 1\n")
    files = {"app.py": "import keyword\ndef handler(event, context):\n    return keyword.MARK\n"}
    assert launched(prepared, task, runtime, files, PYTHONPATH=str(tmp_path)).results == ["1"]


@pytest.mark.parametrize("content", [None, "older"])
def test_without_an_image_that_fits_modules_are_imported(two, task, content):
    _, prepared, runtime = two
    package = Path(prepared.argv[-1]).parent / "awslambdaric"
    (image,) = package.glob("__pycache__/launch-*.image")
    if content is None:
        image.unlink()
    else:
        # A file of the client that is not the one that the image was made of.
        source = package / "bootstrap.py"
        source.write_text(source.read_text() + "\nMARK = 1\n")
        for cached in package.glob("__pycache__/bootstrap.*.pyc"):
            cached.unlink()
    code = "import awslambdaric.bootstrap as b\ndef handler(event, context):\n    return getattr(b, 'MARK', 0)\n"
    assert launched(prepared, task, runtime, {"app.py": code}).results == ["0" if content is None else "1"]


def test_a_function_sees_no_difference_after_waiting(two, task, monkeypatch):
    *_, prepared, runtime = two
    seen = []
    for has_waited in (False, True):
        monkeypatch.setattr(waiting, "ENABLED", has_waited)
        assert waiting.can_wait(prepared, {}) is has_waited
        seen.append(json.loads(launched(prepared, task, runtime, {"app.py": LOOK}).results[0]))
    assert seen[0] == seen[1]
