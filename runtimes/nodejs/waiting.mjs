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
const NEWLINE = 10;

export const isWaiting = (environment) => environment[VARIABLE] !== undefined;

/**
 * What there is to do before anybody knows the function. In between there are no variables. Returns
 * - `become`, which makes the process look as if it had been started with these variables,
 * - `forget`, which takes that back,
 * - `assignment`, which blocks until somebody knows the function and gives its variables and what `enter` needs,
 * - `nodePath`, the one variable of the start of which Node.js has kept something.
 */
export function prepareToWait() {
  const fd = Number.parseInt(process.env[VARIABLE], 10);
  const nodePath = process.env.NODE_PATH;
  const { show, showStart, memory } = environmentShower();
  const readLine = lineReader(fd);
  clearEnvironment();
  return {
    nodePath,
    assignment() {
      const given = { env: undefined, entrance: { readLine, descriptors: [fd, ...memory], cwd: "" } };
      writeSync(fd, "R");
      // A space comes ahead, as soon as a function has been chosen: the processor is awake when the rest comes.
      const { env, cwd } = JSON.parse(readLine());
      given.env = env;
      given.entrance.cwd = cwd;
      return given;
    },
    become(env) {
      for (const [name, value] of env) process.env[name] = value;
      if (process.env.NODE_PATH !== nodePath) nodeModule._initPaths();
      show(env);
    },
    forget() {
      clearEnvironment();
      showStart();
    },
  };
}

// All of it, so that the order is that of a fresh start, and nothing points into the memory that is overwritten later.
function clearEnvironment() {
  for (const name of Object.keys(process.env)) delete process.env[name];
}

/** What reads the lines that come on a descriptor, one at each call. Where they end, the platform ends this sandbox. */
export function lineReader(fd) {
  let buffer = Buffer.alloc(16 * 1024);
  let [start, end] = [0, 0];
  return () => {
    for (let from = start; ; ) {
      // Behind what has been read there are zeros.
      const newline = buffer.indexOf(NEWLINE, from);
      if (newline >= 0) {
        const line = buffer.toString("utf8", start, newline);
        start = newline + 1;
        return line;
      }
      from = end;
      if (end === buffer.length) buffer = Buffer.concat([buffer], 2 * end);
      const length = readSync(fd, buffer, end, buffer.length - end, null);
      if (length === 0) process.exit(0);
      end += length;
    }
  };
}

/** Blocks until the function's folders are there, which a line says, and enters one. Nothing can be taken back after that. */
export function enter({ readLine, descriptors, cwd }) {
  readLine();
  for (const fd of descriptors) closeSync(fd);
  process.chdir(cwd);
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
    return { show, showStart, memory: [memory] };
  } catch {
    // A kernel that forbids it: the file shows the variables of the start, none of which is the function's.
    return { show: () => {}, showStart: () => {}, memory: [] };
  }
}
