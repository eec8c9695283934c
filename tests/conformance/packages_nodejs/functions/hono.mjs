import { Hono } from "hono";
import { handle, streamHandle } from "hono/aws-lambda";
import { streamText } from "hono/streaming";

const app = new Hono();
app.get("/items/:name", (c) => c.json({ name: c.req.param("name"), a: c.req.query("a"), id: c.env.lambdaContext.awsRequestId }));
app.post("/orders", async (c) => c.json(await c.req.json(), 201));
app.get("/stream", (c) =>
  streamText(c, async (stream) => {
    await stream.write("one ");
    await stream.write("two");
  }),
);

export const handler = handle(app);
export const streaming = streamHandle(app);
