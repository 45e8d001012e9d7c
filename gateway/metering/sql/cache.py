"""Bounds and a cache around the analysis of SQL in `tables`.

- SQL that cannot be parsed is `None`; `unparsed` may find the tables of such a query, for metering alone.
- A text with more than `MAX_SQL_CHARACTERS` characters or `MAX_TOKENS` tokens is not parsed.
- `analyze` is for an event loop: it spends at most `MAX_TOKENS_ON_LOOP` tokens, summed over the dialects that it tries.
  `parse_sql` spends `MAX_TOKENS` and runs in a thread; `analyze` then finds the result in the cache.
- The cache is keyed by the digest of the text, so no statement is kept.
- Importing `sqlglot` takes 0.1 s, so it is imported with the first statement.
"""

from __future__ import annotations

import re
import sys
from collections import OrderedDict
from hashlib import blake2b

from gateway.metering.queries.analysis import QueryAnalysis

MAX_SQL_CHARACTERS = 20_000
"""Characters; a longer text is not parsed."""
MAX_TOKENS_ON_LOOP = 500
"""Tokens that are parsed on the event loop, counted again for each dialect (5 to 10 µs each)."""
MAX_TOKENS_UNPARSED = 40
"""Tokens of a text that needs no parsing in advance: it is parsed on the event loop in every dialect."""
MAX_TOKENS = 4_000
"""Tokens that are parsed for one text, counted again for each dialect (about 50 ms); a longer text is not parsed."""
MAX_DIALECTS = 7
"""Dialects in which a text is tried."""
MAX_CACHED_TEXTS = 2_048
"""Texts whose analysis is cached; the least recently used is dropped first."""


_cache: OrderedDict[bytes, QueryAnalysis | None] = OrderedDict()


def analyze(sql: str) -> QueryAnalysis | None:
    """Return the analysis of `sql`; `None` if it cannot be parsed, is too long, or needs `parse_sql` first."""
    return _analyze(sql, MAX_TOKENS_ON_LOOP)


def parse_sql(sql: str) -> None:
    """Parse `sql` and cache the analysis.

    Takes up to 50 ms, and on the first call the import of the parser: do not call it on an event loop.
    """
    _analyze(sql, MAX_TOKENS, is_final=True)


def is_parsed(sql: str) -> bool:
    """Return True if `parse_sql` would not help: the text is cached, short, or beyond the bounds."""
    if len(sql) > MAX_SQL_CHARACTERS or _digest(sql) in _cache:
        return True
    tokens = count_tokens(sql)
    return tokens > MAX_TOKENS or (tokens <= MAX_TOKENS_UNPARSED and "sqlglot" in sys.modules)


def _analyze(sql: str, max_tokens: int, *, is_final: bool = False) -> QueryAnalysis | None:
    """Analyze `sql` within `max_tokens`; cache the result if it is final: a larger bound could not change it."""
    if len(sql) > MAX_SQL_CHARACTERS:
        return None
    digest = _digest(sql)
    try:
        _cache.move_to_end(digest)
        return _cache[digest]
    except KeyError:  # not cached, or just evicted by another thread
        pass
    tokens = count_tokens(sql, max_tokens)
    tries = max_tokens // max(tokens, 1)
    if not tries or tokens > MAX_TOKENS:
        return None
    from gateway.metering.sql.tables import parse

    found = parse(sql, tries)
    if is_final or tries >= MAX_DIALECTS or (found is not None and found.is_exhaustive):
        _cache[digest] = found
        while len(_cache) > MAX_CACHED_TEXTS:
            _cache.popitem(last=False)
    return found


def _digest(sql: str) -> bytes:
    return blake2b(sql.encode("utf-8", "surrogatepass"), digest_size=16).digest()


_TOKEN = re.compile(r"\w+|[^\w\s]")
_TOKEN_CHARACTERS = 3
"""Characters for each token, within which more tokens than allowed are found first."""


def count_tokens(sql: str, limit: int = MAX_TOKENS) -> int:
    """Count the words and punctuation marks in `sql`, at least until there are more than `limit`.

    They are slightly more than the tokens of a parser.
    """
    first = len(_TOKEN.findall(sql, 0, _TOKEN_CHARACTERS * limit))
    return first if first > limit or len(sql) <= _TOKEN_CHARACTERS * limit else len(_TOKEN.findall(sql))
