"""What a caller did wrong, said in words that the caller can act on.

The SDK shows the text of a ToolError to the model; it hides the text of every other exception.
"""

from __future__ import annotations

from mcp.server.mcpserver.exceptions import ToolError

_SHOWN = 40


class CallerError(ToolError):
    """The call cannot be answered as it stands; the message names what would be valid."""


def shown(value: str) -> str:
    """A caller's own text, quoted, on one line and cut to 40 characters."""
    return repr(value if len(value) <= _SHOWN else value[:_SHOWN] + "…")
