// Fulfils what is in the queue, and tells who wants to know.
import { EventBridgeClient, PutEventsCommand } from "@aws-sdk/client-eventbridge";
import { PublishCommand, SNSClient } from "@aws-sdk/client-sns";

const sns = new SNSClient({});
const events = new EventBridgeClient({});

export const handler = async (event) => {
  for (const { messageId, body } of event.Records) {
    const order = { id: messageId, ...JSON.parse(body), state: "fulfilled" };
    await sns.send(new PublishCommand({ TopicArn: process.env.TOPIC_ARN, Message: JSON.stringify(order) }));
    const entry = { Source: "shop", DetailType: "order fulfilled", Detail: JSON.stringify(order) };
    const put = await events.send(new PutEventsCommand({ Entries: [entry] }));
    // A batch of events can fail by parts; then the message is to come again.
    if (put.FailedEntryCount) throw new Error(put.Entries[0].ErrorMessage);
    console.log(`fulfilled ${order.item}`);
  }
};
