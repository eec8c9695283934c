"""Holds its environment for as long as it is told."""

import time


def lambda_handler(event, context):
    time.sleep(event["seconds"])
