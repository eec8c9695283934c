"""Works on what it can, and names what it cannot."""

import os


def lambda_handler(event, context):
    failed = []
    for record in event["Records"]:
        if record["body"].startswith("bad") and os.environ.get("MENDED") != "yes":
            failed.append({"itemIdentifier": record["messageId"]})
        else:
            print(f"did {record['body']}")
    return {"batchItemFailures": failed}
