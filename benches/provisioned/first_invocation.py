"""How much longer the first invocation of an environment of provisioned concurrency takes than a later one.

Against a running server, with the standard library alone:

    python3 benches/provisioned/first_invocation.py [--url http://127.0.0.1:4566] [--runtime python3.13] [--rounds 200]

Each round takes an environment that has never been invoked and has been idle for long enough to be frozen, invokes it,
lets it freeze again, invokes it once more, and has it crash, so that another takes its place. Both invocations go over one
connection, one after the other; what is compared is the time from sending to having the whole response. The goal is a
ratio of the medians of at most 1.2.
"""

import argparse
import base64
import http.client
import io
import json
import statistics
import sys
import time
import urllib.parse
import uuid
import zipfile

SOURCE = """
import os
count = 0

def handler(event, context):
    global count
    if event.get("crash"):
        os._exit(1)
    count += 1
    return [count, os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]]
"""
# Idle environments are frozen five milliseconds after their answer.
FREEZE = 0.05


class Lambda:
    """Lambda's API over one connection."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)

    def call(self, method, path, body=None):
        """Status, document and the time that it took, in microseconds."""
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        # Any well-formed signature passes on a loopback address.
        scope = f"test/{stamp[:8]}/us-east-1/lambda/aws4_request"
        signature = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={'0' * 64}"
        headers = {"Authorization": signature, "X-Amz-Date": stamp, "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        began = time.perf_counter_ns()
        self.connection.request(method, path, data, headers)
        answer = self.connection.getresponse()
        payload = answer.read()
        took = (time.perf_counter_ns() - began) / 1000
        return answer.status, json.loads(payload) if payload else None, took

    def must(self, method, path, body=None):
        status, document, _ = self.call(method, path, body)
        if status >= 300:
            sys.exit(f"{method} {path} was answered with {status}: {document}")
        return document

    def invoke(self, name, event):
        return self.call("POST", f"/2015-03-31/functions/{name}/invocations?Qualifier=1", event)


def package():
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        file = zipfile.ZipInfo("app.py")
        # Otherwise nobody but its owner may read it, who is not the function.
        file.external_attr = 0o644 << 16
        archive.writestr(file, SOURCE)
    return base64.b64encode(data.getvalue()).decode()


def until(condition, what):
    end = time.monotonic() + 60
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"after a minute still waiting for {what}")
        time.sleep(0.005)


def prepare(api, name, runtime):
    api.must(
        "POST",
        "/2015-03-31/functions",
        {
            "FunctionName": name,
            "Runtime": runtime,
            "Handler": "app.handler",
            "Role": "arn:aws:iam::000000000000:role/r",
            "MemorySize": 1769,
            "Code": {"ZipFile": package()},
        },
    )
    configuration = f"/2015-03-31/functions/{name}/configuration"
    until(lambda: api.must("GET", configuration)["State"] == "Active", "the function to be active")
    api.must("POST", f"/2015-03-31/functions/{name}/versions", {})
    api.must(
        "PUT",
        f"/2019-09-30/functions/{name}/provisioned-concurrency?Qualifier=1",
        {"ProvisionedConcurrentExecutions": 1},
    )


def measure(api, name, rounds):
    def is_ready():
        path = f"/2019-09-30/functions/{name}/provisioned-concurrency?Qualifier=1"
        return api.must("GET", path)["AvailableProvisionedConcurrentExecutions"] == 1

    first, later = [], []
    while len(first) < rounds:
        until(is_ready, "an environment")
        time.sleep(FREEZE)
        _, count, took = api.invoke(name, {})
        time.sleep(FREEZE)
        _, again, took_again = api.invoke(name, {})
        # Only where both were the same fresh environment, and none on demand came in between.
        kind = "provisioned-concurrency"
        if (count, again) == ([1, kind], [2, kind]):
            first.append(took)
            later.append(took_again)
        api.invoke(name, {"crash": True})
        # Its successor may be there before anybody could see that it is gone.
        time.sleep(FREEZE)
    return first, later


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--url", default="http://127.0.0.1:4566")
    arguments.add_argument("--runtime", default="python3.13")
    arguments.add_argument("--rounds", type=int, default=200)
    options = arguments.parse_args()
    api, name = Lambda(options.url), f"bench-{uuid.uuid4().hex[:8]}"
    prepare(api, name, options.runtime)
    try:
        first, later = measure(api, name, options.rounds)
    finally:
        api.must("DELETE", f"/2015-03-31/functions/{name}")

    def figures(times):
        cuts = statistics.quantiles(times, n=100)
        return f"p50 {cuts[49]:7.0f}   p90 {cuts[89]:7.0f}   p99 {cuts[98]:7.0f}"

    ratio = statistics.median(first) / statistics.median(later)
    print(f"first invocation of a provisioned environment, µs   {figures(first)}   n {len(first)}")
    print(f"later one, frozen in between, µs                    {figures(later)}   n {len(later)}")
    print(f"ratio of the medians {ratio:.2f}   {'PASS' if ratio <= 1.2 else 'FAIL'} (goal 1.2)")


if __name__ == "__main__":
    main()
