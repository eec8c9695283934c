"""Tells when it began, by the number in its event or in the message that it is given."""

import json
import time


def lambda_handler(event, context):
    began = time.time_ns() // 1000
    events = [json.loads(record["body"]) for record in event["Records"]] if "Records" in event else [event]
    for one in events:
        print(f"BEGAN {one['n']} {began}")
