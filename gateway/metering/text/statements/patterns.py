"""Patterns of phrases: expressions from the tables of `phrases`, and the form in which texts are compared with them.

`spaced` joins the fragments of languages that write spaces between words, `unspaced` those of Chinese and Japanese. The
fragments are in lower case, so a text is compared after `fold`.
"""

from __future__ import annotations

import re
import unicodedata

UNSPACED = ("zh", "ja")
"""Languages without spaces between words."""

_UNSPACED_CHARACTER = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")


def fold(text: str) -> str:
    """Return `text` in lower case, with full-width digits and punctuation replaced by their ASCII forms."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).lower()


def spaced(table: dict[str, str]) -> str:
    """Return the alternatives of `table` in languages that write spaces between words."""
    return "|".join(words for language, words in table.items() if language not in UNSPACED)


def unspaced(table: dict[str, str]) -> str:
    """Return the alternatives of `table` in languages without spaces between words."""
    return "|".join(table[language] for language in UNSPACED if language in table)


def is_unspaced(text: str) -> bool:
    """Return True if a text has characters of a language without spaces between words."""
    return not text.isascii() and _UNSPACED_CHARACTER.search(text) is not None


_VARIABLE = re.compile(r"\([^()]*\)\??|\[[^]]*\]\??|\\.\+?|[^|][?*]")


def fixed_parts(words: str) -> list[str]:
    """Return a fixed part of each alternative in `words`, which has no nested groups.

    A text without any of the parts has none of the alternatives.
    """
    longest = {max(one.split("\n"), key=len) for one in _VARIABLE.sub("\n", words).split("|")}
    return [part for part in sorted(longest) if not any(other in part for other in longest - {part})]


def has_part(text: str, parts: list[str]) -> bool:
    """Return True if `text` has one of the parts. (A pattern of the same words takes ten times as long.)"""
    for part in parts:  # noqa: SIM110 - `any` takes twice as long
        if part in text:
            return True
    return False


NUMBER = r"\d{1,3}(?:[., '\u2019\u00a0\u202f]\d{3}){1,4}(?!\d)|\d{1,12}"
"""A number, possibly with separators between thousands."""


def parse_number(text: str) -> int:
    """Return the number that matches `NUMBER`."""
    return int(re.sub(r"\D", "", text))
