"""Loads at a launch what the client needs of itself and of the standard library: from one file, its *image*.

Half of a launch is the import of some forty modules, each looked for in several folders, and the compilation of the
regular expressions in them. `prepare.py` has done both once for each interpreter, outside of any sandbox. What is in
memory afterwards does not differ: the same code under the same names, files and loaders, the same cached expressions.
Without an image, or with one that does not fit, modules are imported in the ordinary way.
"""

import _imp
import gc
import marshal
import os
import sys

# What `importlib` is made of; that package itself would have to be loaded.
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import PathFinder, SourceFileLoader

# Changes with what is in an image.
FORMAT = 1
CLIENT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LIBRARY = os.path.dirname(os.__file__)


def image_file():
    """The image of this interpreter's version."""
    return "{}/awslambdaric/__pycache__/launch-{}.{}.{}.image".format(CLIENT, *sys.version_info[:3])


def _is_first():
    """Whether the client's folder and the standard library come first where modules are looked for.

    PYTHONPATH, in which the platform has the client's folder, may put others before, and -O asks for other code.
    """
    if sys.path[:1] != [CLIENT] or LIBRARY not in sys.path or sys.flags.optimize:
        return False
    archive = "{}/python{}{}.zip".format(os.path.dirname(LIBRARY), *sys.version_info[:2])
    return {CLIENT, archive}.issuperset(sys.path[: sys.path.index(LIBRARY)])


def _read():
    """The image's modules and expressions; None without one that was made by this very interpreter."""
    if not _is_first():
        return None
    try:
        with open(image_file(), "rb", 0) as file:
            made_for, modules, expressions = marshal.loads(file.read())
    except OSError:
        # As with bytecode: what cannot be read is not there, and a launch does without.
        return None
    return (modules, expressions) if made_for == (FORMAT, sys.version) else None


class _Finder(object):
    """Finds the image's modules, each for as long as its file is as it was."""

    def __init__(self, modules, expressions):
        self._modules = modules
        self._expressions = expressions

    def find_spec(self, name, path=None, target=None):
        """What the import system asks of a finder (PEP 451)."""
        entry = self._modules.get(name)
        if entry is None:
            return None
        is_own, relative, is_package, modified, size, code = entry
        file = "{}/{}".format(CLIENT if is_own else LIBRARY, relative)
        # What the interpreter compares before it uses bytecode of its own.
        found = os.stat(file)
        if int(found.st_mtime) != modified or found.st_size != size:
            return None
        spec = ModuleSpec(name, _Loader(code, self._expressions), origin=file, is_package=is_package)
        spec.has_location = True
        if is_package:
            spec.submodule_search_locations.append(os.path.dirname(file))
        return spec


class _Loader(object):
    """Runs a module's code, and leaves the loader with which it would have been imported otherwise."""

    def __init__(self, code, expressions):
        self._code = code
        self._expressions = expressions

    def create_module(self, spec):
        """The usual kind of module."""

    def exec_module(self, module):
        """Runs the code."""
        spec = module.__spec__
        spec.loader = module.__loader__ = SourceFileLoader(spec.name, spec.origin)
        # The image was made where the folders had other names.
        _imp._fix_co_filename(self._code, spec.origin)
        exec(self._code, module.__dict__)
        if spec.name == "re":
            _remember(module, self._expressions)


def _remember(re, expressions):
    """Fills the cache of `re` with what the modules that come next will have compiled."""
    import _sre

    for flags, arguments in expressions:
        pattern = arguments[0]
        re._cache[type(pattern), pattern, flags] = _sre.compile(*arguments)


class image(object):
    """The time in which the image is used."""

    def __init__(self):
        read = _read()
        self._collects = gc.isenabled()
        self._finder = _Finder(*read) if read else None

    def __enter__(self):
        if self._finder is not None:
            # Behind all that have been put before the ordinary search.
            place = sys.meta_path.index(PathFinder) if PathFinder in sys.meta_path else len(sys.meta_path)
            sys.meta_path.insert(place, self._finder)
        # Nothing of all that is loaded here is garbage.
        gc.disable()
        return self

    def __exit__(self, *_):
        # It becomes old without having been looked through.
        gc.freeze()
        gc.unfreeze()
        if self._collects:
            gc.enable()
        if self._finder is not None:
            sys.meta_path.remove(self._finder)
