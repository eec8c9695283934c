// Starts the client for the runtimes up to nodejs22.x: Node.js starts a CommonJS file a fifth sooner, since it can leave
// its loader of ES modules alone until the function has an ES module.
//
// Nothing may tell it from the ES module index.mjs, as which AWS's client is started. So `joined.js`, which has the same
// modules without the words that only ES modules know, is compiled under that name.

"use strict";

// As flags.mjs does and says why; this is before it, and Node's modules are wanted here already.
const { setFlagsFromString } = require("node:v8");
if (process.execArgv.includes("--expose-gc")) setFlagsFromString("--no-expose-gc");
for (const word of process.execArgv) {
  const [name, value] = word.split("=");
  if (/^--max-(old|semi)-space-size$/.test(name) && value) setFlagsFromString(`${name}=0`);
}

const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const { pathToFileURL } = require("node:url");
const { compileFunction } = require("node:vm");

const UNSETTLED = 13;

/** Has an error end the process as one does that an ES module's evaluation ends with. */
function fail(error) {
  const isNoRejection = !(error instanceof Error) || /unhandled[-_]rejections/.test(process.env.NODE_OPTIONS);
  if (isNoRejection) {
    // Out of the promise: Node.js would wrap what is no error, and the option may have it ignore rejections.
    process.nextTick(() => {
      throw error;
    });
    return;
  }
  // To Node.js both are the same, a rejection that nobody handled, but the listeners for those do not hear of it.
  const listeners = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  Promise.reject(error);
  setImmediate(() => {
    for (const listener of listeners) process.on("unhandledRejection", listener);
  });
}

/** What Node.js makes of an `await` at the top of its first module: it ends with an exit code of its own if nothing is
 * left to do, and with the error if there is one. */
function awaitAtTop(promise) {
  // From Node.js 22 on listeners for the end see the code, and there is a warning.
  const isTold = Number.parseInt(process.versions.node, 10) >= 22;
  let isIdle = false;
  // `process.exit` does not come by here, and keeps its own code.
  const beforeExit = () => {
    isIdle = process.exitCode === undefined;
    if (isIdle && isTold) process.exitCode = UNSETTLED;
  };
  const atExit = () => {
    if (!isIdle) return;
    process.exitCode = UNSETTLED;
    if (isTold) process.stderr.write(`Warning: Detected unsettled top-level await at ${url}\n`);
  };
  const settled = () => {
    process.off("beforeExit", beforeExit);
    process.off("exit", atExit);
    if (isIdle) process.exitCode = undefined;
  };
  // So that it is compiled by the time at which it is called, which is before the first event is taken.
  settled();
  process.on("beforeExit", beforeExit);
  process.on("exit", atExit);
  promise.finally(settled).catch(fail);
}

const file = join(__dirname, "index.mjs");
const url = pathToFileURL(file).href;
process.argv[1] = file;
delete process.mainModule;
delete require.cache[__filename];

const names = ["require", "importModule", "awaitAtTop", "MODULE_URL"];
const client = compileFunction(readFileSync(join(__dirname, "joined.js"), "utf8"), names, { filename: url });
client(require, (name) => import(name), awaitAtTop, url);
