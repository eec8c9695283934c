"""What handlers write. Each function is a case; all run once for each log format and level."""

import logging
import os
import subprocess
import sys
import threading
import time
import traceback
import warnings

_log = logging.getLogger()
_named = logging.getLogger("some.name")


def printed(event, context):
    """print, with and without its newline."""
    print("printed")
    print("two\nlines", end="")
    print("", flush=True)


def printed_to_stderr(event, context):
    """print to standard error."""
    print("to stderr", file=sys.stderr)


def written(event, context):
    """The streams' own methods."""
    sys.stdout.write("written\n")
    sys.stdout.writelines(["a\n", "b\n"])
    sys.stderr.writelines(["c\n"])


def written_by_descriptor(event, context):
    """Bytes past Python's streams."""
    os.write(1, b"descriptor 1\n")
    os.write(2, b"descriptor 2\n")
    sys.stdout.buffer.write(b"\xc3\xbc buffer\n")
    sys.stdout.flush()


def written_by_child(event, context):
    """A child process writes to the function's output."""
    print("before")
    subprocess.run(["sh", "-c", "echo child; echo child error >&2"], check=True)
    print("after")


def levels(event, context):
    """A record of each level, and of one between."""
    for level in (logging.DEBUG, logging.INFO, 25, logging.WARNING, logging.ERROR, logging.CRITICAL, 60):
        _named.log(level, "level %d", level)


def levels_when_all_are_on(event, context):
    """The same with the root logger at DEBUG."""
    before = _log.level
    _log.setLevel(logging.DEBUG)
    levels(event, context)
    _log.setLevel(before)


def level_of_a_logger(event, context):
    """A logger with a level of its own."""
    _named.setLevel(logging.DEBUG)
    _named.debug("fine")
    _named.setLevel(logging.NOTSET)


def named_level(event, context):
    """A level that the function named."""
    logging.addLevelName(35, "NOTICE")
    _log.log(35, "noticed")


def lines(event, context):
    """A record of several lines is one record."""
    _log.error("one\ntwo\r\nthree")


def arguments(event, context):
    """Arguments of a message."""
    _log.error("%s and %d and %r", "text", 5, None)
    _log.error("%(a)s", {"a": 1})


def wrong_arguments(event, context):
    """Arguments that do not fit the message fail the invocation."""
    _log.error("%d", "x")


def objects(event, context):
    """Messages that are no text."""
    _log.error({"object": "\u00fc", "n": 1})
    _log.error(["a", 1])
    _log.error(5)
    _log.error(None)
    _log.error({"with": "argument %s"}, "x")


def unserialisable_object(event, context):
    """A message that has no JSON."""
    _log.error({"o": len})


def extra(event, context):
    """Further fields of a record."""
    _named.error("e", extra={"k": [1], "nested": {"a": None}, "text": "\u00fc"})


def unserialisable_extra(event, context):
    """A further field that has no JSON."""
    _named.error("e", extra={"u": len, "s": {1}})


def caught(event, context):
    """A record with an exception."""
    try:
        1 / 0
    except ZeroDivisionError:
        _log.exception("caught %s", "it")


def caught_chain(event, context):
    """A record with an exception that has a cause."""
    try:
        try:
            1 / 0
        except ZeroDivisionError as error:
            raise KeyError("k") from error
    except KeyError:
        _named.error("chain", exc_info=True)


def exception_given(event, context):
    """A record with an exception that is given."""
    _log.error("given", exc_info=ValueError("never raised"))


def no_exception(event, context):
    """A record that asks for an exception where there is none."""
    _log.error("none", exc_info=True)


def stack(event, context):
    """A record with the stack of the call."""
    _named.info("filtered", stack_info=True)


def error_as_message(event, context):
    """An exception as the message."""
    _log.error(ValueError("as message"))


def empty(event, context):
    """An empty message."""
    _log.error("")


def unicode_text(event, context):
    """Text beyond ASCII."""
    _log.error("\u00fc \U0001f600 \u2028 \x00 \x1b[1m")
    print("\u00fc \U0001f600")


def large(event, context):
    """A record larger than a pipe's buffer."""
    _log.error("x" * 100000)


def own_handler(event, context):
    """A logger with a handler of its own."""
    logger = logging.getLogger("own")
    logger.addHandler(logging.StreamHandler(sys.stdout))
    logger.error("twice")
    logger.propagate = False
    logger.error("once")


def own_formatter(event, context):
    """A function changes the format of the runtime's handler."""
    handler = _log.handlers[0]
    before = handler.formatter
    handler.setFormatter(logging.Formatter("%(levelname)s|%(aws_request_id)s|%(message)s"))
    _log.error("formatted")
    handler.setFormatter(before)


def own_time(event, context):
    """A function asks the runtime's formatter for times, and has it write them in another way."""
    formatter = _log.handlers[0].formatter
    record = logging.makeLogRecord({"created": 1e9 + 0.5, "msecs": 500.0})
    texts = [formatter.formatTime(record, formatter.datefmt), formatter.formatTime(record, formatter.datefmt)]
    texts += [formatter.formatTime(record, "%Y"), formatter.formatTime(record)]
    record.msecs = 600.0
    texts.append(formatter.formatTime(record))
    formatter.converter = lambda seconds: time.gmtime(0)
    texts.append(formatter.formatTime(record, "%Y"))
    del formatter.converter
    texts.append(formatter.formatTime(logging.makeLogRecord({"created": 2e9}), "%Y"))
    return [type(formatter).__name__, texts]


def basic_config(event, context):
    """basicConfig has no effect, because there is a handler."""
    logging.basicConfig(level=logging.DEBUG, format="other %(message)s")
    _log.error("as before")


def handlers(event, context):
    """The root logger's handlers."""
    return [[type(handler).__name__ for handler in _log.handlers], _log.level]


def disabled(event, context):
    """Logging switched off up to a level."""
    logging.disable(logging.ERROR)
    _log.error("off")
    _log.critical("on")
    logging.disable(logging.NOTSET)


def filters(event, context):
    """A filter of the function adds a field."""

    class Add(logging.Filter):
        def filter(self, record):
            record.added = "field"
            return True

    added = Add()
    _named.addFilter(added)
    _named.error("filtered")
    _named.removeFilter(added)


def warned(event, context):
    """A warning goes to standard error."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("careful", UserWarning)


def in_thread(event, context):
    """A thread writes and fails."""

    def work():
        _log.error("in a thread")
        print("printed in a thread")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def printed_traceback(event, context):
    """A traceback that the function prints itself."""
    try:
        [][1]
    except IndexError:
        traceback.print_exc()


def by_context(event, context):
    """The context's own log."""
    context.log("raw")
    context.log("with newline\n")
    context.log(5)


def before_an_error(event, context):
    """Records, print and then an error."""
    print("first")
    _log.error("second")
    raise RuntimeError("third\nwith a line")


def in_order(event, context):
    """Records and print in turn."""
    for number in range(3):
        print("print", number)
        _log.error("log %d", number)
        print("error", number, file=sys.stderr)


def fault_while_logging(event, context):
    """An object whose text fails fails the invocation."""

    class Bad:
        def __str__(self):
            raise ValueError("bad text")

    _log.error("%s", Bad())


def newline_at_the_end(event, context):
    """A message with a newline at its end."""
    _log.error("end\n")


def tenant_in_records(event, context):
    """Records of an invocation with a tenant.

    headers: {"Lambda-Runtime-Aws-Tenant-Id": "tenant-1"}
    """
    _log.error("of a tenant")
