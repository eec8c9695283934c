// A web application of Express that knows nothing of Lambda.
const express = require("express");

const app = express();
app.get("/ready", (request, response) => response.send("ready"));
app.all("/hello/:name", express.text({ type: "*/*" }), (request, response) => {
  const { params, query, body } = request;
  response.status(201).set("x-web", "express").json({ name: params.name, query, body: body || "" });
});
app.get("/events", async (request, response) => {
  response.set("content-type", "text/event-stream");
  for (let number = 0; number < 100 && !response.destroyed; number += 1) {
    response.write(`data: ${number}\n\n`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  response.end();
});
app.listen(8080, "127.0.0.1");
