// Response streaming (AWS Lambda Developer Guide, "Response streaming for Lambda functions"): a chunked body whose
// trailers say how it failed, if it did.

import { Writable } from "node:stream";
import { InvalidStreamingOperation, toResponse } from "./errors.mjs";

const ERROR_TYPE = "Lambda-Runtime-Function-Error-Type";
const ERROR_BODY = "Lambda-Runtime-Function-Error-Body";
const STREAMING = Symbol.for("aws.lambda.runtime.handler.streaming");
const HIGH_WATER_MARK = Symbol.for("aws.lambda.runtime.handler.streaming.highWaterMark");
const HTTP_INTEGRATION = "application/vnd.awslambda.http-integration-response";
const PRELUDE_END = Buffer.alloc(8);

/** The second argument of a streaming handler. */
export class ResponseStream extends Writable {
  #socket;
  #head;
  #contentType = "application/octet-stream";
  #started = false;
  #trailers = "";
  // Set by `HttpResponseStream.from`; called with a function that writes, before the first byte of the body.
  _onBeforeFirstWrite = undefined;
  // Whether all of the body is on its way.
  complete = false;

  constructor(socket, path, headers, highWaterMark) {
    super(highWaterMark === undefined ? {} : { highWaterMark });
    this.#socket = socket;
    this.#head = `POST ${path} HTTP/1.1\r\n${headers}`;
    // A stream that the handler breaks must not end the process as an unhandled 'error' event; the handler learns of
    // it through its own promise or `pipeline`.
    this.on("error", () => {});
  }

  setContentType(contentType) {
    if (this.#started) throw new InvalidStreamingOperation("Cannot set content-type, too late.");
    this.#contentType = String(contentType).replace(/[\x00-\x1f\x7f]/g, " ");
  }

  /** Anything but text and bytes is written as JSON. */
  write(chunk, encoding, callback) {
    return super.write(writable(chunk), encoding, callback);
  }

  end(chunk, encoding, callback) {
    const isData = chunk !== undefined && chunk !== null && typeof chunk !== "function";
    return super.end(isData ? writable(chunk) : chunk, encoding, callback);
  }

  /** Ends the stream with the error in its trailers. False if the stream has ended already. */
  fail(error) {
    if (this.complete || this.writableEnded || this.destroyed) return false;
    this.#trailers = trailersOf(error);
    this.end();
    return true;
  }

  #start() {
    this.#started = true;
    this.#socket.write(
      `${this.#head}Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n` +
        `Trailer: ${ERROR_TYPE}, ${ERROR_BODY}\r\nContent-Type: ${this.#contentType}\r\n\r\n`,
    );
    this._onBeforeFirstWrite?.((bytes) => this.#chunk(bytes));
  }

  #chunk(data, callback) {
    const bytes = typeof data === "string" ? Buffer.from(data) : data;
    // A chunk of length 0 would end the body.
    if (bytes.length === 0) return callback?.();
    this.#socket.cork();
    this.#socket.write(`${bytes.length.toString(16)}\r\n`);
    this.#socket.write(bytes);
    this.#socket.write("\r\n", callback);
    this.#socket.uncork();
  }

  #close(trailers, callback) {
    this.complete = true;
    // The platform's answer is still to come; `streamResponse` lets go of the connection then.
    this.#socket.ref();
    this.#socket.write(`0\r\n${trailers}\r\n`, callback);
  }

  _write(chunk, _encoding, callback) {
    if (!this.#started) this.#start();
    this.#chunk(chunk, callback);
  }

  _final(callback) {
    if (!this.#started) this.#start();
    this.#close(this.#trailers, callback);
  }

  _destroy(error, callback) {
    if (!this.complete && !this.#socket.destroyed) {
      if (error) {
        // `pipeline` destroys its target when the source fails: the caller shall know why the body ends here.
        if (!this.#started) this.#start();
        this.#close(trailersOf(error));
      } else if (this.#started) {
        // Abandoned without a reason, the body cannot be completed; a broken connection is the way to say so.
        this.#socket.destroy();
      }
    }
    callback(error);
  }
}

function trailersOf(error) {
  const response = toResponse(error);
  const type = String(response.errorType).replace(/[\x00-\x1f\x7f]/g, " ");
  const body = Buffer.from(JSON.stringify(response)).toString("base64");
  return `${ERROR_TYPE}: ${type}\r\n${ERROR_BODY}: ${body}\r\n`;
}

function writable(chunk) {
  return typeof chunk === "string" || chunk instanceof Uint8Array ? chunk : JSON.stringify(chunk);
}

class HttpResponseStream {
  /** Puts status code, headers and cookies in front of the body. */
  static from(stream, prelude) {
    stream.setContentType(HTTP_INTEGRATION);
    const text = JSON.stringify(prelude);
    stream._onBeforeFirstWrite = (write) => {
      write(text);
      write(PRELUDE_END);
    };
    return stream;
  }
}

/** Makes the global `awslambda`, which streaming functions use without importing it. */
export function defineGlobal(environment) {
  if (["1", "true"].includes(environment.AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA)) return;
  globalThis.awslambda = {
    streamifyResponse(handler, options) {
      handler[STREAMING] = "response";
      if (typeof options?.highWaterMark === "number") {
        handler[HIGH_WATER_MARK] = Math.trunc(options.highWaterMark);
      }
      return handler;
    },
    HttpResponseStream,
  };
}

export const streamingKind = (handler) => handler[STREAMING];

export function highWaterMarkOf(handler) {
  const mark = Number.parseInt(handler[HIGH_WATER_MARK], 10);
  return Number.isNaN(mark) ? undefined : mark;
}
