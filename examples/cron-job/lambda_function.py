"""Runs every minute."""


def lambda_handler(event, context):
    print(f"ran for {event['meant']}")
