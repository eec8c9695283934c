// Greets whoever the event names.

export const handler = async (event, context) => {
  const name = event?.name ?? "world";
  console.info("greeting %s", name);
  return {
    message: `Hello, ${name}!`,
    function: context.functionName,
    requestId: context.awsRequestId,
  };
};
