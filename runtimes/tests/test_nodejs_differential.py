"""The same functions under our client and under AWS's: everything that can be seen must be equal.

AWS's client for nodejs24.x and later is not published; what is known of it is tested in `test_nodejs.py`."""

import pytest

from fake_api import Event
from harness import observable, run

RESULTS = """
const circular = {}; circular.self = circular;
class Own { constructor() { this.a = 1; } toJSON() { return "own"; } }
const values = [undefined, null, true, 0, -0, 1.5, NaN, Infinity, "text", "\\u00e9 \\u2028 \\x7f \\ud83d\\ude00", [], {}, [undefined, () => 1],
  { a: undefined, b: new Date(0), c: new Map([[1, 2]]), d: Symbol("s") }, new Own(), Buffer.from("b"), circular, 10n, new Error("returned"),
  "x".repeat(70000), { toJSON() { throw new Error("toJSON"); } }];
exports.handler = async (event) => values[event];
"""
ERRORS = """
class Custom extends Error { constructor(m) { super(m); this.name = "CustomName"; this.extra = { deep: [1] }; } }
const throwers = [
  () => { throw new Error("plain"); }, () => { throw new Custom("custom"); }, () => { throw "text"; }, () => { throw { an: "object" }; },
  () => { throw 5; }, () => { throw null; }, () => { throw undefined; }, () => { const e = new Error("code"); e.code = "ECODE"; throw e; },
  () => { throw new Error("outer", { cause: new Error("inner") }); }, () => { throw new Error("del \\x7f and\\nnewline"); },
  () => { const e = new Error("no stack"); delete e.stack; throw e; }, () => { const e = new Error("loop"); e.self = e; throw e; },
  () => { throw { name: "Looks", message: "like", stack: "Looks: like\\n    at nowhere" }; },
];
exports.sync = (event) => throwers[event]();
exports.async = async (event) => throwers[event]();
"""
CALLBACKS = """
exports.handler = (event, context, callback) => {
  switch (event) {
    case 0: return callback(null, "called");
    case 1: return callback(new Error("by callback"));
    case 2: return callback("text");
    case 3: context.succeed("succeeded"); return callback(null, "too late");
    case 4: return context.fail(new Error("failed"));
    case 5: return context.fail();
    case 6: return context.done(null, "done");
    case 7: return "ignored";
    case 8: setTimeout(() => console.log("still running"), 20); return callback(null, "waited");
    case 9: context.callbackWaitsForEmptyEventLoop = false; setTimeout(() => {}, 5000).unref(); return callback(null, "at once");
    case 10: return new Promise(() => {});
    case 11: callback(null, "first"); throw new Error("ignored");
    case 12: return { then: (resolve) => resolve("thenable") };
    case 13: return callback();
    case 14: return context.done("error text");
  }
};
"""
LOGS = """
exports.handler = async (event) => {
  console.log("two\\nlines", { a: [1, { b: { c: { d: 1 } } }] }); console.info("%s and %d and %j", "s", 1, { j: 1 }, "rest"); console.debug("debug");
  console.warn("warn"); console.error(new Error("logged")); console.error("with", new TypeError("second")); console.trace("trace");
  console.fatal("fatal"); console.log(); console.log(undefined); console.log({ message: "object", n: 10n }); console.log({ object: true, e: new RangeError("r") });
  console.log(null, 1); process.stdout.write("raw\\n"); process.stderr.write("raw error\\n");
};
"""
CASES = {
    "results": dict(files={"a.js": RESULTS}, handler="a.handler", events=[Event(str(n).encode()) for n in range(21)]),
    "errors": dict(files={"a.js": ERRORS}, handler="a.async", events=[Event(str(n).encode()) for n in range(13)]),
    "errors thrown at once": dict(files={"a.js": ERRORS}, handler="a.sync", events=[Event(str(n).encode()) for n in (0, 1, 2, 3, 4, 7)]),
    "callbacks": dict(files={"a.js": CALLBACKS}, handler="a.handler", events=[Event(str(n).encode()) for n in range(15)]),
    "context": dict(
        files={"a.mjs": "export const handler = async (e, c) => [JSON.stringify(c), Object.keys(c), process.env._X_AMZN_TRACE_ID ?? null,"
               " process.env._LAMBDA_TELEMETRY_LOG_FD ?? null, c.getRemainingTimeInMillis() > 0];"},
        handler="a.handler",
        events=[
            Event(),
            Event(headers={"Lambda-Runtime-Client-Context": '{"custom":{"e":1}}', "Lambda-Runtime-Aws-Tenant-Id": "tenant"}),
            Event(headers={"Lambda-Runtime-Cognito-Identity": '{"cognitoIdentityId":"i"}', "Lambda-Runtime-Trace-Id": None}),
            Event(headers={"Lambda-Runtime-Client-Context": "{bad"}),
        ],
    ),
    "logs": dict(files={"a.js": LOGS}, handler="a.handler"),
    "logs as JSON": dict(files={"a.js": LOGS}, handler="a.handler", env={"AWS_LAMBDA_LOG_FORMAT": "JSON"}),
    "logs as JSON from WARN on": dict(
        files={"a.js": LOGS}, handler="a.handler", env={"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "WARN"}
    ),
    "logs with a level": dict(files={"a.js": LOGS}, handler="a.handler", env={"AWS_LAMBDA_LOG_LEVEL": "error"}),
    "logs without descriptor": dict(files={"a.js": LOGS}, handler="a.handler", telemetry=False),
    "errors as JSON": dict(files={"a.js": ERRORS}, handler="a.async", env={"AWS_LAMBDA_LOG_FORMAT": "JSON"},
                           events=[Event(str(n).encode()) for n in (0, 1, 2, 7, 11)]),
    "logs while loading": dict(files={"a.js": "console.log('loading'); exports.h = async () => 1"}, handler="a.h"),
    "a nested export": dict(files={"a.cjs": "exports.x = { y: { h: async () => 1 } }"}, handler="a.x.y.h"),
    "a path": dict(files={"node_modules/x/dist/a.js": "exports.h = async () => __filename.slice(-12)"}, handler="node_modules/x/dist/a.h"),
    "a package": dict(files={"node_modules/p/index.js": "exports.h = async () => 'package'"}, handler="p.h"),
    "a module package": dict(
        files={"package.json": '{"type":"module"}', "a.js": "const x = await Promise.resolve(4);\nexport const h = async () => x"}, handler="a.h"
    ),
    "no extension": dict(files={"a": "exports.h = async () => 'bare'"}, handler="a.h"),
    "no such file": dict(files={}, handler="nope.h"),
    "no such require": dict(files={"a.js": "require('missing')"}, handler="a.h"),
    "no such import": dict(files={"a.mjs": "import 'missing'"}, handler="a.h"),
    "no such export": dict(files={"a.js": ""}, handler="a.h"),
    "no function": dict(files={"a.js": "exports.h = 1"}, handler="a.h"),
    "no dot": dict(files={"a.js": ""}, handler="a"),
    "a parent folder": dict(files={"a.js": ""}, handler="../a.h"),
    "bad syntax": dict(files={"a.js": "x ="}, handler="a.h"),
    "bad syntax in a module": dict(files={"a.mjs": "x ="}, handler="a.h"),
    "an error while loading": dict(files={"a.js": "throw new Error('load')"}, handler="a.h"),
    "a rejection while loading": dict(files={"a.js": "Promise.reject(new Error('r')); exports.h = async () => 1; setTimeout(()=>{},9)"}, handler="a.h"),
    "an uncaught exception": dict(
        files={"a.js": "exports.h = async () => { setTimeout(() => { throw new Error('late') }, 1); await new Promise((r) => setTimeout(r, 5000)) }"},
        handler="a.h",
    ),
    "an unhandled rejection": dict(
        files={"a.js": "exports.h = async () => { Promise.reject(new Error('lost')); await new Promise((r) => setTimeout(r, 5000)) }"},
        handler="a.h",
    ),
    "exit in the handler": dict(files={"a.js": "exports.h = async () => process.exit(7)"}, handler="a.h"),
    "events that are no JSON": dict(files={"a.js": "exports.h = async (e) => e"}, handler="a.h", events=[Event(b"{bad"), Event(b"")]),
    "a stream": dict(
        files={"a.mjs": "export const h = awslambda.streamifyResponse(async (e, s, c) => { s.setContentType('text/x'); s.write('one');"
               " s.write({ two: 2 }); s.write(Buffer.from('three')); s.end(); })"},
        handler="a.h",
        events=[Event(), Event()],
    ),
    "a stream with a prelude": dict(
        files={"a.mjs": "export const h = awslambda.streamifyResponse(async (e, s, c) => { s = awslambda.HttpResponseStream.from(s,"
               " { statusCode: 201, headers: { a: 'b' }, cookies: ['c=d'] }); s.write('body'); s.end(); })"},
        handler="a.h",
    ),
    "a stream that fails": dict(
        files={"a.mjs": "export const h = awslambda.streamifyResponse(async (e, s, c) => { s.write('half'); throw new TypeError('mid') })"},
        handler="a.h",
        events=[Event(), Event()],
    ),
    "a stream without promise": dict(
        files={"a.mjs": "export const h = awslambda.streamifyResponse((e, s, c) => { s.write('x') })"}, handler="a.h"
    ),
    "a stream with a return value": dict(
        files={"a.mjs": "export const h = awslambda.streamifyResponse(async (e, s, c) => { s.end('x'); return 5 })"}, handler="a.h"
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_same_as_the_official_client(case, node, reference_node, tmp_path):
    seen = {}
    for client in (node, reference_node):
        task = tmp_path / client.name / "task"
        task.mkdir(parents=True)
        seen[client.name] = observable(run(client, task, runtime="nodejs20.x", **CASES[case]))
    assert seen[node.name] == seen[reference_node.name]
