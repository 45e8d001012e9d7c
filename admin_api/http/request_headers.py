"""Request headers that endpoints use: `If-Match` (RFC 9110) and `Idempotency-Key`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from multidict import MultiMapping

from admin_api.http.decoding import FieldFault, InvalidFields
from gateway.keys.storage.creations import MAX_IDEMPOTENCY_KEY, is_idempotency_key

_IF_MATCH = "If-Match"
IDEMPOTENCY_KEY = "Idempotency-Key"

_ENTITY_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_ENTITY_TAGS = re.compile(rf"[ \t,]*{_ENTITY_TAG}(?:[ \t]*,[ \t]*(?:{_ENTITY_TAG})?)*[ \t]*")


@dataclass(frozen=True)
class RequestHeader:
    """A header that an endpoint uses, for the OpenAPI document."""

    name: str
    description: str
    example: str
    max_length: int | None = None


IF_MATCH = RequestHeader(
    _IF_MATCH, "The `ETag` of the key as it was shown: 412 if the key has changed since. `*` for any.", '"5d41402a"'
)
ONCE = RequestHeader(
    IDEMPOTENCY_KEY,
    "Any text that is unique to this creation: repeating it within 24 hours makes no further key.",
    "8e03978e-40d5-43e8-bc93-6894a57f9324",
    MAX_IDEMPOTENCY_KEY,
)


def entity_tag(version: str) -> str:
    """Return the strong `ETag` of a version."""
    return f'"{version}"'


def accepted_version(headers: MultiMapping[str]) -> Callable[[str], bool]:
    """Return the test of `If-Match` for a version that exists; without that header it accepts all.

    Weak tags never match. Raises `InvalidFields`.
    """
    values = headers.getall(_IF_MATCH, [])
    text = ", ".join(values)
    if not values or text.strip() == "*":
        return lambda version: True
    if _ENTITY_TAGS.fullmatch(text) is None:
        raise InvalidFields([FieldFault(_IF_MATCH, 'must be * or a list of entity tags such as "5d41402a"')])
    tags = re.findall(_ENTITY_TAG, text)
    return lambda version: entity_tag(version) in tags


def idempotency_key(headers: MultiMapping[str]) -> str | None:
    """Return the `Idempotency-Key`, or `None` without one. Raises `InvalidFields`."""
    values = headers.getall(IDEMPOTENCY_KEY, [])
    if not values:
        return None
    text = values[0].strip()
    if len(values) > 1 or not is_idempotency_key(text):
        must = f"must be one text of 1 to {MAX_IDEMPOTENCY_KEY} printable ASCII characters"
        raise InvalidFields([FieldFault(IDEMPOTENCY_KEY, must)])
    return text
