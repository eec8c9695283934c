import { CloudWatchLogsClient, DescribeLogGroupsCommand } from "@aws-sdk/client-cloudwatch-logs";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";

const lambda = new LambdaClient({});
const logs = new CloudWatchLogsClient({});

export const handler = async (event, context) => {
  const payload = JSON.stringify({ do: "echo", value: 5 });
  const answer = await lambda.send(new InvokeCommand({ FunctionName: event.other, Payload: payload }));
  const groups = await logs.send(new DescribeLogGroupsCommand({ logGroupNamePrefix: context.logGroupName }));
  return {
    answer: JSON.parse(Buffer.from(answer.Payload).toString()),
    groups: groups.logGroups.map((group) => group.logGroupName),
  };
};
