"""Recognizes reports of a write, from the beginning of a message in lower case, in eight languages."""

from __future__ import annotations

import re

from gateway.metering.text.statements import phrases
from gateway.metering.text.statements.patterns import fixed_parts, has_part, spaced

_DONE = "created|deleted|inserted|updated|added|removed|dropped|saved|written|altered|renamed|truncated"
_REFLEXIVE = "se insert|se actualiz|se elimin|se borr|se modific|se agreg|se a\u00f1ad|se cre"
_COMMANDS = (
    r"insert \d+ \d+|update \d+|delete \d+|create table|drop table|alter table|create index|"
    "truncate table"
)
_AFFECTED = re.compile(
    rf"\d+\s+(?:\w+\s)?(?:{spaced(phrases.ROWS)})\s+(?:\w{{2,5}}\s+)?(?:{spaced(phrases.CHANGED)})(?!\w)|"
    rf"(?:{spaced(phrases.ROWS)})\s*(?:{spaced(phrases.CHANGED)})\s*[:=]|"
    rf"(?:{spaced(phrases.CHANGED)})\w{{0,2}}\s+(?:{spaced(phrases.ROWS)})\s*[:=]|затронуто строк|"
    rf"(?:{spaced(phrases.CHANGED)}|wrote)\s+\d+\s+(?:\w+\s)?(?:{spaced(phrases.ROWS)})(?!\w)|"
    rf"\b(?:{_REFLEXIVE})\w+ \d+|\A[^\n]{{0,200}}\b(?:{_DONE})\s+successfully\b|"
    rf"\A\W{{0,8}}(?:[\w ]{{0,80}}\s)?successfully\s+(?:{_DONE}|wrote)\b|"
    rf"\A\W{{0,8}}(?:{spaced(phrases.SUCCESSFULLY)})\s(?:{spaced(phrases.CHANGED)})|"
    rf"\A[^\n]{{0,120}}\b(?:{spaced(phrases.CHANGED)})\s(?:{spaced(phrases.SUCCESSFULLY)})|\A\s*(?:{_COMMANDS})\s*\Z"
)
_WRITE_MARK = re.compile(rf"[\d:=]|success|{spaced(phrases.SUCCESSFULLY)}|затронуто|table|index")
_WRITE_PARTS = fixed_parts(f"{spaced(phrases.CHANGED)}|{_DONE}|{_REFLEXIVE}|{_COMMANDS}|successfully|wrote")
"""A mark and parts of which each text that `_AFFECTED` matches has one."""
_AFFECTED_UNSPACED = re.compile(
    rf"(?:[^\n。]{{0,12}}[,:]\s?)?(?:共\s?)?"
    rf"(?:\d+\s?(?:{phrases.ROWS['zh']})受(?:影响|影響)|[^\n。\d]{{0,8}}(?:{phrases.CHANGED['zh']})成功|"
    rf"(?:影响|影響)(?:的|を受けた)?\s*(?:行|列|笔|筆)?[数數]?\s*:?\s*\d|受(?:影响|影響)的?\s*(?:行|列|笔|筆)[数數]?\s*:|影響を受けた行数?|"
    rf"(?:成功|已)(?:将|把)?(?:{phrases.CHANGED['zh']})|(?:{phrases.CHANGED['zh']})(?:了\s?\d+|成功|完成)|"
    rf"\d+\s?(?:{phrases.ROWS['zh']})(?:{phrases.ROWS['zh']})?(?:已被?|被)(?:{phrases.CHANGED['zh']})|"
    rf"[^\n。]{{1,20}}已(?:被)?(?:{phrases.CHANGED['zh']})|"
    rf"[^\n。]{{0,40}}(?:を|が)?(?:{phrases.CHANGED['ja']})(?:しました|されました|完了|に成功しました))"
)
_NOT_A_READ = (
    r"(?!(?:executed|completed|finished|retrieved|fetched|loaded|returned|listed|queried|parsed|connected|validated|"
    r"processed|succeeded|read|found|exported|filtered|sorted|grouped)\b)"
)
_DONE_SUCCESSFULLY = re.compile(
    rf"[^\n]{{0,200}}?\b{_NOT_A_READ}\w{{2,20}}(?:ed|set|put|sent|written)\s+successfully\b|"
    rf"\W{{0,8}}successfully\s+{_NOT_A_READ}\w{{0,20}}(?:ed|set|put|sent|wrote|written|built)\b"
)
_WRITTEN = re.compile(
    r"\W{0,8}(?:the\s+)?(?:value|field|key|file|record|item|entry|row|member|element|document|entity|node|note|task|"
    r"message)"
    r"s?\b[^\n:]{0,120}?\b(?:pushed|added|set|removed|deleted|created|updated|saved|stored|appended|inserted|renamed|"
    r"written|"
    r"moved|copied|staged)\b(?!\s*[:=])",
)
"""Single lines that report a write."""
_FOUND_SOME = re.compile(r"found|showing|listing|there (?:are|were|is)|returned")


def reports_write(plain: str, lines: list[str]) -> bool:
    """Return True if a short message, with its lines, reports a write."""
    if _FOUND_SOME.match(plain):
        return False
    if _WRITE_MARK.search(plain) and has_part(plain, _WRITE_PARTS) and _AFFECTED.search(plain):
        return True
    if not plain.isascii() and _AFFECTED_UNSPACED.match(plain):
        return True
    is_short = len(lines) == 1 or (len(lines) == 2 and lines[0].rstrip().endswith((".", "!")))
    if is_short and "successfully" in plain and _DONE_SUCCESSFULLY.match(plain):
        return True
    return is_short and _WRITTEN.match(plain) is not None
