"""The same through the AWS CLI, version 2: what a user types."""

import base64
import json

from support.functions import ROLE, arn, probe_zip, unique
from support.wait import until


def test_a_users_first_steps(cli, tmp_path, python):
    name, package = unique("cli"), tmp_path / "function.zip"
    package.write_bytes(probe_zip())
    created = cli.json(
        "lambda",
        "create-function",
        "--function-name",
        name,
        "--runtime",
        python,
        "--role",
        ROLE,
        "--timeout",
        "20",
        "--handler",
        "lambda_function.lambda_handler",
        "--zip-file",
        f"fileb://{package}",
    )
    assert (created["State"], created["FunctionArn"]) == ("Pending", arn(name))
    cli.run("lambda", "wait", "function-active-v2", "--function-name", name)
    answer, output = tmp_path / "answer.json", tmp_path / "tail.txt"
    event = json.dumps({"do": "say", "lines": ["said at once"]})
    invoke = ["lambda", "invoke", "--function-name", name, "--cli-binary-format", "raw-in-base64-out"]
    shown = cli.json(*invoke, "--log-type", "Tail", "--payload", event, answer)
    assert (shown["StatusCode"], shown["ExecutedVersion"]) == (200, "$LATEST")
    assert json.loads(answer.read_text()) == "said"
    assert "said at once" in base64.b64decode(shown["LogResult"]).decode()
    listed = cli.json("lambda", "list-functions", "--query", f"Functions[?FunctionName=='{name}'].Runtime")
    assert listed == [python]

    with output.open("wb") as file:
        follower = cli.start("logs", "tail", f"/aws/lambda/{name}", "--follow", "--format", "short", stdout=file)
    try:
        until(lambda: "said at once" in output.read_text(), "the follower to show what was there", 60)
        later = json.dumps({"do": "say", "lines": ["said later"]})
        cli.run(*invoke, "--payload", later, answer)
        until(lambda: "said later" in output.read_text(), "the follower to show what came later", 60)
        assert output.read_text().count("said later") == 1
    finally:
        follower.kill()
        follower.wait()

    cli.run("lambda", "update-function-configuration", "--function-name", name, "--memory-size", "256")
    cli.run("lambda", "wait", "function-updated-v2", "--function-name", name)
    assert cli.json("lambda", "get-function-configuration", "--function-name", name)["MemorySize"] == 256
    cli.run("lambda", "delete-function", "--function-name", name)
    gone = cli.run("lambda", "get-function", "--function-name", name, check=False)
    assert gone.returncode == 254 and f"Function not found: {arn(name)}" in gone.stderr


def test_versions_aliases_and_permissions(cli, make, tmp_path):
    name, answer = make.create("cli"), tmp_path / "answer.json"
    of = ["--function-name", name]
    assert cli.json("lambda", "publish-version", *of, "--description", "first")["Version"] == "1"
    alias = cli.json("lambda", "create-alias", *of, "--name", "live", "--function-version", "1")
    assert alias["AliasArn"] == arn(name, "live")
    cli.run("lambda", "update-function-configuration", *of, "--memory-size", "256")
    cli.run("lambda", "wait", "function-updated-v2", *of)
    assert cli.json("lambda", "publish-version", *of)["Version"] == "2"
    split = ["--routing-config", "AdditionalVersionWeights={2=1.0}"]
    cli.run("lambda", "update-alias", *of, "--name", "live", *split)
    invoke = ["lambda", "invoke", *of, "--qualifier", "live", "--cli-binary-format", "raw-in-base64-out"]
    assert cli.json(*invoke, "--payload", '{"do": "echo"}', answer)["ExecutedVersion"] == "2"
    permission = ["--action", "lambda:InvokeFunction", "--principal", "s3.amazonaws.com", "--statement-id", "s"]
    added = cli.json("lambda", "add-permission", *of, "--qualifier", "live", *permission)
    assert json.loads(added["Statement"])["Resource"] == arn(name, "live")
    cli.run("lambda", "remove-permission", *of, "--qualifier", "live", "--statement-id", "s")
    kept = cli.run("lambda", "delete-function", *of, "--qualifier", "1", check=False)
    assert "Unable to delete version because the following aliases reference it: [live]" in kept.stderr
    versions = cli.json("lambda", "list-versions-by-function", *of, "--query", "Versions[].Version")
    assert versions == ["$LATEST", "1", "2"]
