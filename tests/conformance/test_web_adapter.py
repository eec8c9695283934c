"""AWS's Lambda Web Adapter (https://github.com/awslabs/aws-lambda-web-adapter, 1.0.0-rc1 from crates.io), unmodified, with web
applications that know nothing of Lambda: Flask, Express and axum, whole and streamed."""

import http.client
import io
import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from support.functions import source, unique
from support.installed import node_packages, packed, python_packages
from support.packages import FILE, add, pack
from support.urls import open_url, request
from test_runtimes import CACHE, build, newest

pytestmark = pytest.mark.namespaces
HERE = Path(__file__).parent
VERSION = "1.0.0-rc1"
# As in the adapter's own layer: a managed runtime's place is taken by the function's handler, a script.
WRAPPER = '#!/bin/sh\nexec -- "${LAMBDA_TASK_ROOT}/${_HANDLER}"\n'


@pytest.fixture(scope="module")
def adapter():
    """The program, built once; half of an hour on a slow machine, minutes else."""
    folder = CACHE / f"web-adapter-{VERSION}"
    program = folder / "bin" / "lambda-adapter"
    if not program.exists():
        if shutil.which("cargo") is None:
            pytest.skip("there is no cargo, which the adapter is installed by")
        command = ["cargo", "install", "lambda_web_adapter", "--version", VERSION, "--debug", "--root", str(folder)]
        environment = {**os.environ, "CARGO_TARGET_DIR": str(folder / "target"), "CARGO_PROFILE_DEV_STRIP": "true"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1800, check=False)
        shutil.rmtree(folder / "target", ignore_errors=True)
        if done.returncode != 0:
            pytest.skip(f"the adapter could not be installed: {done.stderr[-500:]}")
    return program


@pytest.fixture
def layer(lambda_, adapter):
    files = {"extensions/lambda-adapter": (adapter.read_bytes(), 0o755), "bootstrap": (WRAPPER, 0o755)}
    content = {"ZipFile": pack(files)}
    return lambda_.publish_layer_version(LayerName=unique("adapter"), Content=content)["LayerVersionArn"]


def with_script(archive, script):
    """A package with one program more."""
    buffer = io.BytesIO(archive)
    with zipfile.ZipFile(buffer, "a") as opened:
        add(opened, "run.sh", script, FILE | 0o755)
    return buffer.getvalue()


def flask(runtimes):
    runtime = newest(runtimes, "python")
    folder = python_packages(HERE / "packages_python" / "requirements" / "flask.txt", runtime)
    script = "#!/bin/sh\nPYTHONPATH=/var/task exec python3 app.py\n"
    return {"zip_file": with_script(packed(folder, {"app.py": source("web/app.py")}), script), "Runtime": runtime}


def express(runtimes):
    folder = node_packages(HERE / "packages_nodejs" / "installs" / "web.json")
    script = "#!/bin/sh\nexec node app.cjs\n"
    package = with_script(packed(folder, {"app.cjs": source("web/app.cjs")}), script)
    return {"zip_file": package, "Runtime": newest(runtimes, "nodejs")}


def axum(runtimes):
    target = CACHE / "web"
    program = build(
        "cargo", ["build", "--quiet", "--locked"], "web", target / "debug" / "web", {"CARGO_TARGET_DIR": str(target)}
    )
    return {"zip_file": pack({"bootstrap": (program.read_bytes(), 0o755)}), "Runtime": "provided.al2023"}


APPLICATIONS = {"flask": flask, "express": express, "axum": axum}


@pytest.fixture(params=APPLICATIONS)
def web(request, lambda_, make, runtimes, layer):
    """Makes a function of an application, and its URL."""
    application = request.param

    def create(mode):
        variables = {"AWS_LWA_PORT": "8080", "AWS_LWA_READINESS_CHECK_PATH": "/ready", "AWS_LWA_INVOKE_MODE": mode}
        function = APPLICATIONS[application](runtimes)
        if function["Runtime"] != "provided.al2023":
            variables["AWS_LAMBDA_EXEC_WRAPPER"] = "/opt/bootstrap"
        name = make.create(
            application,
            Handler="run.sh",
            Layers=[layer],
            MemorySize=512,
            Timeout=30,
            Environment={"Variables": variables},
            **function,
        )
        return open_url(lambda_, name, InvokeMode=mode.upper() if mode == "response_stream" else "BUFFERED")

    create.application = application
    return create


def test_a_web_application_answers_behind_the_adapter(web):
    url = web("buffered")
    for _ in range(2):
        answer = request(url, "POST", "/hello/w%C3%B6rld?a=1&b=2", b"text", [("Content-Type", "text/plain")])
        assert (answer.status, answer.headers["x-web"]) == (201, web.application), answer.body
        assert answer.json == {"name": "wörld", "query": {"a": "1", "b": "2"}, "body": "text"}
    assert request(url, "GET", "/nowhere").status == 404


def test_events_are_seen_one_by_one(web):
    url = web("response_stream")
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(url).port, timeout=60)
    connection.request("GET", "/events", headers={"Host": urlsplit(url).netloc})
    response = connection.getresponse()
    assert (response.status, response.headers["content-type"].split(";")[0]) == (200, "text/event-stream")
    seen = b""
    pieces = 0
    while b"data: 4\n\n" not in seen:
        piece = response.read1()
        assert piece, "it ended"
        seen, pieces = seen + piece, pieces + 1
        # The function has a hundred, and is still at it.
        assert b"data: 99" not in seen
    assert pieces >= 4 and seen.startswith(b"data: 0\n\ndata: 1\n\n"), seen
    connection.close()
    answer = request(url, "GET", "/hello/x")
    assert json.loads(answer.body)["name"] == "x"
