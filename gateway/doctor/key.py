"""The check of the API key that `doctor --key` is given: its form, then its state in Redis.

No finding contains the key or a part of it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from gateway.keys.secret import ALPHABET, KEY_LENGTH, ApiKey, MalformedKey
from gateway.keys.storage.details import KeyLookup
from gateway.keys.store import KeyStore
from gateway.redis.client import connect
from gateway.timestamps import format_minute, now_ms

_COPY = "copy the key again, alone: sk- and what follows, as it was shown when it was created"
_QUOTES = "\"'`“”„\u2018\u2019«»"


class KeyFault(NamedTuple):
    """A reason why a key is not accepted."""

    finding: str
    fix: str


def form_fault(text: str) -> KeyFault | None:
    """Return what is wrong with the form of a key; `None` if it is well-formed."""
    try:
        ApiKey.parse(text)
    except MalformedKey as error:
        return _scheme_fault(text) or _length_fault(text) or KeyFault(str(error).partition(":")[0], _COPY)
    return None


def _scheme_fault(text: str) -> KeyFault | None:
    """Find what does not belong to the key: a header name, a scheme, quotes, white space, or a placeholder."""
    word = text.strip()
    if not word:
        return KeyFault("the key is empty", _COPY)
    if match := re.match(r"(?:authorization|x-api-key)\s*[:=]", word, re.IGNORECASE):
        return KeyFault(f"the key begins with the name of a header ({match[0]})", "pass the key alone")
    if re.match(r"bearer\s+bearer\b", word, re.IGNORECASE):
        return KeyFault("the scheme is given twice (Bearer Bearer)", "send one: Authorization: Bearer sk-…")
    if re.match(r"bearer\b", word, re.IGNORECASE):
        return KeyFault(
            "the key begins with the scheme Bearer",
            "pass the key alone; a client that adds the scheme itself would send Bearer Bearer",
        )
    if match := re.match(r"(?:basic|token|apikey|api-key|digest)(?=[\s:=])", word, re.IGNORECASE):
        return KeyFault(f"the scheme is {match[0]}", "send Authorization: Bearer sk-…")
    if word[:1] in _QUOTES or word[-1:] in _QUOTES:
        return KeyFault("there are quotes around the key", "remove them, also from the configuration of the client")
    if re.match(r"\$|%\w+%|<.*>\Z|\{.*\}\Z", word) or "…" in word or "..." in word:
        return KeyFault("this is a placeholder, not a key", "put the key into its place")
    if any(character.isspace() for character in text):
        where = "within" if any(character.isspace() for character in word) else "around"
        return KeyFault(f"there is white space or a line break {where} the key", "remove it")
    if not text.isprintable() or not text.isascii():
        return KeyFault("there are characters in the key that cannot be seen or typed", _COPY)
    return None


def _length_fault(text: str) -> KeyFault | None:
    if text.startswith("key_"):
        return KeyFault("this is the id of a key, which is not secret", _COPY)
    if text.startswith("eyJ"):
        return KeyFault("this is an access token of the admin API, not an API key", _COPY)
    if not text.startswith("sk-"):
        return KeyFault("the key does not begin with sk-, as those of this gateway do", _COPY)
    if len(text) != KEY_LENGTH:
        return KeyFault(f"the key has {len(text)} characters instead of {KEY_LENGTH}", _COPY)
    if any(character not in ALPHABET for character in text[3:]):
        return KeyFault("the key has other characters than letters and digits after sk-", _COPY)
    return None


async def find_key(redis_url: str, pepper: str | None, key: ApiKey) -> KeyLookup | None:
    """Look a key up in Redis. Raises `RedisError` or `OSError`."""
    client = connect(redis_url)
    try:
        return await KeyStore(client, pepper=pepper, now_ms=now_ms).find_by_digest(key.digest(pepper))
    finally:
        await client.aclose()


def state_fault(found: KeyLookup | None, now: int) -> KeyFault | None:
    """Return why a well-formed key is not accepted; `None` if it is."""
    if found is None:
        fix = (
            "check that it is a key of this gateway, from after the last rotation, and GATEWAY_KEY_PEPPER if it is used"
        )
        return KeyFault("the key is unknown", fix)
    record, name = found.record, f"the key {found.record.key_id} of {found.record.owner}"
    match record.status(now):
        case "revoked":
            return KeyFault(f"{name} was revoked at {format_minute(record.revoked_at)}", "create another one")
        case "expired":
            fix = f"mcp-gateway key update {record.key_id} --expires-days N"
            return KeyFault(f"{name} expired at {format_minute(record.expires_at)}", fix)
        case "suspended" if record.suspended_at is None:
            fix = f"mcp-gateway user enable {record.owner}"
            return KeyFault(f"{name} is suspended because its owner is disabled", fix)
        case "suspended":
            since = format_minute(record.suspended_at)
            return KeyFault(f"{name} is suspended since {since}", f"mcp-gateway key resume {record.key_id}")
    if found.secret_expires_at is not None and found.secret_expires_at <= now:
        since = format_minute(found.secret_expires_at)
        return KeyFault(f"{name} was rotated, and this secret ended at {since}", "use the secret of the last rotation")
    return None
