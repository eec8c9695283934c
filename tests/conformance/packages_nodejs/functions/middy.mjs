import middy from "@middy/core";
import httpJsonBodyParser from "@middy/http-json-body-parser";

export const handler = middy()
  .use(httpJsonBodyParser())
  .use({ after: (request) => { request.response.after = request.context.awsRequestId; } })
  .handler(async (event) => ({ statusCode: 200, body: JSON.stringify(event.body.name) }));
