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
from gateway.metering.text.embedded import CountsValues, count_data, count_embedded
from gateway.metering.text.lines import split_lines, trim_blank_lines
from gateway.metering.text.lists import bullet_lists, log_lines, program_output
from gateway.metering.text.outline import Outline, hide_code, outline
from gateway.metering.text.statements import stated_parts
from gateway.metering.text.statements.witnesses import Agreement, agreement
from gateway.metering.text.tables import aligned_columns, delimited, drawn_tables, single_value
from gateway.metering.vocabulary.names import word_set
from gateway.metering.vocabulary.tools import is_schema_tool, is_writing_tool, tool_words

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
            or key_value_text.count(text, None, arguments, "")
            or delimited.count(whole, None, arguments, [])
            or count_embedded(text, depth, count_value)
            or bullet_lists.count(text, arguments, None)
        )
    if arguments.returns_rows and arguments.has_one_column and (values := single_value.count(text)) is not None:
        return counted(values, "scalar_text", (), (Sign.SCALAR,))
    if (revisions := program_output.count_revisions(lines)) is not None:
        return counted(revisions, "lines_text")
    around = outline(hide_code(lines) if "```" in text else lines, arguments.strings)
    if around.states_none:
        return counted(0, "no_records_text", (), (Sign.MESSAGE,))
    views = [(text, lines)]
    inner = "\n".join(around.body).strip()
    if inner and len(around.body) < len(lines):
        views.append((inner, around.body))
    found = _count_structure(views, arguments, depth, count_value)
    if found is not None and found.kind >= CountKind.COUNTED:
        return _judged(found, around, lines)
    found = _confirmed(_count_loosely(views, around, arguments) or found, around, lines, arguments)
    if found is not None and found.kind >= CountKind.COUNTED:
        return found
    embedded = count_embedded(text, depth, count_value)
    if embedded is not None:
        return _judged(embedded, around, lines)
    listed = bullet_lists.count(text, arguments, around)
    return found if listed is None else _judged(listed, around, lines)


def _count_structure(
    views: list[tuple[str, list[str]]], arguments: ParsedArguments, depth: int, count_value: CountsValues
) -> Count | None:
    """Count the records of the formats that show their structure, in the whole text, and without what is around it."""
    found: Count | None = None
    for text, lines in views:
        one = markup.count(text) or drawn_tables.count(text, lines, arguments)
        if one is None and text[0] in "[{(" and len(lines) < len(views[0][1]):
            one = count_data(text, depth, count_value)
        one = one or yaml_text.count(lines, depth, count_value)
        if one is not None and one.kind >= CountKind.COUNTED:
            return one
        found = found or one
    return found


def _count_loosely(views: list[tuple[str, list[str]]], around: Outline, arguments: ParsedArguments) -> Count | None:
    """Count columns of a table, lines of programs, key-value text, or delimited values."""
    if is_schema_tool(arguments.tool) and (columns := bullet_lists.count_column_section(views[0][1])) is not None:
        return counted(columns, "lines_text")
    if (entries := _count_program_lines(around.body, arguments)) is not None:
        return counted(entries, "lines_text")
    heading = around.sections[0] if len(around.sections) > len(around.body) else ""
    found = key_value_text.count(*views[-1], arguments, heading)
    if found is not None and found.kind >= CountKind.COUNTED:
        return found
    delimited_views = [around.body] if arguments.columns is None else [around.body, views[0][1]]
    for lines in delimited_views:
        if (
            rows := delimited.count(trim_blank_lines("\n".join(lines)), lines, arguments, around.statements)
        ) is not None:
            return rows
    return found


def _count_program_lines(body: list[str], arguments: ParsedArguments) -> int | None:
    """Count the lines of a log, the entries in the output of a program, or the rows of aligned columns."""
    known = tool_words(arguments.tool)
    entries = log_lines.count(body, not known.isdisjoint(_LOG_WORDS))
    if entries is None:
        entries = program_output.count(body, not known.isdisjoint(_COMMIT_WORDS))
    return aligned_columns.count(body) if entries is None else entries


def _confirmed(found: Count | None, around: Outline, lines: list[str], arguments: ParsedArguments) -> Count | None:
    """Return the count with the sign of its witness, or the number of parts, if that agrees better."""
    judged = None if found is None else _judged(found, around, lines)
    is_about_data = is_writing_tool(arguments.tool) or not tool_words(arguments.tool).isdisjoint(_STATISTICS_WORDS)
    if is_about_data or (judged is not None and Sign.WITNESS_AGREES in judged.signs):
        return judged
    if (entries := stated_parts.count(around)) is not None:
        return _judged(counted(entries, "blocks_text"), around, lines)
    return judged


def _judged(found: Count, around: Outline, lines: list[str]) -> Count:
    """Return a count with the sign of the numbers that the text states."""
    if found.kind is not CountKind.COUNTED or found.records is None or found.witness:
        return found
    relation = agreement(around.statements, found.records)
    if relation is Agreement.DISAGREES and stated_parts.sum_of_statements(lines) == found.records:
        relation = Agreement.AGREES
    if relation is Agreement.SILENT:
        return found
    is_heading = agreement(around.statements[: around.headings], found.records) is relation
    sign = Sign.WITNESS_AGREES if relation is Agreement.AGREES else Sign.WITNESS_DISAGREES
    signs = found.signs or (Sign.FORMAT,)
    return msgspec.structs.replace(found, witness="heading" if is_heading else "footer", signs=(*signs, sign))
