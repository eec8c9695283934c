// Waiting in a sandbox that was made before anybody knew for which function.
//
// All that a start costs is paid by then: Node.js runs, the client is loaded, compiled by one invocation that nobody
// sees, and connected. What is left to be told is the environment and the working directory. Nothing of the function's
// may be looked at before. The thread pool may be used: a function that sets its size gets an interpreter of its own.

import { closeSync, openSync, readFileSync, readSync, writeSync } from "node:fs";
import nodeModule from "node:module";

// The descriptor on which to wait. Whoever gives it also makes the environment long enough for the function's.
const VARIABLE = "_LAMBENT_ASSIGNMENT_FD";
// proc(5), fields of `stat`.
const ENVIRONMENT_START = 50;
const ENVIRONMENT_END = 51;

export const isWaiting = (environment) => environment[VARIABLE] !== undefined;

/**
 * What there is to do before anybody knows the function. In between there are no variables. Returns
 * - `become`, which makes the process look as if it had been started with these variables in this folder,
 * - `forget`, which takes that back, and `remain`, after which it cannot be,
 * - `assignment`, which blocks until somebody knows the function and gives both; `onCall` is called as soon as one is chosen,
 * - `nodePath`, the one variable of the start of which Node.js has kept something.
 */
export function prepareToWait() {
  const fd = Number.parseInt(process.env[VARIABLE], 10);
  const nodePath = process.env.NODE_PATH;
  const { show, showStart, close } = environmentShower();
  clearEnvironment();
  return {
    nodePath,
    assignment(onCall) {
      const first = Buffer.alloc(1);
      writeSync(fd, "R");
      const isCalled = readSync(fd, first, 0, 1, null) > 0;
      if (isCalled) onCall();
      // A space comes ahead.
      const text = first.toString("latin1") + readAll(fd);
      // The platform ends this sandbox.
      if (!isCalled || text === " ") process.exit(0);
      return JSON.parse(text);
    },
    become({ env, cwd }) {
      for (const [name, value] of env) process.env[name] = value;
      if (process.env.NODE_PATH !== nodePath) nodeModule._initPaths();
      show(env);
      process.chdir(cwd);
    },
    forget() {
      clearEnvironment();
      showStart();
    },
    remain: close,
  };
}

// All of it, so that the order is that of a fresh start, and nothing points into the memory that is overwritten later.
function clearEnvironment() {
  for (const name of Object.keys(process.env)) delete process.env[name];
}

/** The text that comes until the other side is closed, which this one is then. */
export function readAll(fd) {
  const parts = [];
  const buffer = Buffer.alloc(16 * 1024);
  for (let length; (length = readSync(fd, buffer, 0, buffer.length, null)) > 0; ) {
    parts.push(buffer.toString("latin1", 0, length));
  }
  closeSync(fd);
  // Put together before it is decoded: a character may lie in two parts.
  return Buffer.from(parts.join(""), "latin1").toString("utf8");
}

/** What overwrites the variables that /proc/self/environ shows: the memory of the start's environment. */
function environmentShower() {
  try {
    const stat = readFileSync("/proc/self/stat", "latin1");
    // The first two fields are the number and, in parentheses, the name.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [start, end] = [ENVIRONMENT_START, ENVIRONMENT_END].map((number) => Number(fields[number - 3]));
    const memory = openSync("/proc/self/mem", "r+");
    const shown = Buffer.alloc(end - start);
    const atStart = readFileSync("/proc/self/environ").subarray(0, end - start);
    const show = (env) => {
      const text = env.map(([name, value]) => `${name}=${value}\0`).join("");
      shown.fill(0);
      // What does not fit is not shown at all, as if the kernel forbade it.
      if (Buffer.byteLength(text) <= shown.length) shown.write(text);
      writeSync(memory, shown, 0, shown.length, start);
    };
    // By which one sees from outside that it waits.
    const showStart = () => writeSync(memory, atStart, 0, atStart.length, start);
    return { show, showStart, close: () => closeSync(memory) };
  } catch {
    // A kernel that forbids it: the file shows the variables of the start, none of which is the function's.
    return { show: () => {}, showStart: () => {}, close: () => {} };
  }
}
