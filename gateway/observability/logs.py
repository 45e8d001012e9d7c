"""Logs: structured, one line a record, and never a secret.

- On a terminal a line reads `time LEVEL logger: message name=value`; a traceback follows it on lines of its
  own. Anywhere else, or by setting, each record is one line of JSON.
- The last line of defence: whatever looks like an API key, a bearer token, a JWT, a password in a URL, or
  the value of a header that carries one is replaced in every part of a record before it is written. Nothing
  should rely on it.
- aiohttp's own records about a request that is no valid HTTP hold the client's bytes; they are written
  without.
- Control characters are escaped, so that nobody can forge a line. A record that cannot be written is dropped.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

import msgspec

Format = Literal["auto", "text", "json"]

OWN_LOGGERS = ("gateway", "admin_api", "mcp_backend")
MAX_TEXT = 8192
"""Characters of one part of a record; the rest is cut off."""

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
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


def configure(level: str = "info", fmt: Format | str = "auto", *, stream: TextIO | None = None) -> None:
    """Send all records of this process to `stream` (standard error). `level` holds for our own loggers.

    Libraries are heard from `warning` on. Uncaught exceptions are logged too, so that they are redacted.
    """
    target = stream or sys.stderr
    is_text = fmt == "text" or (fmt == "auto" and target.isatty())
    handler = _Handler(target)
    handler.setFormatter(TextFormatter() if is_text else JsonFormatter())
    handler.addFilter(without_client_bytes)
    root = logging.getLogger()
    for old in tuple(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    number = logging.getLevelNamesMapping()[level.upper()]
    root.setLevel(max(number, logging.WARNING))
    for name in OWN_LOGGERS:
        logging.getLogger(name).setLevel(number)
    logging.captureWarnings(True)
    sys.excepthook = _uncaught


def redact(text: str) -> str:
    """The text without anything that looks like a secret."""
    for pattern, replacement in _REDACTIONS:
        text = pattern.sub(replacement, text)
    return text


def without_client_bytes(record: logging.LogRecord) -> bool:
    """Filter: make aiohttp's record of a malformed request say that and no more."""
    error = record.exc_info[1] if record.exc_info else None
    is_malformed = any(kind.__name__ == "HttpProcessingError" for kind in type(error).__mro__)
    if is_malformed and record.name.startswith("aiohttp"):
        record.msg = "a request that is no valid HTTP was refused"
        record.args = ()
        record.exc_info = record.exc_text = None
    return True


class _Parts:
    """A record's parts, each made safe to be shown."""

    def __init__(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            message = str(record.msg)
        self.message = _safe(message)
        self.extra = {name: _safe_value(value) for name, value in record.__dict__.items() if name not in _STANDARD}
        self.exception = ""
        if record.exc_info and record.exc_info[0] is not None:
            trace = "".join(traceback.format_exception(*record.exc_info))
            self.exception = redact(trace)[-MAX_TEXT:].rstrip()
        moment = datetime.fromtimestamp(record.created, UTC)
        self.time = moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


class TextFormatter(logging.Formatter):
    """`time LEVEL logger: message name=value`, for people."""

    def format(self, record: logging.LogRecord) -> str:
        parts = _Parts(record)
        pairs = "".join(f" {name}={_quoted(value)}" for name, value in parts.extra.items())
        line = f"{parts.time} {record.levelname:<7} {record.name}: {parts.message}{pairs}"
        if not parts.exception:
            return line
        trace = "\n".join("    " + _escape(part) for part in parts.exception.split("\n"))
        return f"{line}\n{trace}"


class JsonFormatter(logging.Formatter):
    """One JSON object a line, for programs."""

    def format(self, record: logging.LogRecord) -> str:
        parts = _Parts(record)
        fields: dict[str, Any] = {
            **parts.extra,
            "time": parts.time,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": parts.message,
            "pid": os.getpid(),
        }
        if parts.exception:
            fields["exception"] = parts.exception
        return msgspec.json.encode(fields).decode()


class _Handler(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Drop the record: the standard library would print it as it is, secrets included."""


def _uncaught(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("gateway").critical("uncaught exception", exc_info=(kind, error, trace))


def _safe(text: str) -> str:
    # Cut first, with room to spare: a huge text costs little, and no secret is cut in two and missed.
    return _escape(redact(text[: 2 * MAX_TEXT]))[:MAX_TEXT]


def _escape(text: str) -> str:
    printable = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return _CONTROL.sub(lambda match: repr(match[0])[1:-1], printable)


def _safe_value(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float) else _safe(str(value))


def _quoted(value: Any) -> str:
    text = str(value)
    return text if text and not re.search(r"[\s\"=]", text) else '"' + text.replace('"', '\\"') + '"'
