// Runs AWS's client with a stand-in for its native HTTP part: `official_node.mjs DIST HANDLER`.
//
// The native part makes blocking calls, so the stand-in posts through a child process before it returns.

import { spawnSync } from "node:child_process";
import nodeModule from "node:module";
import http from "node:http";

const [dist, handler] = process.argv.slice(2);
const api = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation`;
const CURL = ["-sS", "-o", "/dev/null", "-X", "POST", "-H", "Content-Type: application/json", "--data-binary", "@-"];

function post(path, body, headers = []) {
  spawnSync("curl", [...CURL, ...headers.flatMap((header) => ["-H", header]), `${api}/${path}`], { input: body });
}

const native = {
  next: () =>
    new Promise((resolve, reject) => {
      http
        .get(`${api}/next`, { agent: false }, (response) => {
          let bodyJson = "";
          response.setEncoding("utf8").on("data", (text) => (bodyJson += text));
          response.on("end", () => resolve({ bodyJson, headers: response.headers }));
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
  return request === "./rapid-client.node" ? native : load.call(this, request, ...rest);
};

const { run } = await import(dist);
await run(process.env.LAMBDA_TASK_ROOT, handler);
