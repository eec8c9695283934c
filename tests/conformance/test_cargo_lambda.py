"""`cargo lambda deploy`, which makes a role by IAM where it is given none, and a function with it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.functions import unique, until_active

PROGRAM = Path(sys.executable).with_name("cargo-lambda")


@pytest.fixture
def deploy(server, home):
    if not PROGRAM.is_file():
        pytest.skip("cargo-lambda is not installed: pip install cargo-lambda==1.9.2")
    if not shutil.which("cargo"):
        pytest.skip("there is no cargo, whose project it reads")
    program = home / "bootstrap"
    shutil.copy(shutil.which("true"), program)
    (home / "src").mkdir()
    (home / "src" / "main.rs").write_text("fn main() {}\n")
    (home / "Cargo.toml").write_text('[package]\nname = "deployed"\nversion = "0.1.0"\nedition = "2021"\n')

    def run(name, *options):
        command = [PROGRAM, "lambda", "deploy", "--endpoint-url", server.url, "--region", "us-east-1"]
        command += ["--binary-path", program, *options, name]
        # Where cargo finds its toolchain, which is somebody's home otherwise.
        tools = {"CARGO_HOME": ".cargo", "RUSTUP_HOME": ".rustup"}
        environment = {key: os.environ.get(key, str(Path.home() / folder)) for key, folder in tools.items()}
        environment |= {
            "PATH": os.environ["PATH"], "HOME": str(home), "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL": server.url,
        }
        done = subprocess.run(
            [str(word) for word in command], cwd=home, env=environment, capture_output=True, text=True, timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    return run


def test_a_deployment_with_a_role_of_its_own(deploy, lambda_, clients):
    iam, name = clients.boto("iam"), unique("cargo")
    before = {role["RoleName"] for role in iam.list_roles()["Roles"]}
    deploy(name)
    until_active(lambda_, name)
    (made,) = {role["RoleName"] for role in iam.list_roles()["Roles"]} - before
    function = lambda_.get_function_configuration(FunctionName=name)
    assert function["Role"].endswith(f"/{made}") and function["Runtime"].startswith("provided.al")
    attached = iam.list_attached_role_policies(RoleName=made)["AttachedPolicies"]
    assert "AWSLambdaBasicExecutionRole" in [policy["PolicyName"] for policy in attached]
    # A second one changes the function and makes no role.
    deploy(name, "--memory", "256", "--timeout", "20")
    until_active(lambda_, name)
    changed = lambda_.get_function_configuration(FunctionName=name)
    assert (changed["MemorySize"], changed["Timeout"], changed["Role"]) == (256, 20, function["Role"])
    lambda_.delete_function(FunctionName=name)
    for policy in attached:
        iam.detach_role_policy(RoleName=made, PolicyArn=policy["PolicyArn"])
    iam.delete_role(RoleName=made)
