"""One invocation at a time in an environment; as many environments as there are invocations."""

import concurrent.futures
import time

from support import functions

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
