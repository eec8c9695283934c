"""What handlers return, as JSON. Each function is a case."""

import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import types
import uuid
import warnings

# Python says so when it drops the coroutine, which is after the outcome was sent, and so now in this case and now in the
# next one. `python_processes.py` has a case of it.
warnings.filterwarnings("ignore", "coroutine .* was never awaited")


class _Color(str, enum.Enum):
    RED = "red"


class _Level(enum.IntEnum):
    LOW = 1


class _Plain(enum.Enum):
    A = 1


class _Text(str):
    pass


class _Number(int):
    def __repr__(self):
        return "odd"


class _Float(float):
    def __repr__(self):
        return "odd"


_Point = collections.namedtuple("Point", "x y")


@dataclasses.dataclass
class _Record:
    a: int


class _AsDict:
    def _asdict(self):
        return {"as": "dict"}


class _ForJson:
    def for_json(self):
        return "for json"


def nothing(event, context):
    """No return value is null."""


def false(event, context):
    """A boolean."""
    return False


def integers(event, context):
    """Integers of any size keep all digits."""
    return [0, -1, 2**53 + 1, 123456789012345678901234567890, -(10**25)]


def floats(event, context):
    """Floats are written as Python's repr does."""
    return [1.5, -0.0, 1e16, 1e22, 0.1 + 0.2, 5e-324, 1.7976931348623157e308, 100.0]


def not_a_number(event, context):
    """NaN and the infinities are written by name."""
    return [float("nan"), float("inf"), float("-inf")]


def nan_alone(event, context):
    """NaN as the whole result."""
    return float("nan")


def text(event, context):
    """Text beyond ASCII, escapes and control characters."""
    return "\U0001f600 \u00e9 \u2028 \x7f \x00 \x1f / < \" \\ \t\r\n\b\f"


def empty_text(event, context):
    """An empty text."""
    return ""


def long_text(event, context):
    """A result larger than one read of a socket."""
    return "\u00e9" * 70000


def containers(event, context):
    """Lists, tuples and dictionaries, empty and nested."""
    return [[], {}, (), (1, [2, (3,)]), {"a": {"b": [1, {"c": None}]}}, {"": ""}]


def odd_keys(event, context):
    """Keys that are no text become text."""
    return {1: 2, None: 3, True: 4, 1.5: 5, -1e400: 6, 10**20: 7}


def keys_that_collide(event, context):
    """Two keys with the same text are both written."""
    return {1: "number", "1": "text"}


def bytes_keys(event, context):
    """Bytes as a key."""
    return {b"k": "v"}


def tuple_key(event, context):
    """A tuple as a key fails."""
    return {(1, 2): 3}


def decimal_key(event, context):
    """A Decimal as a key fails."""
    return {decimal.Decimal("1.5"): 1}


def enum_keys(event, context):
    """Members of enumerations as keys."""
    return {_Color.RED: 1, _Level.LOW: 2}


def plain_enum_key(event, context):
    """A member of an enumeration that is neither text nor number, as a key."""
    return {_Plain.A: 1}


def decimals(event, context):
    """A Decimal keeps its digits."""
    return [decimal.Decimal(text) for text in ("1.10", "0", "-0.0", "1E+3", "1E-10", "123456789.123456789", "100")]


def decimal_alone(event, context):
    """A Decimal as the whole result."""
    return decimal.Decimal("3.140")


def decimal_nan(event, context):
    """A Decimal that is no number."""
    return {"n": decimal.Decimal("NaN")}


def decimal_infinity(event, context):
    """An infinite Decimal."""
    return decimal.Decimal("Infinity")


def decimal_beside_text(event, context):
    """A Decimal deep inside beside text that looks like one."""
    return {"d": [decimal.Decimal("0.1"), "0.1", {"e": decimal.Decimal("2")}]}


def fraction(event, context):
    """A Fraction fails."""
    return fractions.Fraction(1, 3)


def complex_number(event, context):
    """A complex number fails."""
    return 1j


def text_enum(event, context):
    """A member of an enumeration of texts."""
    return [_Color.RED, {"k": _Color.RED}]


def text_enum_alone(event, context):
    """A member of an enumeration of texts as the whole result."""
    return _Color.RED


def number_enum(event, context):
    """A member of an enumeration of numbers."""
    return _Level.LOW


def plain_enum(event, context):
    """A member of any other enumeration fails."""
    return _Plain.A


def subclasses(event, context):
    """Subclasses of text and numbers are written as what they are."""
    return [_Text("text"), _Number(7), _Float(1.5), True]


def named_tuples(event, context):
    """A named tuple is an object."""
    return _Point(1, _Point(2, "z"))


def named_tuples_inside(event, context):
    """A named tuple among plain values, below a key of a derived type and beside one."""
    return [{"plain": [1, ("a", None)]}, {_Text("a"): [(_Point(1, 2),)], "b": {"c": [_Point(3, 4)]}}]


def as_dict(event, context):
    """An object with _asdict is what that returns."""
    return [_AsDict(), {"k": _AsDict()}]


def for_json(event, context):
    """An object with for_json fails all the same."""
    return _ForJson()


def dataclass(event, context):
    """A data class fails."""
    return _Record(1)


def bytes_alone(event, context):
    """Bytes as the whole result are sent as they are."""
    return b"raw \xff bytes"


def bytes_inside(event, context):
    """Bytes inside a result are text."""
    return [b"bytes", {"k": "\u00e9".encode()}]


def bad_bytes_inside(event, context):
    """Bytes inside a result that are no UTF-8 fail."""
    return [b"\xff"]


def byte_array(event, context):
    """A bytearray fails."""
    return bytearray(b"x")


def memory_view(event, context):
    """A memoryview fails."""
    return memoryview(b"x")


def sets(event, context):
    """A set fails."""
    return {1, 2}


def set_inside(event, context):
    """A set inside a result fails."""
    return {"x": [frozenset({4})]}


def ordered(event, context):
    """Dictionaries of the collections module, in their order."""
    return [collections.OrderedDict(b=1, a=2), collections.defaultdict(list, a=[1]), collections.Counter("aab")]


def user_dict(event, context):
    """A UserDict fails."""
    return collections.UserDict(a=1)


def mapping_proxy(event, context):
    """A read-only view of a dictionary fails."""
    return types.MappingProxyType({"a": 1})


def dict_keys(event, context):
    """The keys of a dictionary fail."""
    return {"a": 1}.keys()


def deque(event, context):
    """A deque fails."""
    return collections.deque([1])


def number_range(event, context):
    """A range fails."""
    return range(3)


def iterator(event, context):
    """An iterator fails."""
    return iter([1])


def generator(event, context):
    """A handler that is a generator fails."""
    yield 1


async def coroutine(event, context):
    """A handler that is a coroutine fails, because nothing awaits it."""
    return 1


def dates(event, context):
    """A datetime fails."""
    return {"at": datetime.datetime(2026, 1, 1)}


def universally_unique(event, context):
    """A UUID fails."""
    return [uuid.UUID(int=1)]


def an_object(event, context):
    """Any other object fails."""
    return {"o": types.SimpleNamespace(a=1)}


def a_class(event, context):
    """A class fails."""
    return object


def an_exception(event, context):
    """An exception that is returned fails, too."""
    return ValueError("v")


def a_function(event, context):
    """A function fails."""
    return len


def circular_list(event, context):
    """A list that holds itself fails."""
    loop = []
    loop.append(loop)
    return loop


def circular_below(event, context):
    """A tuple's list that holds the tuple, behind much else, fails."""
    inner = []
    loop = (inner, "text")
    inner.append(loop)
    return {"before": list(range(1000)), "loop": loop}


def shared_parts(event, context):
    """A list, a tuple and a dictionary in several places."""
    part = [(1, {"a": []})]
    return {"first": part, "second": [part, part[0], part[0][1]], "numbers": [219, 251, 168, 169, 0.1]}


def circular_dictionary(event, context):
    """A dictionary that holds itself fails."""
    loop = {"a": 1}
    loop["b"] = {"c": loop}
    return loop


def shared_not_circular(event, context):
    """The same object twice is no circle."""
    shared = {"a": decimal.Decimal("1.0")}
    return [shared, shared, (shared,)]


def deep(event, context):
    """A result of 200 levels."""
    value = decimal.Decimal("1")
    for _ in range(200):
        value = [value]
    return value


def event_back(event, context):
    """The event as the result."""
    return event


def http_response(event, context):
    """What API Gateway is answered with."""
    return {"statusCode": 200, "headers": {"Content-Type": "text/html"}, "body": "<p>\u00fc</p>", "isBase64Encoded": False}
