"""Functions under test: how they are created, invoked and looked at."""

import base64
import dataclasses
import json
import re
import uuid

from .clients import ACCOUNT, REGION
from .packages import pack
from .server import REPOSITORY
from .wait import until

ROLE = f"arn:aws:iam::{ACCOUNT}:role/lambda-role"
SOURCES = REPOSITORY / "tests" / "functions"


def unique(prefix="f"):
    """A name that no other test uses."""
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


def arn(name, qualifier=None):
    text = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
    return f"{text}:{qualifier}" if qualifier else text


def source(path):
    return (SOURCES / path).read_text()


def probe_zip(marker="one"):
    """The Python function that does what its event says; `marker` makes it another package."""
    return pack({"lambda_function.py": source("probe/lambda_function.py"), "marker.txt": marker})


def until_active(client, name, timeout=20):
    """Waits for a function to be usable, in smaller steps than the stock waiters."""

    def settled():
        configuration = client.get_function_configuration(FunctionName=name)
        return (configuration["State"], configuration.get("LastUpdateStatus")) == (
            "Active",
            "Successful",
        ) and configuration

    return until(settled, f"{name} to become active", timeout)


@dataclasses.dataclass
class Invoked:
    """The answer to an invocation."""

    status: int
    payload: bytes
    error: str | None
    version: str | None
    request_id: str
    log: str | None

    @property
    def json(self):
        return json.loads(self.payload)

    @property
    def ok(self):
        """The function's result; fails when the function did."""
        assert self.error is None, f"the function failed: {self.payload[:2000]!r}\n{self.log}"
        return self.json

    @property
    def report(self):
        """The REPORT line of the tail, as a dictionary."""
        lines = [
            line for line in (self.log or "").splitlines() if line.startswith(f"REPORT RequestId: {self.request_id}")
        ]
        assert len(lines) == 1, self.log
        return dict(re.findall(r"([A-Z][A-Za-z ]+): ([^\t]+)", lines[0]))


def invoke(client, name, event=None, tail=False, **options):
    """One synchronous invocation."""
    if tail:
        options["LogType"] = "Tail"
    body = event if isinstance(event, bytes) else json.dumps({} if event is None else event).encode()
    answer = client.invoke(FunctionName=name, Payload=body, **options)
    log = answer.get("LogResult")
    return Invoked(
        status=answer["StatusCode"],
        payload=answer["Payload"].read(),
        error=answer.get("FunctionError"),
        version=answer.get("ExecutedVersion"),
        request_id=answer["ResponseMetadata"]["RequestId"],
        log=base64.b64decode(log).decode(errors="replace") if log is not None else None,
    )
