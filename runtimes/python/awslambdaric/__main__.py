"""Entry point of `/var/runtime/bootstrap.py` and of `python -m awslambdaric HANDLER`."""

import os
import site
import sys

from . import bootstrap
from .lambda_runtime_client import LambdaRuntimeClient


def set_import_path(task_root):
    """Puts the function's code first and the layers' Python folders second, before the runtime's own modules.

    AWS Lambda Developer Guide, "Working with layers for Python Lambda functions".
    """
    layers = ["/opt/python/lib/python{}.{}/site-packages".format(*sys.version_info[:2]), "/opt/python"]
    layers = [path for path in layers if os.path.isdir(path)]
    first = [task_root, *layers]
    sys.path[:] = first + [path for path in sys.path if path not in first]
    add_runtime_packages()
    for path in layers:
        # Adds nothing to sys.path that is there already, but runs the folder's `.pth` files.
        site.addsitedir(path)


def add_runtime_packages():
    """Puts boto3, where the platform brings it, behind the standard library and before the interpreter's packages."""
    packages = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "site-packages")
    if not os.path.exists(os.path.join(packages, ".installed")):
        return
    endings = ("site-packages", "dist-packages")
    own = [number for number, path in enumerate(sys.path) if path.endswith(endings) and not path.startswith("/opt/")]
    sys.path.insert(own[0] if own else len(sys.path), packages)


def main(arguments=None):
    """Runs the function's handler until the platform ends the process."""
    arguments = sys.argv if arguments is None else arguments
    client = None
    if "_LAMBENT_ASSIGNMENT_FD" in os.environ:
        from . import waiting

        client = LambdaRuntimeClient(os.environ["AWS_LAMBDA_RUNTIME_API"])
        waiting.wait(client)
        # A function finds the modules that it finds after any other start.
        del sys.modules[waiting.__name__], sys.modules[waiting.__package__].waiting
    handler = arguments[1] if len(arguments) > 1 else os.environ.get("_HANDLER")
    if handler is None:
        raise ValueError("no handler: give one as the first argument or in the variable _HANDLER")
    if os.environ.get("AWS_LAMBDA_MAX_CONCURRENCY") is not None:
        raise ValueError("this client runs one invocation at a time, but AWS_LAMBDA_MAX_CONCURRENCY is set")
    set_import_path(os.environ.get("LAMBDA_TASK_ROOT") or os.getcwd())
    bootstrap.run(handler, client or LambdaRuntimeClient(os.environ["AWS_LAMBDA_RUNTIME_API"]))


if __name__ == "__main__":
    main(sys.argv)
