"""The services beside Lambda, held against other servers that speak as AWS does: the same calls by the same client. Where
answers differ, a page of AWS's says that ours is right, or it is our defect.
"""

import functools
import importlib

import pytest

from differential.known import KNOWN, MEMBERS
from differential.script import Script, differences
from support.peers import KNOWN as PEERS
from support.peers import Peer, client, interpreter

SERVICES = ["sqs", "sns", "events", "s3"]
SCRIPTS = [
    pytest.param(service, script, id=f"{service}-{script.__name__}")
    for service in SERVICES
    for script in importlib.import_module(f"differential.{service}").SCRIPTS
]


@pytest.fixture(scope="module", params=sorted(PEERS))
def peer(request, tmp_path_factory):
    if interpreter(request.param) is None:
        pytest.skip(f"no Python here has {request.param} from PyPI; LAMBENT_TEST_{request.param.upper()} names one")
    peer = Peer(request.param, tmp_path_factory.mktemp(request.param))
    yield peer
    peer.end()


@functools.cache
def lines(service, script, url):
    """Made once of each server: what a script leaves behind would be in the way of another run."""
    script_of = Script(client(service, url))
    script(script_of)
    return script_of.lines


def why(service, script, label, path, name):
    """The reason for a difference, the closest that covers it."""
    parts = path.split(".")
    for length in range(len(parts), -1, -1):
        known = KNOWN.get((service, script, label, ".".join(parts[:length])))
        if known and name in known[0]:
            return known[1]
    known = MEMBERS.get((service, parts[-1]))
    return known[1] if known and name in known[0] else None


@pytest.mark.parametrize(("service", "script"), SCRIPTS)
def test_answers_are_the_same(server, peer, service, script):
    ours = lines(service, script, server.url)
    theirs = lines(service, script, peer.url)
    assert list(ours) == list(theirs), "the scripts took the same way"
    unexplained = [
        f"{label}: {path or 'all of it'}: ours {left!r}, {peer.name}'s {right!r}"
        for label in ours
        for path, left, right in differences(ours[label], theirs[label])
        if why(service, script.__name__, label, path, peer.name) is None
    ]
    assert not unexplained, "\n".join(unexplained)
