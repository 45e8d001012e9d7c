"""Recognizes messages without records: errors, nothing found, rows affected.

Only a short text is a message, and only its beginning is matched.
"""

from __future__ import annotations

import re

from gateway.metering.metering_result import FAILURE, Count, CountKind

MAX_MESSAGE_CHARACTERS = 4_000
"""Characters of a message."""
MAX_MATCHED = 400
"""Characters at the beginning that are matched."""

_NOT_A_NUMBER = r"(?!\s*[-+]?\d[\d.,]*%?\s*(?:\n|\Z))"
_ERROR_START = re.compile(
    r"[\W_]*(?:"
    rf"(?:an?\s+|the\s+)?(?:[\w.]+\s+){{0,3}}errors?\s*(?:[:!]{_NOT_A_NUMBER}|[(\[-]|\d|\Z|code\b|occurred|"
    r"while\b|when\b|in\b|at\b|during\b|\w+ing\b)|"
    rf"[\w.]*(?:error|exception|failure)\s*:{_NOT_A_NUMBER}|\(?\w+(?:\.\w+)*(?:error|exception)\)|"
    r"traceback \(most recent|exception\b|fatal\b|panic:|"
    r"(?:failed|failure)\b(?!\s?[,;|\t])|(?:\w+\s+){1,3}failed\s*(?:[:.(-]|with\b|\Z)|"
    r"unable to\b|could ?n[o']t\b|can ?not\b|can't\b|access denied|permission denied|unauthorized|forbidden|"
    r"not authorized|(?:\w+\s+){0,3}(?:rejected|blocked|denied|refused|aborted|not allowed)\s*[:.]|"
    r"(?:invalid|unsupported)\s+\w|"
    r"unknown (?:tool|table|column|argument|parameter|database|function)\b|"
    r"(?-i:E(?:NOENT|ACCES|PERM|ISDIR|NOTDIR|EXIST|CONNREFUSED|CONNRESET|TIMEDOUT|NOTFOUND|INVAL|BUSY|IO)\b)|"
    r"no such\b|syntax error|(?:operation|query|arguments) timed out|timed? ?out\b|"
    r"(?:错误|錯誤|エラー|오류|ошибка|fehler|erreur|errore|erro)\b\s*[:\uff1a])",
    re.IGNORECASE,
)
_ERROR_WITHIN = re.compile(
    r"does(?: not|n't) exist|no such (?:table|column|file|database|collection|index)|syntax error|"
    r"(?:is|are) not (?:allowed|permitted|supported)|"
    r"only (?:read-only |\w+ )?(?:select |read )?(?:quer|statement)\w+ (?:is|are) allowed|"
    r"not found[.!]?\Z|\A[^\n,]{1,120}\bnot found\b|permission denied|access denied",
    re.IGNORECASE,
)
_EMPTY = re.compile(
    r"[\W_]*(?:(?:query|success\w*|result\w*|search|ok|the query|statement)\b[^\n]{0,40}?[\s:,.(-]+)?"
    r"(?:(?:no|0|zero)\s+(?:\w+\s+){0,3}?"
    r"(?:rows?|results?|records?|data|documents?|matches|match|items?|entries|hits|tables?|files?|objects?|columns?|values?)\b|"
    r"no (?:\w+ ){1,4}(?:found|available|returned|matched)\b|"
    r"empty (?:set|results?|table|data ?frame)|nothing found|no rows|none found|"
    r"(?:the )?(?:query )?(?:results?|result set|output) (?:is|are|was) empty|"
    r"(?:查询)?结果为空|没有(?:找到|查到|查询到)|未(?:找到|查到|查询到)|[暂]?无(?:数据|结果|记录|匹配)|\(empty\)|\[\]\Z)",
    re.IGNORECASE,
)
_AFFECTED = re.compile(
    r"\d+\s+(?:rows?|records?|documents?)\s+(?:were\s+|was\s+)?(?:affected|inserted|updated|deleted|changed|modified|added|written|removed)|"
    r"(?:rows|records|documents)\s*(?:affected|inserted|updated|deleted|changed|modified)\s*[:=]|"
    r"affected\s+rows\s*[:=]|影响(?:的)?行数\s*[:\uff1a]|"
    r"(?:inserted|updated|deleted|added|modified|wrote|removed|affected)\s+\d+\s+(?:rows?|records?|documents?)|"
    r"\A[^\n]{0,200}\b(?:created|deleted|inserted|updated|added|removed|dropped|saved|written|altered|renamed|truncated)\s+"
    r"successfully\b|\A\W{0,8}(?:[\w ]{0,80}\s)?successfully\s+"
    r"(?:created|deleted|inserted|updated|added|removed|dropped|saved|wrote|written|altered|renamed|truncated)\b|"
    r"\A\s*(?:insert \d+ \d+|update \d+|delete \d+|create table|drop table|"
    r"alter table|create index|truncate table)\s*\Z",
    re.IGNORECASE,
)

_NOT_A_READ = (
    r"(?!(?:executed|completed|finished|retrieved|fetched|loaded|returned|listed|queried|parsed|connected|validated|"
    r"processed|succeeded|read|found|exported|filtered|sorted|grouped)\b)"
)
_WRITTEN = re.compile(
    rf"[^\n]{{0,200}}?\b{_NOT_A_READ}\w{{2,20}}(?:ed|set|put|sent|written)\s+successfully\b|"
    rf"\W{{0,8}}successfully\s+{_NOT_A_READ}\w{{2,20}}(?:ed|set|put|sent|wrote|written)\b|"
    r"\W{0,8}(?:the\s+)?(?:value|field|key|file|record|item|entry|row|member|element|document|entity|node|note|task|message)"
    r"s?\b[^\n:]{0,120}?\b(?:pushed|added|set|removed|deleted|created|updated|saved|stored|appended|inserted|renamed|written|"
    r"moved|copied|staged)\b(?!\s*[:=])",
    re.IGNORECASE,
)
"""A single line that reports a write."""

NO_RECORDS = Count(0, "no_records_text", CountKind.COUNTED)
AFFECTED_ROWS = Count(0, "affected_rows_text", CountKind.COUNTED)


def count(text: str) -> Count | None:
    """Return 0 records if `text`, stripped of white space, is a message; `None` if it is not."""
    if len(text) > MAX_MESSAGE_CHARACTERS:
        return None
    start = text[:MAX_MATCHED]
    lines = text.count("\n") + 1
    if _ERROR_START.match(start):
        return FAILURE
    if lines > 6 or len(text) > 600:
        return None
    if _AFFECTED.search(start):
        return AFFECTED_ROWS
    if lines == 1 and _WRITTEN.match(start):
        return AFFECTED_ROWS
    if _EMPTY.match(start):
        return NO_RECORDS
    if lines <= 3 and _ERROR_WITHIN.search(start):
        return FAILURE
    return None
