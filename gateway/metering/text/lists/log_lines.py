"""Lines of logs: each begins with a time, a level or a client's address, except the lines of stack traces."""

from __future__ import annotations

import re

from gateway.metering.text.line_marks import MAX_MATCHED

_TIME = (
    r"(?:\d{4}-\d\d-\d\d[T ]\d\d:\d\d|\d{4}/\d\d/\d\d[ T]\d\d:\d\d|\d\d[/.]\d\d[/.]\d{4},? \d\d:\d\d|"
    r"[A-Z][a-z]{2}\s{1,2}\d{1,2} (?:\d{4} )?\d\d:\d\d:\d\d|[A-Z][a-z]{2},? [A-Z][a-z]{2}\s{1,2}\d{1,2} \d\d:\d\d:\d\d|"
    r"\d\d:\d\d:\d\d|\d\d-\d\d \d\d:\d\d:\d\d|[DEFIW]\d{4} \d\d:\d\d:\d\d|\d\d/[A-Z][a-z]{2}/\d{4}:\d\d)"
)
_LEVEL = r"(?i:trace|debug|info|notice|warn(?:ing)?|error|fatal|critical|severe)"
_LINE = re.compile(
    rf"(?:\d{{1,7}}[:|.)]\s|\[\d{{1,7}}\]\s|[A-Z],\s)?(?:[\[(<]?{_TIME}|"
    rf"\[{_LEVEL}\]|{_LEVEL}(?::\s|:[\w.]{{1,60}}:|\s[\s:|-]*\[?\d|\s+\[|\s*\|))|(?:ts|time|timestamp|level)=\S|"
    r"\[\s{0,8}\d{1,9}\.\d{3,9}\]\s|"
    r"[\w.:-]{3,60} \S{1,40} \S{1,40} \[\d\d/[A-Z][a-z]{2}/\d{4}:|\d{10}(?:\d{3}){0,3}[ \t:]"
)
_LABELLED = re.compile(rf"\{{[^{{}}\n]{{0,{MAX_MATCHED}}}\}}\s+\[?{_TIME}")
_CONTINUED = re.compile(r"\s+\S|Caused by: |Traceback \(|[\w.$]{3,100}(?:Exception|Error)\b")


def is_log_line(line: str) -> bool:
    """Return True if `line` begins as lines of logs do."""
    return _LINE.match(line[:MAX_MATCHED]) is not None or _LABELLED.match(line[:MAX_MATCHED]) is not None


def count(lines: list[str], reads_logs: bool) -> int | None:
    """Count the lines of a log; `None` for another text, or a single line of a tool that does not read logs."""
    if not is_log_line(next((line for line in lines if line.strip()), "")):
        return None
    filled = [line for line in lines if line.strip()]
    entries = 0
    for line in filled:
        if is_log_line(line):
            entries += 1
        elif not _CONTINUED.match(line[:MAX_MATCHED]):
            return None
    return entries if entries > 1 or reads_logs else None
