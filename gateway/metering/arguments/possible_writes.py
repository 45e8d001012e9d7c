"""A quick check of the arguments for a write, so that those of the usual call need not be parsed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from gateway.metering.arguments.statements import MIN_STATEMENT
from gateway.metering.arguments.strings import MAX_ARGUMENT_CHARACTERS, MAX_ARGUMENT_STRINGS, SCALARS
from gateway.metering.sql.cache import MAX_SQL_CHARACTERS
from gateway.metering.vocabulary.arguments import OPERATION_ARGUMENTS, PUBLISH_WORDS, WRITTEN_ARGUMENTS
from gateway.metering.vocabulary.names import normalize_name
from gateway.metering.vocabulary.tools import is_writing_tool, tool_words

_TEXTS = SCALARS | {str}
_WRITE_WORD = re.compile(r"(?:insert|update|delete|merge|replace|create|drop|alter|truncate|into|copy)\b")
_QUERY_WRITE_WORD = re.compile(
    r"\A\s*\.|\|\s*(?:m?collect|meventcollect|outputlookup|outputcsv)\b|\bto\s?\(|\)[^()]{0,300}\b(?:set|remove)\b",
    re.IGNORECASE,
)
"""Writes in other languages: control commands of KQL, commands of SPL, functions of Flux, clauses of Cypher."""
_READ_METHODS = ("GET", "HEAD")
_WRITING_ARGUMENTS = WRITTEN_ARGUMENTS | OPERATION_ARGUMENTS


def may_write(tool: str, arguments: Mapping[str, Any]) -> bool:
    """Return False if the parsed arguments would have no `tables_written`; quick to tell for the usual call."""
    if _may_write_by_name(tool) or len(arguments) > MAX_ARGUMENT_STRINGS:
        return True
    characters = 0
    for name, value in arguments.items():
        if type(value) is not str:
            if type(value) in SCALARS:
                continue
            if type(value) is not list or not _TEXTS.issuperset(map(type, value)):
                return True
            value = " ".join(item for item in value if type(item) is str)
        if normalize_name(name) in _WRITING_ARGUMENTS or (name == "method" and value.upper() not in _READ_METHODS):
            return True
        if len(value) < MIN_STATEMENT:
            continue
        characters += len(value)
        if characters > MAX_ARGUMENT_CHARACTERS:
            return True
        text = value[:MAX_SQL_CHARACTERS].lower()
        has_words = text.islower() or not text.isascii()  # no date and no number
        if "/_" in value or (has_words and _WRITE_WORD.search(text)):  # `POST /orders/_doc`
            return True
        is_query = "(" in value or "|" in value or ("." in value and value.lstrip()[:1] == ".")
        if is_query and _QUERY_WRITE_WORD.search(value, 0, MAX_SQL_CHARACTERS):
            return True
    return False


@lru_cache(maxsize=1_024)
def _may_write_by_name(tool: str) -> bool:
    return is_writing_tool(tool) or not PUBLISH_WORDS.isdisjoint(tool_words(tool))
