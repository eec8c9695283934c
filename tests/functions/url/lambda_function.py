"""Answers a request to a function URL as its path says; with the event itself unless it says something else."""

import base64
import json
import os


def lambda_handler(event, context):
    match event["rawPath"]:
        case "/answer":
            return json.loads(base64.b64decode(event["body"]) if event["isBase64Encoded"] else event["body"])
        case "/fail":
            raise ValueError("no luck")
        case "/exit":
            os._exit(1)
        case "/large":
            return {"statusCode": 200, "body": "x" * 7_000_000}
        case _:
            return {"event": event, "arn": context.invoked_function_arn, "request_id": context.aws_request_id}
