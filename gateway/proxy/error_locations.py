"""Descriptions of unexpected errors for the log, without bytes that a client or the upstream sent."""

from __future__ import annotations

import traceback

_MAX_FRAMES = 8


def error_locations(error: BaseException) -> str:
    """Return the type and the code locations of an error, without its message, which may quote a request."""
    lines = (f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)[-_MAX_FRAMES:])
    return f"{type(error).__name__} at {', '.join(lines)}"
