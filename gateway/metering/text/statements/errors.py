"""Recognizes errors in words, from the beginning of a message in lower case, in eight languages."""

from __future__ import annotations

import re

from gateway.metering.text.statements import phrases
from gateway.metering.text.statements.patterns import fixed_parts, has_part, spaced, unspaced

_NOT_A_NUMBER = r"(?!\s*[-+]?\d[\d.,]*%?\s*(?:\n|\Z))"
_ERROR_START = re.compile(
    r"(?:"
    rf"(?!(?:0|no|zero)\s)(?:an?\s+|the\s+)?(?:[\w.]+[ \t]+){{0,3}}errors?\s*\**"
    rf"(?:[:!]{_NOT_A_NUMBER}|[(\[-]|\d|\n|\Z|code\b|occurred|"
    r"while\b|when\b|in\b|at\b|during\b|(?!handling|reporting|logging|correct|track|messag|budget|checking)\w+ing\b)|"
    rf"[\w.]*(?:error|exception|failure)\s*:{_NOT_A_NUMBER}|\(?\w+(?:\.\w+)*(?:error|exception)\)|"
    r"traceback \(most recent|exception\b(?! handling)|fatal\b|panic:|"
    r"(?:failed|failure)\b(?!\s?[,;|\t]|\s*:\s*\d|\s(?:tasks|jobs|runs|tests|builds|requests|events|messages|rows|records|items|orders|payments)\b[^\n]{0,20}:\s*\n)|"
    r"(?:\w+\s+){1,3}failed\s*(?:[:.(-]|with\b|to\b|\Z)|"
    r"unable to\b|could ?n[o']t\b|can ?not\b|can't\b|access denied|permission denied|unauthorized|forbidden|"
    r"not authorized|(?:\w+\s+){0,3}(?:rejected|blocked|denied|refused|aborted|not allowed)\s*(?:[:.]|\Z)|"
    r"(?:invalid|unsupported|unrecognized)\s+\w|something went wrong|"
    r"unknown (?:tool|table|column|argument|parameter|database|function|command|method)\b|"
    r"(?:msg|code) \d{1,5}[,.:]|\d{3} (?:not found|bad request|unauthorized|forbidden|internal server|"
    r"service unavailable)|"
    r"missing (?:required )?(?:\w+ )?(?:parameters?|arguments?|fields?|input|credentials|api key|environment)\b|"
    r"(?:parameters?|arguments?|field)? ?[\"'`]?\w{1,40}[\"'`]?(?: parameter| argument| field)? (?:is|"
    r"are) (?:required|missing|mandatory|invalid)\b|"
    r"(?:\S+ ){1,4}must (?:be|start|begin|not|contain|have|provide|specify)\b|"
    r"no such\b|not (?:connected|logged in|initialized|supported|allowed|permitted|"
    r"implemented)\b|please (?:connect|provide|specify|set|configure|log ?in)\b|"
    r"no (?:active |open |current )?(?:database |valid )?(?:connection|permission|access|credentials|api key|token|"
    r"database selected|database configured|such)\b|"
    r"(?:[\w.]+ ){0,3}(?:rate limit(?:ed)?|quota)\b[^\n]{0,20}\b(?:exceeded|reached|hit)\b|too many requests\b|"
    r"syntax error|(?:\w+ ){0,3}(?:operation|query|arguments|request) timed out|timed? ?out\b)",
)
_ERROR_LOCAL = re.compile(spaced(phrases.ERROR))
_ERROR_UNSPACED = re.compile(unspaced(phrases.ERROR))
_ERROR_WITHIN = re.compile(
    r"(?:does(?: not|n't)|did not|do not) exist|no such (?:table|column|file|database|collection|index)|syntax error|"
    r"(?:is|are) not (?:allowed|permitted|supported|available in read.only)|already exists|"
    r"only (?:read-only |\w+ )?(?:select |read )?(?:quer|statement|operation)\w+ (?:is|are) (?:allowed|permitted|"
    r"supported)|"
    r"permission denied|access denied|connection (?:refused|reset|closed)|timed out",
)
_ERROR_MARK = re.compile(r"[\s#*_>]{0,8}(?:\u274c|\U0001f6ab|\u26d4|\U0001f6d1|\u2716|\u2717|\u2718)\ufe0f?[\s*_]*\S")
STATUS_MARK = re.compile(r"[\s#*_>-]{0,8}[\u274c\u2705\u2714\u2713\u2717\u2718\u2716\u2b1c\u2611\u2610]")
"""The state of an item at the beginning of its line: done, failed, open."""
_NOT_FOUND = re.compile(rf"((?:\S+\s){{0,8}}?\S*?)[\s:,-]*(?:{spaced(phrases.NOT_FOUND)})(?=[\s.!:,;(\u3002]|\Z)")
_NOT_FOUND_PARTS = fixed_parts(spaced(phrases.NOT_FOUND))
_ROW_NOUN = re.compile(rf"(?:{spaced(phrases.ROWS)}|data|{spaced(phrases.DATA)}|данные)\Z")
_FOUND_NONE = re.compile(r"(?:i |we )?(?:could ?n[o']t|can ?not|can't|unable to) (?:find|match|locate) any\b")


def begins_as_error(plain: str) -> bool:
    """Return True if a message begins with the words of an error, whatever follows."""
    return _ERROR_START.match(plain) is not None and _FOUND_NONE.match(plain) is None


def is_error_clause(first: str) -> bool:
    """Return True if the first clause of a short message is an error in other words, or that an object is missing."""
    if _ERROR_LOCAL.match(first) or (not first.isascii() and _ERROR_UNSPACED.match(first)):
        return True
    return _is_object_missing(first)


def is_marked(start: str, lines: list[str]) -> bool:
    """Return True if a message begins with the symbol of an error, and does not list states."""
    return _ERROR_MARK.match(start) is not None and not STATUS_MARK.match(lines[-1] if len(lines) > 1 else "")


def has_error(lines: list[str]) -> bool:
    """Return True if a line of a short message has the words of an error anywhere."""
    return any(map(_ERROR_WITHIN.search, lines))


def _is_object_missing(first: str) -> bool:
    """Return True if a clause states that a named object does not exist: `Table 'x' not found`."""
    match = _NOT_FOUND.match(first) if has_part(first, _NOT_FOUND_PARTS) else None
    return match is not None and bool(match.group(1).strip()) and _ROW_NOUN.search(match.group(1)) is None
