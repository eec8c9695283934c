"""Uses all the CPU it gets for a while, and says how much that was."""

import time


def lambda_handler(event, context):
    begin, used = time.monotonic(), time.process_time()
    end = begin + event["seconds"]
    while time.monotonic() < end:
        pass
    return {"share": (time.process_time() - used) / (time.monotonic() - begin)}
