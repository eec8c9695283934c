"""An HTTP endpoint for subscriptions: keeps what it is sent, and answers as it is told."""

import base64
import http.server
import json
import threading
import urllib.request

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from .wait import until


class Receiver:
    """Listens on loopback until it is ended."""

    def __init__(self):
        self.posts = []
        # The statuses of the next answers; 200 when there are none left.
        self.statuses = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                status = receiver.statuses.pop(0) if receiver.statuses else 200
                receiver.posts.append(Post(self.path, dict(self.headers.items()), body, status))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def next(self, kind, after=0):
        """The first post of this kind behind the first `after` posts."""

        def found():
            posts = [post for post in self.posts[after:] if post.kind == kind]
            return posts and posts[0]

        return until(found, lambda: f"a {kind} among {[post.kind for post in self.posts]}", timeout=30)

    def end(self):
        self._server.shutdown()
        self._thread.join(20)
        self._server.server_close()


class Post:
    """One message as it came."""

    def __init__(self, path, headers, body, status):
        self.path, self.body, self.status = path, body, status
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.kind = self.headers.get("x-amz-sns-message-type")

    @property
    def json(self):
        return json.loads(self.body)


def verify(message):
    """Checks a message's signature by AWS's description, with a published library; raises where it is wrong."""
    with urllib.request.urlopen(message["SigningCertURL"], timeout=10) as answer:
        certificate = x509.load_pem_x509_certificate(answer.read())
    certificate.verify_directly_issued_by(certificate)
    if message["Type"] == "Notification":
        names = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
    else:
        names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    text = "".join(f"{name}\n{message[name]}\n" for name in names if message.get(name) is not None)
    digest = {"1": hashes.SHA1(), "2": hashes.SHA256()}[message["SignatureVersion"]]  # noqa: S303
    signature = base64.b64decode(message["Signature"])
    certificate.public_key().verify(signature, text.encode(), padding.PKCS1v15(), digest)
