"""Errors of the caller, whose text reaches the model.

The SDK returns the text of a ToolError to the client; it hides the text of every other exception.
"""

from __future__ import annotations

from mcp.server.mcpserver.exceptions import ToolError

_MAX_QUOTED = 40


class CallerError(ToolError):
    """The arguments of a call are invalid; the message names the valid values."""


def quoted(value: str) -> str:
    """Quote a text of the caller on one line, truncated to 40 characters."""
    return repr(value if len(value) <= _MAX_QUOTED else value[:_MAX_QUOTED] + "…")
