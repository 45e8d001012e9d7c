"""Lists of names: bullet lists, one name per line, paths, or names separated by commas.

Only a tool whose name says that it lists, finds or describes something returns such a list. Its lines are short and all
of one type; anything else is prose.
"""

from __future__ import annotations

import re
from itertools import pairwise

from gateway.metering.arguments import ParsedArguments
from gateway.metering.metering_result import Count, counted
from gateway.metering.text.line_marks import BULLET, ITEM, RULE
from gateway.metering.text.lines import indentation, is_blank, split_blocks
from gateway.metering.text.lists import grouped_lists, headed_sections, labelled_blocks, uniform_lines
from gateway.metering.text.outline import Outline, outline
from gateway.metering.text.statements.patterns import is_unspaced
from gateway.metering.text.statements.witnesses import stated
from gateway.metering.vocabulary.names import normalize_name
from gateway.metering.vocabulary.tools import (
    is_listing_or_describing_tool,
    is_listing_tool,
    is_named_after_tool,
    may_list,
    tool_words,
)

MAX_LIST_LINES = 4_000
"""Lines (about 0.4 µs each)."""
MAX_LIST_CHARACTERS = 256 * 1024
"""Characters."""
MAX_LINES_BEFORE = 12
"""Lines before references."""
MAX_ENTRY = 300
"""Characters of a line."""
MAX_WORD = 6
"""Characters of a name in a language without spaces; a longer line may be a sentence."""
MAX_NAMES = 20_000
"""Characters of names separated by commas."""

_NO_ENTRY = re.compile(
    r"(?i:[-*\u2022] (?:none|nil|null|nothing|empty)\.?\Z)|\s*(?:<|\u26a0)|"
    r"[^\n]*[\u2028\u2029\x85]|- [^\n]*\S - \S[^\n]* - \S"
)
"""A line that states none, is markup or a warning, or holds several entries."""
_GUIDANCE = re.compile(
    r"\W{0,8}(?:hints?|tips?|to \w+(?: \w+)?,|you (?:can|could|may)|try|please|next steps?|suggestions?|did you mean)"
    r"(?!\w)[^\n]*:\s*\Z",
    re.IGNORECASE,
)
"""A heading of steps or choices for the next call."""
_NAME = re.compile(r"[\w$.\"`-]+\Z")
_NAMES = re.compile(r"[\w$.\"`-]{1,128}(?:, ?[\w$.\"`-]{1,128})*\Z")
_LABELLED_NAMES = re.compile(r"[^\W\d][\w '\"`]{1,60}(?:\(\d{1,6}\))?[:\uff1a]\s*")
_PHRASE = re.compile(r"[\w-]{1,30}(?: [\w-]{1,30}){0,3}\Z")
_FIELD = re.compile(r"[A-Z]\w{0,20}: \S{1,80}\Z")
_NAMES_HEADER = re.compile(
    r"(?:tables|databases|views)_in_\S+\Z|(?:table|database|schema|view|collection|column|index)?_?names?\Z|database\Z|schema\Z",
    re.IGNORECASE,
)
_LABELLED = re.compile(r"[A-Za-z]{2,20}: \S[^\n]{0,200}\Z")
_FIELDS_ABOVE = re.compile(r"[A-Z][\w ]{0,30}: \S")
_REFERENCE = re.compile(r"\[(\d{1,4})\] \S")
_MARKED = re.compile(r"[* ] [\w./@-]+\s*\Z")
_COLUMNS = re.compile(r"[#*\s]{0,6}(?:columns|fields)(?:\s*\(\d{1,4}\))?\**\s*:?\**\s*\Z", re.IGNORECASE)
_COUNT = re.compile(r"\((\d{1,4})\)")
_NUMBER = re.compile(r"[#\[(*]{0,3}(\d{1,6})(?:[.)\]:]\**\s|\ufe0f?\u20e3)")


def count(text: str, arguments: ParsedArguments, around: Outline | None) -> Count | None:
    """Count the entries in `text`, whose outline is `around` unless it is long; `None` if it is not a list."""
    if len(text) > MAX_LIST_CHARACTERS or text.count("\n") > MAX_LIST_LINES:
        return None
    if (marked := _count_marked(text)) is not None:
        return counted(marked, "lines_text")
    lines = text.replace("\r\n", "\n").split("\n")
    if is_listing_or_describing_tool(arguments.tool) and (entries := count_column_section(lines)) is not None:
        return counted(entries, "lines_text")
    if arguments.returns_rows and (rows := _count_numbered(lines)) is not None and rows > 1:
        return counted(rows, "rows_text")
    around = around or outline(lines, arguments.strings)
    filled = [line for line in around.body if line.strip()]
    if (references := _count_references(filled)) is not None:
        return counted(references, "lines_text")
    if (arguments.lists_names or arguments.has_one_column) and (named := _count_under_header(lines)) is not None:
        return counted(named, "lines_text")
    if is_listing_tool(arguments.tool):
        return _count_list(lines, filled, arguments, around)
    if may_list(arguments.tool) and (structured := _count_structured(filled, around)) is not None:
        return structured
    if "query" in tool_words(arguments.tool) and (sections := headed_sections.count_alike(around.sections)) is not None:
        return counted(sections, "blocks_text")
    return None


def _count_list(lines: list[str], filled: list[str], arguments: ParsedArguments, around: Outline) -> Count | None:
    """Count the entries in the result of a listing tool."""
    if _is_other(lines, filled):
        return None
    if len(filled) == 1 and filled[0][:MAX_ENTRY].lower().strip(" .!") in uniform_lines.STATUS_WORDS:
        return None
    if len(lines) <= MAX_LINES_BEFORE and (named := _count_names([line for line in lines if line.strip()])) is not None:
        return counted(named, "names_text")
    if filled and (entries := _count_labelled(filled, arguments.tool) or _count_under_header(lines)) is not None:
        return counted(entries, "lines_text")
    sections = around.sections
    if (
        entries := grouped_lists.count(sections)
        or headed_sections.count(sections)
        or headed_sections.count_alike(lines)
    ) is not None:
        return counted(entries, "lines_text")
    if (entries := labelled_blocks.count(around.body) or labelled_blocks.count(sections)) is not None:
        return counted(entries, "blocks_text")
    if (spaced := _count_spaced(around.body)) is not None:
        return counted(spaced, "lines_text")
    rest = [line for line in filled if not RULE.match(line[:MAX_ENTRY])]
    if len(rest) > 1 and _FIELD.match(rest[0]) and rest[1][0] not in " \t" and not _FIELD.match(rest[1]):
        rest = rest[1:]
    if (
        rest
        and (entries := _count_names(rest) or _count_numbered(around.body) or uniform_lines.count(rest)) is not None
    ):
        return counted(entries, "lines_text")
    return None


def _count_numbered_with_details(body: list[str]) -> int | None:
    """Count the entries "1. …", "2. …" if details are below each of them."""
    entries = _count_numbered(body)
    filled = [line for line in body if line.strip()]
    is_detailed = all(below[:1] in (" ", "\t") for line, below in pairwise([*filled, ""]) if _NUMBER.match(line[:20]))
    return entries if entries is not None and entries > 1 and is_detailed else None


def _count_spaced(body: list[str]) -> int | None:
    """Count items with details between blank lines, of which a few contain items of their own; `None` for others."""
    if "" not in body or not [line for line in body if line[:1] in (" ", "\t")]:
        return None
    blocks = split_blocks(body, is_blank)
    items = [len([line for line in block if line[:1] not in (" ", "\t") and ITEM.match(line)]) for block in blocks]
    is_spaced = len(blocks) > 2 and all(ITEM.match(block[0]) for block in blocks) and max(items) > 1
    return len(blocks) if is_spaced and 2 * items.count(1) > len(blocks) else None


def _count_structured(filled: list[str], around: Outline) -> Count | None:
    """Count what are records whatever the tool's name says: blocks with the same labels, lines of one structure."""
    if (blocks := labelled_blocks.count(around.body) or labelled_blocks.count(around.sections)) is not None:
        return counted(blocks, "blocks_text")
    entries = uniform_lines.count_structured(filled) or _count_numbered_with_details(around.body)
    return None if entries is None else counted(entries, "lines_text")


def _is_other(lines: list[str], filled: list[str]) -> bool:
    """Return True if lines are a number, a warning or markup, guidance, or a heading of another form above names."""
    if len(filled) == 1:
        return filled[0].strip().isdigit() or _NO_ENTRY.match(filled[0]) is not None
    at = next((at for at, line in enumerate(lines) if line.strip()), 0)
    first, others = lines[at], [line for line in lines[at + 1 :] if line.strip()]
    if len(others) < 2:
        return False
    if _GUIDANCE.match(first[:MAX_ENTRY]):
        return True
    if first not in filled or lines[at + 1].strip():
        return False
    are_items = all(ITEM.match(line[:MAX_ENTRY]) for line in others) and not ITEM.match(first[:MAX_ENTRY])
    return are_items or (" " in first.strip() and not any(" " in line.strip() for line in others))


def _count_names(lines: list[str]) -> int | None:
    """Count the names on a single line, possibly after a label: `Tables: a, b`."""
    line = lines[0] if len(lines) <= 2 else ""
    if len(lines) == 2 and not line.rstrip().endswith((":", "\uff1a")):
        return None
    line = lines[-1] if len(lines) == 2 else line
    if len(lines) == 1 and (phrases := line.split(", ")) and len(phrases) > 2 and all(map(_PHRASE.match, phrases)):
        return len(phrases)
    if not line or len(line) > MAX_NAMES or ("," not in line and len(lines) == 2):
        return None
    if (label := _LABELLED_NAMES.match(line)) is not None and ("," in line or len(lines) == 1):
        line = line[label.end() :].rstrip(".")
        if "," not in line:
            return None
    is_sentence = "," not in line and len(line) > MAX_WORD and is_unspaced(line)
    return line.count(",") + 1 if _NAMES.match(line) and not is_sentence else None


def _count_references(entries: list[str]) -> int | None:
    """Count the entries "[1] …", "[2] …" that make up a text below its headings, from three."""
    if not [line for line in entries[:MAX_LINES_BEFORE] if line[:3] == "[1]"]:
        return None
    while entries and _FIELDS_ABOVE.match(entries[0]):
        entries = entries[1:]
    if entries and entries[0].rstrip().endswith(":"):
        entries = entries[1:]
    numbers = [match.group(1) for line in entries if (match := _REFERENCE.match(line[:20])) is not None]
    is_list = len(numbers) == len(entries) > 2 and numbers == [str(number) for number in range(1, len(numbers) + 1)]
    return len(entries) if is_list else None


def _count_under_header(lines: list[str]) -> int | None:
    """Count the names below the header of a database's listing, such as `Tables_in_shop`."""
    if not _NAMES_HEADER.match(next((line.strip() for line in lines if line.strip()), "")):
        return None
    names = [line.strip() for line in lines if line.strip()]
    if len(names) < 2:
        return None
    names = names[2:] if RULE.match(names[1][:MAX_ENTRY]) else names[1:]
    return len(names) if all(map(_NAME.match, names)) else None


def _count_marked(text: str) -> int | None:
    """Count the names in a list that marks the current one: `* main`, `  topic`."""
    if text[:2] != "* " and "\n* " not in text:
        return None
    lines = text.split("\n")
    lines[0] = lines[0] if lines[0][:1] == "*" else "  " + lines[0]  # its leading white space was stripped
    if len(lines) < 2 or len([line for line in lines if line[:2] == "* "]) != 1:
        return None
    return len(lines) if all(_MARKED.match(line[:MAX_ENTRY]) for line in lines) else None


def count_column_section(lines: list[str]) -> int | None:
    """Count the columns in a description of a table: the entries below its heading "Columns"."""
    headings = [
        at for at, line in enumerate(lines) if ("l" in line or "L" in line) and _COLUMNS.match(line[:MAX_ENTRY])
    ]
    if len(headings) != 1:
        return None
    entries, first = 0, ""
    for line in lines[headings[0] + 1 :]:
        if not line.strip():
            continue
        first = first or line
        depth, shallowest = indentation(line), indentation(first)
        is_entry = depth == shallowest and bool(BULLET.match(line)) == bool(BULLET.match(first))
        if depth < shallowest or (depth == shallowest and not is_entry):
            break
        entries += is_entry
    is_plain = indentation(first) == 0 and not BULLET.match(first)
    number = _COUNT.search(lines[headings[0]])
    return None if not entries or is_plain or (number and int(number.group(1)) != entries) else entries


def _count_labelled(lines: list[str], tool: str) -> int | None:
    """Count the lines that begin with the same label: `Table: orders`; a single one has that of what is listed."""
    if ":" not in lines[0]:
        return None
    labels = {line.partition(":")[0] for line in lines}
    if len(labels) != 1 or not all(map(_LABELLED.match, lines)):
        return None
    is_named = is_named_after_tool(normalize_name(labels.pop() + "s"), tool)
    return len(lines) if len(lines) > 1 or is_named else None


def _count_numbered(lines: list[str]) -> int | None:
    """Count the entries "1. …", "2. …", possibly followed by indented details, or by others after a blank line."""
    filled = [at for at, line in enumerate(lines) if line.strip()]
    if not filled or not _NUMBER.match(lines[filled[0]][:20]):
        return None
    expected, is_spaced = 0, len(filled) < len(lines)
    for at in filled:
        line = lines[at]
        match = _NUMBER.match(line[:20])
        if match and int(match.group(1)) == expected + 1:
            expected += 1
            is_spaced = is_spaced and (expected == 1 or not lines[at - 1].strip())
        elif not line.startswith((" ", "\t")) and not is_spaced:
            return expected if at == filled[-1] and stated(line).number == expected else None
    return expected
