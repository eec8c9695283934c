"""The same functions under our clients and under AWS's: everything that can be seen must be equal.

`cases/` has the functions, `normal.py` what is left out of the comparison, `cases/differences.py` what differs on
purpose.
"""

import os

import pytest

import differential
from cases import nodejs_processes, python_processes
from cases.differences import difference
from differential import Pair

# The pairs that run everything: one of each generation of our clients and of AWS's, which differ at python3.12 and
# nodejs24.x. The others run what has depended on the interpreter, unless LAMBENT_TEST_ALL is set: each topic and each
# process costs two starts of an interpreter.
REQUIRED = {("python", "3.9"), ("python", "3.13"), ("nodejs", 20), ("nodejs", 24)}
OF_THE_INTERPRETER = {"results", "errors", "context", "background", "callbacks", "streams", "logs", "logs as JSON"}
PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
NODES = (18, 20, 22, 24, 26)
PAIRS = {
    "python": [Pair("python", version) for version in PYTHONS],
    "nodejs": [Pair("nodejs", version) for version in NODES],
}
LOGS = {
    "logs": {},
    "logs as JSON": dict(env={"AWS_LAMBDA_LOG_FORMAT": "JSON"}),
    "logs as JSON from WARN on": dict(env={"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "WARN"}),
    "logs as JSON from TRACE on": dict(env={"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "TRACE"}),
    "logs with a level": dict(env={"AWS_LAMBDA_LOG_LEVEL": "debug"}),
    "logs without descriptor": dict(telemetry=False),
    "logs in one stream": dict(telemetry=False, merged=True),
    "logs as JSON in one stream": dict(telemetry=False, merged=True, env={"AWS_LAMBDA_LOG_FORMAT": "JSON"}),
}
# key → (topic, further arguments of the run)
TOPICS = {
    "python": {
        **{topic: (topic, {}) for topic in ("results", "errors", "context", "background")},
        "errors as JSON": ("errors", dict(env={"AWS_LAMBDA_LOG_FORMAT": "JSON"})),
        **{key: ("logs", arguments) for key, arguments in LOGS.items()},
    },
    "nodejs": {
        **{topic: (topic, {}) for topic in ("results", "errors", "callbacks", "context", "background", "streams")},
        "errors as JSON": ("errors", dict(env={"AWS_LAMBDA_LOG_FORMAT": "JSON"})),
        "callbacks as JSON": ("callbacks", dict(env={"AWS_LAMBDA_LOG_FORMAT": "JSON"})),
        **{key: ("logs", arguments) for key, arguments in LOGS.items()},
    },
}
PROCESSES = {"python": python_processes.CASES, "nodejs": nodejs_processes.CASES}
# Up to python3.11 AWS's client hears no signal while it waits for an event, so there would be no end to compare.
IMPOSSIBLE = {("python3.{}".format(minor), "end: a signal that is handled while idle") for minor in range(8, 12)}
# From nodejs24.x on handlers have no callback.
LAST_WITH_CALLBACKS = 22


def _is_chosen(pair, key):
    everything = (pair.language, pair.version) in REQUIRED or "LAMBENT_TEST_ALL" in os.environ
    return everything or key in OF_THE_INTERPRETER


def _topics():
    for language, keys in TOPICS.items():
        for key, (topic, _) in keys.items():
            found = differential.python_topic(topic) if language == "python" else differential.node_topic(topic)
            assert found, "{} has no cases".format(topic)
            for pair in PAIRS[language]:
                if not _is_chosen(pair, key) or topic == "callbacks" and pair.version > LAST_WITH_CALLBACKS:
                    continue
                for case in found:
                    yield pytest.param(pair, key, case.name, id="{}-{}-{}".format(pair.runtime, key, case.name))


def _processes():
    for language, keys in PROCESSES.items():
        for pair in PAIRS[language]:
            for key in keys:
                if not _is_chosen(pair, key) or (pair.runtime, key) in IMPOSSIBLE:
                    continue
                yield pytest.param(pair, key, id="{}-{}".format(pair.runtime, key))


def _arguments(pair, key):
    if key in PROCESSES[pair.language]:
        return PROCESSES[pair.language][key]
    topic, further = TOPICS[pair.language][key]
    return {**differential.topic_arguments(pair.language, topic), **further}


@pytest.fixture(scope="session")
def gallery(request):
    """All runs that the chosen tests need, under way before the first of them looks."""
    gallery = differential.Gallery(workers=os.cpu_count() or 1)
    for item in request.session.items:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        if "pair" in parameters and "key" in parameters:
            gallery.start(parameters["pair"], parameters["key"], _arguments(parameters["pair"], parameters["key"]))
    return gallery


def _need(pair):
    _, missing = pair.clients()
    if missing is not None:
        pytest.skip(missing)


def _compare(pair, key, case, ours, official):
    reason = difference(pair, key, case)
    if reason is None:
        assert ours == official
    else:
        assert ours != official, "listed as a difference, but equal: {}".format(reason)


@pytest.mark.parametrize("pair, key, case", list(_topics()))
def test_case(pair, key, case, gallery):
    _need(pair)
    topic = TOPICS[pair.language][key][0]
    cases = differential.python_topic(topic) if pair.language == "python" else differential.node_topic(topic)
    _compare(pair, key, case, *gallery.topic(pair, key, case, cases))


@pytest.mark.parametrize("pair, key", list(_processes()))
def test_process(pair, key, gallery):
    _need(pair)
    _compare(pair, key, None, *gallery.process(pair, key))


def test_the_required_pairs_are_there():
    missing = [Pair(*pair).clients()[1] for pair in sorted(REQUIRED, key=str)]
    missing = [reason for reason in missing if reason is not None]
    if missing:
        pytest.skip("; ".join(missing))
