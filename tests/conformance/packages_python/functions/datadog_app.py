from datadog_lambda.metric import lambda_metric


def handler(event, context):
    lambda_metric("orders", event["value"], tags=["kind:test"])
    return {"counted": event["value"]}
