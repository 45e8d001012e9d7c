"""Finds SQL statements and other queries among the strings of the arguments, and analyzes them.

SQL is recognized by its first words, in any argument, or by the name of the argument. Queries in other languages are
recognized by the name of the argument, by the words of the tool's name, or, in an argument whose name says that it
holds a query, by the text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from gateway.metering.arguments.strings import MAX_ARGUMENT_CHARACTERS, MAX_ARGUMENT_STRINGS, SCALARS, StringCollector
from gateway.metering.queries import languages
from gateway.metering.queries.analysis import QueryAnalysis
from gateway.metering.queries.languages import Language
from gateway.metering.queries.lexer import MAX_QUERY_CHARACTERS
from gateway.metering.sql import cache as sql_cache
from gateway.metering.sql import unparsed
from gateway.metering.vocabulary.arguments import (
    COMMAND_ARGUMENTS,
    CONDITION_ARGUMENTS,
    FIELD_ARGUMENTS,
    INDEX_ARGUMENTS,
    LANGUAGE_ARGUMENTS,
    OBJECT_ARGUMENTS,
    QUERY_ARGUMENTS,
    SELECTING_ARGUMENTS,
    SQL_ARGUMENTS,
)
from gateway.metering.vocabulary.names import normalize_name
from gateway.metering.vocabulary.tools import tool_words

MIN_STATEMENT = 6
"""Characters; a shorter text is no statement."""

_SQL_START = re.compile(
    r"[\s(]*+(?:(?:--[^\n]*\n|/\*[^*]{0,500}\*/)[\s(]*+)*(?:select\s|"
    r"with\s+(?:recursive\s+)?[\w\"`\[\]]+\s*(?:\([^)]{0,500}\)\s*)?as\b|insert\s+(?:or\s+\w+\s+)?into\s|"
    r"update\s+\S+\s+(?:as\s+\w+\s+)?set\s|delete\s+from\s|merge\s+into\s|replace\s+into\s|truncate\s+table\s|"
    r"(?:create|drop|alter)\s+(?:or\s+replace\s+|temp\s+|temporary\s+|unique\s+)*"
    r"(?:table|view|index|schema|database|materialized|function)\s)",
    re.IGNORECASE,
)
_STATEMENT_START = re.compile(
    r"\s*+(?:(?:--[^\n]*\n|/\*[^*]{0,500}\*/)\s*+)*(?:explain|describe|desc|show|pragma|from|table|values|summarize|call|exec|"
    r"execute|copy|attach|pivot|use|set|begin|vacuum|grant|revoke|truncate)\b(?!:)",
    re.IGNORECASE,
)
_TABLE_IN_EXPRESSION = re.compile(
    r"\(\s*(?:from|table)\s+[\w\"`]|\b(?:union|intersect|except)\s+(?:all\s+|distinct\s+)?\(?\s*(?:from|table|select|with)\s"
)
"""Queries without `SELECT … FROM` (`TABLE t`, `FROM t`) within an expression, in lower case."""


_LONGEST_WORD = 64
"""Characters of a word that no statement and no query begins with."""
_EMBEDDED = re.compile(r"[\w\"]\s*\(\s*[*\"a-z_]", re.IGNORECASE)
"""A call, or another table embedded by PostgREST."""
_IN_OR_CALL = re.compile(r"\(|\bin\s", re.IGNORECASE)

MAX_TEXTS_TOLD = 8
"""Texts of a call whose language is told by the text itself; later ones are no queries, unless names tell it."""


class Statements:
    """The analyses of the statements and queries among strings; `others` are the remaining strings.

    An analysis is `None` if the text is not understood, or if there is more text than `MAX_QUERY_CHARACTERS`.
    `languages` are those of the queries that are not SQL.
    """

    def __init__(
        self, tool: str, strings: list[tuple[str, str]], described: tuple[tuple[str, Language], ...] = ()
    ) -> None:
        self.analyses: list[QueryAnalysis | None] = []
        self.others: list[tuple[str, str]] = []
        self.languages: set[Language] = set()
        self._characters = 0
        self._texts = 0
        names = [name for name, _ in strings]
        self._has_index = not INDEX_ARGUMENTS.isdisjoint(names)
        has_object = not OBJECT_ARGUMENTS.isdisjoint(names)
        of_tool = self._of_tool = _language_of_tool(tool)
        of_description = dict(described)
        of_call = None if LANGUAGE_ARGUMENTS.isdisjoint(names) else _declared_language(strings)
        for name, value in strings:
            if (language := of_description.get(name) or _language_of_argument(name)) is not None:
                self._add_query(value, language, is_certain=True)
            elif of_tool is not None and (name in QUERY_ARGUMENTS or self._language_of_text(name, value) is of_tool):
                self._add_query(value, of_tool, is_certain=True)
            elif len(value) < MIN_STATEMENT or (name in FIELD_ARGUMENTS and has_object):
                self.others.append((name, value))  # a sub-query among fields reads a relation of the object
            elif name in QUERY_ARGUMENTS and (language := of_call or self._language_of_text(name, value)):
                self._add_query(value, language, is_certain=False)
            elif looks_like_sql(name, value):
                found = sql_cache.analyze(value) or languages.analyze_like_sql(value)
                self.analyses.append(found or unparsed.read(value))
            else:
                self.others.append((name, value))

    def may_extend(self, text: str) -> bool:
        """Return True if a text may be appended to a query of the call, and reach another table as part of it."""
        found = languages.extendable(self.languages | ({self._of_tool} if self._of_tool is not None else set()))
        if not found or not languages.may_be_part(text):
            return False
        self._characters += len(text)
        return self._characters > MAX_QUERY_CHARACTERS or any(languages.may_extend(text, one) for one in found)

    def _add_query(self, text: str, language: Language, *, is_certain: bool) -> None:
        self._characters += len(text)
        self.languages.add(language)
        is_within = self._characters <= MAX_QUERY_CHARACTERS
        found = languages.analyze(text, language, is_certain=is_certain) if is_within else None
        if language is Language.KQL and self._has_index:
            # Kibana's language of the same name, which filters an index.
            if languages.is_kibana_filter(text):
                found = languages.FILTER
            elif found is not None:
                found = msgspec.structs.replace(found, read=(), is_exhaustive=False)
        self.analyses.append(found)

    def _language_of_text(self, name: str, text: str) -> Language | None:
        """Return the language of a text that is not SQL by its first words."""
        if text[:_LONGEST_WORD].isalnum() or _SQL_START.match(text, 0, sql_cache.MAX_SQL_CHARACTERS):
            return None
        self._texts += 1
        found = languages.unmistakable_language(text) if self._texts <= MAX_TEXTS_TOLD else None
        return None if name in COMMAND_ARGUMENTS and found not in languages.PROGRAM_LANGUAGES else found


def _declared_language(strings: list[tuple[str, str]]) -> Language | None:
    """Return the language in an argument such as `query_language`."""
    values = (normalize_name(value) for name, value in strings if name in LANGUAGE_ARGUMENTS)
    return languages.named_language(frozenset(values))


@lru_cache(maxsize=1_024)
def _language_of_tool(tool: str) -> Language | None:
    return languages.named_language(tool_words(tool))


@lru_cache(maxsize=1_024)
def _language_of_argument(name: str) -> Language | None:
    return languages.language_in(name)


def sql_statements(arguments: Mapping[str, Any]) -> list[str]:
    """Return the strings in `arguments` that are SQL."""
    # Called for every call, and most arguments are a few scalars: collect them only if they are nested or many.
    if len(arguments) > MAX_ARGUMENT_STRINGS:
        return _nested_statements(arguments)
    found = []
    characters = 0
    for name, value in arguments.items():
        if type(value) is str:
            characters += len(value)
            if characters > MAX_ARGUMENT_CHARACTERS:
                return _nested_statements(arguments)
            if len(value) >= MIN_STATEMENT and looks_like_sql(normalize_name(name), value):
                found.append(value)
        elif type(value) not in SCALARS:
            return _nested_statements(arguments)
    return found


def _nested_statements(arguments: Mapping[str, Any]) -> list[str]:
    return [value for name, value in StringCollector(arguments).found if looks_like_sql(name, value)]


def looks_like_sql(name: str, value: str) -> bool:
    """Return True if the argument `name` (normalized) holds SQL, judged by its first words or its name."""
    if len(value) < MIN_STATEMENT:
        return False
    # Most arguments are one word and no statement is: skip the regular expression.
    if not value[:_LONGEST_WORD].isalnum() and _SQL_START.match(value, 0, sql_cache.MAX_SQL_CHARACTERS):
        return True
    if "sql" in name:
        return True
    if name not in SQL_ARGUMENTS:
        return False
    return _STATEMENT_START.match(value, 0, sql_cache.MAX_SQL_CHARACTERS) is not None


_SET_OPERATIONS = ("union", "intersect", "except")
_STAGE_NAMES = ("$lookup", "$graphlookup", "$unionwith", "$out", "$merge")


def may_hold_sql(name: str, value: str) -> bool:
    """Return True if a text may be a statement or reach tables as part of one, or is a pipeline as text."""
    if len(value) > sql_cache.MAX_SQL_CHARACTERS:
        return True
    if (name in CONDITION_ARGUMENTS and _IN_OR_CALL.search(value)) or (
        name in SELECTING_ARGUMENTS and _EMBEDDED.search(value)
    ):
        start = "SELECT 1 WHERE" if name in CONDITION_ARGUMENTS else "SELECT"
        part = sql_cache.analyze(f"{start} {value}")
        if part is None or not part.is_exhaustive or part.named:
            return True
    if len(value) < MIN_STATEMENT:
        # Too short to name a table, but a statement like `BEGIN` is executed all the same.
        is_sql = "sql" in name or (name in SQL_ARGUMENTS and _STATEMENT_START.match(value) is not None)
        return is_sql and not value.isspace() and value != ""
    text = value.lower()
    if ("select" in text and "from" in text) or ("$" in text and any(stage in text for stage in _STAGE_NAMES)):
        return True
    if "<entity" in text or "<link-entity" in text:
        return True  # FetchXML
    is_possible = ("(" in text and ("from" in text or "table" in text)) or any(word in text for word in _SET_OPERATIONS)
    return is_possible and _TABLE_IN_EXPRESSION.search(text) is not None
