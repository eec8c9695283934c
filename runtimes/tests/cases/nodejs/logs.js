// What handlers write. All run once for each log format and level.

const cases = {};
const { execSync } = require("child_process");
const { writeSync } = require("fs");

cases["each method"] = async () => {
  for (const name of ["trace", "debug", "info", "log", "warn", "error"]) console[name](name);
};
cases["fatal"] = async () => console.fatal("fatal");
cases["several lines"] = async () => console.log("one\ntwo\r\nthree");
cases["values beside text"] = async () => console.log("text", 1, null, undefined, true, 10n, Symbol("s"));
cases["placeholders"] = async () => console.info("%s and %d and %i and %j and %o and %% and %c", "s", 1.5, 2.5, { j: 1 }, [1], "css", "rest");
cases["a deep object"] = async () => console.log({ a: [1, { b: { c: { d: 1 } } }], m: new Map([[1, { x: 1 }]]), s: new Set([1]) });
cases["an object alone"] = async () => console.log({ object: true, text: "\u00fc" });
cases["an array alone"] = async () => console.log([1, "two", { three: 3 }]);
cases["a number alone"] = async () => console.log(5);
cases["null alone"] = async () => console.log(null);
cases["undefined alone"] = async () => console.log(undefined);
cases["nothing"] = async () => console.log();
cases["an empty text"] = async () => console.log("");
cases["a function and a class"] = async () => { console.log(function named() {}); console.log(class Named {}); };
cases["a circular object"] = async () => { const o = {}; o.self = o; console.log(o); };
cases["a BigInt in an object"] = async () => console.log({ n: 10n });
cases["a toJSON that throws"] = async () => console.log({ toJSON() { throw new Error("toJSON"); } });
cases["an error"] = async () => console.error(new Error("logged"));
cases["an error after text"] = async () => console.error("with", new TypeError("second"));
cases["an error before text"] = async () => console.error(new TypeError("first"), "after");
cases["two errors"] = async () => console.error("two", new TypeError("first"), new RangeError("second"));
cases["an error in an object"] = async () => console.warn({ e: new RangeError("inside"), n: 1 });
cases["an error with fields and a cause"] = async () => console.error(Object.assign(new Error("fields", { cause: new Error("cause") }), { code: "E", list: [1] }));
cases["an error without a stack"] = async () => { const e = new Error("no stack"); delete e.stack; console.error(e); console.error("and", e); };
cases["an error of a class"] = async () => console.error(new (class Special extends Error {})("special"));
cases["text beyond ASCII"] = async () => console.log("\u00fc \ud83d\ude00 \u2028 \x00 \x1b[1m \ud83d");
cases["the streams"] = async () => { process.stdout.write("raw\n"); process.stderr.write("raw error\n"); process.stdout.write("no newline"); process.stdout.write("\n"); };
cases["descriptors"] = async () => { writeSync(1, "descriptor 1\n"); writeSync(2, "descriptor 2\n"); };
cases["a child"] = async () => { execSync("echo child; echo child error >&2", { stdio: "inherit" }); };
cases["in order"] = async () => { for (let n = 0; n < 3; n++) { console.log("log", n); process.stdout.write(`write ${n}\n`); console.error("error", n); process.stderr.write(`stderr ${n}\n`); } };
cases["after a wait"] = async () => { await new Promise((resolve) => setTimeout(resolve, 1)); console.log("later"); };
cases["in the microtasks after the result"] = () => { const result = Promise.resolve(1); result.then(() => console.log("before the outcome")); return result; };
cases["other methods of the console"] = async () => { console.dir({ a: 1 }); console.table([{ a: 1 }]); console.group("group"); console.log("in the group"); console.groupEnd(); console.count(); console.assert(false, "asserted"); };
cases["methods taken from the console"] = async () => { const { log, error } = console; log("taken"); [1, 2].forEach(error); };
cases["a method that is replaced"] = async () => { const { log } = console; console.log = (...values) => log("prefix", ...values); console.log("replaced"); console.info("as before"); console.log = log; };
cases["a console of its own"] = async () => new console.Console(process.stdout).log("own console");
cases["a warning of Node.js"] = async () => { process.emitWarning("careful", "CustomWarning"); await new Promise((resolve) => setTimeout(resolve, 5)); };
// headers: {"Lambda-Runtime-Aws-Tenant-Id": "tenant-1"}
cases["of a tenant"] = async () => console.log("of a tenant");
cases["before an error"] = async () => { console.log("first"); throw new Error("second\nline"); };

exports.handler = (...parameters) => cases[parameters[0].case](parameters[0].with, parameters[1], parameters[2]);
