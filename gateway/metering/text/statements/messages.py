"""Recognizes messages without records: errors, nothing found, rows affected, in eight languages.

Only a short text is a message, and only its beginning is matched. A text that merely contains such words is prose: a
statement that nothing was found has to be a whole clause at the beginning, and a line of data is not a message.
"""

from __future__ import annotations

import re

from gateway.metering.metering_result import FAILURE, Count, CountKind
from gateway.metering.text.lists.log_lines import is_log_line
from gateway.metering.text.statements import phrases
from gateway.metering.text.statements.patterns import fixed_parts, fold, has_part, spaced, unspaced
from gateway.metering.text.statements.witnesses import stated

MAX_MESSAGE_CHARACTERS = 4_000
"""Characters of a message."""
MAX_MATCHED = 400
"""Characters at the beginning that are matched."""
MAX_SHORT_LINES = 6
"""Lines of a message other than an error."""
MAX_SHORT_CHARACTERS = 600
MAX_CLAUSE = 160
"""Characters of a statement that nothing was found."""

_DECORATION = re.compile(r"[\W_]*")
"""Marks before the first word."""
_NOT_A_NUMBER = r"(?!\s*[-+]?\d[\d.,]*%?\s*(?:\n|\Z))"
_ERROR_START = re.compile(
    r"(?:"
    rf"(?:an?\s+|the\s+)?(?:[\w.]+[ \t]+){{0,3}}errors?\s*\**(?:[:!]{_NOT_A_NUMBER}|[(\[-]|\d|\n|\Z|code\b|occurred|"
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
_STATUS_MARK = re.compile(r"[\s#*_>-]{0,8}[\u274c\u2705\u2714\u2713\u2717\u2718\u2716\u2b1c\u2611\u2610]")
_NOT_FOUND = re.compile(rf"((?:\S+\s){{0,8}}?\S*?)[\s:,-]*(?:{spaced(phrases.NOT_FOUND)})(?=[\s.!:,;(\u3002]|\Z)")
_NOT_FOUND_PARTS = fixed_parts(spaced(phrases.NOT_FOUND))
_ROW_NOUN = re.compile(rf"(?:{spaced(phrases.ROWS)}|data|{spaced(phrases.DATA)}|данные)\Z")
_EMPTY_MARK = re.compile(
    r"[\s#*_>]{0,8}(?:[-*\u2022]\s)?(?:[(<\[{]\s?(?:none|empty|no \w+(?: \w+)?|0 \w+|nothing|null|nil|"
    r"vide|leer|vac[i\u00ed]o|vazio|пусто|空|なし|无|無)\s?[)>\]}]|"
    r"\[\s*\]|\{\s*\}|[\u2014\u2013]|empty|-{1,2})[.\s*_]*\Z",
)
_LEAD = (
    rf"(?:(?:{spaced(phrases.SORRY)})[\s,]+)?"
    r"(?:(?:(?:query|search|statement|success\w*|results?|ok|the query|"
    r"your (?:search|query|filters?)|the search|it|there (?:is|are|were|was)|"
    r"you (?:have|don't have)|(?:the |this )?(?:database|table|collection|list|folder|directory|project|schema|file|"
    r"workspace|"
    r"vault|graph|calendar|inbox)(?: (?:has|contains|had|returned))?|i|we|sorry)\b[^\n.!?]{0,60}?[\s:,.(!-]+)?"
    r"(?:found |returned |returns |contains |has |matched |currently )?)"
)
_AFTER = rf"(?=\s*(?:\Z|[\n.!,:;()\u2014\u2013*_\"'`<\]-])|\s+(?:{spaced(phrases.AFTER_NONE)})(?!\w))"
_EMPTY = re.compile(
    rf"{_LEAD}(?:(?:{spaced(phrases.NO)})(?:\s+|(?<=[d'\u2019]))(?:\S+\s+){{0,3}}?(?:{spaced(phrases.ROWS)}|"
    rf"{spaced(phrases.THINGS)}|"
    rf"data|{spaced(phrases.DATA)}|данных|information|content|text|output|changes)(?:\(e?s\))?{_AFTER}|"
    r"no (?:\w+ ){1,3}(?:with|named|called|matching|for|by) [^\n]{1,80}\Z|"
    r"no (?:\w+ ){1,4}(?:(?:was |were |could be )?(?:found|available|returned|matched)|match(?:es|ed|ing)?|yet|"
    r"exist)\b|"
    r"(?:did ?n[o']t|do ?n[o']t|does ?n[o']t|could ?n[o']t|can ?not|can't|was ?n[o']t able to|"
    r"were ?n[o']t able to) (?:find|match|return|have|contain|get) "
    rf"(?:any(?:thing)?|a matching)\b|did not match any\b|(?:{spaced(phrases.NOTHING)}){_AFTER})"
    rf"|(?:(?:\S+\s){{0,2}}(?:{spaced(phrases.ROWS)}|{spaced(phrases.DATA)}|данные)\s+)?(?:{spaced(phrases.NOT_FOUND)})\W*\Z"
    r"|(?:результатов|записей|данных|строк|совпадений)\s(?:не найдено|нет)",
)
_EMPTY_UNSPACED = re.compile(
    rf"(?:[^\n\u3002]{{0,16}}[,:!\u3002\s])?(?:{unspaced(phrases.NOTHING)})(?=[\s\u3002.!,;:()'\"*_]|\Z)"
)
_WHOLE = re.compile(
    rf"(?:you have |there are |(?:the )?\w+ (?:has|contains) )?(?:{spaced(phrases.NO)})(?:\s+|"
    rf"(?<=[d'\u2019]))(?:[^\W\d]\w*\s){{0,3}}[^\W\d]\w{{2,}}(?:\s(?:yet|here|today|noch|mehr))?[\W_]*\Z",
)
"""A whole short line such as "No open reminders." """
_ENDS_NONE = re.compile(
    r"[^\n|:]{0,80}(?<!\w)(?<!\bis )(?<!\bare )(?<!\bwas )"
    rf"(?:{spaced(phrases.NO)})\s(?:\S+\s)?(?:{spaced(phrases.ROWS)}|{spaced(phrases.THINGS)})"
    rf"(?:\s(?:{spaced(phrases.AFTER_NONE)}))?[.!]?\Z"
)
"""A whole line that ends with the statement: "The search gave no results." """
_FOUND_NONE = re.compile(r"(?:i |we )?(?:could ?n[o']t|can ?not|can't|unable to) (?:find|match|locate) any\b")
_NO_ACCESS = re.compile(
    r"no such\b|(?:没有|沒有|无|無)(?:访问|存取)?(?:权限|權限)|"
    r"no (?:\w+ ){0,2}(?:connection|permission|access|credentials|token|"
    r"database (?:is )?(?:selected|connected|configured|specified))\b"
)
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

_EMPTY_LIST = re.compile(
    rf"[#*\s]{{0,8}}(?:[^\n:]{{0,60}}?\b)?(?:{spaced(phrases.ROWS)}|"
    rf"{spaced(phrases.THINGS)})(?:\s[^\n:]{{0,60}})?[*\s]*:[*\s]*(\S[^\n]{{0,40}})\Z",
)
_BARE_HEADING = re.compile(
    rf"[#*\s]{{0,8}}(?:[^\W\d][^\n\d:]{{0,60}}\s)?(?:{spaced(phrases.ROWS)}|{spaced(phrases.THINGS)})[*\s]*:[*\s]*\Z"
)
_FOUND_SOME = re.compile(r"found|showing|listing|there (?:are|were|is)|returned")
_ZERO_FIRST = re.compile(r"\W{0,8}0\s")
_HINT = re.compile(rf"(?<!\w)(?:{spaced(phrases.HINT)})(?!\w)|{unspaced(phrases.HINT)}")
_BULLET = re.compile(r"\s{0,8}(?:[-*\u2022]|\d{1,3}[.)])\s")
NO_RECORDS = Count(0, "no_records_text", CountKind.COUNTED)
AFFECTED_ROWS = Count(0, "affected_rows_text", CountKind.COUNTED)


def count(text: str) -> Count | None:
    """Return 0 records if `text`, stripped of white space, is a message; `None` if it is not."""
    if len(text) > MAX_MESSAGE_CHARACTERS:
        return None
    start, plain, lines = _beginning(text)
    if _is_list(lines):
        return None
    if _ERROR_START.match(plain) and not _FOUND_NONE.match(plain):
        return FAILURE
    if _is_delimited(lines):
        return None
    first = plain.partition("\n")[0][:MAX_CLAUSE]
    if len(text) <= MAX_SHORT_CHARACTERS and text.count("\n") < MAX_SHORT_LINES:
        if _reports_write(plain, lines):
            return AFFECTED_ROWS
        if _states_none(start, first, lines) and are_hints(lines[1:]):
            return NO_RECORDS
        if len(lines) <= 3 and (_is_error_in_other_words(first) or _is_object_missing(first)):
            return FAILURE
    return FAILURE if _is_error(start, lines) else None


def is_no_records(text: str) -> bool:
    """Return True if `text` is a message that there are no records, as `count` returns; quicker for others."""
    if len(text) > MAX_SHORT_CHARACTERS:
        return False
    start, plain, lines = _beginning(text)
    is_stated = bool(lines) and _states_none(start, plain.partition("\n")[0][:MAX_CLAUSE], lines)
    return is_stated and count(text) is NO_RECORDS


def _beginning(text: str) -> tuple[str, str, list[str]]:
    """Return the beginning of `text` in lower case, the same from its first word on, and its lines."""
    start = fold(text[:MAX_MATCHED])
    return start, _DECORATION.sub("", start, 1), [line for line in start.split("\n") if line.strip()]


def is_empty_mark(text: str) -> bool:
    """Return True if a short text is a mark for an empty list: `(none)`, `- (empty)`, `<no results>`."""
    return len(text) <= 60 and _EMPTY_MARK.match(fold(text)) is not None


def is_empty_list(text: str, is_listing: bool) -> bool:
    """Return True if a text is a mark for an empty list below its heading: `Tables: (none)`, `Tables: none`."""
    folded = fold(text) if len(text) <= MAX_CLAUSE else ""
    match = _EMPTY_LIST.match(folded) if ":" in folded else None
    return match is not None and (is_empty_mark(match.group(1)) or (is_listing and match.group(1) in ("none", "null")))


def is_bare_heading(text: str) -> bool:
    """Return True if a text is only the heading of a list without entries: `Search results:`."""
    return _BARE_HEADING.match(fold(text).strip()) is not None if len(text) <= MAX_CLAUSE else False


def are_hints(paragraphs: list[str]) -> bool:
    """Return True if paragraphs are advice: no table, and no list other than below a line that introduces advice."""
    is_advice = False
    for line in "\n".join(paragraphs).split("\n"):
        is_item = _BULLET.match(line) is not None
        if (is_item and not is_advice) or (not is_item and "|" in line):
            return False
        if line.strip() and not is_item:
            is_advice = _HINT.search(fold(line[:MAX_CLAUSE])) is not None
    return True


def _is_list(lines: list[str]) -> bool:
    """Return True if the lines are records, whatever their words: lines of a log, bullets, states."""
    if len(lines) < 2:
        return not lines
    if all(map(is_log_line, lines)) or all(map(_BULLET.match, lines)):
        return True
    marked = [line for line in lines if not line.isascii()]
    return len(marked) > 1 and sum(_STATUS_MARK.match(line) is not None for line in marked) > 1


def _is_delimited(lines: list[str]) -> bool:
    """Return True if the first lines have as many delimiters, so that their words are those of data."""
    if len(lines) < 2:
        return False
    return any(0 < lines[0].count(mark) == lines[1].count(mark) and mark in lines[-1] for mark in ",|\t;")


def _is_error_in_other_words(first: str) -> bool:
    if _ERROR_LOCAL.match(first):
        return True
    return not first.isascii() and _ERROR_UNSPACED.match(first) is not None


def _is_error(start: str, lines: list[str]) -> bool:
    if _ERROR_MARK.match(start) and not _STATUS_MARK.match(lines[-1] if len(lines) > 1 else ""):
        return True
    return len(lines) <= 3 and len(start) < MAX_MATCHED and any(map(_ERROR_WITHIN.search, lines[:2]))


def _reports_write(plain: str, lines: list[str]) -> bool:
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


def _states_none(start: str, first: str, lines: list[str]) -> bool:
    if is_empty_mark(start):
        return True
    numbers = [stated(line).number for line in lines]
    if 0 in numbers and all(number in (None, 0) for number in numbers):
        zero = lines[numbers.index(0)]
        return zero is lines[0] or _ZERO_FIRST.match(zero) is not None
    if _NO_ACCESS.match(first):
        return False
    if len(lines) == 1 and (_WHOLE.match(first) or _ENDS_NONE.match(first)):
        return True
    return _EMPTY.match(first) is not None or (not first.isascii() and _EMPTY_UNSPACED.match(first) is not None)


def _is_object_missing(line: str) -> bool:
    """Return True if a line states that a named object does not exist: `Table 'x' not found`."""
    match = _NOT_FOUND.match(line) if has_part(line, _NOT_FOUND_PARTS) else None
    return match is not None and bool(match.group(1).strip()) and _ROW_NOUN.search(match.group(1)) is None
