// How handlers fail.

const cases = {};
class Custom extends Error {
  constructor(message) {
    super(message);
    this.name = "CustomName";
    this.extra = { deep: [1] };
  }
}
class Unnamed extends TypeError {}
const inner = () => {
  throw new RangeError("inner");
};

cases["an error"] = async () => { throw new Error("plain"); };
cases["an error without a message"] = async () => { throw new Error(); };
cases["an error at once"] = () => { throw new Error("sync"); };
cases["a class of its own"] = async () => { throw new Custom("custom"); };
cases["a class without a name of its own"] = async () => { throw new Unnamed("unnamed"); };
cases["an error with a code"] = async () => { throw Object.assign(new Error("code"), { code: "ECODE", errno: -2 }); };
cases["an error with a cause"] = async () => { throw new Error("outer", { cause: new Error("inner") }); };
cases["an aggregate"] = async () => { throw new AggregateError([new Error("a"), new TypeError("b")], "several"); };
cases["an error from below"] = async () => inner();
cases["an error after a wait"] = async () => { await null; inner(); };
cases["a rejection"] = () => Promise.reject(new Error("rejected"));
cases["a rejection with nothing"] = () => Promise.reject();
cases["a text"] = async () => { throw "text"; };
cases["an empty text"] = async () => { throw ""; };
cases["a number"] = async () => { throw 5; };
cases["an object"] = async () => { throw { an: "object" }; };
cases["an array"] = async () => { throw [1, 2]; };
cases["a symbol"] = async () => { throw Symbol("s"); };
cases["a function"] = async () => { throw function named() {}; };
cases["a BigInt"] = async () => { throw 10n; };
cases["null"] = async () => { throw null; };
cases["undefined"] = async () => { throw undefined; };
cases["false"] = async () => { throw false; };
cases["an object that looks like an error"] = async () => { throw { name: "Looks", message: "like", stack: "Looks: like\n    at nowhere" }; };
cases["a message of several lines"] = async () => { throw new Error("one\ntwo\r\nthree"); };
cases["a message with control characters"] = async () => { throw new Error("del \x7f nul \x00"); };
cases["a message beyond ASCII"] = async () => { throw new Error("\u00e9 \ud83d\ude00 \u2028"); };
cases["a long message"] = async () => { throw new Error("x".repeat(20000)); };
cases["no stack"] = async () => { const e = new Error("no stack"); delete e.stack; throw e; };
cases["a stack that is no text"] = async () => { const e = new Error("odd stack"); e.stack = [1]; throw e; };
cases["a stack of its own"] = async () => { const e = new Error("own stack"); e.stack = "Own: stack\n    at somewhere (file.js:1:2)"; throw e; };
cases["a message that is no text"] = async () => { const e = new Error("x"); e.message = { a: 1 }; throw e; };
cases["a name that is no text"] = async () => { const e = new Error("x"); e.name = 5; throw e; };
cases["an empty name"] = async () => { const e = new Error("x"); e.name = ""; throw e; };
cases["an error that holds itself"] = async () => { const e = new Error("loop"); e.self = e; throw e; };
cases["an error with a toJSON"] = async () => { const e = new Error("json"); e.toJSON = () => "own"; throw e; };
cases["an error of another realm"] = async () => { throw require("vm").runInNewContext("new TypeError('realm')"); };
cases["a recursion without an end"] = async () => { const deeper = (n) => deeper(n + 1) + 1; return deeper(0); };
cases["an error of JSON"] = async () => JSON.parse("{");
cases["an error of the system"] = async () => require("fs").readFileSync("/does/not/exist");
cases["an error of the system later"] = async () => require("fs").promises.readFile("/does/not/exist");
cases["a missing module"] = async () => require("missing");
cases["a missing module, imported"] = async () => import("missing");
cases["bad syntax while it runs"] = async () => new Function("x =")();
cases["a reference that is not there"] = async () => missing;
cases["a property of undefined"] = async () => undefined.property;
cases["an error in a method"] = async () => new (class Thing { fail() { throw new EvalError("method"); } })().fail();
cases["an error in a getter"] = async () => ({ get value() { throw new Error("getter"); } }).value;
cases["an error in a callback of an array"] = async () => [1].map(() => { throw new Error("map"); });
cases["an error in evaluated text"] = async () => eval("(() => { throw new Error('eval'); })()");
cases["an abort"] = async () => { AbortSignal.abort().throwIfAborted(); };
cases["an assertion"] = async () => require("assert").strictEqual(1, 2);
cases["an error that is frozen"] = async () => { throw Object.freeze(new Error("frozen")); };

exports.handler = (...parameters) => cases[parameters[0].case](parameters[0].with, parameters[1], parameters[2]);
