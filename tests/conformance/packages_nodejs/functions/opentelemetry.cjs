// What the OpenTelemetry layer does: loaded by NODE_OPTIONS, before the handler's module.

const { registerInstrumentations } = require("@opentelemetry/instrumentation");
const { AwsLambdaInstrumentation } = require("@opentelemetry/instrumentation-aws-lambda");
const { NodeTracerProvider, SimpleSpanProcessor } = require("@opentelemetry/sdk-trace-node");

const exporter = {
  export(spans, done) {
    for (const span of spans) console.log("SPAN " + JSON.stringify([span.name, span.attributes]));
    done({ code: 0 });
  },
  shutdown: async () => {},
};
const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
provider.register();
registerInstrumentations({ instrumentations: [new AwsLambdaInstrumentation()], tracerProvider: provider });
