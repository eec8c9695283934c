"""Hears of pictures."""


def lambda_handler(event, context):
    for record in event["Records"]:
        print(f"heard {record['Sns']['Message']}")
