"""What attacks have in common."""

import errno


class Refused(Exception):
    """An attack came to nothing."""


def named(error):
    return errno.errorcode.get(error.errno, type(error).__name__)


def first(tries, attempt):
    """The first success of several; otherwise every refusal."""
    refusals = []
    for one in tries:
        try:
            return f"{attempt(one)}: {one}"
        except OSError as error:
            refusals.append(named(error))
        except Refused as refusal:
            refusals.append(str(refusal))
    raise Refused(", ".join(dict.fromkeys(refusals)))


def collect(namespace):
    """The attacks of a module: its functions that have a sentence and no underscore."""
    return {
        name: value
        for name, value in namespace.items()
        if callable(value) and getattr(value, "__doc__", None) and value.__module__ == namespace["__name__"]
        and not name.startswith("_")
    }
