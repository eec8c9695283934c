// What handlers return, as JSON.

const cases = {};
const circular = { a: 1 };
circular.self = circular;
class Own {
  constructor() {
    this.a = 1;
  }
  toJSON() {
    return "own";
  }
}

cases["nothing is null"] = async () => {};
cases["null"] = async () => null;
cases["booleans and numbers"] = async () => [true, false, 0, -0, 1.5, 1e21, 5e-324, 2 ** 53];
cases["NaN and infinities become null"] = async () => [NaN, Infinity, -Infinity];
cases["NaN alone"] = async () => NaN;
cases["text with escapes"] = async () => "\u00e9 \u2028 \x7f \ud83d\ude00 \x00 \x1f / < \" \\ \t\r\n";
cases["half of a surrogate pair"] = async () => "\ud83d";
cases["an empty text"] = async () => "";
cases["a long text"] = async () => "\u00e9".repeat(70000);
cases["arrays and objects"] = async () => [[], {}, [1, [2, [3]]], { a: { b: [1, { c: null }] } }, { "": "" }];
cases["holes and undefined in an array"] = async () => [undefined, , () => 1, Symbol("s")];
cases["undefined in an object is left out"] = async () => ({ a: undefined, b: 1, c: () => 1, d: Symbol("s") });
cases["a date"] = async () => ({ at: new Date(0), never: new Date(NaN) });
cases["a map and a set are empty objects"] = async () => [new Map([[1, 2]]), new Set([1])];
cases["a regular expression"] = async () => /x/g;
cases["an object with toJSON"] = async () => [new Own(), { o: new Own() }];
cases["a toJSON that throws"] = async () => ({ toJSON() { throw new Error("toJSON"); } });
cases["a buffer"] = async () => Buffer.from("bytes");
cases["a typed array"] = async () => new Uint8Array([1, 2]);
cases["a BigInt"] = async () => 10n;
cases["a BigInt inside"] = async () => ({ n: 10n });
cases["a circular object"] = async () => circular;
cases["a circular array"] = async () => { const a = []; a.push(a); return a; };
cases["the same object twice"] = async () => { const o = { a: 1 }; return [o, o]; };
cases["an error that is returned"] = async () => new Error("returned");
cases["a symbol"] = async () => Symbol("s");
cases["a function"] = async () => () => 1;
cases["a class instance"] = async () => new (class Point { x = 1; #hidden = 2; get y() { return 3; } })();
cases["an object without prototype"] = async () => Object.assign(Object.create(null), { a: 1 });
cases["keys in the order of JavaScript"] = async () => ({ b: 1, 2: 2, a: 3, 1: 4 });
cases["a getter that throws"] = async () => ({ get a() { throw new Error("getter"); } });
cases["a proxy"] = async () => new Proxy({ a: 1 }, { get: (target, key) => (key === "a" ? 5 : target[key]) });
cases["boxed values"] = async () => [new String("s"), new Number(1), new Boolean(false)];
cases["an iterator"] = async () => [1, 2][Symbol.iterator]();
cases["a promise inside"] = async () => ({ p: Promise.resolve(1) });
cases["a promise of a promise"] = async () => Promise.resolve(Promise.resolve(1));
cases["a promise without async"] = () => Promise.resolve("promised");
cases["a thenable"] = () => ({ then: (resolve) => resolve("thenable") });
cases["a thenable that rejects"] = () => ({ then: (_, reject) => reject(new Error("thenable")) });
cases["a generator object"] = async () => (function* () { yield 1; })();
cases["what API Gateway is answered with"] = async () => ({ statusCode: 200, headers: { "Content-Type": "text/html" }, body: "<p>\u00fc</p>" });

exports.handler = (...parameters) => cases[parameters[0].case](parameters[0].with, parameters[1], parameters[2]);
