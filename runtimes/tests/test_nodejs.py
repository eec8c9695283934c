"""Our Node.js client on the wire, on every Node.js there is, and where AWS's published client says nothing."""

import base64
import json
import re

import pytest

import waiting
from conftest import NODES
from fake_api import FUNCTION_ARN, Event, request_id
from harness import Client, run, write_files

ECHO = {"a.js": "exports.h = async (event) => event"}


LOOK = """
import fs from 'node:fs';
import nodeModule, { createRequire } from 'node:module';
const require = createRequire(import.meta.url);
const files = () => fs.readdirSync('/proc/self/fd').map((fd) => {
  try { return fs.readlinkSync('/proc/self/fd/' + fd).replace(/\\d+/g, 'N') } catch { return '' }
});
const listeners = () => process.eventNames().map((name) => [String(name), process.listenerCount(name)]).sort();
const atLoad = [fs.promises.readFile.toString(), listeners()];
export const handler = async () => [
  atLoad, fs.promises.readFile.toString(), listeners(), files().filter((file) => !/anon_inode|pipe|socket|^$/.test(file)).sort(),
  Object.entries(process.env), fs.readFileSync('/proc/self/environ', 'utf8').replace(/\\0+$/, '').split('\\0').sort(), process.cwd(),
  Reflect.ownKeys(globalThis).map(String).sort(), Object.keys(awslambda), Object.keys(require.cache), nodeModule.globalPaths,
  process.exitCode ?? null, process.listenerCount('exit'), process.getActiveResourcesInfo(), new Date(0).toString(),
];
"""


def test_a_function_sees_no_difference_after_waiting(any_node, task, monkeypatch):
    client, runtime = any_node
    seen = []
    for has_waited in (False, True):
        monkeypatch.setattr(waiting, "ENABLED", has_waited)
        result = run(client, task, {"app.mjs": LOOK}, "app.handler", runtime=runtime)
        # What differs between any two runs.
        own = re.compile(r"127\.0\.0\.1:\d+|(?<=_LOG_FD=)\d+")
        seen.append(json.loads(own.sub("N", result.results[0])))
    # In the order of a fresh start only where the platform sorts them.
    for look in seen:
        look[4].sort()
    assert seen[0] == seen[1]


def test_what_packages_require_is_there_after_waiting(any_node, task, monkeypatch):
    client, runtime = any_node
    code = "exports.h = async () => process.moduleLoadList.filter((name) => /^NativeModule (crypto|http2|https)$/.test(name)).sort()"
    monkeypatch.setattr(waiting, "ENABLED", True)
    result = run(client, task, {"a.js": code}, "a.h", runtime=runtime)
    assert json.loads(result.results[0]) == ["NativeModule crypto", "NativeModule http2", "NativeModule https"]


def test_requests_are_these_bytes(node, task):
    result = run(node, task, ECHO, "a.h", [Event(b'{"a": 1}'), Event(b"2")], "nodejs20.x")
    first, response, following, *_ = result.requests
    assert (first.method, first.path) == ("GET", "/2018-06-01/runtime/invocation/next")
    assert set(first.headers) == {"host", "user-agent"}
    assert response.path == "/2018-06-01/runtime/invocation/{}/response".format(request_id(0))
    assert response.body == b'{"a":1}'
    assert set(response.headers) == {"host", "user-agent", "content-length", "content-type"}
    assert following.path.endswith("/next")
    # The next event is asked for in the same write.
    assert [request.pipelined for request in result.requests] == [False, False, True, False, True]


def test_every_node_runs_functions(any_node, task):
    client, runtime = any_node
    code = (
        "import { setTimeout } from 'node:timers/promises';\nconst x = await setTimeout(1, 'ü');\n"
        "export const h = async (event, context) => {\n  console.log('logged');\n"
        "  if (event === 'fail') throw new RangeError('no');\n"
        "  return { x, arn: context.invokedFunctionArn, remaining: context.getRemainingTimeInMillis() > 0 };\n};\n"
    )
    result = run(client, task, {"a.mjs": code}, "a.h", [Event(), Event(b'"fail"'), Event()], runtime)
    assert result.results[0] == '{{"x":"ü","arn":"{}","remaining":true}}'.format(FUNCTION_ARN)
    error = result.outcomes[1].json()
    assert (error["errorType"], error["errorMessage"]) == ("RangeError", "no")
    assert [hex(frame.type) for frame in result.frames] == ["0xa55a000f", "0xa55a000f", "0xa55a0017", "0xa55a000f"]
    assert re.fullmatch(r"[\dTZ.:-]+\t{}\tINFO\tlogged\n".format(request_id(0)), result.frames[0].message)
    assert result.stderr == "" and result.waited


def test_imports_reach_layers(any_node, task, tmp_path):
    client, runtime = any_node
    layer = tmp_path / "opt" / "nodejs" / "node_modules"
    write_files(
        layer,
        {
            "lay/package.json": '{"name":"lay","type":"module","exports":{".":"./m.js","./sub":{"import":"./sub.js"}}}',
            "lay/m.js": "import 'other'; export const v = 'layer';",
            "lay/sub.js": "export default 'sub'",
            "other/index.js": "exports.o = 1",
        },
    )
    env = {"NODE_PATH": str(layer)}
    code = "import { v } from 'lay'; import sub from 'lay/sub'; import { o } from 'other'; export const h = async () => [v, sub, o];"
    assert run(client, task, {"a.mjs": code}, "a.h", runtime=runtime, env=env).results == ['["layer","sub",1]']
    dynamic = {"b.js": "exports.h = async () => [(await import('lay')).v, require('other').o]"}
    assert run(client, task, dynamic, "b.h", runtime=runtime, env=env).results == ['["layer",1]']
    absent = {"c.mjs": "import 'absent'; export const h = 1"}
    error = run(client, task, absent, "c.h", runtime=runtime, env=env).init_errors[0].json()
    assert error["errorMessage"].startswith("Cannot find package 'absent' imported from ")


def test_requires_see_the_handler_s_module(any_node, task):
    client, runtime = any_node
    files = {
        "hook.js": "const M = require('module'); const load = M._load;"
        " M._load = function (id, ...rest) { if (id.endsWith('/a.js')) console.log('saw', id.slice(-5)); return load.call(this, id, ...rest); }",
        **ECHO,
    }
    result = run(client, task, files, "a.h", runtime=runtime, env={"NODE_OPTIONS": "--require ./hook.js"}, telemetry=False)
    assert "saw /a.js" in result.stdout and result.results == ["{}"]


MODERN = ["nodejs24.x", "nodejs26.x"]


@pytest.mark.parametrize("runtime", MODERN)
def test_callback_handlers_are_refused_from_nodejs24_on(modern_node, task, runtime):
    code = {"a.js": "exports.h = (event, context, callback) => callback(null, 1)"}
    result = run(modern_node, task, code, "a.h", runtime=runtime)
    error = result.init_errors[0].json()
    assert error["errorType"] == "Runtime.CallbackHandlerDeprecated"
    assert "removed support for callback-based function handlers" in error["errorMessage"]
    assert result.exit_code == 1


@pytest.mark.parametrize("runtime", MODERN)
def test_outcomes_from_nodejs24_on(modern_node, task, runtime):
    code = (
        "exports.h = (event) => { if (event === 0) return 'plain value'; if (event === 1) throw new Error('sync');"
        " if (event === 2) { const o = {}; o.o = o; return o; } if (event === 3) return new Promise(() => {}); }"
    )
    result = run(modern_node, task, {"a.js": code}, "a.h", [Event(str(n).encode()) for n in range(5)], runtime)
    assert [outcome.kind for outcome in result.outcomes] == ["response", "error", "error"]
    assert result.outcomes[0].json() == "plain value"
    assert result.outcomes[2].json()["errorType"] == "Runtime.JSONStringifyError"
    # A promise that nothing can settle ends the process, as it ends AWS's: the platform reports the exit.
    assert (result.exit_code, result.waited) == (0, False)


def test_several_invocations_at_once_are_refused_clearly(node, task):
    result = run(node, task, ECHO, "a.h", env={"AWS_LAMBDA_MAX_CONCURRENCY": "8"})
    assert result.exit_code == 1 and "one invocation at a time" in result.stderr


def _trailer_error(request):
    return json.loads(base64.b64decode(request.trailers["lambda-runtime-function-error-body"]))


def test_a_stream_on_the_wire(any_node, task):
    client, runtime = any_node
    code = (
        "import { Readable } from 'node:stream'; import { pipeline } from 'node:stream/promises';\n"
        "export const h = awslambda.streamifyResponse(async (event, stream) => {\n"
        "  if (event === 0) return pipeline(Readable.from(['a', 'b'.repeat(3000000), 'c']), stream);\n"
        "  if (event === 1) { stream.write('half'); throw new TypeError('mid'); }\n"
        "  if (event === 2) return pipeline(Readable.from((async function* () { yield 'x'; throw new Error('source'); })()), stream);\n"
        "  if (event === 3) throw new Error('before');\n"
        "  if (event === 4) { stream.write('open'); return; }\n"
        "  if (event === 5) { awslambda.HttpResponseStream.from(stream, { statusCode: 204 }).end(); return; }\n"
        "  if (event === 6) { stream.end('x'); stream.setContentType('too/late'); }\n"
        "  stream.end(JSON.stringify(event));\n});\n"
    )
    result = run(client, task, {"a.mjs": code}, "a.h", [Event(str(n).encode()) for n in range(8)], runtime)
    whole, half, source, before, unfinished, prelude, late, last = result.outcomes
    assert whole.headers["lambda-runtime-function-response-mode"] == "streaming"
    assert whole.headers["content-type"] == "application/octet-stream"
    assert whole.body == b"a" + b"b" * 3000000 + b"c" and whole.trailers == {}
    assert half.body == b"half" and half.trailers["lambda-runtime-function-error-type"] == "TypeError"
    assert _trailer_error(half)["errorMessage"] == "mid"
    assert source.body == b"x" and _trailer_error(source)["errorMessage"] == "source"
    assert before.body == b"" and _trailer_error(before)["errorMessage"] == "before"
    assert unfinished.body == b"open" and _trailer_error(unfinished)["errorMessage"] == "Response stream is not finished."
    assert prelude.headers["content-type"] == "application/vnd.awslambda.http-integration-response"
    assert prelude.body == b'{"statusCode":204}' + bytes(8)
    assert late.body == b"x"
    assert last.body == b"7" and result.waited


def test_a_bad_streaming_mark_is_named(node, task):
    code = {"a.js": "exports.h = async () => 1; exports.h[Symbol.for('aws.lambda.runtime.handler.streaming')] = 'request'"}
    assert run(node, task, code, "a.h").init_errors[0].json()["errorType"] == "Runtime.MalformedStreamingHandler"


def test_large_events_and_results_arrive_whole(any_node, task):
    client, runtime = any_node
    event = json.dumps("ü" + "x" * 5_000_000, ensure_ascii=False).encode()
    result = run(client, task, ECHO, "a.h", [Event(event), Event(event, chunked=True), Event(b"1")], runtime)
    assert [request.body for request in result.outcomes] == [event, event, b"1"]


@pytest.mark.parametrize("status", [413, 400])
def test_a_refused_result_does_not_end_the_environment(node, task, status):
    result = run(node, task, ECHO, "a.h", [Event(b"1", answer=status), Event(b"2")], "nodejs20.x")
    assert result.results == ["1", "2"] and result.waited
    assert "LAMBDA_RUNTIME Failed to post handler success response. Http response code: {}.".format(status) in result.stderr


def test_an_invocation_id_is_echoed(node, task):
    events = [Event(headers={"Lambda-Runtime-Invocation-Id": "abc"}), Event()]
    outcomes = run(node, task, ECHO, "a.h", events, "nodejs20.x").outcomes
    assert [outcome.headers.get("lambda-runtime-invocation-id") for outcome in outcomes] == ["abc", None]


def test_wrapper_scripts_insert_options_before_the_last_word(node, task):
    wrapper = '#!/bin/bash\nargs=("$@")\nexec "${args[@]:0:$#-1}" --title=wrapped "${args[@]:$#-1}"\n'
    write_files(task, {"wrapper": wrapper})
    client = Client("wrapped", ["/bin/bash", str(task / "wrapper"), *node.argv], {})
    assert run(client, task, {"a.js": "exports.h = async () => process.title"}, "a.h").results == ['"wrapped"']


def test_a_node_was_tried():
    if not NODES:
        pytest.skip("no node on PATH and none in LAMBENT_TEST_NODES")
