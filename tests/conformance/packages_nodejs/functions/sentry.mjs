import * as Sentry from "@sentry/aws-serverless";

// Writes what would be sent.
const transport = () => ({
  send: async ([, items]) => {
    for (const [{ type }, document] of items) {
      const exceptions = document.exception?.values?.map((value) => value.type) ?? [];
      console.log("SENTRY " + JSON.stringify([type, exceptions, document.contexts?.["aws.lambda"]]));
    }
    return {};
  },
  flush: async () => true,
});

Sentry.init({ dsn: "http://key@127.0.0.1:1/1", tracesSampleRate: 1.0, transport });

export const handler = Sentry.wrapHandler(async (event) => {
  if (event.fail) throw new RangeError("for sentry");
  return { fine: true };
});
