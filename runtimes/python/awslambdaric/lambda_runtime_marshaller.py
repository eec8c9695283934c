"""JSON in both directions, as AWS's client reads and writes it.

Results follow the rules of simplejson, which AWS's client uses: a Decimal is a number with its own digits, a named
tuple is an object, bytes inside a result are UTF-8 text. The standard library's C encoder knows none of these: what it
refuses or may have written otherwise takes the careful path.
"""

import json
import marshal
import os
import sys
from itertools import chain
from json.encoder import c_make_encoder, encode_basestring, encode_basestring_ascii

from .lambda_runtime_exception import FaultException

_SCALARS = frozenset((str, int, float, bool, type(None)))
_SEQUENCES = (list, tuple)
_PLAIN = _SCALARS | {dict, list, tuple}
# The format that writes a repeated key once, and text as it lies in memory: half the time of the older ones.
_MARSHAL_VERSION = 4
_FIRST_MINOR_WITH_UNICODE = 12
_ENVIRONMENT_PREFIX = "AWS_Lambda_python3."


def _escapes_unicode():
    """Whether non-ASCII text is written as `\\uXXXX`: so it is up to python3.11."""
    runtime = os.environ.get("AWS_EXECUTION_ENV", "")
    minor = runtime[len(_ENVIRONMENT_PREFIX):] if runtime.startswith(_ENVIRONMENT_PREFIX) else ""
    return not (minor.isdigit() and int(minor) >= _FIRST_MINOR_WITH_UNICODE)


# What marshal writes for the first sight of a list, a dictionary and a tuple, short or long, that is referred to from more
# than one place: the letter of its type with the highest bit.
_LIST, _DICTIONARY, _TUPLE, _LONG_TUPLE = (bytes((ord(kind) | 0x80,)) for kind in "[{)(")
# What it writes where it meets the first of these again.
_FIRST_AGAIN = b"r\x00\x00\x00\x00"


def _look(value):
    """Whether the C encoder writes `value` as AWS's client does, None if it has to be looked at by its levels; and whether
    `value` is a tree, in which nothing can be within itself.

    Only what is of the built-in types itself, and of none derived from them, can be marshalled: the interpreter looks
    through the value in a fifth of the time that the encoder takes. What offers its bytes as a buffer can be as well;
    numpy's floats and texts do, which the encoder writes as the careful path does.
    """
    try:
        seen = marshal.dumps(value, _MARSHAL_VERSION)
    except ValueError:
        return None, False
    # What is within itself is referred to from within and from without. The value itself always is, by who asks. Numbers
    # may hold these bytes as well: a tree that is not taken for one costs a fifth more.
    find = seen.find
    is_tree = find(_LIST, 1) < 0 and find(_DICTIONARY, 1) < 0 and find(_TUPLE, 1) < 0 and find(_LONG_TUPLE, 1) < 0
    # From the end, which takes half the time.
    return True, is_tree and seen.rfind(_FIRST_AGAIN) < 0


def _is_plain_by_level(value):
    """Whether the C encoder, which took this value and so found it in no place within itself, wrote it as AWS's client does:
    for what has derived keys or is nested too deeply to be marshalled.

    Goes through the value level by level, so that most of the work is done in C.
    """
    level = [value]
    while True:
        kinds = set(map(type, level))
        if kinds <= _SCALARS:
            return True
        if not kinds <= _PLAIN:
            return False
        values = chain.from_iterable([item.values() for item in level if type(item) is dict])
        items = chain.from_iterable([item for item in level if type(item) in _SEQUENCES])
        level = list(chain(values, items))


def _refuse_type(value):
    raise TypeError(type(value).__name__)


def _plain_encoder(text, parents):
    """The standard library's encoder in C, made once: `JSONEncoder.encode` makes it for each value anew. It notes in
    `parents`, if there are any, what it is in, to find what is within itself."""
    if c_make_encoder is None:
        # An interpreter without the C part.
        return json.JSONEncoder(ensure_ascii=text is encode_basestring_ascii).encode
    encode = c_make_encoder(parents, _refuse_type, text, None, ": ", ", ", False, False, True)
    return lambda value: "".join(encode(value, 0))


class Encoder(object):
    """Writes one Python value as JSON text."""

    def __init__(self):
        self._text = encode_basestring_ascii if _escapes_unicode() else encode_basestring
        self._encode_tree = _plain_encoder(self._text, None)
        self._encode_plain = _plain_encoder(self._text, {})

    def encode(self, value):
        """The JSON text of `value`.

        Raises TypeError, ValueError or RecursionError, with the message that the function's developer will read.
        """
        is_plain, is_tree = _look(value)
        try:
            if is_tree:
                return self._encode_tree(value)
            text = self._encode_plain(value)
            # A named tuple is an array to the C encoder.
            if is_plain or _is_plain_by_level(value):
                return text
        except (TypeError, ValueError, RecursionError):
            # The careful path knows more types, or raises what AWS's client would. The encoder still holds for parents what
            # it was in when it stopped.
            self._encode_plain = _plain_encoder(self._text, {})
        parts = []
        self._write(value, parts.append, set())
        return "".join(parts)

    def _write(self, value, emit, parents):
        if isinstance(value, str):
            emit(self._text(value))
        elif isinstance(value, bytes):
            emit(self._text(value.decode("utf-8")))
        elif value is None or value is True or value is False:
            emit("null" if value is None else "true" if value else "false")
        elif isinstance(value, int):
            emit(int.__repr__(value))
        elif isinstance(value, float):
            emit(_float_text(value))
        elif callable(getattr(value, "_asdict", None)):
            self._nested(value, lambda: self._write_object(value._asdict(), emit, parents), parents)
        elif isinstance(value, (list, tuple)):
            self._nested(value, lambda: self._write_array(value, emit, parents), parents)
        elif isinstance(value, dict):
            self._nested(value, lambda: self._write_object(value, emit, parents), parents)
        else:
            emit(_decimal_text(value))

    @staticmethod
    def _nested(value, write, parents):
        if id(value) in parents:
            raise ValueError("Circular reference detected")
        parents.add(id(value))
        write()
        parents.discard(id(value))

    def _write_array(self, items, emit, parents):
        separator = "["
        for item in items:
            emit(separator)
            self._write(item, emit, parents)
            separator = ", "
        emit("[]" if separator == "[" else "]")

    def _write_object(self, items, emit, parents):
        separator = "{"
        for key, item in items.items():
            emit(separator)
            emit(self._text(_key_text(key)))
            emit(": ")
            self._write(item, emit, parents)
            separator = ", "
        emit("{}" if separator == "{" else "}")


def _float_text(value):
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    return float.__repr__(value)


def _key_text(key):
    if isinstance(key, str):
        return key
    if isinstance(key, bytes):
        return key.decode("utf-8")
    if isinstance(key, float):
        return _float_text(key)
    if key is None or key is True or key is False:
        return "null" if key is None else "true" if key else "false"
    if isinstance(key, int):
        return int.__repr__(key)
    raise TypeError("keys must be str, int, float, bool or None, not " + type(key).__name__)


def _decimal_text(value):
    # Who holds a Decimal has imported its module; importing it here would slow every cold start.
    decimal = sys.modules.get("decimal")
    if decimal is not None and isinstance(value, decimal.Decimal):
        return "NaN" if value.is_nan() else str(value)
    raise TypeError("Object of type {} is not JSON serializable".format(type(value).__name__))


class _NotJson(Exception):
    """NaN or an infinity, which Python's parser would take."""


def _refuse(name):
    raise _NotJson(name)


_decoder = json.JSONDecoder(parse_constant=_refuse)
_scan = _decoder.scan_once


def _from_json(text):
    try:
        try:
            value, end = _scan(text, 0)
            if end == len(text) or not text[end:].strip(" \t\n\r"):
                return value
        except StopIteration:
            # It begins with white space, or with nothing that JSON knows.
            pass
        return _decoder.decode(text)
    except _NotJson as error:
        name = str(error)
        raise json.JSONDecodeError("Expecting value", text, text.index(name))


def to_json(value):
    """The JSON text of `value`."""
    return Encoder().encode(value)


class LambdaMarshaller(object):
    """Turns request bodies into events and results into response bodies. A function may bring its own."""

    def __init__(self):
        self._encoder = None

    def unmarshal_request(self, request, content_type="application/json"):
        """The event: parsed JSON, or the bytes themselves for any other content type."""
        if content_type != "application/json":
            return request
        try:
            return _from_json(str(request, "utf-8") if isinstance(request, (bytes, bytearray)) else request)
        except Exception as error:
            raise FaultException(
                FaultException.UNMARSHAL_ERROR, "Unable to unmarshal input: {}".format(error), None
            )

    def marshal_response(self, response):
        """The response body, text or bytes, and its content type."""
        if isinstance(response, bytes):
            return response, "application/unknown"
        try:
            if self._encoder is None:
                # Made at the first use: the variables that decide are known only once the function is.
                self._encoder = Encoder()
            text = self._encoder.encode(response)
            return text.encode("utf-8"), "application/json"
        except Exception as error:
            raise FaultException(
                FaultException.MARSHAL_ERROR, "Unable to marshal response: {}".format(error), None
            )
