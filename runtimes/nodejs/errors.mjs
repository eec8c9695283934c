// Error types of the runtime, and errors as JSON for callers, for X-Ray and for the log.

import { types } from "node:util";

class RuntimeError extends Error {}

function runtimeError(name) {
  const type = { [name]: class extends RuntimeError {} }[name];
  // On the prototype, so that the name is no own property and does not show up in logged errors.
  type.prototype.name = `Runtime.${name}`;
  return type;
}

export const ImportModuleError = runtimeError("ImportModuleError");
export const HandlerNotFound = runtimeError("HandlerNotFound");
export const MalformedHandlerName = runtimeError("MalformedHandlerName");
export const UserCodeSyntaxError = runtimeError("UserCodeSyntaxError");
export const MalformedStreamingHandler = runtimeError("MalformedStreamingHandler");
export const InvalidStreamingOperation = runtimeError("InvalidStreamingOperation");
export const CallbackHandlerDeprecated = runtimeError("CallbackHandlerDeprecated");

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
  const text = (field) => typeof value[field] === "string" && value[field] !== "";
  return types.isNativeError(value) || (Boolean(value) && text("name") && text("message") && text("stack"));
}

// DEL is the one control character that JSON leaves as it is and HTTP headers must not hold.
const withoutDelete = (text) => text?.replace(/\x7F/g, "%7F");

export function intoError(value) {
  return value instanceof Error ? value : new Error(value);
}

/** The error JSON that callers of the function see. */
export function toResponse(error) {
  try {
    if (looksLikeError(error)) {
      return {
        errorType: withoutDelete(error.name),
        errorMessage: withoutDelete(error.message),
        trace: withoutDelete(error.stack).split("\n"),
      };
    }
    return { errorType: typeof error, errorMessage: error.toString(), trace: [] };
  } catch {
    return {
      errorType: "handled",
      errorMessage:
        "callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack",
    };
  }
}

/** The JSON text of a response or error body. */
export function stringify(value) {
  try {
    return JSON.stringify(value === undefined ? null : value);
  } catch {
    throw new Error("Unable to stringify response body");
  }
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
