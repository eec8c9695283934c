"""Packages that mean harm: AWS's answer, and nothing of them stays."""

import base64
import hashlib
import io
import os
import zipfile

import pytest

from support import packages
from support.errors import refused
from support.functions import ROLE, probe_zip, unique
from support.packages import DEVICE, FIFO, FILE, LINK, pack, with_entry

NOT_A_ZIP = "Could not unzip uploaded file. Please check your file, then try to upload again."
TOO_LARGE = "Unzipped size must be smaller than 262144000 bytes"


def beneath_a_link():
    """A file below a symbolic link that leads out of the package."""
    buffer = io.BytesIO(pack({"lambda_function.py": "x"}))
    with zipfile.ZipFile(buffer, "a") as archive:
        packages.add(archive, "out", "/tmp", LINK | 0o777)
        packages.add(archive, "out/lambent-escaped", "evil", FILE | 0o644)
    return buffer.getvalue()


HOSTILE = {
    "no-zip": lambda: b"PK is not enough",
    "empty-zip": lambda: pack({}),
    "truncated": lambda: probe_zip()[:-40],
    "half": lambda: probe_zip()[: len(probe_zip()) // 2],
    "encrypted": packages.encrypted,
    "parent": lambda: with_entry("../escaped"),
    "deep-parent": lambda: with_entry("a/../../escaped"),
    "absolute": lambda: with_entry("/tmp/lambent-escaped"),
    "device": lambda: with_entry("null", b"", DEVICE | 0o666),
    "fifo": lambda: with_entry("pipe", b"", FIFO | 0o666),
    "beneath-a-link": beneath_a_link,
    "overlapping": packages.overlapping,
    "long-name": lambda: with_entry("n" * 60_000),
}


@pytest.fixture
def unchanged(server, lambda_):
    """Asserts that neither a function nor a package nor a half-unpacked one is left behind."""
    staging = server.data_dir / "code" / "staging"

    def state():
        names = [
            function["FunctionName"]
            for page in lambda_.get_paginator("list_functions").paginate()
            for function in page["Functions"]
        ]
        return names, server.packages(), os.listdir(staging)

    before = state()
    yield
    assert state() == before
    assert not os.path.exists("/tmp/lambent-escaped") and not os.path.exists(staging.parent / "escaped")


@pytest.fixture
def create(lambda_, python):
    def call(package):
        return refused(
            lambda_.create_function,
            FunctionName=unique("hostile"),
            Runtime=python,
            Role=ROLE,
            Handler="a.b",
            Code={"ZipFile": package},
        )

    return call


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_package_is_refused(create, unchanged, kind):
    error = create(HOSTILE[kind]())
    assert (error.status, error.code) == (400, "InvalidParameterValueException"), error
    # What overlaps may also be counted before it is seen to overlap.
    assert error.message in ((NOT_A_ZIP, TOO_LARGE) if kind == "overlapping" else (NOT_A_ZIP,)), error


def test_a_bomb_is_stopped_at_250_megabytes(create, unchanged):
    error = create(packages.bomb())
    assert (error.code, error.message) == ("InvalidParameterValueException", TOO_LARGE)


def test_the_zipped_limit_is_50_megabytes(create, unchanged):
    error = create(pack({"a": os.urandom(52_428_800)}))
    assert (error.status, error.code) == (413, "RequestEntityTooLargeException")
    assert error.message == "Zipped size must be smaller than 52428800 bytes"


def test_the_body_limit_is_named(clients, unchanged):
    # Refused by the length that it announces; not a byte of it has to be sent.
    limit = 70_167_211
    path = "/2015-03-31/functions/"
    headers = clients.signed("POST", path, b"")
    connection = clients.connect()
    connection.putrequest("POST", path)
    for name, value in {**headers, "Content-Length": str(limit + 1)}.items():
        connection.putheader(name, value)
    connection.endheaders(b"{")
    response = connection.getresponse()
    body = response.read().decode()
    assert response.status == 413
    assert response.getheader("x-amzn-ErrorType").startswith("RequestEntityTooLargeException")
    assert f"Request must be smaller than {limit} bytes for the CreateFunction operation" in body
    connection.close()


def test_a_refused_update_leaves_the_old_code(lambda_, invoke, make):
    name = make.create("kept", zip_file=probe_zip("kept"))
    for package in (b"no zip", with_entry("../escaped"), packages.encrypted()):
        error = refused(lambda_.update_function_code, FunctionName=name, ZipFile=package)
        assert (error.code, error.message) == ("InvalidParameterValueException", NOT_A_ZIP)
    after = lambda_.get_function_configuration(FunctionName=name)
    assert after["LastUpdateStatus"] == "Successful"
    assert invoke(name).ok["marker"] == "kept"


def test_a_large_package_is_what_was_sent(lambda_, invoke, make):
    # It is decoded in pieces, where it came.
    package = pack({"lambda_function.py": "def lambda_handler(event, context): return len(open('data').read())",
                    "data": os.urandom(1_500_001).hex()})
    digest = base64.b64encode(hashlib.sha256(package).digest()).decode()
    name = make.create("large", zip_file=package)
    shown = lambda_.get_function_configuration(FunctionName=name)
    assert (shown["CodeSize"], shown["CodeSha256"]) == (len(package), digest)
    assert invoke(name).ok == 3_000_002
    assert lambda_.publish_layer_version(LayerName=name, Content={"ZipFile": package})["Content"]["CodeSha256"] == digest


@pytest.mark.parametrize("code", ["%%%", "QUJD" * 200_000 + "%%%", "QUI=" + "QUJD" * 200_000])
def test_code_that_is_no_base64_is_refused(clients, unchanged, python, code):
    document = f'{{"FunctionName": "b64", "Runtime": "{python}", "Role": "{ROLE}", "Handler": "a.b", "Code": {{"ZipFile": "{code}"}}}}'
    answer = clients.http("POST", "/2015-03-31/functions/", body=document.encode())
    assert answer.status == 400 and answer.error in ("SerializationException", "InvalidParameterValueException")
