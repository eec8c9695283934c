"""What goes on between invocations. The cases build on each other, in this order."""

import logging
import threading

_STATE = {"count": 0}
_GO = threading.Event()
_DONE = threading.Event()


def first(event, context):
    """A thread is left waiting."""

    def work():
        _GO.wait()
        logging.error("from the thread of %s", context.aws_request_id)
        print("printed by the thread")
        _DONE.set()

    threading.Thread(target=work, daemon=True).start()
    return "left"


def second(event, context):
    """It goes on in the next invocation, and writes with that one's request id."""
    _GO.set()
    _DONE.wait()
    return "went on"


def counts(event, context):
    """Globals are kept."""
    _STATE["count"] += 1
    return _STATE


def counts_on(event, context):
    """And kept once more."""
    _STATE["count"] += 1
    return _STATE


def error_keeps_them(event, context):
    """An error leaves them as they are."""
    _STATE["count"] += 1
    raise ValueError("counted")


def after_an_error(event, context):
    """The invocation after an error works as ever."""
    return _STATE


def failing_thread(event, context):
    """A thread that fails writes to standard error and fails nothing else."""

    def work():
        raise ValueError("in a thread")

    hook = threading.excepthook
    threading.excepthook = lambda arguments: print("hooked", arguments.exc_type.__name__)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    threading.excepthook = hook


def exit_in_a_thread(event, context):
    """SystemExit in a thread ends the thread alone."""
    thread = threading.Thread(target=lambda: exit(3))
    thread.start()
    thread.join()
    return "alive"
