"""Java functions by our command line and by AWS's client started plainly: everything that can be seen must be equal.

The client is AWS's own in both; what is ours are the options of the virtual machine, the class path and the native
library beside the jars.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest

from fake_api import Event
from harness import run
from jvm_and_ruby import observable

CONTEXT = '{"client":{"installation_id":"i","app_title":"t"},"custom":{"a":"1"},"env":{"b":"2"}}'
HANDLERS = {
    "a map": ("Handlers$Echo", [b'{"a":{"b":[1,2.5,null,true]},"\xc3\xbc":"\xf0\x9f\x98\x80"}', b"{}"]),
    "the method of an interface by name": ("Handlers$Echo::handleRequest", [b'{"a":1}']),
    "a stream": ("Handlers$Stream", [b'"x\xc3\xbcy"', b'"' + b"x" * 300000 + b'"']),
    "a stream by its method": ("Handlers::stream", [b"{}"]),
    "a bean": ("Handlers::pojo", [b'{"name":"A","age":1,"tags":["x"],"unknown":1}', b'{"name":null}', b"[1]"]),
    "a static method": ("Handlers::ofClass", [b'"text"', b"1"]),
    "a number": ("Handlers::number", [b"21", b'"21"', b'"x"', b"{}"]),
    "a list": ("Handlers::list", [b'[1,"b",{"c":[]}]']),
    "no result": ("Handlers::nothing", [b"{}"]),
    "logs": ("Handlers::logs", [b"{}"]),
    "a checked exception": ("Handlers::checked", [b"{}", b"{}"]),
    "an exception with a cause": ("Handlers::caused", [b"{}"]),
    "an error": ("Handlers::error", [b"{}", b"{}"]),
    "an exception without a message": ("Handlers::noMessage", [b"{}"]),
    "a result that is no bean": ("Handlers::cyclic", [b"{}"]),
    "an exit": ("Handlers::exit", [b"{}"]),
    "a thread": ("Handlers::thread", [b'"x"']),
    "an exception in the constructor": ("Handlers$Constructor", [b"{}"]),
    "an exception in a static block": ("Handlers$StaticBlock::handle", [b"1"]),
    "a constructor that is not public": ("Handlers$Private", [b"{}"]),
    "no such class": ("Missing", [b"{}"]),
    "no such method": ("Handlers::missing", [b"{}"]),
    "no method": ("Handlers", [b"{}"]),
    "bad syntax of the handler": ("a::b::c", [b"{}"]),
}
# What ends the process, with its exit code.
ENDS = {"an error": 0, "an exit": 7, "an exception in the constructor": 1, "an exception in a static block": 1}


def _events(bodies):
    return [Event(body) for body in bodies]


def _compare(java, classes, tmp_path, handler, events, **options):
    name = handler if handler.startswith("a::") else "example." + handler

    def seen(client):
        task = tmp_path / client.name / "task"
        task.mkdir(parents=True)
        return observable(run(client, task, classes, name, events, runtime="java17", **options))

    # Side by side: most of the time goes into starting two virtual machines.
    with ThreadPoolExecutor(2) as pool:
        ours, plain = pool.map(seen, java)
    assert ours == plain
    return ours


@pytest.mark.parametrize("case", HANDLERS)
def test_same_as_the_official_client(case, java, java_classes, tmp_path):
    handler, bodies = HANDLERS[case]
    seen = _compare(java, java_classes, tmp_path, handler, _events(bodies))
    if case in ENDS:
        assert (seen["waited"], seen["exit code"]) == (False, ENDS[case])
    else:
        assert (seen["waited"], len(seen["posts"])) == (True, len(bodies))




@pytest.mark.parametrize(
    "env", [{"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"}, {"AWS_LAMBDA_LOG_LEVEL": "WARN"}]
)
def test_logs_of_every_format_are_the_same(env, java, java_classes, tmp_path):
    seen = _compare(java, java_classes, tmp_path, "Handlers::logs", _events([b"{}"]), env=env)
    assert any("a warning" in message for _, message in seen["log"])


def test_the_context_is_the_same(java, java_classes, tmp_path):
    events = [
        Event(),
        Event(headers={"Lambda-Runtime-Client-Context": CONTEXT}),
        Event(headers={"Lambda-Runtime-Cognito-Identity": '{"cognitoIdentityId":"i","cognitoIdentityPoolId":"p"}'}),
        Event(headers={"Lambda-Runtime-Trace-Id": None}),
    ]
    seen = _compare(java, java_classes, tmp_path, "Handlers::context", events)
    assert '"memory":"128"' in seen["posts"][0]["body"] or '"memory":128' in seen["posts"][0]["body"]
    assert len(seen["posts"]) == 4


def test_without_a_log_descriptor_the_log_is_standard_output(java, java_classes, tmp_path):
    seen = _compare(java, java_classes, tmp_path, "Handlers::logs", _events([b"{}"]), telemetry=False)
    assert "a warning" in seen["stdout"]


def test_snapshot_hooks_run_around_the_snapshot(java, java_classes, task):
    env = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
    result = run(java[0], task, java_classes, "example.Handlers$Hooks", _events([b"{}"]), "java17", env=env)
    assert [request.kind for request in result.requests][:2] == ["restore/next", "next"]
    # The last is where the package org.crac, which functions bring, finds the implementation.
    assert result.outcomes[0].json() == "created, before the snapshot, restored, com.amazonaws.services.lambda.crac"
