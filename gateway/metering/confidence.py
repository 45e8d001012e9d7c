"""The confidence in a count: independent signs for and against it, each with a weight.

The weights are log-odds, so they add up. Below `THRESHOLD` a count is unknown. Weights and threshold are chosen on the
corpus, with the calls of each server held out in turn.
"""

from __future__ import annotations

import math
from enum import StrEnum
from functools import lru_cache

THRESHOLD = 0.8
"""Confidence below which a count is reported as unknown."""


class Sign(StrEnum):
    """An observation for or against a count."""

    DECLARED = "declared"
    COMMON_LIST = "common_list"
    OTHER_LIST = "other_list"
    RECORD_NOUN = "record_noun"
    ONLY_MEMBER = "only_member"
    LISTING_TOOL = "listing_tool"
    EMPTY_LIST = "empty_list"
    WHOLE_LIST = "whole_list"
    NAMED_LIST = "named_list"
    COLUMN_LIST = "column_list"
    PARALLEL_LISTS = "parallel_lists"
    SUM = "sum"
    MAP = "map"
    DATA_NAMES = "data_names"
    ALIKE = "alike"
    SCALAR = "scalar"
    SINGLE_OBJECT = "single_object"
    STATED_ONLY = "stated_only"
    FORMAT = "format"
    MESSAGE = "message"
    WRITE = "write"
    LINKS = "links"
    ONE_EACH = "one_each"
    ERROR = "error"
    NO_ROWS = "no_rows"
    PENDING = "pending"
    STATED_ZERO = "stated_zero"
    DESCRIBING_TOOL = "describing_tool"
    DESCRIPTION = "description"
    OTHER_TEXTS = "other_texts"
    SCALARS_SKIPPED = "scalars_skipped"
    ERROR_BESIDE = "error_beside"
    ENTITY_BESIDE = "entity_beside"
    STATISTICS_BESIDE = "statistics_beside"
    WRITTEN_LIST = "written_list"
    NO_VALUES = "no_values"
    LINES_OF_TEXT = "lines_of_text"
    ECHO = "echo"
    RECORD_LIKE = "record_like"
    QUERIED = "queried"
    ENTITY = "entity"
    IDENTIFIED = "identified"
    ARGUMENTS_REPEATED = "arguments_repeated"
    SEVERAL_LISTS = "several_lists"
    OTHER_TABLES = "other_tables"
    EMPTY_BESIDE_FULL = "empty_beside_full"
    DATA_BESIDE = "data_beside"
    TEXT_DISAGREES = "text_disagrees"
    ACTING_TOOL = "acting_tool"
    WITNESS_AGREES = "witness_agrees"
    WITNESS_LARGER = "witness_larger"
    WITNESS_DISAGREES = "witness_disagrees"
    SCHEMA_AGREES = "schema_agrees"
    COLUMNS_AGREE = "columns_agree"
    COLUMNS_DISAGREE = "columns_disagree"
    GROUPS = "groups"
    MAY_BE_GROUPS = "may_be_groups"
    HEADER_LEFT_OUT = "header_left_out"
    NO_DATA = "no_data"
    AT_LIMIT = "at_limit"
    BEYOND_LIMIT = "beyond_limit"

    @property
    def weight(self) -> float:
        """The log-odds that the sign adds to a count."""
        return _SIGNS[self][0]

    @property
    def text(self) -> str:
        """The observation, for people."""
        return _SIGNS[self][1]


_SIGNS: dict[Sign, tuple[float, str]] = {
    Sign.DECLARED: (5, "the result names its table and holds its rows"),
    Sign.COMMON_LIST: (3, "a list under a common name"),
    Sign.OTHER_LIST: (1.3, "a list under a name that only this server uses"),
    Sign.RECORD_NOUN: (1.5, "a list with a noun that is common for records"),
    Sign.ONLY_MEMBER: (1, "the only member of an object"),
    Sign.LISTING_TOOL: (0.5, "objects from a tool that lists or searches"),
    Sign.EMPTY_LIST: (2.5, "an empty list, and nothing that may hold the records"),
    Sign.WHOLE_LIST: (3.5, "the result is a list"),
    Sign.NAMED_LIST: (3, "a list with the name of what the tool returns"),
    Sign.COLUMN_LIST: (2.5, "the columns that describe a table"),
    Sign.PARALLEL_LISTS: (2, "lists of one length, one for each column"),
    Sign.SUM: (1.5, "several lists added up"),
    Sign.SCALAR: (3, "one value, for a statement that selects one column"),
    Sign.MAP: (1.3, "an object with one member for each record"),
    Sign.DATA_NAMES: (1, "members whose names are data: dates, paths, values of arguments"),
    Sign.ALIKE: (0.7, "three objects or more with the same members"),
    Sign.SINGLE_OBJECT: (1.3, "one object, for a call that reads a table"),
    Sign.STATED_ONLY: (2, "a number without the records that it counts"),
    Sign.FORMAT: (3, "a text in one format from beginning to end"),
    Sign.MESSAGE: (3, "a message that there are no records"),
    Sign.WRITE: (3, "the report of a write"),
    Sign.ONE_EACH: (2.5, "one record in each text"),
    Sign.ERROR: (3, "the report of an error"),
    Sign.NO_ROWS: (4, "a statement that returns no rows"),
    Sign.PENDING: (3, "an answer that the work goes on"),
    Sign.STATED_ZERO: (3, "the result states that there are no records"),
    Sign.DESCRIBING_TOOL: (-1.5, "a tool that describes, so a list may be a property"),
    Sign.DESCRIPTION: (0.5, "a tool that describes a table"),
    Sign.OTHER_TEXTS: (-2.5, "longer texts without records beside it"),
    Sign.RECORD_LIKE: (0.5, "a flat object with an identifying member"),
    Sign.SCALARS_SKIPPED: (-3.5, "a list of values under a common name beside it"),
    Sign.ERROR_BESIDE: (-1.5, "an error beside it"),
    Sign.ENTITY_BESIDE: (-2, "values beside it that describe one entity, so the list may be a property"),
    Sign.STATISTICS_BESIDE: (-2, "several maps of numbers beside it, so the list may be a property"),
    Sign.WRITTEN_LIST: (-2, "a list with the name of what was written"),
    Sign.NO_VALUES: (-1.5, "an object without values of its own"),
    Sign.LINES_OF_TEXT: (-2, "a text of several lines, which may be the records"),
    Sign.ECHO: (0, "a member has the value of an argument"),
    Sign.QUERIED: (0.7, "a query that returns rows"),
    Sign.ENTITY: (1, "an object with an id, or with the name that the call gives, and values of its own"),
    Sign.IDENTIFIED: (2, "the object that the arguments name by its id"),
    Sign.ARGUMENTS_REPEATED: (-8, "the values are those of the arguments of a tool that may write"),
    Sign.LINKS: (3, "resource links"),
    Sign.SEVERAL_LISTS: (-1, "other lists, of another length, beside it"),
    Sign.OTHER_TABLES: (-3, "tables with other columns, of which some may describe the records"),
    Sign.EMPTY_BESIDE_FULL: (-1.5, "an empty list beside it"),
    Sign.DATA_BESIDE: (-6, "no record, but a list, an object or a text that may hold them is beside it"),
    Sign.TEXT_DISAGREES: (-8, "a text beside the structured content holds more records"),
    Sign.ACTING_TOOL: (-8, "a tool that changes something, so the objects may be what it has changed"),
    Sign.WITNESS_AGREES: (4, "the result states the same number"),
    Sign.WITNESS_LARGER: (-1.5, "the result states a larger number, which may count all pages"),
    Sign.WITNESS_DISAGREES: (-6, "the result states another number"),
    Sign.SCHEMA_AGREES: (2.5, "the output schema names the list"),
    Sign.COLUMNS_AGREE: (2, "the columns of the statement are the members of the rows"),
    Sign.COLUMNS_DISAGREE: (-3, "the columns of the statement are not members of the object"),
    Sign.GROUPS: (1, "lists in groups, added up"),
    Sign.MAY_BE_GROUPS: (-4, "objects with little beside a list of objects, which may be the records"),
    Sign.HEADER_LEFT_OUT: (0, "a first row or line that is a header"),
    Sign.NO_DATA: (2.5, "a result whose only data is null"),
    Sign.AT_LIMIT: (1, "as many records as the call's limit"),
    Sign.BEYOND_LIMIT: (-3, "more records than the call's limit"),
}


@lru_cache(maxsize=1_024)
def confidence(signs: tuple[Sign, ...]) -> float:
    """Return the probability that a count with these signs is right, from 0 to 1; repeated signs count once."""
    return 1 / (1 + math.exp(-math.fsum(_SIGNS[sign][0] for sign in set(signs))))
