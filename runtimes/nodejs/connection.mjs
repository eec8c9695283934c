// HTTP/1.1 on one socket: requests go out as text, responses come back in their order.
//
// Node's own HTTP client is not used: its streams and objects take more time than a whole invocation does here.

import { connect } from "node:net";

const BUFFER_BYTES = 64 * 1024;
const HEAD_END = "\r\n\r\n";

export class Connection {
  #host;
  #port;
  #socket = null;
  #waiting = [];
  // The response that is being received: its head, what there is of its body, and how much is missing.
  #head = null;
  #rest = null;
  #parts = [];
  #missing = 0;

  constructor(address) {
    const colon = address.lastIndexOf(":");
    this.#host = address.slice(0, colon).replace(/^\[|\]$/g, "");
    this.#port = Number.parseInt(address.slice(colon + 1), 10);
  }

  /** Connects in advance. An idle connection does not keep the process alive until `ref` is called. */
  open() {
    if (this.#socket !== null) return;
    this.#head = this.#rest = null;
    const socket = connect({
      host: this.#host,
      port: this.#port,
      noDelay: true,
      // One buffer for all reads; what is kept of it is copied.
      onread: {
        buffer: Buffer.allocUnsafe(BUFFER_BYTES),
        callback: (length, buffer) => {
          if (socket === this.#socket) this.#receive(buffer.subarray(0, length));
          return true;
        },
      },
    });
    socket.setNoDelay(true);
    socket.unref();
    const lost = (error) => {
      if (socket === this.#socket) this.#fail(error ?? new Error("the runtime API closed the connection"));
    };
    socket.on("error", lost);
    socket.on("end", () => lost());
    socket.on("close", () => lost());
    this.#socket = socket;
  }

  /** Resolves when the connection that was opened stands. */
  connected() {
    const socket = this.socket;
    // It would not keep the process alive by itself.
    socket.ref();
    return new Promise((resolve, reject) => {
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        socket.unref();
        resolve();
      });
    });
  }

  get socket() {
    if (this.#socket === null) this.open();
    return this.#socket;
  }

  /** Gives up the connection and forgets what was asked on it; the next request opens another. */
  close() {
    this.#socket?.destroy();
    this.#socket = null;
    this.#waiting = [];
  }

  /** Gives it up so that the kernel remembers nothing of it. */
  disconnect() {
    const socket = this.#socket;
    this.#socket = null;
    this.#waiting = [];
    socket?.resetAndDestroy();
  }

  /** Expects one more response: `{status, headers, body}`. */
  response() {
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  #fail(error) {
    const waiting = this.#waiting;
    this.close();
    for (const { reject } of waiting) reject(error);
  }

  #receive(data) {
    try {
      while (data !== null && data.length > 0) {
        data = this.#head === null ? this.#receiveHead(data) : this.#receiveBody(data);
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  #receiveHead(data) {
    const bytes = this.#rest === null ? data : Buffer.concat([this.#rest, data]);
    const end = bytes.indexOf(HEAD_END);
    if (end < 0) {
      this.#rest = Buffer.from(bytes);
      return null;
    }
    this.#rest = null;
    const lines = bytes.toString("utf8", 0, end).split("\r\n");
    const status = Number.parseInt(lines[0].slice(9, 12), 10);
    const headers = Object.create(null);
    for (let index = 1; index < lines.length; index++) {
      const colon = lines[index].indexOf(":");
      headers[lines[index].slice(0, colon).toLowerCase()] = lines[index].slice(colon + 1).trim();
    }
    const after = bytes.subarray(end + HEAD_END.length);
    if (status < 200) return after;
    const chunked = headers["transfer-encoding"]?.toLowerCase() === "chunked";
    const length = chunked ? Number.NaN : Number.parseInt(headers["content-length"] ?? "0", 10);
    if (!chunked && after.length >= length) {
      this.#deliver({ status, headers, body: after.toString("utf8", 0, length) });
      return after.subarray(length);
    }
    this.#head = { status, headers, chunked };
    this.#parts = [];
    this.#missing = length;
    return after;
  }

  #receiveBody(data) {
    if (this.#head.chunked) return this.#receiveChunked(data);
    const taken = data.subarray(0, this.#missing);
    this.#parts.push(Buffer.from(taken));
    this.#missing -= taken.length;
    if (this.#missing === 0) this.#finish(Buffer.concat(this.#parts));
    return data.subarray(taken.length);
  }

  #receiveChunked(data) {
    this.#parts.push(Buffer.from(data));
    const bytes = this.#parts.length === 1 ? this.#parts[0] : Buffer.concat(this.#parts);
    this.#parts = [bytes];
    const body = [];
    for (let at = 0; ; ) {
      const lineEnd = bytes.indexOf("\r\n", at);
      if (lineEnd < 0) return null;
      const size = Number.parseInt(bytes.toString("latin1", at, lineEnd), 16);
      if (!(size >= 0)) throw new Error("the runtime API sent a malformed chunk");
      if (size === 0) {
        // Trailers are allowed after the last chunk; none has a meaning here.
        const end = bytes.indexOf(HEAD_END, lineEnd);
        if (end < 0) return null;
        this.#finish(Buffer.concat(body));
        return bytes.subarray(end + HEAD_END.length);
      }
      at = lineEnd + 2 + size + 2;
      if (at > bytes.length) return null;
      body.push(bytes.subarray(lineEnd + 2, at - 2));
    }
  }

  #finish(body) {
    const { status, headers } = this.#head;
    this.#head = null;
    this.#deliver({ status, headers, body: body.toString("utf8") });
  }

  #deliver(response) {
    const waiter = this.#waiting.shift();
    if (waiter === undefined) throw new Error("the runtime API sent a response that nobody asked for");
    // Whoever waits for a later response on a closed connection asks again on another.
    if (response.headers.connection?.toLowerCase() === "close") {
      this.#socket?.destroy();
      this.#socket = null;
      for (const { reject } of this.#waiting.splice(0)) reject(new ConnectionClosed());
    }
    waiter.resolve(response);
  }
}

/** The server announced the end of the connection; requests behind the last response were not read. */
export class ConnectionClosed extends Error {}
