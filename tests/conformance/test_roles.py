"""Functions call as sessions of their roles: what they may do, and what their credentials are worth."""

import pytest

from support.clients import Clients
from support.errors import refused
from support.functions import invoke as call_function
from support.functions import probe_zip
from support.inside import call
from support.server import Server

def message(body):
    return body.get("message") or body.get("Message")


def test_inside_any_key_is_the_role(lambda_, probe):
    # A key of twelve digits would be another account's at the front door.
    for key in ("test", "123456789012", "AKIAIOSFODNN7EXAMPLE"):
        status, body = call(lambda_, probe, "GET", f"/2015-03-31/functions/{probe}/configuration", key)
        assert (status, body.get("FunctionName")) == (200, probe), body


def test_functions_reach_their_account_in_every_region(lambda_, probe):
    path = f"/2015-03-31/functions/{probe}/configuration"
    status, body = call(lambda_, probe, "GET", path, region="eu-west-1")
    assert status == 404, body
    assert f"arn:aws:lambda:eu-west-1:000000000000:function:{probe}" in message(body)


def test_another_account_is_closed(lambda_, probe):
    foreign = "arn:aws:lambda:us-east-1:123456789012:function:theirs"
    calls = [("GET", f"/2015-03-31/functions/{foreign}"), ("POST", f"/2015-03-31/functions/{foreign}/invocations")]
    for method, path in calls:
        status, body = call(lambda_, probe, method, path, key="123456789012")
        assert status == 403, body
        assert message(body).startswith("User: arn:aws:sts::000000000000:assumed-role/"), body
        assert f"on resource: {foreign} because no resource-based policy allows" in message(body), body


@pytest.mark.parametrize(
    ("method", "path", "action"),
    [
        ("DELETE", "/2015-03-31/functions/{name}", "DeleteFunction"),
        ("PUT", "/2015-03-31/functions/{name}/code", "UpdateFunctionCode"),
        ("PUT", "/2015-03-31/functions/{name}/configuration", "UpdateFunctionConfiguration"),
        ("POST", "/2015-03-31/functions", "CreateFunction"),
        ("POST", "/2015-03-31/functions/{name}/policy", "AddPermission"),
    ],
)
def test_functions_do_not_administer(lambda_, probe, method, path, action):
    status, body = call(lambda_, probe, method, path.format(name=probe), body="{}")
    assert status == 403, body
    assert f"not authorized to perform: lambda:{action} on resource: " in message(body)
    assert "--functions-may-admin" in message(body)


def test_functions_administer_where_the_owner_says_so(python):
    server = Server(arguments=["--functions-may-admin"])
    try:
        client = Clients(server.start()).boto("lambda")
        role = "arn:aws:iam::000000000000:role/r"
        handler = "lambda_function.lambda_handler"
        code = {"ZipFile": probe_zip()}
        for name in ("admin", "other"):
            client.create_function(FunctionName=name, Runtime=python, Handler=handler, Role=role, Code=code, Timeout=20)
            client.get_waiter("function_active_v2").wait(FunctionName=name)
        status, _ = call(client, "admin", "DELETE", "/2015-03-31/functions/other")
        assert status == 204
        assert refused(client.get_function, FunctionName="other").code == "ResourceNotFoundException"
    finally:
        server.remove()


def credentials(client, name):
    """What the function has in its environment."""
    command = 'echo "$AWS_ACCESS_KEY_ID $AWS_SECRET_ACCESS_KEY $AWS_SESSION_TOKEN"'
    return call_function(client, name, {"do": "run", "command": command}).ok["out"].split()


def test_credentials_of_a_function_are_real(clients, lambda_, make, probe):
    key, secret, token = credentials(lambda_, probe)
    assert key.startswith("ASIA")
    real = clients.boto("lambda", key=key, secret=secret, token=token)
    assert real.get_function_configuration(FunctionName=probe)["FunctionName"] == probe
    assert refused(real.delete_function, FunctionName=probe).code == "AccessDeniedException"
    # Whoever has seen the token on the way, or guesses, is nobody.
    for key_used, secret_used, code in (
        (key, "x" * 40, "InvalidSignatureException"),
        ("ASIAOTHERKEY", secret, "UnrecognizedClientException"),
    ):
        guess = clients.boto("lambda", key=key_used, secret=secret_used, token=token)
        assert refused(guess.get_function_configuration, FunctionName=probe).code == code
    assert credentials(lambda_, make.create("other"))[0] != key, "each function has its own"
