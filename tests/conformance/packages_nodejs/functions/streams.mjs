import { InvokeWithResponseStreamCommand, LambdaClient } from "@aws-sdk/client-lambda";

const lambda = new LambdaClient({});

export const handler = async ({ other, payload }) => {
  const Payload = JSON.stringify(payload);
  const answer = await lambda.send(new InvokeWithResponseStreamCommand({ FunctionName: other, Payload }));
  const texts = [];
  let complete;
  for await (const event of answer.EventStream) {
    if (event.PayloadChunk) texts.push(Buffer.from(event.PayloadChunk.Payload).toString());
    complete = event.InvokeComplete ?? complete;
  }
  return { text: texts.join(""), version: answer.ExecutedVersion, error: complete.ErrorCode };
};
