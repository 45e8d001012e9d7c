"""The form in which settings are documented."""

from __future__ import annotations

from typing import NamedTuple


class Description(NamedTuple):
    """The documentation of one setting, in Markdown."""

    meaning: str
    reason: str
    """The reason to change the setting, or why it exists."""
    example: str
    """A value as it is written in the environment; a test loads each of them."""
    default: str | None = None
    """Text to show instead of a default value that says little by itself."""
