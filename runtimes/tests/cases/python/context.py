"""What handlers learn about their invocation. Each function is a case; `headers:` gives its event further ones."""

import os


def fields(event, context):
    """All fields, and nothing but them."""
    return [repr(context), sorted(name for name in vars(context) if name[0] != "_")]


def remaining_time(event, context):
    """The remaining time is below the timeout and falls."""
    first = context.get_remaining_time_in_millis()
    return [type(first).__name__, 0 < first <= 60000, context.get_remaining_time_in_millis() <= first]


def past_deadline(event, context):
    """After the deadline no time remains.

    headers: {"Lambda-Runtime-Deadline-Ms": "1"}
    """
    return context.get_remaining_time_in_millis()


def texts(event, context):
    """Memory, version, log names and function are texts."""
    names = ("function_name", "function_version", "memory_limit_in_mb", "log_group_name", "log_stream_name")
    return [getattr(context, name) for name in names]


def arn(event, context):
    """The ARN is as invoked.

    headers: {"Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:000000000000:function:f:live"}
    """
    return context.invoked_function_arn


def client_context(event, context):
    """A client context with everything.

    headers: {"Lambda-Runtime-Client-Context": "{\\"client\\":{\\"installation_id\\":\\"i\\",\\"app_title\\":\\"t\\"},\\"custom\\":{\\"a\\":1},\\"env\\":{\\"b\\":2}}"}
    """
    given = context.client_context
    return [repr(given), given.custom, given.env, given.client.installation_id, given.client.app_package_name]


def custom_client_context(event, context):
    """A client context with custom fields alone.

    headers: {"Lambda-Runtime-Client-Context": "{\\"custom\\":{\\"k\\":\\"v\\"}}"}
    """
    return [repr(context.client_context), context.client_context.custom["k"]]


def empty_client_context(event, context):
    """An empty client context.

    headers: {"Lambda-Runtime-Client-Context": "{}"}
    """
    return repr(context)


def client_context_of_unknown_fields(event, context):
    """A client context with unknown fields.

    headers: {"Lambda-Runtime-Client-Context": "{\\"other\\":1,\\"client\\":{\\"other\\":2}}"}
    """
    return [repr(context.client_context), hasattr(context.client_context, "other")]


def bad_client_context(event, context):
    """A client context that is no JSON fails the invocation.

    headers: {"Lambda-Runtime-Client-Context": "{bad"}
    """


def client_context_that_is_a_list(event, context):
    """A client context that is no object.

    headers: {"Lambda-Runtime-Client-Context": "[1]"}
    """
    return repr(context.client_context)


def client_context_that_is_a_number(event, context):
    """A client context that is a number.

    headers: {"Lambda-Runtime-Client-Context": "5"}
    """
    return repr(context.client_context)


def identity(event, context):
    """A Cognito identity.

    headers: {"Lambda-Runtime-Cognito-Identity": "{\\"cognitoIdentityId\\":\\"i\\",\\"cognitoIdentityPoolId\\":\\"p\\"}"}
    """
    return [repr(context.identity), context.identity.cognito_identity_id, context.identity.cognito_identity_pool_id]


def no_identity(event, context):
    """Without an identity its fields are None."""
    return [repr(context.identity), context.identity.cognito_identity_id]


def bad_identity(event, context):
    """An identity that is no JSON fails the invocation.

    headers: {"Lambda-Runtime-Cognito-Identity": "bad"}
    """


def tenant(event, context):
    """A tenant id.

    headers: {"Lambda-Runtime-Aws-Tenant-Id": "tenant-1"}
    """
    return [context.tenant_id, repr(context)]


def no_tenant(event, context):
    """Without a tenant there is None, also after an invocation that had one."""
    return context.tenant_id


def trace(event, context):
    """The trace of the invocation is in a variable."""
    return os.environ["_X_AMZN_TRACE_ID"]


def no_trace(event, context):
    """Without a trace the variable is gone.

    headers: {"Lambda-Runtime-Trace-Id": null}
    """
    return os.environ.get("_X_AMZN_TRACE_ID")


def trace_again(event, context):
    """The next invocation has a trace of its own."""
    return [os.environ["_X_AMZN_TRACE_ID"], os.popen("echo $_X_AMZN_TRACE_ID").read()]


def w3c(event, context):
    """Trace Context and Baggage come along in the client context.

    headers: {"Lambda-Runtime-Client-Context": "{\\"w3c\\":{\\"traceparent\\":\\"00-1\\",\\"tracestate\\":5,\\"baggage\\":\\"k=v\\",\\"z\\":1}}"}
    """
    return [context.w3c(), repr(context.client_context)] if hasattr(context, "w3c") else None


def writable(event, context):
    """A handler may put fields of its own into the context."""
    context.mine = 1
    context.function_name = "other"
    return [context.mine, context.function_name]


def fresh(event, context):
    """What one invocation put into the context is gone in the next."""
    return [hasattr(context, "mine"), context.function_name]


def variables(event, context):
    """The log descriptor is no variable of the function."""
    return ["_LAMBDA_TELEMETRY_LOG_FD" in os.environ, os.environ["_HANDLER"] != "", os.environ["TZ"]]


def same_request_id(event, context):
    """The request id is that of the event."""
    return context.aws_request_id
