// The Runtime API (AWS Lambda Developer Guide, "Using the Lambda runtime API for custom runtimes").
//
// A response and the request for the next event leave in one write (HTTP/1.1 pipelining, RFC 9112 section 9.3.2),
// which saves a round trip and a wake-up for each invocation.

import { Connection, ConnectionClosed } from "./connection.mjs";
import { stringify, toResponse, toXrayCause } from "./errors.mjs";
import { ResponseStream } from "./streaming.mjs";

const API = "/2018-06-01/runtime";
// AWS's service crops a cause above 64 KB; a header far above that would be refused as a whole.
const XRAY_CAUSE_BYTES_MAX = 64 * 1024;
const SINGLE_WRITE_CHARACTERS_MAX = 64 * 1024;
const headerValue = (text) => String(text).replace(/[\x00-\x1f\x7f]/g, " ");

export class RuntimeClient {
  #connection;
  #common;
  #next;
  #pipelined = null;
  #invocationId = "";

  constructor(address, version) {
    const connection = new Connection(address);
    this.#connection = connection;
    this.#common = `Host: ${address}\r\nUser-Agent: aws-lambda-nodejs/${process.version}-lambent-${version}\r\n`;
    this.#next = `GET ${API}/invocation/next HTTP/1.1\r\n${this.#common}\r\n`;
    connection.open();
  }

  /** Resolves when the connection stands. */
  connected() {
    return this.#connection.connected();
  }

  /** Leaves whoever waits for an event waiting for ever. */
  disconnect() {
    this.#connection.disconnect();
  }

  /** Waits for the next event: `{headers, body}`. */
  async next() {
    let waiting = this.#pipelined;
    this.#pipelined = null;
    const socket = this.#connection.socket;
    socket.ref();
    if (waiting === null) {
      socket.write(this.#next);
      waiting = this.#connection.response();
    }
    let response;
    try {
      response = await waiting;
    } catch (error) {
      if (!(error instanceof ConnectionClosed)) throw error;
      return this.next();
    }
    if (response.status !== 200) {
      throw new Error(`the runtime API answered ${response.status} to the request for an event: ${response.body}`);
    }
    // While the handler runs, the connection must not keep the process alive: an empty event loop is how a handler
    // that never answers is noticed.
    this.#connection.socket.unref();
    const id = response.headers["lambda-runtime-invocation-id"];
    this.#invocationId = id === undefined ? "" : `Lambda-Runtime-Invocation-Id: ${headerValue(id)}\r\n`;
    return response;
  }

  #post(path, headers, body, after = "") {
    const head =
      `POST ${API}/${path} HTTP/1.1\r\n${this.#common}Content-Type: application/json\r\n${headers}` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n`;
    const socket = this.#connection.socket;
    if (body.length < SINGLE_WRITE_CHARACTERS_MAX) {
      socket.write(head + body + after);
    } else {
      socket.cork();
      socket.write(head);
      socket.write(body);
      if (after !== "") socket.write(after);
      socket.uncork();
    }
    return this.#connection.response();
  }

  // Asks for the next event behind the outcome. The caller has been told of a refused outcome (a result above 6 MB,
  // an invocation that had timed out) by the platform; the line is the one that AWS's client writes.
  #postOutcome(path, headers, body, kind) {
    const acknowledged = this.#post(path, this.#invocationId + headers, body, this.#next);
    this.#pipelined = this.#connection.response();
    // The loss of the connection is reported by whoever waits for the next event.
    this.#pipelined.catch(() => {});
    acknowledged.then(({ status }) => reportRefusal(status, kind), () => {});
  }

  postResponse(id, result) {
    this.#postOutcome(`invocation/${encodeURIComponent(id)}/response`, "", stringify(result), "success");
  }

  postError(id, error) {
    this.#postOutcome(`invocation/${encodeURIComponent(id)}/error`, causeHeader(error), stringify(toResponse(error)), "error");
  }

  /** Reports the error that ends the process. Resolves when the platform knows. */
  async postLastError(id, error) {
    this.#connection.socket.ref();
    await this.#post(
      `invocation/${encodeURIComponent(id)}/error`,
      this.#invocationId + causeHeader(error),
      stringify(toResponse(error)),
    );
  }

  /** Reports that the function could not be loaded. Resolves when the platform knows. */
  async postInitError(error) {
    const response = toResponse(error);
    this.#connection.socket.ref();
    const header = `Lambda-Runtime-Function-Error-Type: ${headerValue(response.errorType)}\r\n`;
    await this.#post("init/error", header, stringify(response));
    // A listener of the function for uncaught exceptions may keep the process; the connection shall not.
    this.#connection.socket.unref();
  }

  /** The stream to the caller and the promise that the platform has taken all of it. */
  streamResponse(id, highWaterMark) {
    const connection = this.#connection;
    const path = `${API}/invocation/${encodeURIComponent(id)}/response`;
    const stream = new ResponseStream(connection.socket, path, this.#common + this.#invocationId, highWaterMark);
    const acknowledged = connection.response().then((response) => {
      reportRefusal(response.status, "success");
      connection.socket.unref();
      if (!stream.complete) {
        // Refused half-way: the rest of the body has no reader, so neither has a further request.
        connection.close();
        stream.destroy(new Error(`the runtime API refused the response stream with status ${response.status}`));
      }
      return response;
    });
    acknowledged.catch((error) => stream.destroy(error));
    return { stream, acknowledged };
  }
}

function causeHeader(error) {
  const cause = toXrayCause(error);
  const fits = cause !== "" && Buffer.byteLength(cause) <= XRAY_CAUSE_BYTES_MAX;
  return fits ? `Lambda-Runtime-Function-XRay-Error-Cause: ${cause}\r\n` : "";
}

function reportRefusal(status, kind) {
  if (status === 202) return;
  const line = `[ERROR] [${Date.now()}] LAMBDA_RUNTIME Failed to post handler ${kind} response. Http response code: ${status}.\n`;
  process.stderr.write(line);
}
