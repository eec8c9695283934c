"""Where our clients differ from AWS's on purpose: (language, key, case) → why, and the versions it is about.

The suite insists that each of these does differ, so that the list cannot outlive its reasons. `runtimes/README.md`
says the same in prose.
"""


def _always(version):
    return True


def _modern(version):
    return version >= 24


def _legacy(version):
    return version < 24


def _from_12_on(version):
    return minor(version) >= 12


def minor(version):
    """The number behind the dot of a Python's version."""
    return int(version.split(".")[1])


_SURROGATE = "half of a surrogate pair ends AWS's client; ours reports an error, or writes an escape into the log"
_NOT_HANDED_OUT = "an event that is no JSON is never handed out; AWS's parser words its refusal otherwise, or takes it"
_ENDS = "AWS's client ends without a word; ours reports the error and goes on"
_DESTROYED = "the error that breaks the source of a stream is in the trailers; AWS's client leaves the stream open"

DIFFERENCES = {
    ("python", "end: a result that UTF-8 cannot hold", None): (_SURROGATE, _from_12_on),
    ("python", "end: an error that UTF-8 cannot hold", None): (_SURROGATE, _always),
    ("python", "end: a record that UTF-8 cannot hold", None): (_SURROGATE, _always),
    ("python", "event: no JSON", None): (_NOT_HANDED_OUT, _always),
    ("python", "event: a byte order mark", None): (_NOT_HANDED_OUT, _always),
    ("python", "event: control characters", None): (_NOT_HANDED_OUT, _always),
    ("python", "loading: bytes that are no UTF-8", None): (
        "AWS's client cannot send text beyond Latin-1 in an error of the initialisation and ends; ours sends it",
        _from_12_on,
    ),
    ("python", "context", "w3c"): ("AWS's newest client for this Python is older than w3c()", lambda version: version == "3.9"),
    **{
        ("python", key, "no_exception"): (
            "AWS's JSON formatter fails the invocation when exc_info is set and there is no exception; ours writes the record",
            _always,
        )
        for key in (
            "logs as JSON",
            "logs as JSON from WARN on",
            "logs as JSON from TRACE on",
            "logs as JSON in one stream",
        )
    },
    ("nodejs", "loading: a bad streaming mark", None): ("AWS's client misses the class of its own error", _legacy),
    ("nodejs", "end: a listener for uncaught exceptions", None): (
        "AWS's client blocks until the error is posted and ends before listeners of the function hear of it",
        _legacy,
    ),
    ("nodejs", "end: a stream that is destroyed with an error", None): (_DESTROYED, _always),
    ("nodejs", "end: a prelude without a body", None): (
        "the prelude of a response without a body is sent; AWS's client loses it",
        _always,
    ),
    ("nodejs", "end: an object without prototype is thrown", None): (_ENDS, _modern),
    ("nodejs", "end: events that are no JSON", None): (_ENDS, _modern),
    ("nodejs", "end: an event that is empty", None): (_ENDS, _modern),
    ("nodejs", "end: a client context that is no JSON", None): (_ENDS, _modern),
    ("nodejs", "end: an identity that is no JSON", None): (_ENDS, _modern),
    **{
        ("nodejs", key, "of a tenant"): (
            "JSON records name the tenant, as AWS's documentation says; the published client forgets it",
            _modern,
        )
        for key in ("logs as JSON", "logs as JSON from TRACE on", "logs as JSON in one stream")
    },
}


def difference(pair, key, case):
    """Why a case differs for this interpreter, or None where it must not."""
    reason, concerns = DIFFERENCES.get((pair.language, key, case), (None, None))
    return reason if reason is not None and concerns(pair.version) else None
