"""Writes down what was fulfilled."""


def lambda_handler(event, context):
    print(f"audited {event['detail']['item']} of {event['source']}")
