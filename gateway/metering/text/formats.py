"""Counts the records in a text by its format.

- The formats are tried from the strictest to the loosest. One has to match the whole text except short headings and
  footers. Prose is unknown.
- A number stated in a heading or footer ("5 rows") confirms or contradicts a count, and is never the count itself. A
  count that it contradicts is unknown.
- A text that begins like JSON and is not JSON, usually because it is truncated, is unknown.
"""

from __future__ import annotations

import re

from gateway.metering.arguments import ParsedArguments
from gateway.metering.confidence import Sign
from gateway.metering.metering_result import ERROR, UNKNOWN_COUNT, Count, CountKind, counted
from gateway.metering.text import data_beside, line_formats, python_repr
from gateway.metering.text.embedded import (
    MAX_JSON_STRING_CHARACTERS,
    CountsValues,
    begins_as_data,
    count_data,
    count_embedded,
    fenced_content,
    named_rows,
    tagged_content,
)
from gateway.metering.text.line_marks import BULLET_OR_NUMBER
from gateway.metering.text.lines import EDGE
from gateway.metering.text.statements import empty_results, messages
from gateway.metering.text.statements.witnesses import Stated, stated
from gateway.metering.vocabulary.names import word_set
from gateway.metering.vocabulary.tools import head_noun, is_fetching_tool, is_listing_tool, is_writing_tool, tool_words

MAX_TEXT_CHARACTERS = 2_000_000
"""Characters; a longer text is unknown."""
MAX_CONFIRMATION = 400
"""Characters of a text that confirms a write."""
MAX_CONFIRMATION_LINES = 5
MAX_WORD = 16
"""Characters of a word that stands for no records."""
MAX_PARAGRAPHS = 8
"""Paragraphs of a text that are read for a statement that nothing was found."""
MAX_REPORT = 1_000
"""Characters of a text below a heading that states that nothing was found."""
MAX_ENTITY_LINES = 6
MIN_ENTITY_FIELDS = 2
"""First lines of a text in which the entity of the call is sought, and fields among them."""
MAX_TEXT_WRAPPERS = 6
"""Wrappers around a text."""

_TAG = re.compile(r"\[[A-Za-z][\w.-]{0,30}\]\n")
"""A first line with only the source of the rest, such as `[sqlite]`."""
_CONFIRMATION = re.compile(
    r"\bsuccess|\A(?:true|ok|done)\b|\b(?:created|inserted|updated|deleted|dropped|written|wrote|appended|added|removed|truncated|imported|"
    r"uploaded|renamed|altered|saved|copied|merged|cleared|patched|pushed|moved|edited|stored|registered|committed|"
    r"replaced|completed|archived|restored|undone|cancelled|closed|assigned|scheduled|set)\b",
    re.IGNORECASE,
)
_ERROR_WORDS = word_set("error errors failure failures failed exceptions alerts warnings")
"""Words of tools that list errors."""
_DIGIT = re.compile(r"\d")
_ENTITY_HEADING = re.compile(
    r"#{1,3} \[?([\w.-]{1,60})(?:[:\]]| [\u2013\u2014-] )|\W{0,4}[A-Z][\w ]{0,30}:[ *`]{0,5}([\w.-]{1,60})[*`]{0,3}\n"
)
_ENTITY_FIELD = re.compile(r"[ *>-]{0,6}[A-Z][\w ]{0,30}:[ *`]{1,5}([^\n`*]{2,100}?)[ *`]{0,3}\Z")
"""A field with its value: `- Id: 003x`."""


def count(text: str, arguments: ParsedArguments, depth: int, count_value: CountsValues) -> Count:
    """Count the records in `text`, inside `depth` wrappers."""
    if len(text) > MAX_TEXT_CHARACTERS or depth > MAX_TEXT_WRAPPERS:
        return UNKNOWN_COUNT
    original, text = text, text.strip()
    if not text:
        is_empty = arguments.returns_rows or is_listing_tool(arguments.tool)
        return counted(0, "empty_text") if is_empty else UNKNOWN_COUNT
    if text[0] == '"' and len(text) > MAX_JSON_STRING_CHARACTERS:
        return UNKNOWN_COUNT
    if text[0] in '[{("' or python_repr.is_one_object(text):
        if (found := count_data(text, depth, count_value)) is not None:
            is_row = found.kind is CountKind.OBJECT and text[0] == "(" and is_listing_tool(arguments.tool)
            return counted(1, found.method) if is_row else found
        if begins_as_data(text) and not (text[0] == "(" and "\n" in text):
            message = _count_message(text, arguments) if text[0] == "(" else None
            return message or count_embedded(text, depth, count_value) or UNKNOWN_COUNT
    if (message := _count_message(text, arguments)) is not None:
        return _count_beside(message, text, arguments, depth, count_value) or message
    if _is_one_word(text, arguments):
        return _confirmed_write(text, arguments) or UNKNOWN_COUNT
    if (tag := _TAG.match(text)) is not None:
        original = text = text[tag.end() :]
    if (inner := fenced_content(text) or tagged_content(text)) is not None:
        return count(inner, arguments, depth + 1, count_value)
    if arguments.returns_rows and not arguments.has_one_column and _is_one_of(text, "null", "none"):
        return messages.NO_RECORDS
    if (rows := named_rows(text)) is not None and (found := count_data(rows, depth, count_value)) is not None:
        return found
    found = line_formats.count(text, original, arguments, depth, count_value)
    if (found is None or found.kind is CountKind.OBJECT) and (
        confirmed := _confirmed_write(text, arguments)
    ) is not None:
        return confirmed
    has_blocks = found is not None and found.method == "blocks_text"
    is_open = has_blocks or found is None or found.kind is CountKind.OBJECT
    if is_open and _is_fetched_entity(text, arguments, has_blocks=has_blocks):
        return Count(1, "fields_text", CountKind.OBJECT, (), (Sign.SINGLE_OBJECT, Sign.ENTITY, Sign.ECHO))
    return found or UNKNOWN_COUNT


def _count_beside(
    message: Count, text: str, arguments: ParsedArguments, depth: int, count_value: CountsValues
) -> Count | None:
    """Count the data beside a remark that there are no more; unknown beside other messages. `None` without data."""
    if message.method not in (ERROR, messages.NO_RECORDS.method):
        return None
    is_error = message.method == ERROR
    is_beside = data_beside.is_beside(text, arguments.strings, is_error=is_error)
    if not is_error and "{" in text and (found := count_embedded(text, depth, count_value)) is not None:
        is_beside = found.records != 0
    if not is_beside:
        return None
    rest = None if is_error else data_beside.remaining(text)
    return UNKNOWN_COUNT if rest is None else count(rest, arguments, depth + 1, count_value)


def _is_fetched_entity(text: str, arguments: ParsedArguments, *, has_blocks: bool) -> bool:
    """Return True if a text is about the entity that the tool fetches.

    Its first line has the id, `# A-1: Fix the door`, or one of its first fields has a value that the call gives, unless
    it has several blocks of fields.
    """
    if not is_fetching_tool(arguments.tool) or not head_noun(arguments.tool):
        return False
    heading = _ENTITY_HEADING.match(text)
    entity = "" if heading is None else heading.group(heading.lastindex or 0)
    has_id = entity in arguments.ids and _DIGIT.search(entity) is not None
    if has_id or has_blocks:
        return has_id
    lines = text[:EDGE].split("\n")[:MAX_ENTITY_LINES]
    values = [match.group(1) for line in lines if (match := _ENTITY_FIELD.match(line)) is not None]
    return len(values) >= MIN_ENTITY_FIELDS and not arguments.strings.union(arguments.ids).isdisjoint(values)


def _is_one_word(text: str, arguments: ParsedArguments) -> bool:
    """Return True if a text is a word that is no name of what a tool lists, no column and no value of a statement."""
    if len(text) > MAX_CONFIRMATION or arguments.returns_rows or arguments.columns or is_listing_tool(arguments.tool):
        return False
    return text.isalnum() and text.isascii()


def _count_message(text: str, arguments: ParsedArguments) -> Count | None:
    """Return 0 records for a message or an empty collection."""
    if python_repr.is_empty(text):
        return messages.NO_RECORDS
    if _is_data_of_words(text, arguments):
        return None
    message = messages.count(text)
    if message is messages.NO_RECORDS and "count" in tool_words(arguments.tool) and _DIGIT.search(text):
        return None  # the number is the answer
    if message is messages.AFFECTED_ROWS and _selects(arguments):
        return None
    if message is not None:
        return message
    is_listing = is_listing_tool(arguments.tool)
    is_empty = empty_results.is_empty_list(text, is_listing) or (
        is_listing and _is_one_of(text, *empty_results.NONE_WORDS)
    )
    is_query = bool(arguments.returns_rows) or "query" in tool_words(arguments.tool)
    is_none = is_empty or ((is_listing or is_query) and _states_none_below(text))
    return messages.NO_RECORDS if is_none else None


def _is_one_of(text: str, *words: str) -> bool:
    """Return True if a text is one of the short words in lower case. (To change the case of a long text takes long.)"""
    return text[:MAX_WORD].lower() in words and len(text) <= MAX_WORD


def _selects(arguments: ParsedArguments) -> bool:
    """Return True if the call's statement returns rows and writes none, so that no text reports a write."""
    return arguments.returns_rows is True and not arguments.tables_written


def _is_data_of_words(text: str, arguments: ParsedArguments) -> bool:
    """Return True if a text is the column that the statement selects, or a list of errors that the tool lists."""
    first, _, rest = text[:EDGE].partition("\n")
    if arguments.columns is not None and (first.strip().lower(),) == arguments.columns:
        return bool(rest)
    return not tool_words(arguments.tool).isdisjoint(_ERROR_WORDS) and any(
        map(BULLET_OR_NUMBER.match, rest.split("\n"))
    )


def _states_none_below(text: str) -> bool:
    """Return True if a paragraph states that nothing was found, with statistics above it and only advice below."""
    if len(text) > MAX_REPORT:
        return False
    *above, last = text.split("\n")
    is_stated = any(stated(line).number == 0 for line in above) or all(line.startswith("# ") for line in above)
    if above and is_stated and messages.is_no_records(last.lstrip("# ")):
        return True
    if text[0] != "#" and "\n\n" not in text:
        return False
    if text[0] != "#":
        text = "\n\n" + text
    paragraphs = [one.strip() for one in text.split("\n\n")[1:] if one.strip()]
    has_statistics = False
    for at, paragraph in enumerate(paragraphs[:MAX_PARAGRAPHS]):
        if all(map(data_beside.STATISTIC.match, paragraph.split("\n"))):
            has_statistics = True
        elif paragraph.startswith(("-", "|")):
            return False
        elif messages.is_no_records(paragraph.lstrip("# ")):
            is_stated = stated(paragraph.partition("\n")[0]) == Stated(0)
            return (is_stated or not has_statistics) and messages.are_hints(paragraphs[at + 1 :])
    return False


def _confirmed_write(text: str, arguments: ParsedArguments) -> Count | None:
    """Return 0 records if a writing tool confirms the write in a few words."""
    is_short = not _selects(arguments) and len(text) <= MAX_CONFIRMATION and text.count("\n") <= MAX_CONFIRMATION_LINES
    return (
        messages.AFFECTED_ROWS if is_short and is_writing_tool(arguments.tool) and _CONFIRMATION.search(text) else None
    )
