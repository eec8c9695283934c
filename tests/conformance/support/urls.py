"""Function URLs as their clients see them."""

import http.client
import json
from urllib.parse import urlsplit

PERMISSIONS = (
    {"StatementId": "url", "Action": "lambda:InvokeFunctionUrl", "FunctionUrlAuthType": "NONE"},
    {"StatementId": "via", "Action": "lambda:InvokeFunction", "InvokedViaFunctionUrl": True},
)


def open_url(client, name, permissions=PERMISSIONS, **settings):
    """A URL that anybody may call; its address."""
    settings = {"AuthType": "NONE", **settings}
    address = client.create_function_url_config(FunctionName=name, **settings)["FunctionUrl"]
    qualifier = {key: settings[key] for key in ("Qualifier",) if key in settings}
    for permission in permissions:
        client.add_permission(FunctionName=name, Principal="*", **permission, **qualifier)
    return address


class Answer:
    """An answer that has come whole."""

    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def json(self):
        return json.loads(self.body)


def connect(url, address="127.0.0.1", timeout=30):
    """To the server; the URL's name is in the `Host` header, so that no resolver is asked."""
    return http.client.HTTPConnection(address, urlsplit(url).port, timeout=timeout)


def request(url, method="GET", path="/", body=None, headers=(), connection=None, address="127.0.0.1"):
    """One request, with exactly these headers and the host; `headers` are pairs, so that one may come twice."""
    own = connection or connect(url, address)
    try:
        own.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        own.putheader("Host", urlsplit(url).netloc)
        if body is not None:
            own.putheader("Content-Length", str(len(body)))
        for name, value in headers:
            own.putheader(name, value)
        own.endheaders(body)
        return Answer(own.getresponse())
    finally:
        if connection is None:
            own.close()
