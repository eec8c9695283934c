"""The error that a call must end with."""

import pytest
from botocore.exceptions import ClientError


class Refusal:
    """What a client learns from an error."""

    def __init__(self, response):
        self.code = response["Error"]["Code"]
        # boto3 reads either spelling of the member.
        self.message = response["Error"].get("Message") or response.get("message", "")
        self.status = response["ResponseMetadata"]["HTTPStatusCode"]
        self.request_id = response["ResponseMetadata"].get("RequestId")
        self.response = response

    def __repr__(self):
        return f"{self.status} {self.code}: {self.message}"


def refused(operation, **parameters):
    """Calls an operation that must fail."""
    with pytest.raises(ClientError) as caught:
        operation(**parameters)
    return Refusal(caught.value.response)
