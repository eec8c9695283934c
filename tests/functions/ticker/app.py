import threading
import time

ticks = 0


def tick():
    global ticks
    while True:
        time.sleep(0.01)
        ticks += 1


threading.Thread(target=tick, daemon=True).start()


def handler(event, context):
    before = ticks
    time.sleep(event.get("seconds", 0))
    return {"before": before, "after": ticks}
