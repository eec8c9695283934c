"""An endpoint for a topic's messages: confirms its subscription and prints what comes, a line each.

SNS Developer Guide, "Using Amazon SNS to send messages to HTTP or HTTPS endpoints".
"""

import json
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer


class Endpoint(BaseHTTPRequestHandler):
    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if message["Type"] == "SubscriptionConfirmation":
            urllib.request.urlopen(message["SubscribeURL"], timeout=10).read()
        else:
            print(message["Message"], flush=True)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *words):
        """Nothing but the messages is printed."""


server = HTTPServer(("127.0.0.1", 0), Endpoint)
print(server.server_port, file=sys.stderr, flush=True)
server.serve_forever()
