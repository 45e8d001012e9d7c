"""Names in the form in which they are compared, and sets of them."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=4_096)
def normalize_name(name: str) -> str:
    """Return `name` in the form in which names are compared."""
    return name[:64].replace("_", "").replace("-", "").replace(" ", "").replace(".", "").lower()


def word_list(words: str) -> list[str]:
    """Return the words in a text in their order."""
    return words.split()


def word_set(words: str) -> frozenset[str]:
    """Return the words in a text as a set."""
    return frozenset(words.split())
