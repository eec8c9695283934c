// A rehearsal of a function's start and of its first invocations, while nobody waits for it (waiting.mjs).
//
// What runs for the first time is compiled, misses every cache of the engine, and loads what Node.js loads lazily: that was
// a third of a start. So the client becomes another function first, which comes with it, and serves events of a platform in
// this very process. Nothing of that may be seen later.

import { closeSync, openSync } from "node:fs";
import { createServer } from "node:net";
import { createRequire } from "node:module";
import { join } from "node:path";
import { setLazyFeedback } from "./flags.mjs";
import { holdsAnything, importFile, ownFolder, tryImportAtOnce } from "./loader.mjs";
import { lineReader } from "./waiting.mjs";

// As many as it takes until further ones make no start shorter.
const ROUNDS = 4;
const EVENTS = 6;
const EVENT =
  "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nlambda-runtime-aws-request-id: rehearsal\r\n" +
  "lambda-runtime-deadline-ms: 1\r\nlambda-runtime-invoked-function-arn: rehearsal\r\n" +
  'lambda-runtime-trace-id: rehearsal\r\ncontent-length: 15\r\n\r\n{"key":"value"}';
const ACKNOWLEDGEMENT = "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n";
// What packages that call services require. It takes ten milliseconds, twice as long as from Node's own cache, which V8 does
// not use once it has the options of the start again (flags.mjs). Two megabytes of each process.
const OFTEN_REQUIRED = ["child_process", "crypto", "http2", "https", "os", "stream/promises", "timers/promises", "url", "zlib"];
const LISTENED = ["beforeExit", "exit", "uncaughtException", "unhandledRejection"];

/** What the function is told that is rehearsed. `fd` is where its log goes. */
function documentOf(nodePath, api, fd) {
  const text = "rehearsal rehearsal rehearsal";
  const env = [
    ["_HANDLER", "warm.handler"],
    ["TZ", ":UTC"],
    ["LANG", "en_US.UTF-8"],
    ["PATH", "/usr/local/bin:/usr/bin:/bin"],
    ["LAMBDA_TASK_ROOT", ownFolder],
    ...(nodePath === undefined ? [] : [["NODE_PATH", nodePath]]),
    ["AWS_LAMBDA_RUNTIME_API", api],
    ["_LAMBDA_TELEMETRY_LOG_FD", String(fd)],
    ...["FUNCTION_NAME", "FUNCTION_VERSION", "LOG_GROUP_NAME", "LOG_STREAM_NAME"].map((name) => [`AWS_LAMBDA_${name}`, text]),
    ...["REGION", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"].map((name) => [`AWS_${name}`, text]),
  ];
  return JSON.stringify({ env, cwd: "/" });
}

/** A platform that has `EVENTS` events and keeps the runtime waiting for another. */
class Platform {
  #server;
  #left = EVENTS;
  #sockets = [];

  constructor(served) {
    this.#server = createServer({ noDelay: true }, (socket) => {
      this.#sockets.push(socket);
      // It is cut off at the end.
      socket.on("error", () => {});
      socket.on("data", (data) => {
        if (data.toString("latin1", 0, 4) === "POST") socket.write(ACKNOWLEDGEMENT);
        if (this.#left-- > 0) setImmediate(() => socket.write(EVENT));
        else served();
      });
    });
  }

  /** Resolves to the address. */
  async listen() {
    await new Promise((resolve, reject) => {
      this.#server.on("error", reject);
      this.#server.listen(0, "127.0.0.1", resolve);
    });
    return `127.0.0.1:${this.#server.address().port}`;
  }

  close() {
    for (const socket of this.#sockets) socket.destroy();
    return new Promise((resolve) => this.#server.close(resolve));
  }
}

/**
 * Node.js asks of a socket that is destroyed whether it is `process.stderr`, and the module `assert` whether that is a
 * terminal. Either would make it.
 */
function withoutStderr(work) {
  const ordinary = Object.getOwnPropertyDescriptor(process, "stderr");
  Object.defineProperty(process, "stderr", { ...ordinary, get: () => ({ isTTY: false }) });
  try {
    return work();
  } finally {
    Object.defineProperty(process, "stderr", ordinary);
  }
}

/** An entrance whose lines are those of a file with two, the first of which has been read. */
function entranceOf(file) {
  const fd = openSync(file);
  const readLine = lineReader(fd);
  readLine();
  return { readLine, descriptors: [fd], cwd: "/" };
}

/**
 * `become`, `forget` and `nodePath` are those of waiting.mjs, `connect` gives a client of an address, `run` starts the
 * function.
 */
export async function rehearse({ become, forget, nodePath, connect, run }) {
  const requireWarm = createRequire(import.meta.url);
  withoutStderr(() => OFTEN_REQUIRED.forEach((name) => requireWarm(name)));
  // Few rounds suffice then. What more of them would have V8 compile would be more to fetch for a start, too.
  setLazyFeedback(false);
  const listeners = LISTENED.map((name) => process.listeners(name));
  // Nobody reads it.
  const log = openSync("/dev/null", "w");
  for (let round = 0; round < ROUNDS; round++) {
    let served;
    const allServed = new Promise((resolve) => (served = resolve));
    const platform = new Platform(served);
    const address = await platform.listen();
    const client = await connect(address);
    const entrance = entranceOf(join(ownFolder, "warm-module.mjs"));
    const { env } = JSON.parse(documentOf(nodePath, address, log));
    become(env);
    // The function's own folders are not there yet, and that of the runtime's packages may hold some.
    process.env.NODE_PATH = `${join(ownFolder, "nothing")}:${ownFolder}`;
    holdsAnything(join(ownFolder, "node_modules"));
    await run(client, entrance);
    await allServed;
    // Handlers may be ES modules, each of which is loaded once.
    const file = join(ownFolder, "warm-module.mjs");
    await (round === 0 ? tryImportAtOnce(`${file}?0`) : importFile(file, `${file}?${round}`));
    const closed = withoutStderr(() => {
      client.disconnect();
      return platform.close();
    });
    await closed;
    for (const [index, name] of LISTENED.entries()) {
      for (const listener of process.listeners(name)) {
        if (!listeners[index].includes(listener)) process.off(name, listener);
      }
    }
    delete requireWarm.cache[requireWarm.resolve("./warm.cjs")];
    delete globalThis.awslambda;
    forget();
  }
  closeSync(log);
  setLazyFeedback(true);
}
