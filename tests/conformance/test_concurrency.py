"""One invocation at a time in an environment; as many environments as there are invocations."""

import concurrent.futures
import time

from botocore.exceptions import ClientError

from support import functions
from support.wait import until

PARALLEL = 8


def test_parallel_invocations_have_environments_of_their_own(clients, make, invoke):
    name = make.create("parallel")
    client = clients.boto("lambda")
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
        calls = [pool.submit(functions.invoke, client, name, {"do": "sleep", "seconds": 2}) for _ in range(PARALLEL)]
        environments = [call.result().ok["environment"] for call in calls]
    assert len(set(environments)) == PARALLEL
    assert time.monotonic() - began < 2 * PARALLEL, "they ran beside each other"
    used = [invoke(name).ok["environment"] for _ in range(5)]
    assert len(set(used)) == 1 and used[0] in environments, "one after the other they share a warm one"


def test_a_storm_of_short_invocations_loses_none(clients, make):
    name = make.create("storm")
    client = clients.boto("lambda")
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        calls = [pool.submit(functions.invoke, client, name, {"do": "echo", "value": number}) for number in range(300)]
        answers = [call.result() for call in calls]
    assert [answer.ok for answer in answers] == list(range(300)), "each caller has its own answer"
    assert len({answer.request_id for answer in answers}) == 300


def test_reserved_concurrency_is_exact(clients, make, lambda_):
    """Under 64 clients never one more runs than is reserved, and nobody is refused while one more might."""
    reserved, clients_at_once = 5, 64
    name = make.create("exact")
    lambda_.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=reserved)
    client = clients.boto("lambda")
    ran, refused = [], []

    def call(_):
        sent = time.monotonic()
        try:
            answer = functions.invoke(client, name, {"do": "sleep", "seconds": 1})
            ran.append((sent, time.monotonic(), answer.ok["environment"]))
        except ClientError as error:
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 429
            refused.append((sent, time.monotonic(), error.response["Reason"]))

    def storm():
        with concurrent.futures.ThreadPoolExecutor(clients_at_once) as pool:
            list(pool.map(call, range(clients_at_once)))
        return len({environment for *_, environment in ran}) == reserved and any(
            reason == "ReservedFunctionConcurrentInvocationLimitExceeded" for *_, reason in refused
        )

    until(storm, "a storm that meets the limit", 60)
    # Each environment holds one invocation at a time, and so many there are at most.
    assert len({environment for *_, environment in ran}) <= reserved
    # While it was refused, that many were under way: as seen from outside, each for no shorter than inside.
    for sent, answered, reason in refused:
        if reason == "ReservedFunctionConcurrentInvocationLimitExceeded":
            beside = sum(began < answered and ended > sent for began, ended, _ in ran)
            assert beside >= reserved, f"refused while {beside} were under way"


def test_as_many_clients_as_are_reserved_are_never_refused(clients, make, lambda_):
    """Whoever has an answer has given back the place: the next call finds it, whatever the others do meanwhile."""
    reserved, rounds = 5, 12
    name = make.create("kept-busy")
    lambda_.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=reserved)
    client = clients.boto("lambda")

    def calls(_):
        # Slow enough for the ten requests a second that each reserved execution carries.
        return [
            functions.invoke(client, name, {"do": "sleep", "seconds": 0.15}).ok["environment"] for _ in range(rounds)
        ]

    with concurrent.futures.ThreadPoolExecutor(reserved) as pool:
        environments = {environment for used in pool.map(calls, range(reserved)) for environment in used}
    assert len(environments) <= reserved
