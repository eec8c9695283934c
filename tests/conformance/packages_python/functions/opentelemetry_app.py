def handler(event, context):
    return {"traced": event["value"]}
