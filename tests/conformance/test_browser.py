"""A function URL in a real browser: a stream is read as it arrives, and the URL's CORS decides which pages may read it."""

import contextlib
import http.server
import json
import os
import queue
import shutil
import signal
import subprocess
import threading

import pytest

from conftest import Maker
from support.functions import arn, source
from support.packages import pack
from support.urls import open_url

NAMES = ("chromium-headless-shell", "chromium", "google-chrome")
PAGE = """<!doctype html><title>test</title><script>
const say = (what) => fetch("/said", { method: "POST", body: JSON.stringify(what) });
(async () => {
  const { url, options } = await (await fetch("/wish")).json();
  try {
    const response = await fetch(url, options);
    await say({ status: response.status, seen: response.headers.get("x-seen"), hidden: response.headers.get("x-hidden") });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      await say({ piece: value });
    }
    await say({ end: true });
  } catch (error) {
    await say({ error: String(error) });
  }
})();
</script>"""


class Site:
    """A site whose one page does what it is wished for, and says what it sees."""

    def __init__(self):
        site = self
        self.wish, self.said = None, queue.Queue()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = PAGE if self.path == "/" else json.dumps(site.wish)
                self.reply(body.encode(), "text/html" if self.path == "/" else "application/json")

            def do_POST(self):
                site.said.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.reply(b"", "text/plain")

            def reply(self, body, content_type):
                self.send_response(200)
                self.send_header("content-type", content_type)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def next(self):
        return self.said.get(timeout=60)


@pytest.fixture
def site():
    site = Site()
    yield site
    site.server.shutdown()
    site.server.server_close()


@pytest.fixture
def browse(site, home):
    """Opens the site's page in a browser, which goes away with the test."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"there is none of the browsers {', '.join(NAMES)}")
    running = []

    def open_page(url, *more, **options):
        site.wish = {"url": url, "options": options}
        # Its own sandbox wants rights that a test does not have, and the page is ours.
        command = [program, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage"]
        command += ["--remote-debugging-port=0", f"--user-data-dir={home / 'profile'}", *more, site.origin]
        with (home / "browser.txt").open("wb") as output:
            process = subprocess.Popen(
                command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, start_new_session=True
            )
        running.append(process)

    yield open_page
    for process in running:
        with contextlib.suppress(ProcessLookupError):
            # The browser is many processes, all of this group of its own.
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=20)


@pytest.fixture
def stream(lambda_, python):
    """A streaming function and its URL, with this CORS."""
    maker = Maker(lambda_, python)

    def create(cors):
        package = pack({"bootstrap": (source("stream/bootstrap"), 0o755)})
        name = maker.create("browser", package, Runtime="provided.al2023", Handler="any", Timeout=60)
        return name, open_url(lambda_, name, InvokeMode="RESPONSE_STREAM", Cors=cors)

    yield create
    maker.clean()


def event():
    prelude = {"statusCode": 200, "headers": {"content-type": "text/plain", "x-seen": "1", "x-hidden": "2"}}
    steps = [{"text": json.dumps(prelude)}, {"nuls": True}, {"text": "first "}, {"gate": "go"}, {"text": "second"}]
    return {"type": "application/vnd.awslambda.http-integration-response", "steps": steps}


def post():
    return {"method": "POST", "headers": {"content-type": "application/json", "x-own": "1"}, "body": json.dumps(event())}


def allowed(site):
    return {
        "AllowOrigins": [site.origin],
        "AllowMethods": ["POST"],
        "AllowHeaders": ["content-type", "x-own"],
        "ExposeHeaders": ["x-seen"],
    }


def pieces(site, lambda_, name):
    assert site.next() == {"status": 200, "seen": "1", "hidden": None}
    assert site.next() == {"piece": "first "}
    # The function waits for what happens only now, after the page has read the beginning.
    lambda_.tag_resource(Resource=arn(name), Tags={"go": "on"})
    assert [site.next(), site.next()] == [{"piece": "second"}, {"end": True}]


def test_a_page_reads_a_stream_as_it_arrives(lambda_, site, browse, stream):
    name, url = stream(allowed(site))
    browse(url, **post())
    pieces(site, lambda_, name)


def test_a_page_of_another_origin_may_not_read_it(lambda_, site, browse, stream):
    name, url = stream({**allowed(site), "AllowOrigins": ["http://elsewhere.example"]})
    lambda_.tag_resource(Resource=arn(name), Tags={"go": "on"})
    browse(url, **post())
    assert "Failed to fetch" in site.next()["error"]


def test_a_header_that_is_not_allowed_fails_the_preflight(site, browse, stream):
    _, url = stream({**allowed(site), "AllowHeaders": ["content-type"]})
    browse(url, **post())
    assert "Failed to fetch" in site.next()["error"]


def test_a_page_may_not_reach_the_api(server, site, browse):
    browse(f"{server.url}/2015-03-31/functions/", method="GET")
    assert "Failed to fetch" in site.next()["error"]


def test_a_stream_by_https_and_http2(server, clients, lambda_, site, browse, stream):
    name, url = stream(allowed(site))
    # Trust in the server's authority is tried elsewhere; a browser takes it from the user's settings alone.
    browse(url.replace("http://", "https://"), "--ignore-certificate-errors", **post())
    pieces(site, lambda_, name)
