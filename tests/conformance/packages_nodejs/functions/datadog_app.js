const { sendDistributionMetric } = require("datadog-lambda-js");

exports.handler = async (event) => {
  sendDistributionMetric("orders", event.value, "kind:test");
  return { counted: event.value };
};
