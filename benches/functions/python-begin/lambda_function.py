"""Tells when it began."""

import time


def lambda_handler(event, context):
    began = time.time_ns() // 1000
    print(f"BEGAN {event['n']} {began}")
