"""Paging of lists: a request has `limit` and `cursor`, a response `next_cursor`, which is `null` on the last page.

A cursor is opaque to clients. It names the last item of a page instead of a number of items, so that items which are
added or removed in the meantime neither repeat nor skip others.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

import msgspec
from msgspec import Meta

from admin_api.http.field_types import whole_number

MAX_LIMIT = 200
MAX_CURSOR_LENGTH = 2048

PageLimit = Annotated[int, whole_number(1, MAX_LIMIT, description="Items of a page at most.")]
Cursor = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_CURSOR_LENGTH,
        description="The `next_cursor` of the previous page; the other parameters stay the same.",
        extra={"must": "be the next_cursor of a page"},
    ),
]


class InvalidCursor(ValueError):
    """The text is not the cursor of a page of this list."""


def encode_cursor(parts: tuple[str | int, ...]) -> str:
    """Return the cursor that stands for these parts."""
    return base64.urlsafe_b64encode(msgspec.json.encode(parts)).rstrip(b"=").decode()


def decode_cursor(cursor: str, types: tuple[type[str] | type[int], ...]) -> tuple[str | int, ...]:
    """Return the parts of a cursor, which must have these types. Raises `InvalidCursor`."""
    try:
        decoded = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        parts = msgspec.json.decode(decoded, type=tuple[str | int, ...])
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        raise InvalidCursor(cursor) from None
    if tuple(map(type, parts)) != types:
        raise InvalidCursor(cursor)
    return parts
