import { Router } from "@aws-lambda-powertools/event-handler/http";
import { Logger } from "@aws-lambda-powertools/logger";
import { Metrics, MetricUnit } from "@aws-lambda-powertools/metrics";
import { Tracer } from "@aws-lambda-powertools/tracer";

const logger = new Logger({ serviceName: "shop" });
const metrics = new Metrics({ namespace: "Shop", serviceName: "shop" });
const tracer = new Tracer({ serviceName: "shop" });
const app = new Router();

app.get("/items/:name", async ({ params }) => {
  metrics.addMetric("Seen", MetricUnit.Count, 1);
  logger.info("seen", { item: params.name });
  return { name: params.name };
});

export const handler = async (event, context) => {
  logger.addContext(context);
  metrics.captureColdStartMetric();
  const answer = await app.resolve(event, context);
  metrics.publishStoredMetrics();
  return { ...answer, trace: tracer.getRootXrayTraceId() };
};
