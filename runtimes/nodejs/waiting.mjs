// Waiting in a sandbox that was made before anybody knew for which function.
//
// All that a start costs is paid by then: Node.js runs, the client is loaded, compiled by one invocation that nobody
// sees, and connected. What is left to be told is the environment and the working directory. Nothing of the function's
// may be looked at before, and nothing may use the thread pool.

import { closeSync, openSync, readFileSync, readSync, writeSync } from "node:fs";
import nodeModule, { createRequire } from "node:module";

// The descriptor on which to wait. Whoever gives it also makes the environment long enough for the function's.
const VARIABLE = "_LAMBENT_ASSIGNMENT_FD";
// proc(5), fields of `stat`.
const ENVIRONMENT_START = 50;
const ENVIRONMENT_END = 51;

export const isWaiting = (environment) => environment[VARIABLE] !== undefined;

/** Blocks until there is a function, and makes the process look as if it had been started for it. */
export function waitForAssignment() {
  const fd = Number.parseInt(process.env[VARIABLE], 10);
  writeSync(fd, "R");
  const parts = [];
  const buffer = Buffer.alloc(64 * 1024);
  for (let length; (length = readSync(fd, buffer, 0, buffer.length, null)) > 0; ) {
    parts.push(Buffer.from(buffer.subarray(0, length)));
  }
  closeSync(fd);
  // The platform ends this sandbox.
  if (parts.length === 0) process.exit(0);
  const { env, cwd } = JSON.parse(Buffer.concat(parts).toString("utf8"));
  replaceEnvironment(env);
  showEnvironment(env);
  process.chdir(cwd);
}

function replaceEnvironment(env) {
  const folders = process.env.NODE_PATH;
  // All of it, so that the order is that of a fresh start, and nothing points into the memory that is overwritten next.
  for (const name of Object.keys(process.env)) delete process.env[name];
  for (const [name, value] of env) process.env[name] = value;
  if (process.env.NODE_PATH !== folders) nodeModule._initPaths();
}

/** Overwrites what /proc/self/environ shows: the memory of the start's environment. */
function showEnvironment(env) {
  try {
    const stat = readFileSync("/proc/self/stat", "latin1");
    // The first two fields are the number and, in parentheses, the name.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [start, end] = [ENVIRONMENT_START, ENVIRONMENT_END].map((number) => Number(fields[number - 3]));
    const shown = Buffer.alloc(end - start);
    const text = Buffer.from(env.map(([name, value]) => `${name}=${value}\0`).join(""));
    if (text.length > shown.length) return;
    text.copy(shown);
    const memory = openSync("/proc/self/mem", "r+");
    try {
      writeSync(memory, shown, 0, shown.length, start);
    } finally {
      closeSync(memory);
    }
  } catch {
    // A kernel that forbids it: the file shows the variables of the start, none of which is the function's.
  }
}

/** A handler that is loaded as functions are, and leaves no trace of it. */
export function warmHandler() {
  const require = createRequire(import.meta.url);
  const { handler } = require("./warm.cjs");
  delete require.cache[require.resolve("./warm.cjs")];
  return handler;
}

/** Stands in for a connection: answers the first request for an event with one, and takes what is sent. */
export function deafConnection() {
  const event = { status: 200, headers: { "lambda-runtime-aws-request-id": "warm" }, body: "{}" };
  let asked = 0;
  const nothing = () => {};
  return {
    socket: { ref: nothing, unref: nothing, write: nothing },
    // The first is the event, the second the acknowledgement of the response; then there is no further event.
    response: () => {
      asked += 1;
      return asked > 2 ? new Promise(nothing) : Promise.resolve(asked === 1 ? event : { status: 202, headers: {} });
    },
  };
}
