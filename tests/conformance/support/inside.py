"""Calls that a function makes itself, over the platform's endpoint inside."""

import json
import textwrap

from .functions import invoke

# What the probe runs inside: one signed call in the way of SDKs, with a key of one's choice.
INSIDE = textwrap.dedent("""
    import json, os, sys, urllib.error, urllib.request
    method, path, key, region, body, target, service = json.loads(sys.argv[1])
    url = os.environ["AWS_ENDPOINT_URL"] + path
    request = urllib.request.Request(url, method=method, data=body.encode() if body else None)
    if target:
        request.add_header("X-Amz-Target", target)
        request.add_header("Content-Type", "application/x-amz-json-1.1")
    # As `urllib` does by itself, the body of the query protocol is a form.
    scope = f"Credential={key}/20260101/{region}/{service}/aws4_request"
    signature = "SignedHeaders=host;x-amz-date, Signature=" + "0" * 64
    request.add_header("Authorization", f"AWS4-HMAC-SHA256 {scope}, {signature}")
    request.add_header("X-Amz-Date", "20260101T000000Z")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read() or b"{}"
            print(json.dumps([answer.status, text.decode() if text.startswith(b"<") else json.loads(text)]))
    except urllib.error.HTTPError as error:
        print(json.dumps([error.code, json.loads(error.read())]))
""")


def quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


def call(client, name, method, path, key="test", region="us-east-1", body="", target=None, service=None):
    """Has the function make a call, of Lambda, of the service of an `X-Amz-Target`, or of one that is named; returns
    status and body, XML as a text."""
    service = service or (target.split("_")[0].lower() if target else "lambda")
    arguments = json.dumps([method, path, key, region, body, target, service])
    command = f"python3 -c {quoted(INSIDE)} {quoted(arguments)}"
    shown = invoke(client, name, {"do": "run", "command": command}).ok
    assert shown["out"], shown
    return json.loads(shown["out"])
