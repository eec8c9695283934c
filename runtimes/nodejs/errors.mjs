// Error types of the runtime, and errors as JSON for callers, for X-Ray and for the log.

import { types } from "node:util";
import { MODERN } from "./generation.mjs";

class RuntimeError extends Error {
  constructor(reason) {
    super(reason);
    // An own property shows up in logged errors, as it does in AWS's newer client.
    if (MODERN) this.name = new.target.prototype.name;
  }
}

function runtimeError(name) {
  const type = { [name]: class extends RuntimeError {} }[name];
  type.prototype.name = `Runtime.${name}`;
  return type;
}

export const ImportModuleError = runtimeError("ImportModuleError");
export const HandlerNotFound = runtimeError("HandlerNotFound");
export const MalformedHandlerName = runtimeError("MalformedHandlerName");
const SyntaxFault = runtimeError("UserCodeSyntaxError");
export const MalformedStreamingHandler = runtimeError("MalformedStreamingHandler");
export const InvalidStreamingOperation = runtimeError("InvalidStreamingOperation");
export const CallbackHandlerDeprecated = runtimeError("CallbackHandlerDeprecated");

const JSONStringifyError = runtimeError("JSONStringifyError");

export class UserCodeSyntaxError extends SyntaxFault {
  constructor(error) {
    super(error);
    if (MODERN) this.stack = error.stack;
  }
}

// A rejected promise that nothing handled.
export class UnhandledPromiseRejection extends RuntimeError {
  constructor(reason, promise) {
    super(reason);
    this.reason = reason;
    this.promise = promise;
  }
}
UnhandledPromiseRejection.prototype.name = "Runtime.UnhandledPromiseRejection";

function looksLikeError(value) {
  if (MODERN) return value instanceof Error;
  const text = (field) => typeof value[field] === "string" && value[field] !== "";
  return types.isNativeError(value) || (Boolean(value) && text("name") && text("message") && text("stack"));
}

// DEL is the one control character that JSON leaves as it is and HTTP headers must not hold.
const withoutDelete = (text) => text?.replace(/\x7F/g, "%7F");

export function intoError(value) {
  if (value instanceof Error) return value;
  if (!MODERN) return new Error(value);
  try {
    return new Error(String(value));
  } catch {
    // An object without prototype, for one, has no text.
    return new Error(Object.prototype.toString.call(value));
  }
}

/** The error JSON that callers of the function see. */
export function toResponse(error) {
  try {
    if (looksLikeError(error)) {
      return {
        errorType: withoutDelete(error.name),
        errorMessage: withoutDelete(error.message),
        trace: MODERN && !error.stack ? [] : withoutDelete(error.stack).split("\n"),
      };
    }
    return { errorType: typeof error, errorMessage: MODERN ? String(error) : error.toString(), trace: [] };
  } catch {
    return {
      errorType: "handled",
      errorMessage:
        "callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack",
      ...(MODERN ? { trace: [] } : {}),
    };
  }
}

/** The JSON text of a response or error body. */
export function stringify(value) {
  let text;
  try {
    text = JSON.stringify(value === undefined ? null : value);
  } catch {
    throw new (MODERN ? JSONStringifyError : Error)("Unable to stringify response body");
  }
  // A function or a symbol: JSON leaves them out, and nothing is no body. The words are those of AWS's client.
  if (text === undefined) throw new TypeError("Wrong arguments");
  return text;
}

/** The error with its own fields, for the Text log format. */
export function toLogText(error) {
  const expand = (_key, value) => {
    if (!(value instanceof Error)) return value;
    const fields = { errorType: value.name, errorMessage: value.message, code: value.code, ...value };
    if (typeof value.stack === "string") fields.stack = value.stack.split("\n");
    return fields;
  };
  try {
    return "\t" + JSON.stringify(error, expand);
  } catch {
    return "\t" + JSON.stringify(toResponse(error));
  }
}

function xrayFrame(line) {
  const text = line.trim().replace(/\(|\)/g, "").replace(/^\S* /, "");
  const space = text.lastIndexOf(" ");
  const [path, number] = text.slice(space + 1).split(":");
  return { path, line: Number.parseInt(number, 10), label: space < 0 ? "anonymous" : text.slice(0, space) };
}

/** The error cause in the form of an X-Ray segment document, or an empty text where there is none. */
export function toXrayCause(error) {
  try {
    const stack = withoutDelete(error.stack)?.split("\n").slice(1).map(xrayFrame) ?? [];
    return JSON.stringify({
      working_directory: process.cwd(),
      exceptions: [{ type: withoutDelete(error.name), message: withoutDelete(error.message), stack }],
      paths: [...new Set(stack.map((frame) => frame.path))],
    });
  } catch {
    // The cause only decorates a trace; the error itself is reported without it.
    return "";
  }
}
