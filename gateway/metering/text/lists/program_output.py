"""Output of programs, one entry a record: `ls -l`, `tree`, `grep -n`, `git log`, `svn log`, `git diff --stat`."""

from __future__ import annotations

import re

MAX_MATCHED = 300
"""Characters of a line that are matched."""

_LONG_ENTRY = re.compile(r"[-dlcbps][-rwxsStT]{9}[.+@]?\s+\d+\s+\S+\s+\S+\s+[\d.,]+\w?\s+\S")
_DOT_ENTRY = re.compile(r"\s\.{1,2}/?\Z")
_TREE_ENTRY = re.compile(r"[\u2502| \u00a0]{0,80}(?:[\u251c\u2514][\u2500]{1,3}|[|`+\\]-{2,3})\s?\S")
_COMMIT = re.compile(r"commit [0-9a-f]{7,64}\b")
_COMMIT_PART = re.compile(r"\s|(?:Author|AuthorDate|Date|Commit|CommitDate|Merge|Refs):\s?")
_REVISION = re.compile(r"r\d{1,9} \| [^|\n]{1,80} \| \d{4}-\d\d-\d\d ")
_ONE_LINE_COMMIT = re.compile(r"(?:[*|/\\ ]{0,20}\s)?[0-9a-f]{7,40}(?:\s-)?\s+\S")
_STAT = re.compile(r"\s?\S.{0,200}\s\|\s+(?:\d+(?:\s[+-]+)?|Bin\b.*)\s*\Z")
_STAT_TOTAL = re.compile(r"\s?\d+ files? changed\b")
_MATCH = re.compile(r"([^\s:][^:\n]{0,200}|[A-Za-z]:\\[^:\n]{1,200}):(\d{1,7})(?::\d{1,5})?:")
_CONTEXT = re.compile(r"(?:[^\s:][^:\n]{0,200}?-\d{1,7}-|--\s*\Z)")
_MATCH_IN_FILE = re.compile(r"\s{0,8}(?:[Ll]ines? |L|>\s{0,3})?(\d{1,7})\s?(:|\||-|\u2502)\s?")
_FILE = re.compile(
    r"(?:#{1,4} |\*\*|(?:File|Path|In): ?|[^\w\s\x00-\x7f]\ufe0f? )?"
    r"`?[\w~./\\][^\n:|]{0,200}\.?\w`?(?:\*\*)?(?: \(\d+ \w+\))?:?\**\Z"
)


def count(lines: list[str], reads_commits: bool) -> int | None:
    """Count the entries in the output of a program; `None` for another text."""
    filled = [line.rstrip() for line in lines if line.strip()]
    if not filled:
        return None
    for count_entries in (_count_long_entries, _count_tree, _count_commits, _count_stat, _count_matches):
        if (entries := count_entries(filled)) is not None:
            return entries
    if reads_commits and all(_ONE_LINE_COMMIT.match(line[:MAX_MATCHED]) for line in filled):
        return len(filled)
    return None


def count_revisions(lines: list[str]) -> int | None:
    """Count the entries of `svn log`, between rules that other formats take for those of a table."""
    if not any(_REVISION.match(line[:MAX_MATCHED]) for line in lines[:2]):
        return None
    return sum(_REVISION.match(line[:MAX_MATCHED]) is not None for line in lines)


def _count_long_entries(lines: list[str]) -> int | None:
    entries = lines[1:] if lines[0].startswith("total ") else lines
    if not entries or not all(_LONG_ENTRY.match(line[:MAX_MATCHED]) for line in entries):
        return None
    return sum(_DOT_ENTRY.search(line) is None for line in entries)


def _count_tree(lines: list[str]) -> int | None:
    """Count the entries below the root of a tree of folders."""
    if not any(_TREE_ENTRY.match(line[:MAX_MATCHED]) for line in lines[:2]):
        return None
    entries = [_TREE_ENTRY.match(line[:MAX_MATCHED]) is not None for line in lines]
    if sum(entries) < len(entries) - 2 or any(not one for one in entries[1:-1]):
        return None
    return sum(entries)


def _count_commits(lines: list[str]) -> int | None:
    if not _COMMIT.match(lines[0]):
        return None
    commits = [line for line in lines if _COMMIT.match(line)]
    is_log = all(_COMMIT.match(line) or _COMMIT_PART.match(line) for line in lines)
    return len(commits) if is_log else None


def _count_stat(lines: list[str]) -> int | None:
    entries = lines[:-1] if _STAT_TOTAL.match(lines[-1]) else lines
    return (
        len(entries) if len(entries) < len(lines) and all(_STAT.match(line[:MAX_MATCHED]) for line in entries) else None
    )


def _count_matches(lines: list[str]) -> int | None:
    """Count the lines found by `grep -n`, each with its file, or below their file."""
    first = _MATCH.match(lines[0][:MAX_MATCHED])
    if first is not None and _has_letter(first.group(1)) and _looks_like_path(first.group(1)):
        found = [_MATCH.match(line[:MAX_MATCHED]) is not None for line in lines]
        is_output = all(one or _CONTEXT.match(line[:MAX_MATCHED]) for one, line in zip(found, lines, strict=True))
        return sum(found) if is_output else None
    return _count_matches_by_file(lines)


def _count_matches_by_file(lines: list[str]) -> int | None:
    total, is_below_file, was_file = 0, False, False
    for line in lines:
        match = _MATCH_IN_FILE.match(line[:MAX_MATCHED])
        if match is not None and is_below_file:
            total += match.group(2) != "-"
            was_file = False
        elif not was_file and _FILE.match(line[:MAX_MATCHED]) and _looks_like_path(line):
            is_below_file = was_file = True
        else:
            return None
    return total or None


def _has_letter(text: str) -> bool:
    return any(character.isalpha() for character in text)


def _looks_like_path(line: str) -> bool:
    name = line.strip(" *#`:").partition(": ")[2] or line.strip(" *#`:")
    return "/" in name or "\\" in name or re.search(r"\.\w{1,8}(?: \(\d+ \w+\))?\Z", name) is not None
