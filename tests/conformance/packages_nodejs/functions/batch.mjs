import {
  BatchProcessor,
  EventType,
  SqsFifoPartialProcessor,
  processPartialResponse,
  processPartialResponseSync,
} from "@aws-lambda-powertools/batch";

const processor = new BatchProcessor(EventType.SQS);
const inOrder = new SqsFifoPartialProcessor();

function work(record) {
  const again = record.body.startsWith("once") && record.attributes.ApproximateReceiveCount === "1";
  if (record.body === "fail" || again) {
    throw new Error(record.body);
  }
  console.log("DONE " + JSON.stringify(record.body));
}

export const handler = (event, context) =>
  processPartialResponse(event, async (record) => work(record), processor, { context });

export const fifoHandler = async (event, context) => processPartialResponseSync(event, work, inOrder, { context });
