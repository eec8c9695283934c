import time


def lambda_handler(event, context):
    time.sleep(event["hold_ms"] / 1000)
    return event
