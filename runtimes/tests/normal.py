"""What is compared of two runs, without what differs from run to run: the short list of normalised fields.

- times, in text and in JSON; addresses of objects; ids of processes
- the folder of the function, and the client's own files
- a client's own frames, and those of the interpreter, in stacks
- a warning about updates of AWS's managed runtimes, of which there are none here: its first sentences remain
"""

import base64
import json
import re

_TIMES = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z")
_ADDRESSES = re.compile(r"\b0x[0-9a-f]{6,}\b")
_PROCESS_IDS = re.compile(r"(?<=\(node:)\d+(?=\))")
_UPDATES = re.compile(r"(?<=in the function code\.) However, .*?runtimes-update\.html")
# Of this warning of Node.js the place, which is in the client, and its line.
_UNSETTLED = re.compile(r"(?<=Detected unsettled top-level await) at [^\n]*\n(?:[^\n]*\n *\^\n\n\n\n)?")
_CLIENT = r"(?:/runtimes/(?:[0-9a-f]{32}/)?nodejs/|/aws-lambda-ric|/official_node\.mjs|node:)"
# Frames of a client itself and of Node.js in a stack, as an element of a JSON array.
_CLIENT_FRAMES = re.compile(r',?\\?"    at [^"]*(?:' + _CLIENT + r'|native)[^"]*\\?"')
# The same in a text of several lines, which are joined by a newline, by "\r", or by an escaped newline in JSON.
_CLIENT_LINES = re.compile(
    r"(\n|\r|\\n)\s+at (?:async )?(?:[^\n\r\"\\]*\()?(?:[^\n\r\"\\ ]*" + _CLIENT + r")[\w./:@-]*\)?"
)
_MATCHING_LINES = re.compile(r"(\n|\r|\\n)\s+\.\.\. \d+ lines matching cause stack trace \.\.\.")
_CLIENT_FILES = re.compile(r"/[^\s\"']*/(runtimes/(?:[0-9a-f]{32}/)?nodejs|aws-lambda-ric(?:/dist)?)/index\.mjs")
# The same for Python: an element of a JSON array, lines of a text (indented by blanks or no-break spaces, joined by a
# newline or by "\r"), and the place that a warning names.
_PYTHON_CLIENT = r"(?:/runtimes/(?:[0-9a-f]{32}/)?python/|/awslambdaric|/official_python\.py)"
_PYTHON_ELEMENT = r'"  File \\"[^"\\]*' + _PYTHON_CLIENT + r'[^"\\]*\\", line (?:[^"\\]|\\.)*"'
_PYTHON_FRAMES = re.compile(", {0}|{0}(?:, )?".format(_PYTHON_ELEMENT))
_PYTHON_LINES = re.compile(
    r'(?:^|[\n\r])([ \xa0]*)File "[^"]*' + _PYTHON_CLIENT + r'[^"]*", line [^\n\r]*(?:[\n\r]\1[ \xa0]+[^\n\r]*)*'
)
_PYTHON_PLACES = re.compile(r"/[^\s\"':]*" + _PYTHON_CLIENT + r"[^\s\"':]*\.py:\d+")


def normal(text, task):
    """Text without what differs from run to run and from client to client."""
    text = _PYTHON_LINES.sub("", _PYTHON_FRAMES.sub("", _PYTHON_PLACES.sub("CLIENT", text)))
    text = _UNSETTLED.sub("", text)
    text = _UPDATES.sub("", _TIMES.sub("TIME", text.replace(str(task), "/var/task")))
    text = _CLIENT_LINES.sub("", _MATCHING_LINES.sub("", _CLIENT_FRAMES.sub("", _ADDRESSES.sub("ADDRESS", _PROCESS_IDS.sub("PID", text)))))
    return _CLIENT_FILES.sub("/var/runtime/index.mjs", text)


# In a cause of Node.js a path ends at its first colon.
_CLIENT_PATHS = re.compile("{}|{}|^file$|^node$".format(_CLIENT, _PYTHON_CLIENT))


def _cause(header, task):
    """The X-Ray cause as JSON; its paths have no order, and the client's own frames are left out."""
    if not header:
        return header
    cause = json.loads(normal(header, task))
    for exception in cause["exceptions"]:
        frames = exception["stack"]
        exception["stack"] = [frame for frame in frames if not _CLIENT_PATHS.search(frame["path"])]
    cause["paths"] = sorted({frame["path"] for exception in cause["exceptions"] for frame in exception["stack"]})
    cause["working_directory"] = normal(cause["working_directory"], task)
    return cause


def observed_post(request, task):
    """One posted outcome."""
    headers = request.headers
    return {
        "kind": request.kind,
        "body": normal(request.body.decode("utf-8", "backslashreplace"), task),
        # AWS's Python client sends none with an error of the initialisation.
        "content type": headers.get("content-type") if request.kind != "init/error" else None,
        "mode": headers.get("lambda-runtime-function-response-mode"),
        "error type": headers.get("lambda-runtime-function-error-type"),
        "cause": _cause(headers.get("lambda-runtime-function-xray-error-cause"), task),
        "invocation": headers.get("lambda-runtime-invocation-id"),
        "trailers": {name: _trailer(name, value, task) for name, value in request.trailers.items()},
    }


def _trailer(name, value, task):
    return normal(base64.b64decode(value).decode(), task) if name.endswith("-body") else value


def observed_process(run):
    """All that the platform and the reader of the log see of a process."""
    return {
        "posts": [observed_post(request, run.task) for request in run.requests if request.method == "POST"],
        "restored": any(request.kind == "restore/next" for request in run.requests),
        "log": [(hex(frame.type), normal(frame.message, run.task)) for frame in run.frames],
        "stdout": normal(run.stdout, run.task),
        "stderr": normal(run.stderr, run.task),
        "waited": run.waited,
        "exit code": run.exit_code,
    }
