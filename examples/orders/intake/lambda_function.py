"""Takes an order and answers as soon as the queue has it."""

import json
import os

import boto3

sqs = boto3.client("sqs")


def lambda_handler(event, context):
    order = json.loads(event.get("body") or "{}")
    if not order.get("item"):
        return {"statusCode": 400, "body": json.dumps({"error": "an order needs an item"})}
    sent = sqs.send_message(QueueUrl=os.environ["QUEUE_URL"], MessageBody=json.dumps(order))
    return {"statusCode": 202, "body": json.dumps({"order": sent["MessageId"]})}
