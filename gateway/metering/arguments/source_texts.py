"""Texts among the arguments that may name sources in a syntax that is not read: their reach cannot be told.

- JSON5, YAML and XML, which servers may read as a query.
- The end of a piped query (`| union other`), a program of MongoDB's shell, a formula that refers to other cells.

Those of HTTP requests are in `rest_requests`.
"""

from __future__ import annotations

import re
from functools import lru_cache

from gateway.metering.arguments.joined_tables import NOT_SOURCE, is_source_name, is_watched
from gateway.metering.sql.cache import MAX_SQL_CHARACTERS
from gateway.metering.vocabulary.names import normalize_name, word_set

MAX_MARKUP_CHARACTERS = 8_000
"""Characters of YAML, and of a formula; a longer text may name any source."""

_RELAXED_JSON = re.compile(
    r"[\s\ufeff(]*+(?:(?:/\*[^*]*+\*++(?:[^/*][^*]*+\*++)*/|//[^\n]*\n)[\s\ufeff(]*+)*"
    r"(?:\{|\[[\s\ufeff]*+[\[{'\"/])"
)
"""The beginning of an object or of a list, also in JSON5: after comments, in parentheses."""
_YAML_LINE = re.compile(
    r"(?:[-?:](?:\s|\Z)|---|\.\.\.|[%#@{\[]|(?:[!&]\S{0,60}\s+){0,2}"
    r"(?:\"(?:[^\"\\]|\\.){0,200}\"|'[^']{0,200}'|[^\s#\"'{\[][^:]{0,100})\s*:(?:\s|\Z))"
)
"""A line at the outer level of a mapping or list."""
_YAML_MEMBER = re.compile(
    r"(?:\A|[\n{,\[]|(?<=-))[ \t]*(?:[!&]\S{0,60}[ \t]+){0,2}"
    r"(?:\"([^\"\n]{1,80})\"|'([^'\n]{1,80})'|([$\w][\w $.-]{0,80}))\s*:(?=\s|\Z|[\[{\"'])(?=([^\n]{0,100}))"
)
_COMPLEX_KEY = re.compile(r"(?:\A|\n)[ \t]*(?:-[ \t]+)*[?*](?!\*)")
"""A key of YAML that is an alias, or more than a name."""
_LINE_ENDS = re.compile(r"\r\n?|[\x85\u2028\u2029]")
_VALUE_END = re.compile(r"(?:(?:\A|\s)#|(?!\A)[,}\]]).*")
_MAX_PLAIN_WORDS = 3
"""Words of a name; a longer text after a colon is prose."""
_XML = re.compile(
    r"(?:[\s\ufeff]|<!--(?:[^-]|-(?!->))*-->)*<(?:\?\w|!(?!doctype html)\w|([a-z_][\w:.-]{0,60})[\s/>])", re.IGNORECASE
)
_HTML = word_set("html body head div p span a b i u em strong br hr img h1 h2 h3 h4 h5 h6 ul ol li pre code font")
"""Elements with which a text for people begins."""

_SHELL = re.compile(r"\bdb\s*(?:\[|\.\s*\w+\s*(?:\(|\[|\.\s*\w+\s*[(.]))")
_IN_FORMULA = re.compile(
    r"\"[^\"]*\"|(?<![\w.$])(?:\$?[A-Z]{1,3}\$?\d{1,7}\b|\$?[A-Z]{1,3}:\$?[A-Z]{1,3}\b|(?:TRUE|FALSE)\b"
    r"|(?!(?:INDIRECT|IMPORT\w*|QUERY|WEBSERVICE|FILTERXML|EXEC|CALL|SQL\w*|CUBE\w*)\s*\()[A-Z][A-Z.\d]{0,40}\s{0,4}\()",
    re.IGNORECASE,
)
"""Parts of a formula that refer to cells of its own sheet, or to none."""
_NAME_IN_FORMULA = re.compile(r"[^\W\d]|[!\[{'@|]")

_PIPED_SOURCE = re.compile(
    r"\|\s*+(?://|/\*|(?:union|join|lookup|search|find|externaldata|evaluate|invoke|enrich|append\w*|map|inputlookup|"
    r"multisearch|savedsearch|loadjob|rest|graph-match|fork|from)\b)|\bsource\s+(?:loggroups?|datasources?)\b",
    re.IGNORECASE,
)
"""A command that brings in another source, or a comment, after a pipe."""


def names_source(text: str, *, is_prose: bool) -> bool:
    """Return True if a text that is no strict JSON may name sources: in JSON5, YAML, XML or MongoDB's shell.

    If `is_prose`, it is written for people; only JSON5 is sought in it.
    """
    if _RELAXED_JSON.match(text, 0, MAX_SQL_CHARACTERS) is not None:
        return True
    return not is_prose and (_SHELL.search(text) is not None or _is_query_in_markup(text))


def _is_query_in_markup(text: str) -> bool:
    """Return True for XML that is no text for people, and for YAML with a member that names a source."""
    if (xml := _XML.match(text)) is not None:
        return (xml[1] or "").lower() not in _HTML and ("</" in text or "/>" in text or xml[1] is None)
    return ":" in text and _is_yaml_of_source(_LINE_ENDS.sub("\n", text.lstrip("\ufeff")))


def continues_query(text: str) -> bool:
    """Return True for the end of a piped query that brings in another source."""
    return ("|" in text or "(" in text) and _PIPED_SOURCE.search(text) is not None


def is_formula(text: str) -> bool:
    """Return True for a text that a sheet computes; after a sign, it needs a reference or a call."""
    start = text.lstrip()[:1]
    return start == "=" or (start in ("+", "-", "@") and ("!" in text or "(" in text))


def leaves_sheet(formula: str) -> bool:
    """Return True if a formula may refer to cells of another sheet, directly or by a defined name."""
    if len(formula) > MAX_MARKUP_CHARACTERS:
        return True
    return _NAME_IN_FORMULA.search(_IN_FORMULA.sub(" ", formula)) is not None


def _is_yaml_of_source(text: str) -> bool:
    lines = [line for line in text.split("\n") if line.strip() and line.lstrip()[0] != "#"]
    margin = len(lines[0]) - len(lines[0].lstrip()) if lines else 0
    outer = [line[margin:] for line in lines if not line[: margin + 1].isspace()]
    if not all(map(_YAML_LINE.match, outer)):
        return False
    if len(text) > MAX_MARKUP_CHARACTERS:
        return True
    return _COMPLEX_KEY.search(text) is not None or any(map(_is_source, _YAML_MEMBER.finditer(text)))


def _is_source(member: re.Match[str]) -> bool:
    """Return True for a member of YAML that names a source, unless its value can only be prose, a number or a time."""
    quoted, _, _, rest = member.groups()
    if quoted and "\\" in quoted:
        return True
    if not _is_source_name(next(filter(None, member.groups()[:3]))):
        return False
    value = _VALUE_END.sub("", rest).strip()
    is_plain = value[:1].isalnum()
    return not is_plain or (
        NOT_SOURCE.match(value) is None and "@" not in value and value.count(" ") < _MAX_PLAIN_WORDS
    )


@lru_cache(maxsize=1_024)
def _is_source_name(name: str) -> bool:
    return is_watched(normalize_name(name)) or is_source_name(normalize_name(name))
