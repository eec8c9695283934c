"""Buckets under test: clients for them, and the end of what tests leave in them."""

import contextlib

from botocore.exceptions import ClientError

from .functions import unique


class Buckets:
    """Makes buckets and removes them with everything in them."""

    def __init__(self, client):
        self.client = client
        self.names = []

    def create(self, **settings):
        name = unique("bucket")
        self.client.create_bucket(Bucket=name, **settings)
        self.names.append(name)
        return name

    def clean(self):
        for name in self.names:
            # Deleted by its test already.
            with contextlib.suppress(ClientError):
                empty(self.client, name)
                self.client.delete_bucket(Bucket=name)


def empty(client, bucket):
    """Removes every version of every key."""
    for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for version in page.get("Versions", []) + page.get("DeleteMarkers", []):
            client.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])


def refusal(call, **arguments):
    """The code of the error that a call ends with, and its status."""
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    raise AssertionError("it was answered")
