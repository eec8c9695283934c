// The console of a function (AWS Lambda Developer Guide, "Log and monitor Node.js Lambda functions" and "Configuring
// advanced logging controls").

import { writeSync } from "node:fs";
import { format } from "node:util";
import { intoError, toLogText } from "./errors.mjs";
import { MODERN } from "./generation.mjs";

const LEVELS = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
// Global symbols, because tracing packages read the request id from there up to nodejs22.x.
const REQUEST_ID = Symbol.for("aws.lambda.runtime.requestId");
const TENANT_ID = Symbol.for("aws.lambda.runtime.tenantId");
// Frame type: magic, level << 2, "timestamp present" << 1, format (0 JSON, 1 text).
const FRAME_MAGIC = 0xa55a0002;
const FRAME_HEAD_BYTES = 16;
const FRAME_BYTES_USUAL = 4096;

export function setInvocation(requestId, tenantId) {
  globalThis[REQUEST_ID] = requestId;
  globalThis[TENANT_ID] = tenantId;
}

/** As before the first invocation. */
export function forgetInvocation() {
  delete globalThis[REQUEST_ID];
  delete globalThis[TENANT_ID];
}

/** The ids of the current invocation up to nodejs22.x; later the invoke store has them. */
export const globalIds = {
  getRequestId: () => globalThis[REQUEST_ID],
  getTenantId: () => globalThis[TENANT_ID],
};
let ids = globalIds;

function errorFields(error, withoutStack) {
  return {
    errorType: error?.constructor?.name ?? "UnknownError",
    errorMessage: error.message,
    stackTrace: typeof error.stack === "string" ? error.stack.split("\n") : withoutStack,
  };
}

function jsonLine(time, level, message, parameters) {
  const record = { timestamp: time, level, requestId: ids.getRequestId() };
  const tenantId = ids.getTenantId();
  if (tenantId !== undefined && tenantId !== null) record.tenantId = tenantId;
  if (parameters.length === 0) {
    record.message = message;
    const expand = (_key, value) =>
      value instanceof Error ? { ...errorFields(value, value.stack), ...value } : value;
    try {
      return JSON.stringify(record, expand);
    } catch {
      // Circular objects and BigInts have no JSON; console's own form is still readable.
      record.message = format(message);
      return JSON.stringify(record);
    }
  }
  record.message = format(message, ...parameters);
  const error = (MODERN ? parameters : [message, ...parameters]).find((value) => value instanceof Error);
  if (error !== undefined) Object.assign(record, errorFields(error, []));
  return JSON.stringify(record);
}

function textLine(time, level, message, parameters) {
  return `${time}\t${ids.getRequestId()}\t${level}\t${format(message, ...parameters)}`;
}

function frameWriter(fd, isText) {
  // All frames but long ones are put together in the same memory: what is allocated for each costs more than all else here.
  const usual = Buffer.allocUnsafe(FRAME_BYTES_USUAL);
  return (date, level, line) => {
    const text = isText ? line + "\n" : line;
    const length = Buffer.byteLength(text);
    const end = FRAME_HEAD_BYTES + length;
    const frame = end <= FRAME_BYTES_USUAL ? usual : Buffer.allocUnsafe(end);
    const microseconds = date.getTime() * 1000;
    frame.writeUInt32BE(FRAME_MAGIC + ((LEVELS.indexOf(level) + 1) << 2) + (isText ? 1 : 0), 0);
    frame.writeUInt32BE(length, 4);
    // Two halves of an integer of 64 bits, whose like would be an object.
    frame.writeUInt32BE(Math.floor(microseconds / 2 ** 32) >>> 0, 8);
    frame.writeUInt32BE(microseconds >>> 0, 12);
    frame.write(text, FRAME_HEAD_BYTES, "utf8");
    for (let written = 0; written < end; ) written += writeSync(fd, frame, written, end - written);
  };
}

// Without a log descriptor the line is the unit of the log, so a record must not hold another newline.
const stdoutWriter = (_date, _level, line) => process.stdout.write(line.replace(/\n/g, "\r") + "\n");

/**
 * Replaces the console's methods. `source` has the ids of the current invocation. Returns the function that logs errors
 * of invocations and of the process.
 */
export function patchConsole(environment, source) {
  ids = source;
  const isText = environment.AWS_LAMBDA_LOG_FORMAT?.toUpperCase() !== "JSON";
  const minimum = LEVELS.indexOf(environment.AWS_LAMBDA_LOG_LEVEL?.toUpperCase());
  const fd = environment._LAMBDA_TELEMETRY_LOG_FD;
  // Programs that the function starts must not take the descriptor for theirs.
  delete environment._LAMBDA_TELEMETRY_LOG_FD;
  const write = fd === undefined ? stdoutWriter : frameWriter(Number.parseInt(fd, 10), isText);
  const line = isText ? textLine : jsonLine;

  for (const [index, level] of LEVELS.entries()) {
    const log = (message, ...parameters) => {
      const date = new Date();
      write(date, level, line(date.toISOString(), level, message, parameters));
    };
    // FATAL is never filtered.
    console[level.toLowerCase()] = index >= minimum || level === "FATAL" ? log : () => {};
  }
  console.log = console.info;
  return isText
    ? (heading, error) => console.error(heading, toLogText(intoError(error)))
    : (_heading, error) => console.error(intoError(error));
}
