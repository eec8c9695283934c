"""The context object (AWS Lambda Developer Guide, "Using the Lambda context object to retrieve Python function
information")."""

import logging
import os
import sys
import time

# The fields of W3C Trace Context and Baggage that `LambdaContext.w3c()` hands on; anything else is dropped.
_W3C_FIELDS = ("traceparent", "tracestate", "baggage")
_ENVIRONMENT_FIELDS = (
    ("log_group_name", "AWS_LAMBDA_LOG_GROUP_NAME"),
    ("log_stream_name", "AWS_LAMBDA_LOG_STREAM_NAME"),
    ("function_name", "AWS_LAMBDA_FUNCTION_NAME"),
    ("memory_limit_in_mb", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"),
    ("function_version", "AWS_LAMBDA_FUNCTION_VERSION"),
)
# Filled when the first context is made: these variables do not change while an environment lives, and reading five
# of them for each invocation would cost more than the rest of the context.
_environment = {}


def _describe(instance, names):
    fields = ",".join("{}={}".format(name, getattr(instance, name)) for name in names)
    return "{}([{}])".format(type(instance).__name__, fields)


class _Record(object):
    """An object with fixed fields, each None unless a dictionary names it."""

    __slots__ = ()

    def __init__(self, values=None):
        values = values or {}
        for name in self.__slots__:
            setattr(self, name, values.get(name))

    def __repr__(self):
        return _describe(self, self.__slots__)


class CognitoIdentity(_Record):
    """The Amazon Cognito identity that authorised the request."""

    __slots__ = ["cognito_identity_id", "cognito_identity_pool_id"]


class Client(_Record):
    """The mobile application of a client context."""

    __slots__ = ["installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name"]


class ClientContext(_Record):
    """What the caller sent as client context."""

    __slots__ = ["custom", "env", "client"]


def _take_w3c(client_context):
    """Removes `w3c` from the client context and returns its known text fields."""
    fields = client_context.pop("w3c", None) if isinstance(client_context, dict) else None
    if not isinstance(fields, dict):
        return {}
    return {name: fields[name] for name in _W3C_FIELDS if isinstance(fields.get(name), str)}


class LambdaContext(object):
    """What a handler learns about its invocation, its function and its environment."""

    def __init__(
        self,
        invoke_id,
        client_context,
        cognito_identity,
        epoch_deadline_time_in_ms,
        invoked_function_arn=None,
        tenant_id=None,
    ):
        if not _environment:
            for name, variable in _ENVIRONMENT_FIELDS:
                _environment[name] = os.environ.get(variable)
        fields = self.__dict__
        fields["aws_request_id"] = invoke_id
        fields.update(_environment)
        fields["invoked_function_arn"] = invoked_function_arn
        fields["tenant_id"] = tenant_id
        fields["_w3c_fields"] = _take_w3c(client_context) if client_context else {}
        fields["client_context"] = None
        if client_context is not None:
            self.client_context = ClientContext(client_context)
            if self.client_context.client is not None:
                self.client_context.client = Client(self.client_context.client)
        identity = fields["identity"] = CognitoIdentity()
        if cognito_identity is not None:
            identity.cognito_identity_id = cognito_identity.get("cognitoIdentityId")
            identity.cognito_identity_pool_id = cognito_identity.get("cognitoIdentityPoolId")
        fields["_epoch_deadline_time_in_ms"] = epoch_deadline_time_in_ms

    def get_remaining_time_in_millis(self):
        """Milliseconds until the invocation times out, never below 0."""
        return max(0, self._epoch_deadline_time_in_ms - int(time.time() * 1000))

    def w3c(self):
        """The W3C trace context of the invocation: `traceparent`, `tracestate` and `baggage` where present."""
        return dict(self._w3c_fields)

    def log(self, msg):
        """Writes `msg` to the function's log as it is."""
        for handler in logging.getLogger().handlers:
            sink = getattr(handler, "log_sink", None)
            if sink is not None:
                sink.log(str(msg))
                return
        sys.stdout.write(str(msg))

    def __repr__(self):
        return _describe(
            self,
            (
                "aws_request_id",
                "log_group_name",
                "log_stream_name",
                "function_name",
                "memory_limit_in_mb",
                "function_version",
                "invoked_function_arn",
                "client_context",
                "identity",
                "tenant_id",
            ),
        )
