"""Structured logging, one line per record, with secrets redacted.

- On a terminal a line reads `time LEVEL logger: message name=value`, followed by the lines of a traceback. Otherwise,
  or by setting, each record is one line of JSON.
- Redaction is the last line of defence, and no code relies on it: text that looks like an API key, a bearer token, a
  JWT, a password in a URL, or the value of a header with credentials is replaced in every part of a record.
- aiohttp's records about malformed requests contain bytes of the client; they are replaced by a fixed message.
- Control characters are escaped, so a logged value cannot forge a line. A record that cannot be written is dropped.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import traceback
from typing import Any, Literal, TextIO

import msgspec

from gateway.timestamps import format_rfc3339

Format = Literal["auto", "text", "json"]

PROJECT_LOGGERS = ("gateway", "admin_api", "mcp_backend")
MAX_MESSAGE_CHARACTERS = 8192
"""Maximum characters of a message, a value or a traceback; longer texts are truncated."""

_REDACTIONS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?<![A-Za-z0-9])sk-[^\s\"',;\\]{12,}"), "sk-…"),
    (re.compile(r"sk-[0-9A-Za-z]{40,}"), "sk-…"),
    (re.compile(r"(?i)\b(bearer|basic)(\s|%20)+[^\s\"',;\\]+"), r"\1 …"),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.?[\w-]*"), "eyJ…"),
    (re.compile(r"(://[^\s/@:\"']*:)[^\s/@\"']+(?=@)"), r"\1…"),
    (
        re.compile(
            r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie|x-api-key|api[-_]?key|password|secret)"
            r"(\\?[\"']?\s*[:=]\s*b?\\?[\"']?)(?!sk-…|…)[^\s\"',;\\][^\"',;\\\r\n]*"
        ),
        r"\1\2…",
    ),
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_STANDARD_ATTRIBUTES = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


def configure(level: str = "info", fmt: Format | str = "auto", *, stream: TextIO | None = None) -> None:
    """Write all records of this process to `stream`, by default standard error.

    `level` applies to the loggers of the project; libraries log at `warning` or above. Uncaught exceptions are logged,
    so that they are redacted.
    """
    target = stream or sys.stderr
    is_text = fmt == "text" or (fmt == "auto" and target.isatty())
    handler = _Handler(target)
    handler.setFormatter(TextFormatter() if is_text else JsonFormatter())
    handler.addFilter(drop_client_bytes)
    root = logging.getLogger()
    for old in tuple(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    number = logging.getLevelNamesMapping()[level.upper()]
    root.setLevel(max(number, logging.WARNING))
    for name in PROJECT_LOGGERS:
        logging.getLogger(name).setLevel(number)
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught


def redact(text: str) -> str:
    """Return the text with everything that looks like a secret replaced."""
    for pattern, replacement in _REDACTIONS:
        text = pattern.sub(replacement, text)
    return text


def drop_client_bytes(record: logging.LogRecord) -> bool:
    """Logging filter: replace aiohttp's record of a malformed request by a fixed message. Always returns True."""
    error = record.exc_info[1] if record.exc_info else None
    is_malformed = any(base.__name__ == "HttpProcessingError" for base in type(error).__mro__)
    if is_malformed and record.name.startswith("aiohttp"):
        record.msg = "rejected a request that is not valid HTTP"
        record.args = ()
        record.exc_info = record.exc_text = None
    return True


class _SanitizedRecord:
    """The parts of a record, redacted, escaped and truncated."""

    def __init__(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            message = str(record.msg)
        self.message = _sanitize(message)
        self.extra = {
            name: _sanitize_value(value) for name, value in record.__dict__.items() if name not in _STANDARD_ATTRIBUTES
        }
        self.exception = ""
        if record.exc_info and record.exc_info[0] is not None:
            trace = "".join(traceback.format_exception(*record.exc_info))
            self.exception = redact(trace)[-MAX_MESSAGE_CHARACTERS:].rstrip()
        self.time = format_rfc3339(int(record.created * 1000))


class TextFormatter(logging.Formatter):
    """Formats `time LEVEL logger: message name=value`, for terminals."""

    def format(self, record: logging.LogRecord) -> str:
        sanitized = _SanitizedRecord(record)
        pairs = "".join(f" {name}={_quoted(value)}" for name, value in sanitized.extra.items())
        line = f"{sanitized.time} {record.levelname:<7} {record.name}: {sanitized.message}{pairs}"
        if not sanitized.exception:
            return line
        trace = "\n".join("    " + _escape(line) for line in sanitized.exception.split("\n"))
        return f"{line}\n{trace}"


class JsonFormatter(logging.Formatter):
    """Formats one JSON object per line, for log collectors."""

    def format(self, record: logging.LogRecord) -> str:
        sanitized = _SanitizedRecord(record)
        fields: dict[str, Any] = {
            **sanitized.extra,
            "time": sanitized.time,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": sanitized.message,
            "pid": os.getpid(),
        }
        if sanitized.exception:
            fields["exception"] = sanitized.exception
        return msgspec.json.encode(fields).decode()


class _Handler(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Drop the record: the standard library would print it without redaction."""


def _log_uncaught(error_type: type[BaseException], error: BaseException, trace: Any) -> None:
    if issubclass(error_type, KeyboardInterrupt):
        return
    logging.getLogger("gateway").critical("uncaught exception", exc_info=(error_type, error, trace))


def _sanitize(text: str) -> str:
    # Truncating first bounds the cost of redaction; twice the limit keeps secrets at the limit whole.
    return _escape(redact(text[: 2 * MAX_MESSAGE_CHARACTERS]))[:MAX_MESSAGE_CHARACTERS]


def _escape(text: str) -> str:
    printable = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return _CONTROL.sub(lambda match: repr(match[0])[1:-1], printable)


def _sanitize_value(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float) else _sanitize(str(value))


def _quoted(value: Any) -> str:
    text = str(value)
    return text if text and not re.search(r"[\s\"=]", text) else '"' + text.replace('"', '\\"') + '"'
