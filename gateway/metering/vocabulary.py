"""Vocabulary: the member names, argument names and words of tool names that servers commonly use.

Names are compared in normalized form, without case, `_`, `-`, `.` and spaces: `row_count`, `rowCount` and `ROW COUNT`
are one name. All sets here hold normalized names. They hold common terms only, never the words of one server.
"""

from __future__ import annotations

import re
from functools import lru_cache


@lru_cache(maxsize=4_096)
def normalize(name: str) -> str:
    """Return `name` in the form in which names are compared."""
    return name[:64].replace("_", "").replace("-", "").replace(" ", "").replace(".", "").lower()


def _words(words: str) -> list[str]:
    return words.split()


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


ROW_MEMBERS = _words(
    "rows records recordset resultset resultrows documents docs hits results items entries matches result data "
    "values value list response output payload body content structuredcontent objects grid "
    "json csv"
)
"""Members that hold the records, the most reliable first."""

COLUMN_MEMBERS = _set(
    "columns fields schema columnnames fieldnames headers header columntypes types dtypes columninfo constraints "
    "indexes indices primarykey primarykeys foreignkeys uniqueconstraints triggers"
)
"""Members that describe a table; they hold records only in results of describing tools."""

METADATA_MEMBERS = COLUMN_MEMBERS | _set(
    "description warnings messages notes errors keys links params parameters args bindings suggestions tags labels "
    "facets aggregations index metadata meta sort order details annotations permissions options"
)
"""Members that describe the records; they hold records only if no other member does."""

RETURNED_COUNT_MEMBERS = _set(
    "recordcount recordsreturned rowsreturned returnedrows returnedrecords numreturned returnedcount "
    "countreturned returned rowsfetched numberreturned"
)
"""Members with the number of records returned."""

COUNT_MEMBERS = _set(
    "rowcount count numrows nrows rowscount numrecords numresults resultcount resultscount totalreturned "
    "itemcount length size"
)
"""Members with a count, usually of the records returned."""

ROW_COUNT_MEMBERS = frozenset(
    name for name in RETURNED_COUNT_MEMBERS | COUNT_MEMBERS if "row" in name or "record" in name or "result" in name
)
"""Members with a count whose name cannot be a column of a record."""

TOTAL_MEMBERS = _set(
    "total totalcount totalrows totalrecords totalresults totalitems totalhits totalpages matched found available"
)
"""Members with the number of records that exist, as opposed to those returned."""

AFFECTED_MEMBERS = _set(
    "affectedrows rowsaffected affected changes changedrows lastinsertid lastinsertrowid lastrowid insertid "
    "insertedid insertedids insertedcount matchedcount modifiedcount deletedcount upsertedcount upsertedid "
    "acknowledged rowsinserted rowsupdated rowsdeleted inserted updated deleted nmodified nmatched ninserted"
)
"""Members that report the effect of a write."""

ENVELOPE_MEMBERS = _set(
    "success ok status message page pagesize perpage pages limit offset skip hasmore more next nextcursor "
    "nextpage cursor previous truncated partial complete executiontime executiontimems executionms elapsed "
    "elapsedms duration durationms time timems took timedout query sql statement command operation database "
    "databasename db schema schemaname namespace catalog table tablename tables tablenames dataset collection "
    "collectionname view objecttype objectname source sourceid warning warnings note notes requestid jobid "
    "queryid timestamp generatedat createdat format currency unit units timezone code type kind cached version "
    "engine dialect range nextrange pattern detaillevel info hint majordimension statementid columncount "
    "nextpagetoken"
)
"""Members that commonly surround a list of records and hold none."""

ERROR_MEMBERS = frozenset(["error", "err", "exception", "errormessage", "errors"])

TABLE_MEMBERS = ("table", "tablename", "sourcetable", "dataset", "collection", "collectionname")
"""Members of a result with the name of the table that its records come from."""

TABLE_ARGUMENTS = _set(
    "table tablename tableid tables tablenames collection collectionname collections index indexname indices viewname "
    "relation relationname entityset sourcetable targettable fromtable totable lefttable righttable"
)
"""Arguments with the name of a table."""

INDEX_ARGUMENTS = _set("index indexname indices")
"""Arguments that name a table only if no other argument does."""

SHEET_ARGUMENTS = _set(
    "sheet sheetname sheets sheetnames worksheet worksheetname worksheets leftsheet rightsheet sourcesheet targetsheet "
    "fromsheet tosheet srcsheet dstsheet srcsheetname dstsheetname"
)
"""Arguments with the name of a spreadsheet's sheet, in which any character is allowed."""

RANGE_ARGUMENTS = _set("range ranges cellrange cellranges rangea1 a1range a1notation rangeaddress datarange")
"""Arguments with a cell range, optionally preceded by its sheet: `Orders!A1:B5`."""

DATASET_ARGUMENTS = _set("dataset datasetname datasetid datasets")
"""Arguments that name a table if no other argument does; otherwise they name its schema."""

UNQUALIFIED_ARGUMENTS = (
    SHEET_ARGUMENTS | DATASET_ARGUMENTS | _set("index indexname indices collection collectionname collections")
)
"""Arguments with names that take no schema."""

SOURCE_ARGUMENTS = _set("sourcetable fromtable sourcesheet fromsheet srcsheet srcsheetname")
"""Arguments with a table that a write reads from."""

WRITTEN_ARGUMENTS = _set("targettable totable targetsheet tosheet dstsheet dstsheetname")
"""Arguments with a table that is written, whatever the tool."""

OBJECT_ARGUMENTS = _set("objectname object entityname")
"""Arguments that name a table if another argument says that the object is one, or gives its schema."""

PIPELINE_STAGES = {
    ("$lookup", "from"): "collection",
    ("$graphlookup", "from"): "collection",
    ("$unionwith", "coll"): "collection",
    ("", "$unionwith"): "collection",
    ("pipeline", "$unionwith"): "collection",
    ("$merge", "into"): "targettable",
    ("pipeline", "$merge"): "targettable",
    ("$out", "coll"): "targettable",
    ("pipeline", "$out"): "targettable",
}
"""(stage, member) of an aggregation pipeline's stages, and the argument name that the member is treated as."""

SCHEMA_ARGUMENTS = ("schema", "schemaname", "tableschema", "dataset", "datasetid", "datasetname")
SQL_ARGUMENTS = _set(
    "sql query statement sqlquery querysql sqltext sqlstatement stmt q queries statements command script "
    "querystring querytext"
)
CONDITION_ARGUMENTS = _set("where whereclause wherecondition condition conditions having")
"""Arguments with an SQL condition."""
FILE_ARGUMENTS = _set(
    "path paths file files filepath filepaths filename filenames csvpath csvfile inputpath inputfile uri url"
)

MAX_TOOL_NAME = 256
"""Characters of a tool's name that is stored."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_WRITE_VERBS = _set(
    "create insert update delete drop write append add remove truncate import upload put set upsert rename alter "
    "save copy merge clear patch push move edit store register unset commit replace "
    "complete archive restore undo cancel close assign schedule"
)
_READ_VERBS = _set("get list read find search query fetch describe show count select lookup last")
_DESCRIBE_WORDS = _set(
    "describe info schema stats statistics metadata profile summary summarize count inspect analyze analysis structure "
    "definition health status overview"
)
_LIST_VERBS = _set("list ls search find glob grep enumerate all names filter browse describe schema show")
_LISTED_THINGS = _set(
    "tables schemas databases columns collections sheets worksheets files directories folders keys views names "
    "indexes indices objects documents items entries resources datasets symbols tags branches issues users "
    "matches values unique distinct groups categories"
)


_SINGULARS_IN_S = _set(
    "status stats statistics address access process progress analysis class details settings series news press metrics "
    "diagnostics options analytics synopsis basis axis bus canvas radius focus"
)
"""Last words of a tool's name that end in `s` without being a plural."""
_OVERWRITE_VERBS = _set("update insert delete write set append remove drop rename put upsert edit replace")


@lru_cache(maxsize=1_024)
def is_overwriting_tool(tool: str) -> bool:
    """Return True if the tool's name says that it changes existing data, so that its result only echoes the change."""
    return is_writing_tool(tool) and not words(tool).isdisjoint(_OVERWRITE_VERBS)


@lru_cache(maxsize=1_024)
def words(tool: str) -> frozenset[str]:
    """Return the words of a tool's name, in lower case."""
    return frozenset(word.lower() for word in _WORD.findall(tool[:200]))


@lru_cache(maxsize=1_024)
def is_writing_tool(tool: str) -> bool:
    """Return True if the tool's name begins with a verb such as `insert`, possibly after a product name."""
    first = [word.lower() for word in _WORD.findall(tool[:200])[:3]]
    first = first if first[1:2] == ["and"] else first[:2]
    return "replace" in first or (
        any(word in _WRITE_VERBS for word in first) and not any(word in _READ_VERBS for word in first)
    )


@lru_cache(maxsize=1_024)
def is_listing_tool(tool: str) -> bool:
    """Return True if the tool's name says that it returns a list of names."""
    last = _WORD.findall(tool[:200])[-1:]
    is_plural = bool(last) and len(last[0]) > 3 and last[0][-1:] == "s" and last[0].lower() not in _SINGULARS_IN_S
    return is_plural or not words(tool).isdisjoint(_LIST_VERBS | _LISTED_THINGS)


@lru_cache(maxsize=1_024)
def is_describing_tool(tool: str) -> bool:
    """Return True if the tool's name says that it returns metadata, such as a schema, and not the data itself."""
    return not words(tool).isdisjoint(_DESCRIBE_WORDS)


@lru_cache(maxsize=4_096)
def is_named_after_tool(member: str, tool: str) -> bool:
    """Return True if a result's member (normalized) has the name of what the tool lists.

    Examples: `keys` of `scan_keys`, `workbooks` of `workbook_list`.
    """
    known = words(tool)
    return member in known or (is_listing_tool(tool) and member.endswith("s") and member[:-1] in known)


def is_listing_or_describing_tool(tool: str) -> bool:
    """Return True if the tool lists names or describes metadata."""
    return is_listing_tool(tool) or is_describing_tool(tool)
