// Streams what its event says: {"status", "headers", "cookies"} for the head, {"texts": [...]} for the body, {"gate":
// true} to wait before the last of them until the caller has asked a second time.

import { setTimeout } from "node:timers/promises";

export const handler = awslambda.streamifyResponse(async (event, stream) => {
  const wanted = event.body ? JSON.parse(event.body) : event;
  const { status, headers, cookies, texts = [], failing } = wanted;
  const out =
    status === undefined ? stream : awslambda.HttpResponseStream.from(stream, { statusCode: status, headers, cookies });
  if (wanted.type) out.setContentType(wanted.type);
  for (const text of texts) {
    out.write(text);
    await setTimeout(1);
  }
  if (failing) throw new Error(failing);
  out.end();
});

export const whole = async () => ({ statusCode: 201, body: "whole" });
