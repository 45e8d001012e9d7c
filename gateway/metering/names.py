"""The names that servers give to things, as members of a result, as arguments and in the names of tools.

Names are compared without case, `_`, `-`, `.` and spaces: `row_count`, `rowCount` and `ROW COUNT` are one name. What is
here is the vocabulary of the field; no server's own words belong here.
"""

from __future__ import annotations

import re
from functools import lru_cache


@lru_cache(maxsize=4_096)
def plain(name: str) -> str:
    """`name` for comparison."""
    return name[:64].replace("_", "").replace("-", "").replace(" ", "").replace(".", "").lower()


def _list(words: str) -> list[str]:
    return words.split()


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


ROWS = _list(
    "rows records recordset resultset resultrows documents docs hits results items entries matches result data "
    "values value list response output payload body content structuredcontent objects grid "
    "json csv"
)
"""Members that hold the records, the surest first."""

COLUMNS = _set(
    "columns fields schema columnnames fieldnames headers header columntypes types dtypes columninfo constraints "
    "indexes indices primarykey primarykeys foreignkeys uniqueconstraints triggers"
)
"""Members that describe a table; records only of a tool that describes."""

ABOUT = COLUMNS | _set(
    "description warnings messages notes errors keys links params parameters args bindings suggestions tags labels "
    "facets aggregations index metadata meta sort order details annotations permissions options"
)
"""Members that describe records and hold none, as long as there is anything else."""

RETURNED = _set(
    "recordcount recordsreturned rowsreturned returnedrows returnedrecords numreturned returnedcount "
    "countreturned returned rowsfetched numberreturned"
)
"""Members that say how many records were returned."""

COUNTS = _set(
    "rowcount count numrows nrows rowscount numrecords numresults resultcount resultscount totalreturned "
    "itemcount length size"
)
"""Members that count something, most often the records returned."""

ROW_COUNTS = frozenset(name for name in RETURNED | COUNTS if "row" in name or "record" in name or "result" in name)
"""Those of them that can be no column of a record."""

TOTALS = _set(
    "total totalcount totalrows totalrecords totalresults totalitems totalhits totalpages matched found available"
)
"""Members that count what exists."""

AFFECTED = _set(
    "affectedrows rowsaffected affected changes changedrows lastinsertid lastinsertrowid lastrowid insertid "
    "insertedid insertedids insertedcount matchedcount modifiedcount deletedcount upsertedcount upsertedid "
    "acknowledged rowsinserted rowsupdated rowsdeleted inserted updated deleted nmodified nmatched ninserted"
)
"""Members of an answer that tells what a write did."""

ENVELOPE = _set(
    "success ok status message page pagesize perpage pages limit offset skip hasmore more next nextcursor "
    "nextpage cursor previous truncated partial complete executiontime executiontimems executionms elapsed "
    "elapsedms duration durationms time timems took timedout query sql statement command operation database "
    "databasename db schema schemaname namespace catalog table tablename tables tablenames dataset collection "
    "collectionname view objecttype objectname source sourceid warning warnings note notes requestid jobid "
    "queryid timestamp generatedat createdat format currency unit units timezone code type kind cached version "
    "engine dialect range nextrange pattern detaillevel info hint majordimension statementid columncount "
    "nextpagetoken"
)
"""Members that wrap a list of records."""

ERRORS = frozenset(["error", "err", "exception", "errormessage", "errors"])

TABLE_MEMBERS = ("table", "tablename", "sourcetable", "dataset", "collection", "collectionname")
"""Members of a result that name the table that its records come from."""

TABLE_ARGUMENTS = _set(
    "table tablename tableid tables tablenames collection collectionname collections index indexname indices viewname "
    "relation relationname entityset sourcetable targettable fromtable totable lefttable righttable"
)
"""Arguments that name tables."""

INDEX_ARGUMENTS = _set("index indexname indices")
"""Those of them that name a table only where nothing else does."""

SHEET_ARGUMENTS = _set(
    "sheet sheetname sheets sheetnames worksheet worksheetname worksheets leftsheet rightsheet sourcesheet targetsheet "
    "fromsheet tosheet srcsheet dstsheet srcsheetname dstsheetname"
)
"""Arguments that name sheets, whose names may hold anything."""

RANGE_ARGUMENTS = _set("range ranges cellrange cellranges rangea1 a1range a1notation rangeaddress datarange")
"""Arguments that name cells, and perhaps their sheet before them: `Orders!A1:B5`."""

DATASET_ARGUMENTS = _set("dataset datasetname datasetid datasets")
"""Arguments that name a table where there is no other, and else what holds it."""

UNQUALIFIED_ARGUMENTS = (
    SHEET_ARGUMENTS | DATASET_ARGUMENTS | _set("index indexname indices collection collectionname collections")
)
"""Arguments that name what has no schema."""

SOURCE_ARGUMENTS = _set("sourcetable fromtable sourcesheet fromsheet srcsheet srcsheetname")
WRITTEN_ARGUMENTS = _set("targettable totable targetsheet tosheet dstsheet dstsheetname")
OBJECT_ARGUMENTS = _set("objectname object entityname")
"""Arguments that name a table where another argument says that the object is one, or names its schema."""

STAGES = {
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
"""Members of the stages of an aggregation pipeline, and the argument that they are like."""

SCHEMA_ARGUMENTS = ("schema", "schemaname", "tableschema", "dataset", "datasetid", "datasetname")
SQL_ARGUMENTS = _set(
    "sql query statement sqlquery querysql sqltext sqlstatement stmt q queries statements command script "
    "querystring querytext"
)
FILE_ARGUMENTS = _set(
    "path paths file files filepath filepaths filename filenames csvpath csvfile inputpath inputfile uri url"
)

MAX_TOOL = 256
"""Characters of a tool's name."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_WRITING = _set(
    "create insert update delete drop write append add remove truncate import upload put set upsert rename alter "
    "save copy merge clear patch push move edit store register unset commit replace "
    "complete archive restore undo cancel close assign schedule"
)
_READING = _set("get list read find search query fetch describe show count select lookup last")
_DESCRIBING = _set(
    "describe info schema stats statistics metadata profile summary summarize count inspect analyze analysis structure "
    "definition health status overview"
)
_LISTING = _set("list ls search find glob grep enumerate all names filter browse describe schema show")
_LISTED = _set(
    "tables schemas databases columns collections sheets worksheets files directories folders keys views names "
    "indexes indices objects documents items entries resources datasets symbols tags branches issues users "
    "matches values unique distinct groups categories"
)


_NO_PLURALS = _set(
    "status stats statistics address access process progress analysis class details settings series news press metrics "
    "diagnostics options analytics synopsis basis axis bus canvas radius focus"
)
"""Last words of a tool's name that are no list of things for their `s`."""
_OVERWRITING = _set("update insert delete write set append remove drop rename put upsert edit replace")


@lru_cache(maxsize=1_024)
def is_overwriting(tool: str) -> bool:
    """Whether the tool's name says that it changes what is there, so that what it answers is but an echo."""
    return is_writing(tool) and not words(tool).isdisjoint(_OVERWRITING)


@lru_cache(maxsize=1_024)
def words(tool: str) -> frozenset[str]:
    """The words of a tool's name, lower case."""
    return frozenset(word.lower() for word in _WORD.findall(tool[:200]))


@lru_cache(maxsize=1_024)
def is_writing(tool: str) -> bool:
    """Whether the tool's name begins with a verb of writing, perhaps after the name of a product."""
    first = [word.lower() for word in _WORD.findall(tool[:200])[:3]]
    first = first if first[1:2] == ["and"] else first[:2]
    return "replace" in first or (
        any(word in _WRITING for word in first) and not any(word in _READING for word in first)
    )


@lru_cache(maxsize=1_024)
def is_listing(tool: str) -> bool:
    """Whether the tool's name says that it answers with a list of names."""
    last = _WORD.findall(tool[:200])[-1:]
    is_plural = bool(last) and len(last[0]) > 3 and last[0][-1:] == "s" and last[0].lower() not in _NO_PLURALS
    return is_plural or not words(tool).isdisjoint(_LISTING | _LISTED)


@lru_cache(maxsize=1_024)
def is_describing(tool: str) -> bool:
    """Whether the tool's name says that it tells about data, such as how much there is, and does not return it."""
    return not words(tool).isdisjoint(_DESCRIBING)


@lru_cache(maxsize=4_096)
def is_named_by(member: str, tool: str) -> bool:
    """Whether a member (plain) of a result is called as the tool is: `keys` of `scan_keys`, `workbooks` of
    `workbook_list`."""
    known = words(tool)
    return member in known or (is_listing(tool) and member.endswith("s") and member[:-1] in known)


def is_telling(tool: str) -> bool:
    """Whether the tool lists or describes."""
    return is_listing(tool) or is_describing(tool)
