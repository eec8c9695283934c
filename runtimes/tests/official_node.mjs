// Runs AWS's client with a stand-in for its native HTTP part: `official_node.mjs DIST HANDLER`.
//
// The native part makes blocking calls, so the stand-in posts through a child process before it returns.

import { spawnSync } from "node:child_process";
import nodeModule from "node:module";
import http from "node:http";

const [dist, handler] = process.argv.slice(2);
const api = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation`;
const CURL = ["-sS", "-o", "/dev/null", "-X", "POST", "-H", "Content-Type: application/json", "--data-binary", "@-"];
// Those that the native part always hands on, and those that it leaves out when they are empty.
const ALWAYS = ["lambda-runtime-aws-request-id", "lambda-runtime-trace-id", "lambda-runtime-invoked-function-arn"];
const OPTIONAL = ["lambda-runtime-client-context", "lambda-runtime-cognito-identity", "lambda-runtime-aws-tenant-id"];

function post(path, body, headers = []) {
  if (typeof body !== "string") throw new TypeError("Wrong arguments");
  spawnSync("curl", [...CURL, ...headers.flatMap((header) => ["-H", header]), `${api}/${path}`], { input: body });
}

function nativeHeaders(headers) {
  const handedOn = { "lambda-runtime-deadline-ms": Number(headers["lambda-runtime-deadline-ms"]) };
  for (const name of ALWAYS) handedOn[name] = headers[name] ?? "";
  for (const name of OPTIONAL) if (headers[name]) handedOn[name] = headers[name];
  return handedOn;
}

const native = {
  next: () =>
    new Promise((resolve, reject) => {
      http
        .get(`${api}/next`, { agent: false }, (response) => {
          let bodyJson = "";
          response.setEncoding("utf8").on("data", (text) => (bodyJson += text));
          response.on("end", () => resolve({ bodyJson, headers: nativeHeaders(response.headers) }));
        })
        .on("error", reject);
    }),
  done: (id, body) => post(`${id}/response`, body),
  error: (id, body, cause) => {
    post(`${id}/error`, body, [`Lambda-Runtime-Function-XRay-Error-Cause: ${cause}`]);
  },
};

const load = nodeModule._load;
nodeModule._load = function (request, ...rest) {
  if (request !== "./rapid-client.node") return load.call(this, request, ...rest);
  // Taken away at once: another frame in the stack of each `require` would be seen.
  nodeModule._load = load;
  return native;
};

// Version 3 exports its start and takes the handler as an argument; version 4 starts by itself.
const client = await import(dist);
await client.run?.(process.env.LAMBDA_TASK_ROOT, handler);
