"""The tables in a piece of SQL: the bounds and the cache around `sql_facts`.

Rules:
- What does not parse is `None`, never a guess.
- Text beyond `MAX_SQL` characters or `MAX_TOKENS` tokens is given up. `facts` spends no more than `MAX_TOKENS_AT_ONCE`,
  over all the dialects that it tries; `prepare` reads the rest, which a caller with an event loop runs in a thread, and
  `facts` then finds it in the cache.
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
MAX_TOKENS_AT_ONCE = 500
"""Tokens that are parsed at once, a second dialect counted again (5 to 10 µs each)."""
MAX_TOKENS_PREPARED = 40
"""A text of so few tokens is as good as prepared: in all dialects it takes less."""
MAX_TOKENS = 4_000
"""Tokens that are parsed for one text, a second dialect counted again (about 50 ms); longer texts are given up."""
MAX_DIALECTS = 7
"""Dialects that a text is tried in."""
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
    is_plan: bool = False
    """Whether the answer is the plan of a statement that is not run."""
    columns: tuple[str, ...] | None = None
    """Names of the result's columns, where the text tells them."""
    one_column: bool = False
    """Whether the result has one column, whatever its name."""
    lists_names: bool = False
    """Whether it asks for the names of tables or the like."""


_cache: OrderedDict[bytes, SqlFacts | None] = OrderedDict()


def facts(sql: str) -> SqlFacts | None:
    """Facts of `sql`, or `None` where it does not parse, is too long, or is long and was not prepared."""
    return _facts(sql, MAX_TOKENS_AT_ONCE)


def prepare(sql: str) -> None:
    """Reads `sql` and keeps what was found. It can take some 50 ms, and the first one the import of the parser: not for
    an event loop."""
    _facts(sql, MAX_TOKENS, is_last=True)


def is_prepared(sql: str) -> bool:
    """Whether `facts(sql)` takes no more than a short parse, and preparing would not help."""
    if len(sql) > MAX_SQL or _digest(sql) in _cache:
        return True
    tokens = count_tokens(sql)
    return tokens > MAX_TOKENS or (tokens <= MAX_TOKENS_PREPARED and "sqlglot" in sys.modules)


def _facts(sql: str, budget: int, *, is_last: bool = False) -> SqlFacts | None:
    """Facts of `sql`, for which at most `budget` tokens are parsed. Kept where more would not help, or is not to be
    spent."""
    if len(sql) > MAX_SQL:
        return None
    digest = _digest(sql)
    try:
        _cache.move_to_end(digest)
        return _cache[digest]
    except KeyError:  # also where another thread has just made room
        pass
    tokens = count_tokens(sql)
    tries = budget // max(tokens, 1)
    if not tries or tokens > MAX_TOKENS:
        return None
    from gateway.metering.sql.parser import read

    found = read(sql, tries)
    if is_last or tries >= MAX_DIALECTS or (found is not None and found.certain):
        _cache[digest] = found
        while len(_cache) > MAX_CACHED:
            _cache.popitem(last=False)
    return found


def _digest(sql: str) -> bytes:
    return blake2b(sql.encode("utf-8", "surrogatepass"), digest_size=16).digest()


_TOKEN = re.compile(r"\w+|[^\w\s]")


def count_tokens(sql: str) -> int:
    """Words and signs in `sql`, a little more than a parser would see."""
    return len(_TOKEN.findall(sql))
