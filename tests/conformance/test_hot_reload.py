"""Code that is run from a folder of this machine as it is: the bucket `hot-reload`, which is no bucket of AWS's."""

import json
import os
import shutil
import threading

import pytest
from botocore.exceptions import ClientError

from support.clients import Clients
from support.functions import ROLE, unique, until_active
from support.packages import pack
from support.server import own_with_either_rights
from support.wait import until

SAYS = """
import os, time
count = 0

def handler(event, context):
    global count
    count += 1
    if "touch" in event:
        try:
            open(os.path.join(os.path.dirname(__file__), "new"), "w")
            return "written"
        except OSError as error:
            return error.strerror
    time.sleep(event.get("sleep", 0))
    return [{!r}, count]
"""


@pytest.fixture
def world(own_server):
    """A server that may use the folder `code`, and that folder."""
    folder = own_server.home / "code"
    (folder / "src").mkdir(parents=True)
    own_server.arguments += ["--hot-reload", str(folder)]
    own_server.start()
    return own_server, folder, Clients(own_server).boto("lambda")


def create(client, server, source, **settings):
    name = unique("hot")
    client.create_function(
        FunctionName=name, Runtime=server.python(), Role=ROLE, Handler="app.handler", Code=source, Timeout=20, **settings
    )
    until_active(client, name)
    return name


def at(folder):
    return {"S3Bucket": "hot-reload", "S3Key": str(folder)}


def invoke(client, name, **event):
    answer = client.invoke(FunctionName=name, Payload=json.dumps(event))
    result = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, result
    return result


@own_with_either_rights
def test_a_change_is_seen_by_the_next_invocation(world):
    server, folder, client = world
    (folder / "src/app.py").write_text(SAYS.format("v0"))
    name = create(client, server, at(folder / "src"))
    assert [invoke(client, name) for _ in range(3)] == [["v0", 1], ["v0", 2], ["v0", 3]], "one environment"
    # Of the same length, at once one after the other.
    for round in range(1, 6):
        (folder / "src/app.py").write_text(SAYS.format(f"v{round}"))
        assert invoke(client, name) == [f"v{round}", 1]
        assert invoke(client, name) == [f"v{round}", 2]
    # Replaced by a rename, as editors do, from a module of its own, and in a folder that is made anew.
    (folder / "src/next").write_text("from part.said import handler\n")
    (folder / "src/part").mkdir()
    (folder / "src/part/said.py").write_text(SAYS.format("part"))
    os.replace(folder / "src/next", folder / "src/app.py")
    assert invoke(client, name) == ["part", 1]
    shutil.rmtree(folder / "src")
    (folder / "src").mkdir()
    (folder / "src/app.py").write_text(SAYS.format("anew"))
    assert invoke(client, name) == ["anew", 1]
    shown = client.get_function(FunctionName=name)
    assert shown["Code"]["Location"] == f"file://{folder}/src" and shown["Configuration"]["CodeSize"] == 0
    # A package in its place, and back.
    client.update_function_code(FunctionName=name, ZipFile=pack({"app.py": SAYS.format("zip")}))
    until_active(client, name)
    assert invoke(client, name) == ["zip", 1]
    client.update_function_code(FunctionName=name, **at(folder / "src"))
    until_active(client, name)
    assert invoke(client, name) == ["anew", 1]
    # What was there before a restart is there after it.
    server.stop()
    server.start()
    client = Clients(server).boto("lambda")
    assert invoke(client, name) == ["anew", 1]
    (folder / "src/app.py").write_text(SAYS.format("late"))
    assert invoke(client, name) == ["late", 1]


@own_with_either_rights
def test_a_layer_is_a_folder(world):
    server, folder, client = world
    (folder / "layer/python").mkdir(parents=True)
    (folder / "layer/python/shared.py").write_text("WORD = 'one'\n")
    layer = client.publish_layer_version(LayerName=unique("l"), Content=at(folder / "layer"))
    app = pack({"app.py": "import shared\ndef handler(event, context):\n    return shared.WORD\n"})
    name = create(client, server, {"ZipFile": app}, Layers=[layer["LayerVersionArn"]])
    assert invoke(client, name) == "one"
    (folder / "layer/python/shared.py").write_text("WORD = 'two'\n")
    assert invoke(client, name) == "two"
    other = client.publish_layer_version(LayerName=unique("l"), Content={"ZipFile": pack({"python/x.py": ""})})
    with pytest.raises(ClientError) as refused:
        layers = [layer["LayerVersionArn"], other["LayerVersionArn"]]
        client.update_function_configuration(FunctionName=name, Layers=layers)
    assert "only layer" in refused.value.response["Error"]["Message"]


@pytest.mark.namespaces
@own_with_either_rights
def test_functions_cannot_write_to_their_folder(world):
    server, folder, client = world
    (folder / "src/app.py").write_text(SAYS.format("x"))
    (folder / "src").chmod(0o777)
    name = create(client, server, at(folder / "src"))
    assert invoke(client, name, touch=True) == "Read-only file system"
    assert sorted(os.listdir(folder / "src")) == ["app.py"]


def test_what_runs_goes_on_and_is_not_used_again(world):
    server, folder, client = world
    (folder / "src/app.py").write_text(SAYS.format("old"))
    name = create(client, server, at(folder / "src"))
    assert invoke(client, name) == ["old", 1]
    answers = []
    running = threading.Thread(target=lambda: answers.append(invoke(client, name, sleep=2)))
    running.start()

    def is_busy():
        # The one environment, which an invocation that came now would not find free.
        metrics = server.url + "/metrics"
        import urllib.request

        with urllib.request.urlopen(metrics) as answer:
            return 'state="busy"} 1' in answer.read().decode()

    until(is_busy, "the invocation to run")
    (folder / "src/app.py").write_text(SAYS.format("new"))
    assert invoke(client, name) == ["new", 1]
    running.join()
    assert answers == [["old", 2]]
    assert invoke(client, name) == ["new", 2], "the one that is free now began on the old state"


def test_versions_run_from_the_folder_too(world):
    server, folder, client = world
    (folder / "src/app.py").write_text(SAYS.format("one"))
    name = create(client, server, at(folder / "src"), Publish=True)
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    assert invoke(client, f"{name}:live") == ["one", 1]
    (folder / "src/app.py").write_text(SAYS.format("two"))
    assert invoke(client, f"{name}:live") == ["two", 1]
    assert invoke(client, f"{name}:1") == ["two", 2]


def test_only_folders_that_the_operator_named(world):
    server, folder, client = world
    (folder / "src/app.py").write_text(SAYS.format("x"))
    os.symlink("/etc", folder / "link")
    (server.home / "codes").mkdir()

    def refusal(**source):
        with pytest.raises(ClientError) as refused:
            client.create_function(
                FunctionName=unique("f"), Runtime=server.python(), Role=ROLE, Handler="app.handler", Code=source
            )
        error = refused.value.response["Error"]
        assert error["Code"] == "InvalidParameterValueException"
        return error["Message"]

    for path, reason in [
        ("/etc", "--hot-reload /etc"),
        (f"{server.home}/codes", f"--hot-reload {server.home}/codes"),
        (f"{folder}/../codes", "absolute path"),
        (f"{folder}/link", "symbolic link"),
        (f"{folder}/link/ssl", "symbolic link"),
        (f"{folder}/absent", "no folder"),
        (f"{folder}/src/app.py", "no folder"),
        ("code", "absolute path"),
    ]:
        assert reason in refusal(**at(path)), path
    assert "no versions" in refusal(**at(folder / "src"), S3ObjectVersion="1")
    # What a link inside leads to is the sandbox's: nothing of this machine comes in by it.
    os.symlink(server.data_dir, folder / "src/data")
    (folder / "src/app.py").write_text("import os\ndef handler(event, context):\n    return os.path.exists('/var/task/data')\n")
    assert invoke(client, create(client, server, at(folder / "src"))) is False


def test_the_folder_of_the_start_is_the_default(own_server):
    # Its home is not: whoever starts a server there has not chosen a project.
    own_server.environment["HOME"] = "/root"
    project = own_server.home / "src"
    project.mkdir()
    (project / "app.py").write_text(SAYS.format("x"))
    own_server.start()
    client = Clients(own_server).boto("lambda")
    assert invoke(client, create(client, own_server, at(project))) == ["x", 1]
    with pytest.raises(ClientError) as refused:
        client.publish_layer_version(LayerName="l", Content=at(own_server.data_dir))
    assert "own data" in refused.value.response["Error"]["Message"]
    own_server.stop()
    own_server.environment["HOME"] = str(own_server.home)
    own_server.start()
    client = Clients(own_server).boto("lambda")
    with pytest.raises(ClientError) as refused:
        client.publish_layer_version(LayerName="l", Content=at(project))
    assert f"start lambent with --hot-reload {project}" in refused.value.response["Error"]["Message"]


NAMES_A_FOLDER = """
import datetime, json, os, urllib.request

def handler(event, context):
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    scope = f"key/{now[:8]}/{os.environ['AWS_REGION']}/lambda/aws4_request"
    signature = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature={'0' * 64}"
    url = f"{os.environ['AWS_ENDPOINT_URL']}/2015-03-31/functions/{context.function_name}/code"
    headers = {"Authorization": signature, "X-Amz-Date": now, "Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(event).encode(), headers, method="PUT")
    try:
        with urllib.request.urlopen(request) as answer:
            return [answer.status, ""]
    except urllib.error.HTTPError as error:
        return [error.code, error.read().decode()]
"""


@pytest.mark.namespaces
def test_functions_name_no_folders(own_server):
    """Not even where they may do everything else."""
    folder = own_server.home / "code"
    folder.mkdir()
    (folder / "app.py").write_text(SAYS.format("x"))
    own_server.arguments += ["--hot-reload", str(folder), "--functions-may-admin"]
    own_server.start()
    client = Clients(own_server).boto("lambda")
    name = create(client, own_server, {"ZipFile": pack({"app.py": NAMES_A_FOLDER})})
    status, text = invoke(client, name, **at(folder))
    assert status == 400 and "functions may not name folders" in text
    # The rest of that call is theirs.
    assert invoke(client, name, DryRun=True, S3Bucket="absent-bucket", S3Key="k")[1].count("NoSuchBucket") == 1
