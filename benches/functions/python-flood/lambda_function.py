"""Prints as many lines a second as it is told, for as long as it is told."""

import os
import time

LINE = "a line of a flood, as long as the lines of a log are on average: {:012d} {}\n"
BATCH = 500


def lambda_handler(event, context):
    rate, seconds = event["rate"], event["seconds"]
    begin, written = time.monotonic(), 0
    while written < rate * seconds:
        lines = (LINE.format(written + n, "needle" if (written + n) % 100_000 == 0 else "hay") for n in range(BATCH))
        data = "".join(lines).encode()
        while data:
            data = data[os.write(1, data) :]
        written += BATCH
        ahead = written / rate - (time.monotonic() - begin)
        if ahead > 0:
            time.sleep(ahead)
    return {"written": written, "seconds": time.monotonic() - begin}
