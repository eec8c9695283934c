// Waiting in a sandbox that was made before anybody knew for which function.
//
// All that a start costs is paid by then: Node.js runs, the client is loaded, compiled by one invocation that nobody
// sees, and connected. What is left to be told is the environment and the working directory. Nothing of the function's
// may be looked at before. The thread pool may be used: a function that sets its size gets an interpreter of its own.

import { closeSync, openSync, readFileSync, readSync, writeSync } from "node:fs";
import nodeModule, { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

// The descriptor on which to wait. Whoever gives it also makes the environment long enough for the function's.
const VARIABLE = "_LAMBENT_ASSIGNMENT_FD";
// proc(5), fields of `stat`.
const ENVIRONMENT_START = 50;
const ENVIRONMENT_END = 51;

export const isWaiting = (environment) => environment[VARIABLE] !== undefined;

/**
 * What there is to do before anybody knows the function. Returns a function that blocks until somebody does, and makes the
 * process look as if it had been started for it. In between there are no variables.
 */
export function prepareToWait() {
  const fd = Number.parseInt(process.env[VARIABLE], 10);
  const folders = process.env.NODE_PATH;
  const show = environmentShower();
  clearEnvironment();
  return () => {
    const { env, cwd } = JSON.parse(receive(fd));
    for (const [name, value] of env) process.env[name] = value;
    if (process.env.NODE_PATH !== folders) nodeModule._initPaths();
    show(env);
    process.chdir(cwd);
  };
}

// All of it, so that the order is that of a fresh start, and nothing points into the memory that is overwritten later.
function clearEnvironment() {
  for (const name of Object.keys(process.env)) delete process.env[name];
}

function receive(fd) {
  const parts = [];
  const buffer = Buffer.alloc(64 * 1024);
  writeSync(fd, "R");
  for (let length; (length = readSync(fd, buffer, 0, buffer.length, null)) > 0; ) {
    parts.push(buffer.toString("latin1", 0, length));
  }
  closeSync(fd);
  // The platform ends this sandbox.
  if (parts.length === 0) process.exit(0);
  // Put together before it is decoded: a character may lie in two parts.
  return Buffer.from(parts.join(""), "latin1").toString("utf8");
}

/** Gives a function that overwrites what /proc/self/environ shows: the memory of the start's environment. */
function environmentShower() {
  try {
    const stat = readFileSync("/proc/self/stat", "latin1");
    // The first two fields are the number and, in parentheses, the name.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [start, end] = [ENVIRONMENT_START, ENVIRONMENT_END].map((number) => Number(fields[number - 3]));
    const memory = openSync("/proc/self/mem", "r+");
    const shown = Buffer.alloc(end - start);
    return (env) => {
      const text = env.map(([name, value]) => `${name}=${value}\0`).join("");
      // What does not fit is not shown at all, as if the kernel forbade it.
      if (Buffer.byteLength(text) <= shown.length) {
        shown.write(text);
        writeSync(memory, shown, 0, shown.length, start);
      }
      closeSync(memory);
    };
  } catch {
    // A kernel that forbids it: the file shows the variables of the start, none of which is the function's.
    return () => {};
  }
}

/** Has what is used after the wait compiled, and leaves no trace of it. `load` loads handlers, `importModule` modules. */
export async function warmUp(load, importModule) {
  const folder = fileURLToPath(new URL(".", import.meta.url));
  const handler = await load(folder, "warm.handler", importModule);
  const requireWarm = createRequire(import.meta.url);
  delete requireWarm.cache[requireWarm.resolve("./warm.cjs")];
  // Handlers may be ES modules, which Node.js reads by its thread pool: only the first import waits for its threads.
  await importModule(new URL("./warm-module.mjs", import.meta.url).href);
  process.env.WARM = JSON.parse('"text"');
  delete process.env.WARM;
  return handler;
}

/** Gives `patch`, which is `patchConsole`, a descriptor that nobody reads while `work` is done. */
export async function withSilentConsole(patch, work) {
  const fd = openSync("/dev/null", "w");
  patch({ _LAMBDA_TELEMETRY_LOG_FD: String(fd) });
  await work();
  closeSync(fd);
  // Done again when it is known how the function wants its logs; until then nobody writes any.
  patch({});
}

/** What the platform says to a client that gets warm: an event, and that its outcome has been taken. */
export const WARM = {
  event:
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: warm\r\n" +
    "Lambda-Runtime-Deadline-Ms: 1\r\nLambda-Runtime-Invoked-Function-Arn: warm\r\nContent-Length: 15\r\n\r\n" +
    '{"key":"value"}',
  acknowledgement: "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n",
};
