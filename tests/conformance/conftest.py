"""Fixtures: one server for the session, stock clients for it, functions that go away with their test."""

import contextlib
import os
import random
import shutil

import pytest
from botocore.exceptions import ClientError

from support import functions
from support.clients import Cli, Clients
from support.functions import ROLE, probe_zip, unique, until_active
from support.server import ISOLATION, RIGHTS, Server, scratch


# Tests that draw lots do so by one seed, which the processes that share the tests inherit: they have to know the same ones.
os.environ.setdefault("LAMBENT_TEST_SEED", str(random.SystemRandom().randrange(2**32)))

# What measures the machine, fills it, or looks at all that runs on it has it for itself; everything else waits more than
# it works, and is run by two at once.
ALONE = {
    "test_admission.py", "test_concurrency.py", "test_freeze.py", "test_hostile.py", "test_network.py", "test_prewarm.py",
    "test_rights.py", "test_rootless.py", "test_soak.py", "test_start.py",
}

# What takes minutes, most of them waiting, begins first: begun last it would run by itself in the end.
FIRST = ["test_terraform.py", "test_source_kills.py", "test_examples.py", "test_web_adapter.py", "test_event_kills.py"]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: FIRST.index(item.path.name) if item.path.name in FIRST else len(FIRST))
    for item in items:
        if item.path.name in ALONE or item.path.parent.name == "escape":
            item.add_marker("alone")
    if ISOLATION == "namespaces":
        return
    reason = pytest.mark.skip(reason=f"functions run with --isolation {ISOLATION}")
    for item in items:
        if item.get_closest_marker("namespaces"):
            item.add_marker(reason)


@pytest.fixture(scope="session")
def server(request):
    """The server that tests share. None of them may leave it worse than it was. Tests marked `with_either_rights`
    get one with root's rights and one without."""
    server = Server(rights=getattr(request, "param", RIGHTS))
    try:
        yield server.start()
        assert server.process.poll() is None, f"the server ended by itself:\n{server.output()}"
    finally:
        server.remove()


@pytest.fixture
def own_server(request):
    """A server for one test, not yet started; marked `own_with_either_rights`, one of each kind."""
    server = Server(rights=getattr(request, "param", RIGHTS))
    yield server
    server.remove()


@pytest.fixture(scope="session")
def clients(server):
    return Clients(server)


@pytest.fixture(scope="session")
def lambda_(clients):
    """boto3's Lambda client."""
    return clients.boto("lambda")


@pytest.fixture(scope="session")
def logs(clients):
    """boto3's CloudWatch Logs client."""
    return clients.boto("logs")


@pytest.fixture
def home():
    """A folder that goes away with its test."""
    folder = scratch()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def cli(server, home):
    return Cli(server, home)


@pytest.fixture(scope="session")
def runtimes(server):
    """What this host has interpreters for, as the server's user sees it: runtime id → interpreter."""
    return server.runtimes()


@pytest.fixture(scope="session")
def python(server):
    """The newest Python runtime of the server's user."""
    return server.python()


class Maker:
    """Creates functions and deletes them at the end."""

    def __init__(self, client, python):
        self.client = client
        self.python = python
        self.names = []

    def create(self, prefix="f", zip_file=None, active=True, client=None, **settings):
        """A function, active unless said otherwise; the probe in Python by default. Returns its name."""
        client = client or self.client
        name = settings.pop("FunctionName", None) or unique(prefix)
        settings = {
            "Runtime": self.python,
            "Handler": "lambda_function.lambda_handler",
            "Role": ROLE,
            "Timeout": 20,
            "Code": {"ZipFile": zip_file or probe_zip()},
            **settings,
        }
        client.create_function(FunctionName=name, **settings)
        self.names.append((client, name))
        if active:
            until_active(client, name)
        return name

    def clean(self):
        for client, name in self.names:
            # Gone already, or a name that never could be: the tests of refusals leave both.
            with contextlib.suppress(ClientError):
                client.delete_function(FunctionName=name)


@pytest.fixture
def make(lambda_, python):
    maker = Maker(lambda_, python)
    yield maker
    maker.clean()


@pytest.fixture(scope="module")
def probe(lambda_, python):
    """One probe function for all tests of a module that only look."""
    maker = Maker(lambda_, python)
    yield maker.create("probe")
    maker.clean()


@pytest.fixture
def invoke(lambda_):
    """Invokes by the shared client."""

    def call(name, event=None, tail=False, **options):
        return functions.invoke(lambda_, name, event, tail, **options)

    return call
