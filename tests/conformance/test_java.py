"""Java functions, and what `lambent runtimes add` brings."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from support import java
from support.clients import Clients
from support.functions import ROLE, invoke, unique, until_active
from support.java import client_jars, runtimes_command
from support.packages import pack
from support.wait import until

@pytest.fixture(scope="module")
def jars():
    return client_jars()


@pytest.fixture(scope="module")
def package(jars):
    return java.package(jars, "Handler")


def create(client, runtime, package, handler="example.Handler", memory=128):
    name = unique("java")
    settings = {"Runtime": runtime, "Handler": handler, "MemorySize": memory, "Timeout": 30}
    environment = {"Variables": {"GREETING": "hei"}}
    client.create_function(
        FunctionName=name, Role=ROLE, Code={"ZipFile": package}, Environment=environment, **settings
    )
    until_active(client, name)
    return name


def test_java_functions_live_once_the_client_has_been_added(own_server, runtimes, jars, package):
    found = [name for name in runtimes if name.startswith("java") and "." not in name]
    if not found:
        pytest.skip("no Java of one of AWS's releases on this host")
    client = Clients(own_server.start()).boto("lambda")
    missing = invoke(client, create(client, found[0], package))
    command = f"lambent runtimes add {found[0]} --data-dir {own_server.data_dir}"
    assert missing.json["errorType"] == "Runtime.InvalidEntrypoint"
    assert command in missing.json["errorMessage"]

    # From a folder, as on a machine without a network; the running server takes notice.
    code, answer, problem = runtimes_command("add", found[0], "--data-dir", own_server.data_dir, "--from", jars, "--json")
    assert code == 0, problem
    assert json.loads(answer)["wasThere"] is False
    for runtime in found:
        for handler in ("example.Handler", "example.Handler::handleRequest"):
            # In the smallest memory that there is.
            name = create(client, runtime, package, handler)
            cold = invoke(client, name, {"value": [1, "ü"]}, tail=True)
            assert (cold.ok["value"], cold.ok["greeting"]) == ([1, "ü"], "hei")
            assert (cold.ok["request_id"], cold.ok["runtime"]) == (cold.request_id, f"AWS_Lambda_{runtime}")
            assert cold.ok["java"] == runtime.removeprefix("java")
            assert "printed by the function" in cold.log and cold.report["Memory Size"] == "128 MB"

    def warm():
        return "Init Duration" not in invoke(client, name, {"value": 1}, tail=True).report

    until(warm, "an environment to be used again")
    failed = invoke(client, name, {"fail": "on purpose"})
    assert failed.error == "Unhandled"
    assert failed.json["errorType"] == "java.lang.IllegalArgumentException"
    assert failed.json["errorMessage"] == "on purpose"
    assert failed.json["stackTrace"][0] == "example.Handler.handleRequest(Handler.java:14)"


def test_a_damaged_jar_is_not_installed(jars, home):
    for jar in jars.glob("*.jar"):
        (home / jar.name).write_bytes(jar.read_bytes()[:-1] + b"x")
    code, _, problem = runtimes_command("add", "java21", "--data-dir", home / "data", "--from", home)
    assert code != 0 and "it was not installed" in problem
    assert not list((home / "data" / "runtimes").glob("java-*"))


def test_what_has_nothing_to_add_says_so(home):
    for runtime, reason in [
        ("ruby3.3", "there is nothing to add for ruby3.3; the AWS SDK for Ruby has to be in the package or a layer"),
        ("dotnet8", "the runtime dotnet8 is not supported"),
        ("provided.al2023", "there is nothing to add for provided.al2023"),
        ("java7", "is no runtime that functions can use"),
    ]:
        code, _, problem = runtimes_command("add", runtime, "--data-dir", home / "data")
        assert code != 0 and reason in problem, problem


def test_boto3_is_there_once_it_has_been_added(own_server, python, home):
    version = python.removeprefix("python")
    wheels = home / "wheels"
    fetch = ["-m", "pip", "download", "--quiet", "--only-binary=:all:", "--dest", str(wheels), "boto3"]
    done = subprocess.run([shutil.which("python3"), *fetch, "--python-version", version], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"boto3 cannot be fetched: {done.stderr.strip().splitlines()[-1:]}")
    client = Clients(own_server.start()).boto("lambda")
    code, _, problem = runtimes_command("add", python, "--data-dir", own_server.data_dir, "--from", wheels)
    assert code == 0, problem
    source = "import boto3\ndef handler(e, c): return [boto3.__file__, len(boto3.client('lambda').list_functions()['Functions'])]"
    name = unique("boto3")
    client.create_function(
        FunctionName=name,
        Role=ROLE,
        Runtime=python,
        Handler="app.handler",
        Timeout=30,
        MemorySize=512,
        Code={"ZipFile": pack({"app.py": source})},
    )
    until_active(client, name)
    file, count = invoke(client, name).ok
    assert count == 1 and file.endswith("/boto3/__init__.py")
    assert "site-packages" in file or str(own_server.data_dir) in file
