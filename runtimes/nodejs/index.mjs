// Runs a Node.js function: loads its handler and serves one event after the other.
//
// The names `Runtime` and `handleOnce…` are part of every stack trace that a function's caller sees.

import { restoreFlags } from "./flags.mjs";
import { callbacks, emptyEventLoop, ignoreEmptyEventLoop, onEmptyEventLoop } from "./callback.mjs";
import { RuntimeClient } from "./client.mjs";
import { fillContext, forgetEnvironment, modernContext } from "./context.mjs";
import { CallbackHandlerDeprecated, MalformedStreamingHandler, UnhandledPromiseRejection } from "./errors.mjs";
import { MODERN } from "./generation.mjs";
import { invokeContext, invokeStore } from "./invoke-store.mjs";
import { loadHandler } from "./loader.mjs";
import { forgetInvocation, globalIds, patchConsole, setInvocation } from "./logging.mjs";
import { processorOf } from "./processors.mjs";
import { rehearse } from "./rehearsal.mjs";
import { defineGlobal, highWaterMarkOf, streamingKind } from "./streaming.mjs";
import { enter, isWaiting, prepareToWait } from "./waiting.mjs";

const VERSION = "3.3.0";
const NO_CALLBACKS =
  "ERROR: AWS Lambda has removed support for callback-based function handlers starting with Node.js 24. " +
  "You need to modify this function to use a supported handler signature to use Node.js 24 or later. " +
  "For more information see https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html.";

const isPromise = (value) => typeof value?.then === "function";

// A turn of the event loop: what a handler left for it belongs to its invocation, from nodejs24.x on.
const turn = () => new Promise((resolve) => setImmediate(resolve));

class Runtime {
  constructor(client, handler, store, logError, lastError) {
    this.client = client;
    this.store = store;
    this.handler = handler;
    this.logError = logError;
    this.lastError = lastError;
    this.highWaterMark = highWaterMarkOf(handler);
    this.handleOnce = this.#choose();
    this.processor = MODERN ? processorOf(handler, this.handleOnce === this.handleOnceStreaming) : undefined;
  }

  #choose() {
    const kind = streamingKind(this.handler);
    if (kind !== undefined && kind !== null && kind !== false) {
      if (kind !== "response") throw new MalformedStreamingHandler("Only response streaming is supported.");
      return this.handleOnceStreaming;
    }
    if (!MODERN) return this.handleOnceNonStreaming;
    if (this.handler.length >= 3) throw new CallbackHandlerDeprecated(NO_CALLBACKS);
    return this.handleOnceModern;
  }

  scheduleIteration() {
    this.handleOnce().catch((error) => {
      // Not the function's doing: the platform is gone, or there is a defect in this client.
      console.log(`Unexpected Top Level Error: ${error}`);
      process.exit(1);
    });
  }

  /** Waits for an event and makes its ids and its trace known. */
  async #next() {
    const { headers, body } = await this.client.next();
    const id = headers["lambda-runtime-aws-request-id"];
    const tenant = headers["lambda-runtime-aws-tenant-id"];
    const trace = headers["lambda-runtime-trace-id"];
    if (MODERN) {
      this.store.run(invokeContext(id, trace ?? "", tenant), () => {});
    } else {
      setInvocation(id, tenant);
    }
    this.lastError.post = (error) => this.client.postLastError(id, error);
    if (trace) {
      process.env._X_AMZN_TRACE_ID = trace;
    } else {
      delete process.env._X_AMZN_TRACE_ID;
    }
    return { id, headers, body };
  }

  #post(id) {
    return {
      result: (result) => this.client.postResponse(id, result),
      error: (error) => {
        this.logError("Invoke Error", error);
        this.client.postError(id, error);
      },
    };
  }

  async handleOnceNonStreaming() {
    const { id, headers, body } = await this.#next();
    const { context, callback, completeWithNothing } = callbacks(this.#post(id), () => this.scheduleIteration());
    try {
      onEmptyEventLoop(completeWithNothing);
      const result = this.handler(JSON.parse(body), fillContext(context, headers, process.env), callback);
      if (isPromise(result)) {
        result.then(context.succeed, context.fail).catch(context.fail);
      }
    } catch (error) {
      callback(error);
    }
  }

  async handleOnceModern() {
    const { id, headers, body } = await this.#next();
    const post = this.#post(id);
    try {
      const result = await this.processor.processInvoke(JSON.parse(body), modernContext(headers, process.env));
      await turn();
      post.result(result);
    } catch (error) {
      await turn();
      post.error(error);
    }
    this.scheduleIteration();
  }

  async handleOnceStreaming() {
    const { id, headers, body } = await this.#next();
    const { stream, acknowledged } = this.client.streamResponse(id, this.highWaterMark);
    const fail = (error) => {
      this.logError("Invoke Error", error);
      stream.fail(error);
    };
    let waits = true;
    let finished;
    // Called at the handler's end and when the event loop is empty, which may both happen.
    const finish = () => (finished ??= takeNext());
    const takeNext = async () => {
      // The outcome is known to the platform in any case: an answer, or a connection that ended half-way.
      await acknowledged.catch(() => {});
      const next = () => {
        ignoreEmptyEventLoop();
        this.scheduleIteration();
      };
      if (MODERN || !waits) {
        next();
      } else {
        onEmptyEventLoop(next);
      }
    };
    onEmptyEventLoop(() => {
      // Nothing is left that could ever end the stream or settle the handler's promise.
      ignoreEmptyEventLoop();
      fail(complaint("Response stream is not finished."));
      finish();
    });
    try {
      const context = MODERN
        ? modernContext(headers, process.env)
        : fillContext(streamingContext((value) => (waits = value), () => waits), headers, process.env);
      const event = JSON.parse(body);
      const result = MODERN
        ? this.processor.processInvoke(event, stream, context)
        : this.handler(event, stream, context);
      if (!isPromise(result)) {
        fail(complaint("Streaming does not support non-async handlers."));
      } else if ((await result) !== undefined) {
        console.warn("Streaming handlers ignore return values.");
      }
    } catch (error) {
      fail(error);
    }
    await finish();
  }
}

// AWS's older client reports a text here, the newer one an error.
const complaint = (text) => (MODERN ? new Error(text) : text);

function streamingContext(set, get) {
  return {
    get callbackWaitsForEmptyEventLoop() {
      return get();
    },
    set callbackWaitsForEmptyEventLoop(value) {
      set(value);
    },
  };
}

/** Reports an error that nobody caught and ends the process with `code`. */
function endWith(code, lastError, error) {
  lastError.ends = true;
  lastError.post(error).then(
    () => process.exit(code),
    () => process.exit(code),
  );
}

/** Up to nodejs22.x errors that nobody caught are reported; later they end the process as Node.js itself does. */
function reportUncaught(logError, lastError) {
  process.on("uncaughtException", (error) => {
    logError("Uncaught Exception", error);
    endWith(129, lastError, error);
  });
  process.on("unhandledRejection", (reason, promise) => {
    const error = new UnhandledPromiseRejection(reason, promise);
    logError("Unhandled Promise Rejection", error);
    endWith(128, lastError, error);
  });
}

async function load(root, handlerName, client, store, logError, lastError) {
  try {
    // From here, so that Node's messages about imports name this file.
    const handler = await loadHandler(root, handlerName, (file) => import(file));
    // Node tells of a rejection that nobody caught after the microtasks. One of the loading belongs to the
    // initialisation, so no event is asked for before it had its chance.
    await turn();
    return lastError.ends ? undefined : new Runtime(client, handler, store, logError, lastError);
  } catch (error) {
    if (!MODERN) throw error;
    logError("Init Error", error);
    await client.postInitError(error);
    throw error;
  }
}

/** Runs the function of a process that was started before anybody knew for which, once somebody does. */
async function awaitFunction() {
  const client = await connected(process.env.AWS_LAMBDA_RUNTIME_API);
  const { become, forget: forgetProcess, nodePath, assignment } = prepareToWait();
  const forget = () => forgetFunction(forgetProcess);
  await rehearse({ become, forget, nodePath, connect: connected, run });
  // Otherwise the garbage of all this is collected when the handler is loaded, at the cost of a millisecond. Twice, so that
  // new objects come to lie where there have been some.
  globalThis.gc?.({ type: "minor" });
  globalThis.gc?.({ type: "minor" });
  const { env, entrance } = assignment();
  become(env);
  return run(client, entrance);
}

/** Takes back what `run` has left. */
function forgetFunction(forgetProcess) {
  ignoreEmptyEventLoop();
  forgetEnvironment();
  forgetInvocation();
  patchConsole({}, globalIds);
  forgetProcess();
}

/** A client that is connected. */
async function connected(address) {
  const client = new RuntimeClient(address, VERSION);
  await client.connected();
  return client;
}

/** With an entrance there is nothing of the function's before it has been passed. */
async function run(connection, entrance) {
  if (process.env.AWS_LAMBDA_MAX_CONCURRENCY !== undefined) {
    throw new Error("this client runs one invocation at a time, but AWS_LAMBDA_MAX_CONCURRENCY is set");
  }
  defineGlobal(process.env);
  const store = MODERN ? invokeStore() : undefined;
  const logError = patchConsole(process.env, store ?? globalIds);
  const client = connection ?? new RuntimeClient(process.env.AWS_LAMBDA_RUNTIME_API, VERSION);
  const lastError = { post: (error) => client.postInitError(error) };
  if (!MODERN) reportUncaught(logError, lastError);
  ignoreEmptyEventLoop();
  if (!MODERN) process.on("beforeExit", emptyEventLoop);
  restoreFlags();
  if (entrance) enter(entrance);
  const root = process.env.LAMBDA_TASK_ROOT ?? process.cwd();
  const runtime = await load(root, process.env._HANDLER ?? "", client, store, logError, lastError);
  // Later only a stream that is never ended is noticed in this way.
  if (MODERN && runtime?.handleOnce === runtime?.handleOnceStreaming) process.on("beforeExit", emptyEventLoop);
  runtime?.scheduleIteration();
}

const running = isWaiting(process.env) ? awaitFunction() : run();
// From nodejs24.x on a failure ends the process as any rejection does that nobody handles.
if (!MODERN) await running;
