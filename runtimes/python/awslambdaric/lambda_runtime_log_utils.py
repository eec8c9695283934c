"""Log formats and log sinks (AWS Lambda Developer Guide, "Log and monitor Python Lambda functions" and "Configuring
advanced logging controls")."""

import json
import logging
import os
import sys
import time
import traceback
from enum import IntEnum

_DATETIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
_TEXT_FORMAT = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n"
_TEXT_DATETIME_FORMAT = "%Y-%m-%dT%H:%M:%S"

# What the record holds of itself; everything else in it came through `extra=` and belongs into the JSON object.
_RESERVED_FIELDS = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {
    "message",
    "asctime",
    "aws_request_id",
    "tenant_id",
    "taskName",
    "_frame_type",
}


class LogFormat(IntEnum):
    """The log format of the function; the value is the format bit of a frame's type."""

    JSON = 0
    TEXT = 1

    @classmethod
    def from_str(cls, value):
        """JSON if the text says so, Text for anything else."""
        return cls.JSON if value and value.upper() == "JSON" else cls.TEXT


def _frame_types(log_format):
    """The four type bytes of a frame by Python's log level: magic, level, "timestamp present", format."""
    levels = {
        logging.NOTSET: 0,
        logging.DEBUG: 2,
        logging.INFO: 3,
        logging.WARNING: 4,
        logging.ERROR: 5,
        logging.CRITICAL: 6,
    }
    return {
        # `struct` would cost each start the loading of a library.
        python: (0xA55A0000 | level << 2 | 1 << 1 | log_format).to_bytes(4, "big")
        for python, level in levels.items()
    }


_JSON_FRAME_TYPES = _frame_types(LogFormat.JSON)
_TEXT_FRAME_TYPES = _frame_types(LogFormat.TEXT)
_DEFAULT_FRAME_TYPE = _TEXT_FRAME_TYPES[logging.NOTSET]


def _get_log_level_from_env_var(value):
    """Python's name for a level of AWS_LAMBDA_LOG_LEVEL; Python has no TRACE."""
    name = (value or "").upper()
    return "DEBUG" if name == "TRACE" else name


def _format_log_level(record):
    """The record's level rounded down to one of Python's own."""
    return min(logging.CRITICAL, max(logging.NOTSET, record.levelno)) // 10 * 10


def remember_second(formatter):
    """Has `formatter`, which writes times to the second, write each second once: that takes longer than the record's own
    text. The formatter stays of the class that a function expects."""
    written = None, None, ""
    format_time = formatter.formatTime

    def remembering(record, datefmt=None):
        nonlocal written
        # Without a format there are milliseconds.
        if not datefmt or formatter.converter is not time.gmtime:
            return format_time(record, datefmt)
        second = int(record.created)
        if second != written[0] or datefmt != written[1]:
            written = second, datefmt, format_time(record, datefmt)
        return written[2]

    formatter.formatTime = remembering
    return formatter


# A log record with something unserialisable in it is still worth having: it is written as text.
_encode_json = json.JSONEncoder(ensure_ascii=False, default=str).encode


class JsonFormatter(logging.Formatter):
    """Writes a record as one JSON object in a line of its own."""

    def __init__(self):
        super().__init__(datefmt=_DATETIME_FORMAT)

    def format(self, record):
        """The JSON object; it also notes the frame type for the handler that asked."""
        record.levelno = _format_log_level(record)
        record.levelname = logging.getLevelName(record.levelno)
        record._frame_type = _JSON_FRAME_TYPES[record.levelno]
        is_object = isinstance(record.msg, dict) and not record.args
        failure = record.exc_info or None
        fields = {
            "timestamp": self.formatTime(record, self.datefmt),
            "level": record.levelname,
            "message": record.msg if is_object else record.getMessage(),
            "logger": record.name,
            "stackTrace": traceback.format_tb(failure[2]) if failure else None,
            "errorType": failure[0].__name__ if failure and failure[0] else None,
            "errorMessage": str(failure[1]) if failure else None,
            "requestId": getattr(record, "aws_request_id", None),
            "location": "{0.pathname}:{0.funcName}:{0.lineno}".format(record) if failure else None,
        }
        tenant = getattr(record, "tenant_id", None)
        if tenant is not None:
            fields["tenantId"] = tenant
        for name, value in vars(record).items():
            if name not in _RESERVED_FIELDS and name not in fields:
                fields[name] = value
        return _encode_json({name: value for name, value in fields.items() if value is not None}) + "\n"


class StandardLogSink(object):
    """Writes to standard output, where the platform gives no log descriptor."""

    def __enter__(self):
        return self

    def __exit__(self, exc_type, exc_value, exc_tb):
        pass

    def log(self, msg, frame_type=None):
        """Writes one log event as it is."""
        sys.stdout.write(msg)

    def log_error(self, message_lines):
        """Writes an error as one line, because a line is the log's unit here."""
        sys.stdout.write("\r".join(message_lines) + "\n")


class FramedTelemetryLogSink(object):
    """Writes log events with their bounds, level and time to the platform's descriptor.

    A frame is, big-endian: type (4 bytes), length of the message (4), UNIX time in microseconds (8), message.
    """

    def __init__(self, fd, error_frame_type=_TEXT_FRAME_TYPES[logging.ERROR]):
        self.fd = int(fd)
        self._error_frame_type = error_frame_type

    def __enter__(self):
        # Programs that the function starts must not write here: their bytes would not be frames.
        os.set_inheritable(self.fd, False)
        return self

    def __exit__(self, exc_type, exc_value, exc_tb):
        os.close(self.fd)

    def log(self, msg, frame_type=None):
        """Writes one log event."""
        message = msg.encode("utf-8", "backslashreplace")
        head = (len(message) << 64 | time.time_ns() // 1000).to_bytes(12, "big")
        frame = (frame_type or _DEFAULT_FRAME_TYPE) + head + message
        written = os.write(self.fd, frame)
        while written < len(frame):
            # A pipe takes a large frame in pieces if a signal comes in between.
            written += os.write(self.fd, memoryview(frame)[written:])

    def log_error(self, message_lines):
        """Writes an error as one log event of several lines."""
        self.log("\n".join(message_lines), frame_type=self._error_frame_type)


class LambdaLoggerHandler(logging.Handler):
    """The root logger's handler of the Text format without a level: frames of undefined level."""

    def __init__(self, log_sink):
        super().__init__()
        self.log_sink = log_sink

    def emit(self, record):
        """Writes the formatted record."""
        self.log_sink.log(self.format(record))


class LambdaLoggerHandlerWithFrameType(LambdaLoggerHandler):
    """The root logger's handler when the platform filters by level."""

    def emit(self, record):
        """Writes the formatted record with its level."""
        message = self.format(record)
        frame_type = getattr(record, "_frame_type", None) or _TEXT_FRAME_TYPES[_format_log_level(record)]
        self.log_sink.log(message, frame_type=frame_type)


class Unbuffered(object):
    """A text stream that is flushed after each write: a killed function must not lose what it printed."""

    def __init__(self, stream):
        self.stream = stream

    def __enter__(self):
        return self

    def __exit__(self, exc_type, exc_value, exc_tb):
        pass

    def __getattr__(self, attr):
        return getattr(self.stream, attr)

    def write(self, msg):
        """Writes and flushes."""
        count = self.stream.write(msg)
        self.stream.flush()
        return count

    def writelines(self, msgs):
        """Writes all and flushes once."""
        self.stream.writelines(msgs)
        self.stream.flush()
