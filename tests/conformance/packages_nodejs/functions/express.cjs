const express = require("express");
const serverless = require("serverless-http");

const app = express();
app.use(express.json());
app.get("/items/:name", (request, response) => response.json({ name: request.params.name, a: request.query.a }));
app.post("/orders", (request, response) => response.status(201).json(request.body));

exports.handler = serverless(app);
