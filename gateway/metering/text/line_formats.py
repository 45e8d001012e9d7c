"""Formats that are read line by line, compared with the numbers of records that the text states.

The strictest format comes first. A number that a heading or footer states confirms a count. If it contradicts the
count, or there is none, the parts of the text are the records, if there are as many of one type as stated.
"""

from __future__ import annotations

import msgspec

from gateway.metering.arguments import ParsedArguments
from gateway.metering.confidence import Sign
from gateway.metering.metering_result import Count, CountKind, counted
from gateway.metering.text import key_value_text, markup, yaml_text
from gateway.metering.text.embedded import CountsValues, count_embedded
from gateway.metering.text.lines import split_lines, trim_blank_lines
from gateway.metering.text.lists import bullet_lists, log_lines, program_output
from gateway.metering.text.statements import units
from gateway.metering.text.statements.units import Outline
from gateway.metering.text.statements.witnesses import Verdict, verdict
from gateway.metering.text.tables import aligned_columns, delimited, drawn_tables, single_value
from gateway.metering.vocabulary.names import word_set
from gateway.metering.vocabulary.tools import is_writing_tool, tool_words

_LOG_WORDS = word_set("log logs journal tail syslog loki")
_STATISTICS_WORDS = word_set("stats statistics status health profile summary overview")
_COMMIT_WORDS = word_set("log git commits commit history")


def count(text: str, original: str, arguments: ParsedArguments, depth: int, count_value: CountsValues) -> Count | None:
    """Count the records in `text`, which is `original` without white space at its ends; `None` for prose."""
    whole = trim_blank_lines(original)
    lines = split_lines(whole)
    if lines is None:
        return (
            markup.count(text)
            or drawn_tables.count(text, None, arguments)
            or key_value_text.count(text, None, arguments)
            or delimited.count(whole, None, arguments, [])
            or count_embedded(text, depth, count_value)
            or bullet_lists.count(text, arguments)
        )
    if arguments.returns_rows and arguments.has_one_column and (values := single_value.count(text)) is not None:
        return counted(values, "scalar_text", (), (Sign.SCALAR,))
    outline = units.outline(lines)
    found = markup.count(text) or drawn_tables.count(text, lines, arguments)
    if found is not None:
        return _judged(found, outline, lines)
    dump = yaml_text.count(lines, depth, count_value)
    is_counted = dump is not None and dump.kind >= CountKind.COUNTED
    found = dump if is_counted else _count_loosely(text, lines, outline, arguments) or dump
    found = _confirmed(found, outline, lines, arguments)
    if found is not None and found.kind >= CountKind.COUNTED:
        return found
    embedded = count_embedded(text, depth, count_value)
    if embedded is not None:
        return _judged(embedded, outline, lines)
    listed = bullet_lists.count(text, arguments)
    return found if listed is None else _judged(listed, outline, lines)


def _count_loosely(text: str, lines: list[str], outline: Outline, arguments: ParsedArguments) -> Count | None:
    if (entries := _count_program_lines(outline.body, arguments)) is not None:
        return counted(entries, "lines_text")
    found = key_value_text.count(text, lines, arguments)
    return found or delimited.count("\n".join(lines), lines, arguments, outline.statements)


def _count_program_lines(body: list[str], arguments: ParsedArguments) -> int | None:
    """Count the lines of a log, the entries in the output of a program, or the rows of aligned columns."""
    known = tool_words(arguments.tool)
    entries = log_lines.count(body, not known.isdisjoint(_LOG_WORDS))
    if entries is None:
        entries = program_output.count(body, not known.isdisjoint(_COMMIT_WORDS))
    return aligned_columns.count(body) if entries is None else entries


def _confirmed(found: Count | None, outline: Outline, lines: list[str], arguments: ParsedArguments) -> Count | None:
    """Return the count with the sign of its witness, or the number of parts, if that agrees better."""
    judged = None if found is None else _judged(found, outline, lines)
    is_about_data = is_writing_tool(arguments.tool) or not tool_words(arguments.tool).isdisjoint(_STATISTICS_WORDS)
    if is_about_data or (judged is not None and Sign.WITNESS_AGREES in judged.signs):
        return judged
    if (entries := units.count(outline)) is not None:
        return _judged(counted(entries, "blocks_text"), outline, lines)
    return judged


def _judged(found: Count, outline: Outline, lines: list[str]) -> Count:
    """Return a count with the sign of the numbers that the text states."""
    if found.kind is not CountKind.COUNTED or found.records is None or found.witness:
        return found
    judgement = verdict(outline.statements, found.records)
    if judgement is Verdict.DISAGREES and units.sum_of_statements(lines) == found.records:
        judgement = Verdict.AGREES
    if judgement is Verdict.SILENT:
        return found
    is_heading = verdict(outline.statements[: outline.headings], found.records) is judgement
    sign = Sign.WITNESS_AGREES if judgement is Verdict.AGREES else Sign.WITNESS_DISAGREES
    signs = found.signs or (Sign.FORMAT,)
    return msgspec.structs.replace(found, witness="heading" if is_heading else "footer", signs=(*signs, sign))
