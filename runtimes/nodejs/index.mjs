// Runs a Node.js function: loads its handler and serves one event after the other.
//
// The names `Runtime` and `handleOnce…` are part of every stack trace that a function's caller sees.

import { callbacks, emptyEventLoop, ignoreEmptyEventLoop, onEmptyEventLoop } from "./callback.mjs";
import { RuntimeClient } from "./client.mjs";
import { fillContext, modernContext } from "./context.mjs";
import { CallbackHandlerDeprecated, MalformedStreamingHandler, UnhandledPromiseRejection } from "./errors.mjs";
import { loadHandler } from "./loader.mjs";
import { patchConsole, setInvocation } from "./logging.mjs";
import { defineGlobal, highWaterMarkOf, streamingKind } from "./streaming.mjs";

const VERSION = "3.3.0";
const FIRST_MAJOR_WITHOUT_CALLBACKS = 24;
const NO_CALLBACKS =
  "ERROR: AWS Lambda has removed support for callback-based function handlers starting with Node.js 24. " +
  "You need to modify this function to use a supported handler signature to use Node.js 24 or later. " +
  "For more information see https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html.";

const isPromise = (value) => typeof value?.then === "function";

/** Whether the function runs in nodejs24.x or later, where handlers have no callback. */
function isModern(environment) {
  const runtime = /^AWS_Lambda_nodejs(\d+)\.x$/.exec(environment.AWS_EXECUTION_ENV ?? "");
  const major = Number.parseInt(runtime?.[1] ?? process.versions.node, 10);
  return major >= FIRST_MAJOR_WITHOUT_CALLBACKS;
}

class Runtime {
  constructor(client, handler, logError, lastError) {
    this.client = client;
    this.handler = handler;
    this.logError = logError;
    this.lastError = lastError;
    this.modern = isModern(process.env);
    this.highWaterMark = highWaterMarkOf(handler);
    this.handleOnce = this.#choose();
  }

  #choose() {
    const kind = streamingKind(this.handler);
    if (kind !== undefined && kind !== null && kind !== false) {
      if (kind !== "response") throw new MalformedStreamingHandler("Only response streaming is supported.");
      return this.handleOnceStreaming;
    }
    if (!this.modern) return this.handleOnceNonStreaming;
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
    setInvocation(id, headers["lambda-runtime-aws-tenant-id"]);
    this.lastError.post = (error) => this.client.postLastError(id, error);
    const trace = headers["lambda-runtime-trace-id"];
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
    // A promise that cannot be settled any more would otherwise end the process.
    onEmptyEventLoop(() => {
      ignoreEmptyEventLoop();
      post.result(null);
      this.scheduleIteration();
    });
    try {
      const result = await this.handler(JSON.parse(body), modernContext(headers, process.env));
      ignoreEmptyEventLoop();
      post.result(result);
    } catch (error) {
      ignoreEmptyEventLoop();
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
      if (this.modern || !waits) {
        next();
      } else {
        onEmptyEventLoop(next);
      }
    };
    onEmptyEventLoop(() => {
      // Nothing is left that could ever end the stream or settle the handler's promise.
      ignoreEmptyEventLoop();
      fail("Response stream is not finished.");
      finish();
    });
    try {
      const context = this.modern
        ? modernContext(headers, process.env)
        : fillContext(streamingContext((value) => (waits = value), () => waits), headers, process.env);
      const result = this.handler(JSON.parse(body), stream, context);
      if (!isPromise(result)) {
        fail("Streaming does not support non-async handlers.");
      } else if ((await result) !== undefined) {
        console.warn("Streaming handlers ignore return values.");
      }
    } catch (error) {
      fail(error);
    }
    await finish();
  }
}

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

async function run(root, handlerName) {
  const logError = patchConsole(process.env);
  const client = new RuntimeClient(process.env.AWS_LAMBDA_RUNTIME_API, VERSION);
  const lastError = { post: (error) => client.postInitError(error) };
  process.on("uncaughtException", (error) => {
    logError("Uncaught Exception", error);
    endWith(129, lastError, error);
  });
  process.on("unhandledRejection", (reason, promise) => {
    const error = new UnhandledPromiseRejection(reason, promise);
    logError("Unhandled Promise Rejection", error);
    endWith(128, lastError, error);
  });
  ignoreEmptyEventLoop();
  process.on("beforeExit", emptyEventLoop);
  defineGlobal(process.env);
  const handler = await loadHandler(root, handlerName);
  // Node tells of a rejection that nobody caught after the microtasks. One of the loading belongs to the
  // initialisation, so no event is asked for before it had its chance.
  await new Promise((resolve) => setImmediate(resolve));
  if (lastError.ends) return;
  new Runtime(client, handler, logError, lastError).scheduleIteration();
}

await run(process.env.LAMBDA_TASK_ROOT ?? process.cwd(), process.env._HANDLER ?? "");
