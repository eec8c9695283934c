"""Makes the bytecode and the image of a launch (launch.py) for the interpreter that runs this file, once.

    python -I -S prepare.py [LANG]

LANG is the name under which functions see the interpreter's installation. Without `site` nothing is loaded that belongs
to the machine, and with `-I` no variable has a say.
"""

import marshal
import os
import sys

CLIENT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class _Recorder(object):
    """Stands for `_sre`, as whose function all regular expressions are made, while modules are imported."""

    def __init__(self, compile_pattern):
        self._compile = compile_pattern
        self.made = []

    def compile(self, *arguments):
        pattern = self._compile(*arguments)
        self.made.append((pattern, arguments))
        return pattern


def _record():
    """Imports the client, and returns the modules that came with it and the expressions that they compiled."""
    import _sre

    before = set(sys.modules)
    recorder = _Recorder(_sre.compile)
    _sre.compile = recorder.compile
    sys.path.insert(0, CLIENT)
    import awslambdaric.__main__  # noqa: F401  (what it loads is of interest)

    _sre.compile = recorder._compile
    modules = {name: module for name, module in sys.modules.items() if name not in before}
    keys = {id(pattern): key for key, pattern in sys.modules["re"]._cache.items()}
    # An expression that is not in the cache was compiled by another way, and will be again.
    made = [(keys[id(pattern)][-1], arguments) for pattern, arguments in recorder.made if id(pattern) in keys]
    return modules, [(int(flags), _plain(arguments)) for flags, arguments in made]


def _plain(arguments):
    pattern, flags, code, groups, names, numbers = arguments
    return pattern, int(flags), [int(word) for word in code], groups, dict(names), tuple(numbers)


def _entry(module, library, lang):
    """A module as the image has it; None for what is no file of the client's or of the standard library."""
    from importlib.machinery import SourceFileLoader

    spec = module.__spec__
    if type(spec.loader) is not SourceFileLoader:
        return None
    for is_own, root in ((True, CLIENT), (False, library)):
        if spec.origin.startswith(root + os.sep):
            found = os.stat(spec.origin)
            # Functions see the client as /var/runtime and the installation as `lang`.
            shown = ("/var/runtime" if is_own else _shown(library, lang)) + spec.origin[len(root):]
            code = _moved(spec.loader.get_code(spec.name), shown)
            is_package = spec.submodule_search_locations is not None
            return is_own, spec.origin[len(root) + 1:], is_package, int(found.st_mtime), found.st_size, code
    return None


def _moved(code, file):
    """The same code as that of another file."""
    constants = tuple(_moved(value, file) if type(value) is type(code) else value for value in code.co_consts)
    return code.replace(co_filename=file, co_consts=constants)


def _shown(library, lang):
    prefix = sys.base_prefix
    return lang + library[len(prefix):] if lang and library.startswith(prefix + os.sep) else library


def _compile_all():
    import compileall
    import py_compile

    # Files that are named by their content never change, so no start has to compare source and bytecode.
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    if not compileall.compile_dir(CLIENT, quiet=1, invalidation_mode=mode):
        raise SystemExit("the client could not be compiled")


def _write_durably(file, content):
    # A name of its own, then the final one: nobody ever reads half of it, even after a power loss.
    scratch = "{}.{}".format(file, os.getpid())
    with open(scratch, "wb") as output:
        output.write(content)
        output.flush()
        os.fsync(output.fileno())
    os.chmod(scratch, 0o644)
    os.replace(scratch, file)


def main(lang):
    """Makes both."""
    # Functions run as other users.
    os.umask(0o022)
    # What the client is imported from now is not what it will be.
    sys.dont_write_bytecode = True
    modules, expressions = _record()
    from awslambdaric import launch

    _compile_all()
    entries = {name: _entry(module, launch.LIBRARY, lang) for name, module in modules.items()}
    entries = {name: entry for name, entry in entries.items() if entry is not None}
    content = marshal.dumps(((launch.FORMAT, sys.version), entries, expressions))
    _write_durably(launch.image_file(), content)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
