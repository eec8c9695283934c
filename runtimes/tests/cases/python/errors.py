"""How handlers fail. Each function is a case."""

import builtins
import json


class _Odd(Exception):
    def __str__(self):
        return ""


class _Custom(ValueError):
    def __init__(self, code):
        super().__init__("code {}".format(code), code)
        self.code = code


def _inner():
    raise KeyError("k")


def plain(event, context):
    """An exception with a message."""
    raise ValueError("no")


def without_arguments(event, context):
    """An exception class is raised by itself."""
    raise RuntimeError


def empty_text(event, context):
    """An exception whose text is empty."""
    raise _Odd()


def several_lines(event, context):
    """A message of several lines."""
    raise RuntimeError("one\n  two\r\n\tthree")


def unicode_message(event, context):
    """A message beyond ASCII."""
    raise ValueError("\u00e9 \U0001f600 \u2028")


def long_message(event, context):
    """A message of 20,000 characters."""
    raise ValueError("x" * 20000)


def several_arguments(event, context):
    """An exception with several arguments."""
    raise ValueError("a", 1, None)


def custom(event, context):
    """An exception class of the function."""
    raise _Custom(5)


def odd_name(event, context):
    """An exception class with an odd name."""
    raise type("With space", (Exception,), {})("m")


def local_class(event, context):
    """An exception class made in a function."""

    class Local(Exception):
        pass

    raise Local("local")


def from_inner(event, context):
    """An exception from a function below."""
    _inner()


def with_cause(event, context):
    """An exception that names another as its cause."""
    try:
        _inner()
    except KeyError as error:
        raise ValueError("from") from error


def with_context(event, context):
    """An exception while another is handled."""
    try:
        _inner()
    except KeyError:
        raise ValueError("during")


def without_context(event, context):
    """An exception that hides the one before."""
    try:
        _inner()
    except KeyError:
        raise ValueError("hidden") from None


def raised_again(event, context):
    """An exception that is caught and raised again."""
    try:
        _inner()
    except KeyError:
        raise


def in_finally(event, context):
    """An exception from a finally block."""
    try:
        _inner()
    finally:
        raise IndexError("finally")


def group(event, context):
    """An exception group, where Python has them."""
    several = getattr(builtins, "ExceptionGroup", None)
    if several is None:
        raise ValueError("no groups in this Python")
    raise several("several", [ValueError("a"), TypeError("b"), several("inner", [KeyError("c")])])


def notes(event, context):
    """An exception with notes, where Python has them."""
    error = ValueError("noted")
    if hasattr(error, "add_note"):
        error.add_note("a note")
    raise error


def recursion(event, context):
    """A recursion without an end."""

    def deeper(n):
        return deeper(n + 1)

    deeper(0)


def from_c(event, context):
    """An exception from C code."""
    int("x")


def from_standard_library(event, context):
    """An exception from the standard library's own frames."""
    json.loads("{")


def from_compiled_text(event, context):
    """An exception from code without a source file."""
    exec("def made():\n    raise ValueError('made')\nmade()", {})


def syntax(event, context):
    """A syntax error while the handler runs."""
    compile("x =", "made.py", "exec")


def no_such_import(event, context):
    """An import that fails while the handler runs."""
    import missing_package  # noqa: F401


def os_error(event, context):
    """An error of the operating system."""
    open("/does/not/exist")


def unicode_error(event, context):
    """Bytes that are no UTF-8."""
    b"\xff".decode("utf-8")


def assertion(event, context):
    """An assertion without a message."""
    assert event is context


def stop_iteration(event, context):
    """StopIteration is an error like any other."""
    raise StopIteration("stop")


def in_comprehension(event, context):
    """An error in a comprehension."""
    return [1 // n for n in (1, 0)]


def in_lambda(event, context):
    """An error in a lambda."""
    return (lambda: 1 // 0)()


def in_method(event, context):
    """An error in a method and a property."""

    class Thing:
        @property
        def value(self):
            raise AttributeError("no value")

    return Thing().value


def in_decorated(event, context):
    """An error below a wrapper."""

    def wrapped(function):
        def call(*arguments):
            return function(*arguments)

        return call

    wrapped(lambda: _inner())()


def in_multi_line_call(event, context):
    """An error in a statement of several lines."""
    return dict(
        a=1,
        b=int(
            "x"
        ),
    )


def wrong_arguments(event, context):
    """A function called with too few arguments."""

    def needs_two(a, b):
        return a + b

    return needs_two(1)


def in_async(event, context):
    """An error in a coroutine that asyncio runs."""
    import asyncio

    async def fail():
        await asyncio.sleep(0)
        raise LookupError("async")

    return asyncio.run(fail())


def async_result(event, context):
    """The result of a coroutine that asyncio runs."""
    import asyncio

    async def work():
        await asyncio.sleep(0)
        return "done"

    return asyncio.run(work())


def warning_as_error(event, context):
    """A warning that is raised."""
    raise UserWarning("warned")
