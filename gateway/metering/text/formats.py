"""Counts the records in a text by its format.

- The formats are tried from the strictest to the loosest. One has to match the whole text except short headings and
  footers. Prose is unknown.
- A number stated in a heading or footer ("5 rows") confirms or contradicts a count, and is never the count itself. A
  count that it contradicts is unknown.
- A text that begins like JSON and is not JSON, usually because it is truncated, is unknown.
"""

from __future__ import annotations

import re
from typing import Any, Protocol

import msgspec

from gateway.metering.arguments import ParsedArguments
from gateway.metering.json import structure
from gateway.metering.metering_result import UNKNOWN_COUNT, Count, CountKind, counted
from gateway.metering.text import key_value_text, markup, python_repr
from gateway.metering.text.lines import EDGE, split_lines, trim_blank_lines
from gateway.metering.text.lists import bullet_lists, log_lines, program_output
from gateway.metering.text.statements import messages, units
from gateway.metering.text.statements.witnesses import Verdict, verdict
from gateway.metering.text.tables import aligned_columns, delimited, drawn_tables, single_value
from gateway.metering.vocabulary.tools import is_listing_tool, is_writing_tool, tool_words

MAX_TEXT_CHARACTERS = 2_000_000
"""Characters; a longer text is unknown."""
MAX_PROSE_CHARACTERS = 1_600
"""Characters of prose around JSON."""
MAX_JSON_STRING_CHARACTERS = 128 * 1024
"""Characters of a JSON string that holds a text."""
MAX_JSON_LINES = 40_000
"""Lines of NDJSON."""
MAX_CONFIRMATION = 400
"""Characters of a text that confirms a write."""
MAX_CONFIRMATION_LINES = 5
MAX_HEADINGS = 4
"""Lines that may precede the data."""
MAX_TRIES = 3
"""Positions at which embedded JSON is tried; one in a long text."""
MAX_TEXT_WRAPPERS = 6
"""Wrappers around a text."""

_TAG = re.compile(r"\[[A-Za-z][\w .-]{0,30}\]\n")
"""A first line with only the source of the rest, such as `[sqlite]`."""
_TAG_LINE = re.compile(r"^<([A-Za-z]\w{1,40}-[\w-]{2,100})>\n", re.MULTILINE)
_TUPLE = re.compile(r"\(.{0,2000}\)\Z")
_ROWS = re.compile(r"(?:rows|results?|records|data|documents)\s?:\s?(?=\[)", re.IGNORECASE)
_CONFIRMATION = re.compile(
    r"\bsuccess|\A(?:true|ok|done)\b|\b(?:created|inserted|updated|deleted|dropped|written|wrote|appended|added|removed|truncated|imported|"
    r"uploaded|renamed|altered|saved|copied|merged|cleared|patched|pushed|moved|edited|stored|registered|committed|"
    r"replaced|completed|archived|restored|undone|cancelled|closed|assigned|scheduled|set)\b",
    re.IGNORECASE,
)
_CHECK_BOX = re.compile(r"\[[ xX*-]?\] \w")
_DIGIT = re.compile(r"\d")
_LOG_WORDS = frozenset(("log", "logs", "journal", "tail", "syslog", "loki"))
_COMMIT_WORDS = frozenset(("log", "git", "commits", "commit", "history"))
_CODE = re.compile(r"[{};]|\w\(|=\s*\Z")
"""Characters around JSON that show that the text is source code."""


class CountsValues(Protocol):
    """Counts the records in a decoded value, which was found in a format and inside `depth` wrappers."""

    def __call__(self, value: Any, method: str, depth: int) -> Count:
        """Count the records in `value`."""


def count(text: str, arguments: ParsedArguments, depth: int, count_value: CountsValues) -> Count:
    """Count the records in `text`, inside `depth` wrappers."""
    if len(text) > MAX_TEXT_CHARACTERS or depth > MAX_TEXT_WRAPPERS:
        return UNKNOWN_COUNT
    original, text = text, text.strip()
    if not text:
        return counted(0, "empty_text") if arguments.returns_rows else UNKNOWN_COUNT
    if text[0] == '"' and len(text) > MAX_JSON_STRING_CHARACTERS:
        return UNKNOWN_COUNT
    if text[0] in '[{("':
        if (found := _count_data(text, depth, count_value)) is not None:
            return found
        if _begins_as_data(text):
            message = messages.count(text) if text[0] == "(" else None
            return message or _count_embedded(text, depth, count_value) or UNKNOWN_COUNT
    if (message := _count_message(text, arguments)) is not None:
        return message
    if (tag := _TAG.match(text)) is not None:
        original = text = text[tag.end() :]
    if (inner := _fenced_content(text) or _tagged_content(text)) is not None:
        return count(inner, arguments, depth + 1, count_value)
    if arguments.returns_rows and not arguments.has_one_column and text.lower() in ("null", "none"):
        return messages.NO_RECORDS
    if (rows := _named_rows(text)) is not None and (found := _count_data(rows, depth, count_value)) is not None:
        return found
    found = _count_formatted(text, original, arguments)
    if (found is None or found.kind is CountKind.OBJECT) and (
        confirmed := _confirmed_write(text, arguments)
    ) is not None:
        return confirmed
    return found or _count_embedded(text, depth, count_value) or bullet_lists.count(text, arguments) or UNKNOWN_COUNT


def _count_message(text: str, arguments: ParsedArguments) -> Count | None:
    """Return 0 records for a message or an empty collection."""
    if python_repr.is_empty(text):
        return messages.NO_RECORDS
    message = messages.count(_below_heading(text)) or messages.count(text)
    if message is messages.NO_RECORDS and "count" in tool_words(arguments.tool) and _DIGIT.search(text):
        return None  # the number is the answer
    is_listing = is_listing_tool(arguments.tool)
    if message is None and (
        messages.is_empty_list(text, is_listing) or (is_listing and text.lower() in ("none", "empty"))
    ):
        return messages.NO_RECORDS
    return message


def _count_formatted(text: str, original: str, arguments: ParsedArguments) -> Count | None:
    """Count the records in a text by the strict formats, or by a looser one that its statements do not contradict."""
    lines = split_lines(trim_blank_lines(original))
    if lines is None:
        strict = markup.count(text, lines, arguments) or drawn_tables.count(text, lines, arguments)
        return strict or key_value_text.count(text, lines, arguments) or delimited.count(text, lines, arguments, [])
    if arguments.returns_rows and arguments.has_one_column and (values := single_value.count(text)) is not None:
        return counted(values, "scalar_text")
    outline = units.outline(lines)
    if (found := markup.count(text, lines, arguments) or drawn_tables.count(text, lines, arguments)) is not None:
        is_contradicted = verdict(outline.statements, found.records or 0) is Verdict.DISAGREES
        return UNKNOWN_COUNT if is_contradicted else found
    if (entries := _count_program_lines(outline.body, arguments)) is not None:
        return _confirmed(counted(entries, "lines_text"), outline, arguments)
    found = key_value_text.count(text, lines, arguments) or delimited.count(text, lines, arguments, outline.statements)
    return _confirmed(found, outline, arguments)


def _count_program_lines(body: list[str], arguments: ParsedArguments) -> int | None:
    """Count the lines of a log, the entries in the output of a program, or the rows of aligned columns."""
    known = tool_words(arguments.tool)
    entries = log_lines.count(body, not known.isdisjoint(_LOG_WORDS))
    if entries is None:
        entries = program_output.count(body, not known.isdisjoint(_COMMIT_WORDS))
    return aligned_columns.count(body) if entries is None else entries


def _confirmed(found: Count | None, outline: units.Outline, arguments: ParsedArguments) -> Count | None:
    """Compare a count with the numbers that the text states; use its parts if they agree better."""
    is_list = found is not None and found.kind is CountKind.COUNTED
    judged = verdict(outline.statements, found.records or 0) if found is not None and is_list else Verdict.SILENT
    if judged is Verdict.AGREES or is_writing_tool(arguments.tool):
        return found
    if (entries := units.count(outline)) is not None:
        return counted(entries, "blocks_text")
    return UNKNOWN_COUNT if judged is Verdict.DISAGREES else found


def _below_heading(text: str) -> str:
    """Return a short text without its Markdown heading."""
    if text[0] != "#" or len(text) > MAX_CONFIRMATION:
        return text
    return text.partition("\n")[2].strip() or text


def _confirmed_write(text: str, arguments: ParsedArguments) -> Count | None:
    """Return 0 records if a writing tool confirms the write in a few words."""
    is_short = len(text) <= MAX_CONFIRMATION and text.count("\n") <= MAX_CONFIRMATION_LINES
    return (
        messages.AFFECTED_ROWS if is_short and is_writing_tool(arguments.tool) and _CONFIRMATION.search(text) else None
    )


def _begins_as_data(text: str) -> bool:
    if _CHECK_BOX.match(text):
        return False
    return text[0] in "{(" or text[1:].lstrip()[:1] in ("{", "[", "(", '"', "'", "]")


def _count_data(text: str, depth: int, count_value: CountsValues) -> Count | None:
    """Count the records in a text that is JSON, NDJSON or a Python repr as a whole."""
    try:
        return count_value(structure.read(text), "json_text", depth)
    except ValueError:
        pass
    if text[0] == "{" and "\n" in text and (lines := _count_json_lines(text)) is not None:
        return counted(lines, "ndjson_text")
    if (total := python_repr.count_similar_rows(text)) is not None:
        return counted(total, "repr_text")
    as_json = python_repr.to_json(text)
    try:
        value = None if as_json is None else structure.read(as_json)
    except ValueError:
        return None
    if as_json is not None and python_repr.is_one_tuple(text):
        return messages.count(text) or Count(1, "repr_text", CountKind.OBJECT)
    return None if as_json is None else count_value(value, "repr_text", depth)


class _Object(msgspec.Struct, gc=False):
    """Any object; its members are skipped."""


_json_line = msgspec.json.Decoder(_Object)


def _count_json_lines(text: str) -> int | None:
    if text.count("\n") > MAX_JSON_LINES:
        return None
    try:
        return len(_json_line.decode_lines(text))
    except (ValueError, RecursionError):
        return None


def _fenced_content(text: str) -> str | None:
    """Return the content of the only code fence, if there is little text around it."""
    start = text.find("```", 0, MAX_PROSE_CHARACTERS)
    if start < 0:
        return None
    first = text.find("\n", start)
    end = text.rfind("```")
    if first < 0 or end <= first or start + len(text) - end > MAX_PROSE_CHARACTERS or text.find("```", first, end) >= 0:
        return None
    return text[first + 1 : end]


def _tagged_content(text: str) -> str | None:
    """Return the content of a tag whose start and end are separate lines, if there is little text around it."""
    match = _TAG_LINE.search(text, 0, MAX_PROSE_CHARACTERS)
    end = -1 if match is None else text.rfind(f"\n</{match.group(1)}>")
    if match is None or end < match.end() or match.start() + len(text) - end > MAX_PROSE_CHARACTERS:
        return None
    return text[match.end() : end]


def _named_rows(text: str) -> str | None:
    """Return the data below a few heading lines, if it is labelled as rows or has a tuple or an object on each line."""
    lines = text[:EDGE].split("\n", MAX_HEADINGS)
    at = 0
    for line in lines[:MAX_HEADINGS]:
        if at and text[-1] == ")" and _TUPLE.match(line):
            return text[at:]
        if at and text[-1] == "]" and (match := _ROWS.match(line)) is not None:
            return text[at + match.end() :]
        if at and text[-1] == "}" and line[:1] == "{" and len(text) <= MAX_JSON_STRING_CHARACTERS:
            rest = [one for one in text[at:].split("\n") if one.strip()]
            return "\n".join(rest) if all(one[0] == "{" and one[-1] == "}" for one in rest) else None
        at += len(line) + 1
    return None


def _count_embedded(text: str, depth: int, count_value: CountsValues) -> Count | None:
    """Count the records in JSON or a repr between a few lines of prose or in tags."""
    tries = MAX_TRIES if len(text) <= structure.MAX_SAMPLED_BYTES else 1
    for start in _json_positions(text)[:tries]:
        end = text.rfind("]" if text[start] == "[" else "}") + 1
        if end <= start or start + len(text) - end > MAX_PROSE_CHARACTERS or (start == 0 and end == len(text)):
            continue
        if start > 0 and text[start - 1] == "\n" and text[end : end + 1] not in ("", "\n", "\r"):
            continue  # a mark at the beginning of a line
        if _CODE.search(text[:start]) or _CODE.search(text[end:]):
            continue
        is_inline = start > 0 and text[start - 1] != "\n"
        if is_inline and text[start + 1 : end].lstrip()[:1] not in ("{", "[", "(") and 2 * (end - start) < len(text):
            continue  # a few words in brackets, in prose
        found = _count_data(text[start:end], depth, count_value)
        if found is not None and found.kind >= CountKind.OBJECT:
            return found
    return None


def _json_positions(text: str) -> list[int]:
    """Return the positions at which JSON may begin: at the start of a line, after a colon, after a tag."""
    positions = [0] if text[0] in "[{" else []
    head = text[: min(MAX_PROSE_CHARACTERS + 2, EDGE)]
    for prefix in ("\n[", "\n{", ": [", ": {", ">[", ">{"):
        at = head.find(prefix)
        positions += [at + len(prefix) - 1] if at >= 0 else []
    return sorted(positions)
