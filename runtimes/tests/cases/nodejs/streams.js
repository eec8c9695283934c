// Handlers that stream their results.

const { Readable, Transform } = require("stream");
const { pipeline } = require("stream/promises");
const zlib = require("zlib");
const cases = {};

cases["text, JSON and bytes"] = async (event, stream) => { stream.setContentType("text/x"); stream.write("one"); stream.write({ two: 2 }); stream.write(Buffer.from("three")); stream.end(); };
cases["the end carries the rest"] = async (event, stream) => stream.end("whole") && undefined;
cases["without a content type"] = async (event, stream) => { stream.write("x"); stream.end(); };
cases["nothing but an end"] = async (event, stream) => { stream.end(); };
cases["text beyond ASCII"] = async (event, stream) => { stream.write("\u00fc \ud83d\ude00"); stream.end(); };
cases["an encoding"] = async (event, stream) => { stream.write("00ff41", "hex"); stream.end(); };
cases["many chunks"] = async (event, stream) => { for (let n = 0; n < 200; n++) stream.write(`${n},`); stream.end(); };
cases["a large chunk"] = async (event, stream) => { stream.write("x".repeat(300000)); stream.end(); };
cases["waits for the drain"] = async (event, stream) => {
  for (let n = 0; n < 20; n++) if (!stream.write("y".repeat(30000))) await new Promise((resolve) => stream.once("drain", resolve));
  stream.end();
};
cases["a callback for each write"] = async (event, stream) => { await new Promise((resolve) => stream.write("a", resolve)); stream.end("b"); };
cases["pipeline from a source"] = async (event, stream) => pipeline(Readable.from(["a", "b", "c"]), stream);
cases["pipeline from a generator"] = async (event, stream) => pipeline(async function* () { yield "x"; yield "y"; }, stream);
cases["pipeline through a transform"] = async (event, stream) => pipeline(Readable.from(["up"]), new Transform({ transform: (chunk, _, done) => done(null, String(chunk).toUpperCase()) }), stream);
cases["pipeline through gzip"] = async (event, stream) => pipeline(Readable.from(["zip".repeat(1000)]), zlib.createGzip(), zlib.createGunzip(), stream);
cases["pipe"] = async (event, stream) => { Readable.from(["p", "q"]).pipe(stream); await new Promise((resolve) => stream.on("finish", resolve)); };
cases["a prelude"] = async (event, stream) => { stream = awslambda.HttpResponseStream.from(stream, { statusCode: 201, headers: { a: "b" }, cookies: ["c=d"] }); stream.write("body"); stream.end(); };
cases["a prelude and several writes"] = async (event, stream) => { stream = awslambda.HttpResponseStream.from(stream, { statusCode: 200 }); stream.write("one"); await new Promise((resolve) => setTimeout(resolve, 1)); stream.write("two"); stream.end(); };
cases["a prelude that is empty"] = async (event, stream) => { awslambda.HttpResponseStream.from(stream, {}).write("x"); stream.end(); };
cases["a prelude and a content type"] = async (event, stream) => { stream = awslambda.HttpResponseStream.from(stream, { headers: { "content-type": "text/html" } }); stream.setContentType("text/plain"); stream.write("x"); stream.end(); };
cases["a content type too late"] = async (event, stream) => { stream.write("x"); try { stream.setContentType("text/late"); } catch (error) { stream.write(`${error.name}: ${error.message}`); } stream.end(); };
cases["an error in the middle"] = async (event, stream) => { stream.write("half"); throw new TypeError("mid"); };
cases["an error before the first byte"] = async () => { throw new Error("before"); };
cases["an error in the middle of a prelude's body"] = async (event, stream) => { awslambda.HttpResponseStream.from(stream, { statusCode: 200 }).write("half"); throw new Error("mid"); };
cases["something else is thrown"] = async (event, stream) => { stream.write("half"); throw "text"; };
cases["an error beyond ASCII"] = async (event, stream) => { stream.write("half"); throw new Error("\u00fc\n\x7f"); };
cases["a handler without a promise"] = (event, stream) => { stream.write("x"); };
cases["a handler that throws at once"] = () => { throw new Error("sync"); };
cases["a return value is ignored"] = async (event, stream) => { stream.end("x"); return 5; };
cases["the context"] = async (event, stream, context) => { stream.write(JSON.stringify([Object.keys(context), context.awsRequestId])); stream.end(); };
cases["logs beside it"] = async (event, stream) => { console.log("streaming"); stream.end("x"); console.log("ended"); };
cases["a result after a wait"] = async (event, stream) => { await new Promise((resolve) => setTimeout(resolve, 5)); stream.end("later"); };
cases["what the stream says of itself"] = async (event, stream) => { stream.end(JSON.stringify([stream.writable, stream.writableEnded, stream.writableFinished, stream.destroyed, stream.writableObjectMode])); };
cases["an ended stream"] = async (event, stream) => { stream.end("x"); await new Promise((resolve) => stream.on("finish", resolve)); console.log(stream.writableEnded, stream.writableFinished); };

exports.handler = awslambda.streamifyResponse((event, stream, context) => cases[event.case](event.with, stream, context));
