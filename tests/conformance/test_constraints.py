"""Each bound of each parameter, from the service's model (API Reference: the constraints of every operation): a request
outside is refused in AWS's words, and one on the bound is not refused for it. CI tries some, by a seed;
LAMBENT_TEST_ALL=1 all."""

import json
import os
import random
import urllib.request

import pytest
from botocore.exceptions import ClientError

from support import bounds

SEED = int(os.environ.get("LAMBENT_TEST_SEED", random.SystemRandom().randrange(2**32)))
ALL, UNKNOWN = bounds.cases()

# What the service words itself (the texts are tested in test_validation.py).
WORDED_BY_THE_SERVICE = {
    ("CreateFunction", "runtime", "enum"),
    ("UpdateFunctionConfiguration", "runtime", "enum"),
}
# 64 characters are enforced where a function is created (Lambda API Reference: FunctionName).
SHORTER_THAN_THE_MODEL = {("CreateFunction", "functionName", "longest")}
APART = WORDED_BY_THE_SERVICE | SHORTER_THAN_THE_MODEL
CHECKED = [case for case in ALL if (case.operation, case.path, case.what) not in APART]
if not os.environ.get("LAMBENT_TEST_ALL"):
    CHECKED = random.Random(SEED).sample(CHECKED, 120)


def answer(client, case):
    """Status, code and message."""
    try:
        client._make_api_call(case.operation, case.parameters)
    except ClientError as error:
        response = error.response
        message = response["Error"].get("Message") or response.get("message", "")
        return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"], message
    return 200, None, ""


def check(client, case, not_offered=frozenset()):
    status, code, message = answer(client, case)
    if code == "NotImplementedException":
        assert case.operation in not_offered, "what the table says is there is there"
        return
    said = [part for part in message.split("; ") if f" at '{case.path}' failed to satisfy constraint" in part]
    if case.constraint is None:
        bound = ("length", "value")
        assert not any(f"Member must have {word}" in part for part in said for word in bound), message
        return
    assert (status, code) == (400, "ValidationException"), f"seed {SEED}: {status} {code}: {message}"
    # A pattern may hold the separator.
    assert f" at '{case.path}' failed to satisfy constraint: " in message, message
    assert case.constraint in message, message


def test_the_model_has_its_bounds():
    operations = {case.operation for case in ALL}
    assert len(ALL) > 700 and len(operations) > 80, (len(ALL), len(operations))
    assert not UNKNOWN, "give bounds.SAMPLES something for these"


@pytest.fixture(scope="module")
def not_offered(server):
    """The operations that the table says are refused."""
    with urllib.request.urlopen(f"{server.url}/_lambent/compatibility", timeout=10) as answer:
        table = json.load(answer)["operations"]
    return {row["operation"] for row in table if row["effect"] == "refused"}


@pytest.mark.parametrize("case", CHECKED, ids=str)
def test_bounds_are_kept(lambda_, not_offered, case):
    check(lambda_, case, not_offered)


def test_a_constraint_that_the_server_does_not_keep_is_found(lambda_):
    """The two that are left to the service stand for one that was forgotten."""
    missing = [case for case in ALL if (case.operation, case.path, case.what) in WORDED_BY_THE_SERVICE]
    assert len(missing) == 2
    for case in missing:
        with pytest.raises(AssertionError, match="InvalidParameterValueException|ResourceNotFoundException"):
            check(lambda_, case)
