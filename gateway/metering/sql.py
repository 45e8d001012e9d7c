"""The tables in a piece of SQL: the bounds and the cache around `sql_facts`.

Rules:
- What does not parse is `None`, never a guess.
- Text beyond `MAX_SQL` characters is given up. What has more than `MAX_TOKENS_AT_ONCE` tokens is read by `prepare`
  alone, which a caller with an event loop runs in a thread; `facts` then finds it in the cache.
- Facts are cached by the digest of the text, at most `MAX_CACHED` of them, so no statement is kept.
- `sqlglot` takes a tenth of a second to import, so it is imported when the first statement is read.
"""

from __future__ import annotations

import re
import sys
from collections import OrderedDict
from hashlib import blake2b

import msgspec

MAX_SQL = 20_000
"""Characters; longer texts are given up."""
MAX_TOKENS_AT_ONCE = 250
"""A parse takes about 10 µs a token, and a text that does not parse is tried in several dialects."""
MAX_TOKENS = 5_000
"""About 50 ms of parsing; more are given up."""
MAX_CACHED = 2_048
"""Texts whose facts are kept; what was not asked for the longest goes first."""


class SqlFacts(msgspec.Struct, frozen=True):
    """What a text of one or more statements does."""

    read: tuple[str, ...]
    written: tuple[str, ...]
    named: tuple[str, ...]
    """Every table that occurs: read, written, described or explained."""
    returns_rows: bool | None
    """Whether a success hands rows back; `None` where that is not known."""
    certain: bool
    """Whether `named` is all that the text can touch: it calls no unknown function and has no part that engines read
    in different ways."""
    columns: tuple[str, ...] | None = None
    """Names of the result's columns, where the text tells them."""


_cache: OrderedDict[bytes, SqlFacts | None] = OrderedDict()


def facts(sql: str) -> SqlFacts | None:
    """Facts of `sql`, or `None` where it does not parse, is too long, or is long and was not prepared."""
    return _facts(sql, MAX_TOKENS_AT_ONCE)


def prepare(sql: str) -> None:
    """Read `sql` and keep what was found. It can take some 100 ms: not for an event loop."""
    _facts(sql, MAX_TOKENS)


def is_prepared(sql: str) -> bool:
    """Whether `facts(sql)` is answered with no more than a short parse."""
    if len(sql) > MAX_SQL or _digest(sql) in _cache:
        return True
    return "sqlglot" in sys.modules and count_tokens(sql) <= MAX_TOKENS_AT_ONCE


def _facts(sql: str, max_tokens: int) -> SqlFacts | None:
    if len(sql) > MAX_SQL:
        return None
    digest = _digest(sql)
    try:
        _cache.move_to_end(digest)
        return _cache[digest]
    except KeyError:  # also where another thread has just made room
        pass
    if count_tokens(sql) > max_tokens:
        return None
    from gateway.metering.sql_facts import read

    found = _cache[digest] = read(sql)
    while len(_cache) > MAX_CACHED:
        _cache.popitem(last=False)
    return found


def _digest(sql: str) -> bytes:
    return blake2b(sql.encode("utf-8", "surrogatepass"), digest_size=16).digest()


_TOKEN = re.compile(r"\w+|[^\w\s]")


def count_tokens(sql: str) -> int:
    """Words and signs in `sql`, a little more than a parser would see."""
    return len(_TOKEN.findall(sql))
