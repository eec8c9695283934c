"""Finds the handler and runs it for one event after the other.

`run`, `handle_event_request` and `LambdaRuntimeClient` are looked up by name at each use, because tracing and
error-reporting packages replace them from the function's own code.
"""

import importlib
import json
import logging
import os
import sys
import time
import traceback

from .lambda_context import LambdaContext
from .lambda_runtime_client import LambdaRuntimeClient  # noqa: F401  (replaced by vendors under this name)
from .lambda_runtime_exception import FaultException
from .lambda_runtime_log_utils import (
    _DATETIME_FORMAT,
    _JSON_FRAME_TYPES,
    _TEXT_DATETIME_FORMAT,
    _TEXT_FORMAT,
    _TEXT_FRAME_TYPES,
    FramedTelemetryLogSink,
    JsonFormatter,
    LambdaLoggerHandler,
    LambdaLoggerHandlerWithFrameType,
    LogFormat,
    StandardLogSink,
    Unbuffered,
    _get_log_level_from_env_var,
    remember_second,
)
from .lambda_runtime_marshaller import to_json

_LOG_FD = "_LAMBDA_TELEMETRY_LOG_FD"
_TRACE_ID = "_X_AMZN_TRACE_ID"
_NO_BREAK_SPACE = "\u00a0"
_OWN_FOLDER = os.path.dirname(os.path.abspath(__file__)) + os.sep
_OWN_SCRIPT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "bootstrap.py")
_INIT_WARNING = "LAMBDA_WARNING: Unhandled exception. The most likely cause is an issue in the function code.\r"

_GLOBAL_AWS_REQUEST_ID = None
_GLOBAL_TENANT_ID = None
_log_format = LogFormat.TEXT


def _get_handler(handler):
    """The function that a handler such as `module.function` or `folder/module.function` names."""
    try:
        modname, fname = handler.rsplit(".", 1)
    except ValueError as error:
        raise FaultException(
            FaultException.MALFORMED_HANDLER_NAME, "Bad handler '{}': {}".format(handler, error)
        )
    if modname.split(".")[0] in sys.builtin_module_names:
        raise FaultException(
            FaultException.BUILT_IN_MODULE_CONFLICT,
            "Cannot use built-in module {} as a handler module".format(modname),
        )
    try:
        module = importlib.import_module(modname.replace("/", "."))
    except ImportError as error:
        raise FaultException(
            FaultException.IMPORT_MODULE_ERROR, "Unable to import module '{}': {}".format(modname, error)
        )
    except SyntaxError as error:
        raise FaultException(
            FaultException.USER_CODE_SYNTAX_ERROR,
            "Syntax error in module '{}': {}".format(modname, error),
            ['  File "{}" Line {}\n    {}'.format(error.filename, error.lineno, error.text)],
        )
    try:
        return getattr(module, fname)
    except AttributeError:
        raise FaultException(
            FaultException.HANDLER_NOT_FOUND,
            "Handler '{}' missing on module '{}'".format(fname, modname),
            None,
        )


def make_error(error_message, error_type, stack_trace, invoke_id=None):
    """The error JSON that callers of the function see."""
    return {
        "errorMessage": error_message or "",
        "errorType": error_type or "",
        "requestId": invoke_id or "",
        "stackTrace": stack_trace or [],
    }


def make_xray_fault(ex_type, ex_msg, working_dir, tb_tuples):
    """The error cause in the form of an X-Ray segment document."""
    stack = [{"label": name, "path": path, "line": line} for path, line, name, _ in tb_tuples]
    return {
        "working_directory": working_dir,
        "exceptions": [{"message": ex_msg, "type": ex_type, "stack": stack}],
        "paths": sorted({path for path, _, _, _ in tb_tuples}),
    }


def extract_traceback(tb):
    """The frames of a traceback as (file, line, function, text), without the client's own at the front."""
    frames = [(frame.filename, frame.lineno, frame.name, frame.line) for frame in traceback.extract_tb(tb)]
    own = 0
    while own < len(frames) and (frames[own][0].startswith(_OWN_FOLDER) or frames[own][0] == _OWN_SCRIPT):
        own += 1
    # An error in the client itself must not be reported without any frame.
    return frames[own:] or frames


def build_fault_result(exc_info, msg=None):
    """The error JSON of an exception outside an invocation."""
    error_type, value, tb = exc_info
    stack = traceback.format_list(extract_traceback(tb))
    return make_error(msg or str(value), error_type.__name__, stack)


def log_error(error_result, log_sink):
    """Writes the error to the function's log."""
    if _log_format == LogFormat.JSON:
        now = time.strftime(_DATETIME_FORMAT, time.gmtime())
        log_sink.log_error([to_json(dict({"timestamp": now, "level": "ERROR"}, **error_result))])
        return
    error_type, message = error_result.get("errorType"), error_result.get("errorMessage")
    heading = ": ".join(text for text in (error_type, message) if text)
    lines = ["[ERROR] " + heading if heading else "[ERROR]"]
    stack_trace = error_result.get("stackTrace")
    if stack_trace is not None:
        lines.append("Traceback (most recent call last):")
        for entry in stack_trace:
            for line in entry.splitlines() or [""]:
                text = line.lstrip(" ")
                # The log viewer drops ordinary indentation.
                lines.append(_NO_BREAK_SPACE * (len(line) - len(text)) + text)
    log_sink.log_error(lines)


def parse_json_header(header, name):
    """The value of a header that carries JSON."""
    try:
        return json.loads(header)
    except Exception as error:
        raise FaultException(
            FaultException.LAMBDA_CONTEXT_UNMARSHAL_ERROR,
            "Unable to parse {} JSON: {}".format(name, error),
            None,
        )


def create_lambda_context(
    client_context_json,
    cognito_identity_json,
    epoch_deadline_time_in_ms,
    invoke_id,
    invoked_function_arn,
    tenant_id,
):
    """The context object of one invocation."""
    client_context = parse_json_header(client_context_json, "Client Context") if client_context_json else None
    identity = parse_json_header(cognito_identity_json, "Cognito Identity") if cognito_identity_json else None
    return LambdaContext(
        invoke_id, client_context, identity, epoch_deadline_time_in_ms, invoked_function_arn, tenant_id
    )


def handle_event_request(
    lambda_runtime_client,
    request_handler,
    invoke_id,
    event_body,
    content_type,
    client_context_json,
    cognito_identity_json,
    invoked_function_arn,
    epoch_deadline_time_in_ms,
    tenant_id,
    log_sink,
    invocation_id=None,
):
    """Runs the handler for one event and posts its outcome."""
    try:
        lambda_context = create_lambda_context(
            client_context_json,
            cognito_identity_json,
            epoch_deadline_time_in_ms,
            invoke_id,
            invoked_function_arn,
            tenant_id,
        )
        marshaller = lambda_runtime_client.marshaller
        event = marshaller.unmarshal_request(event_body, content_type)
        response = request_handler(event, lambda_context)
        result, result_content_type = marshaller.marshal_response(response)
    except FaultException as error:
        fault = make_xray_fault("LambdaValidationError", error.msg, os.getcwd(), [])
        failure = make_error(error.msg, error.exception_type, error.trace, invoke_id)
    except Exception:
        error_type, value, tb = sys.exc_info()
        frames = extract_traceback(tb)
        fault = make_xray_fault(error_type.__name__, str(value), os.getcwd(), frames)
        failure = make_error(str(value), error_type.__name__, traceback.format_list(frames), invoke_id)
    else:
        lambda_runtime_client.post_invocation_result(invoke_id, result, result_content_type, invocation_id)
        return
    log_error(failure, log_sink)
    lambda_runtime_client.post_invocation_error(invoke_id, to_json(failure), to_json(fault), invocation_id)


def on_init_complete(lambda_runtime_client, log_sink):
    """Runs the SnapStart hooks around the snapshot, which is taken while `restore_next` blocks."""
    from . import lambda_runtime_hooks_runner

    # A hook may also raise SystemExit, which must be reported like any other failure.
    try:
        lambda_runtime_hooks_runner.run_before_snapshot()
        lambda_runtime_client.restore_next()
        _renew_randomness()
    except BaseException:
        failure = build_fault_result(sys.exc_info())
        log_error(failure, log_sink)
        lambda_runtime_client.post_init_error(failure, FaultException.BEFORE_SNAPSHOT_ERROR)
        sys.exit(64)
    try:
        lambda_runtime_hooks_runner.run_after_restore()
    except BaseException:
        failure = build_fault_result(sys.exc_info())
        log_error(failure, log_sink)
        lambda_runtime_client.report_restore_error(failure)
        sys.exit(65)


def _renew_randomness():
    """Each environment that comes from the same snapshot is to make other random numbers ("Handling uniqueness with Lambda
    SnapStart"). What was not imported has none yet; `os.urandom`, `uuid4` and `secrets` ask the kernel each time."""
    random, ssl = sys.modules.get("random"), sys.modules.get("ssl")
    if random is not None:
        random.seed()
    if ssl is not None:
        ssl.RAND_add(os.urandom(48), 48.0)


class LambdaLoggerFilter(logging.Filter):
    """Gives each record the ids of the invocation it was written in."""

    def filter(self, record):
        """Never drops a record."""
        record.aws_request_id = _GLOBAL_AWS_REQUEST_ID or ""
        record.tenant_id = _GLOBAL_TENANT_ID
        return True


def update_xray_env_variable(xray_trace_id):
    """Shows the trace of the invocation to the X-Ray SDK."""
    if xray_trace_id is not None:
        os.environ[_TRACE_ID] = xray_trace_id
    else:
        os.environ.pop(_TRACE_ID, None)


def create_log_sink(log_format=LogFormat.TEXT):
    """The platform's log descriptor where there is one, else standard output."""
    fd = os.environ.pop(_LOG_FD, None)
    if fd is None:
        return StandardLogSink()
    frame_types = _JSON_FRAME_TYPES if log_format == LogFormat.JSON else _TEXT_FRAME_TYPES
    return FramedTelemetryLogSink(fd, frame_types[logging.ERROR])


def _setup_logging(log_format, log_level, log_sink):
    logging.Formatter.converter = time.gmtime
    if log_format == LogFormat.JSON or log_level:
        handler = LambdaLoggerHandlerWithFrameType(log_sink)
    else:
        handler = LambdaLoggerHandler(log_sink)
    if log_format == LogFormat.JSON:
        formatter = JsonFormatter()
    else:
        formatter = logging.Formatter(_TEXT_FORMAT, _TEXT_DATETIME_FORMAT)
    handler.setFormatter(remember_second(formatter))
    handler.addFilter(LambdaLoggerFilter())
    root = logging.getLogger()
    if log_level in logging._nameToLevel:
        root.setLevel(log_level)
    root.addHandler(handler)


def _load(handler):
    """The handler and None, or None and the error JSON that says why there is none."""
    try:
        return _get_handler(handler), None
    except FaultException as error:
        return None, make_error(error.msg, error.exception_type, error.trace)
    except Exception:
        return None, build_fault_result(sys.exc_info())


def run(handler, lambda_runtime_client):
    """Loads the handler and serves events until the platform ends the process."""
    global _GLOBAL_AWS_REQUEST_ID, _GLOBAL_TENANT_ID, _log_format
    sys.stdout = Unbuffered(sys.stdout)
    sys.stderr = Unbuffered(sys.stderr)
    _log_format = LogFormat.from_str(os.environ.get("AWS_LAMBDA_LOG_FORMAT"))
    with create_log_sink(_log_format) as log_sink:
        log_level = _get_log_level_from_env_var(os.environ.get("AWS_LAMBDA_LOG_LEVEL"))
        _setup_logging(_log_format, log_level, log_sink)
        request_handler, failure = _load(handler)
        if failure is not None:
            logging.warning(_INIT_WARNING)
            log_error(failure, log_sink)
            lambda_runtime_client.post_init_error(failure)
            sys.exit(1)
        if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
            on_init_complete(lambda_runtime_client, log_sink)
        while True:
            request = lambda_runtime_client.wait_next_invocation()
            _GLOBAL_AWS_REQUEST_ID = request.invoke_id
            _GLOBAL_TENANT_ID = request.tenant_id
            update_xray_env_variable(request.x_amzn_trace_id)
            handle_event_request(
                lambda_runtime_client,
                request_handler,
                request.invoke_id,
                request.event_body,
                request.content_type,
                request.client_context,
                request.cognito_identity,
                request.invoked_function_arn,
                request.deadline_time_in_ms,
                request.tenant_id,
                log_sink,
                request.invocation_id,
            )
