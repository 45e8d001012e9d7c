"""Types of the fields that select and sort keys."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from admin_api.http.field_types import search_text
from gateway.keys import validation
from gateway.keys.listing import LabelFilter, SortBy
from gateway.keys.record import Status

_MAX_LABEL = validation.MAX_NAME_LENGTH + 1 + validation.MAX_ITEM_LENGTH


def _label(value: str) -> str:
    LabelFilter.parse(value)
    return value


KeySearch = Annotated[str, search_text(256, "A part of the name, id, prefix or owner.")]
KeyLabel = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=_MAX_LABEL,
        description="`name=value`, or `name` for any value.",
        extra={"must": "be name=value, or name for any value", "parse": _label},
    ),
]
KeyStatusName = Annotated[Status, Meta(extra={"must": "be active, suspended, expired or revoked"})]
KeySort = Annotated[
    SortBy,
    Meta(
        description="`expires` has keys without an expiry last, and `last_used` those that were never used first, in "
        "ascending order.",
        extra={"must": "be created, name, expires or last_used"},
    ),
]
Order = Annotated[
    Literal["asc", "desc"],
    Meta(
        description="By default `asc` for `name` and `expires`, `desc` for `created` and `last_used`.",
        extra={"must": "be asc or desc"},
    ),
]
