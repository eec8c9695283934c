from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.metrics import MetricUnit

logger = Logger(service="shop")
tracer = Tracer(service="shop")
metrics = Metrics(namespace="Shop", service="shop")
app = APIGatewayHttpResolver()


@app.get("/items/<name>")
@tracer.capture_method
def item(name):
    metrics.add_metric(name="Seen", unit=MetricUnit.Count, value=1)
    logger.info("seen", item=name)
    return {"name": name}


@app.get("/fail")
def fail():
    raise ValueError("on purpose")


@logger.inject_lambda_context
@tracer.capture_lambda_handler
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event, context):
    return app.resolve(event, context)
