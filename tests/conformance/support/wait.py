"""Waiting for conditions, never for time."""

import time


class TimedOut(AssertionError):
    """A condition did not come true."""


def until(condition, what, timeout=20.0, interval=0.02):
    """Calls `condition` until it returns something true, and returns that."""
    end = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise TimedOut(f"after {timeout} s still waiting: {what() if callable(what) else what}")
        time.sleep(interval)
