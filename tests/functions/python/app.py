import os
import time


def handler(event, context):
    print("printed by the function")
    if "fail" in event:
        raise ValueError(event["fail"])
    time.sleep(event.get("sleep", 0))
    return {
        "value": event.get("value"),
        "greeting": os.environ.get("GREETING"),
        "request_id": context.aws_request_id,
        "runtime": os.environ.get("AWS_EXECUTION_ENV"),
    }
