export const handler = async (event, context) => {
  console.log("printed by the function");
  if (event.fail !== undefined) throw new RangeError(event.fail);
  if (event.sleep) await new Promise((wake) => setTimeout(wake, event.sleep * 1000));
  return {
    value: event.value,
    greeting: process.env.GREETING ?? null,
    request_id: context.awsRequestId,
    runtime: process.env.AWS_EXECUTION_ENV,
  };
};
