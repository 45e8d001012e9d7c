"""Names of the members of results."""

from __future__ import annotations

from functools import lru_cache

from gateway.metering.vocabulary.names import word_list, word_set

ROW_MEMBERS = word_list(
    "rows records recordset resultset resultrows documents docs hits results items entries matches result data "
    "values value list response output payload body content structuredcontent objects grid "
    "json csv csvdata"
)
"""Members that hold the records, the most reliable first."""

COLUMN_MEMBERS = word_set(
    "columns fields schema columnnames fieldnames headers header columntypes types dtypes columninfo constraints "
    "indexes indices primarykey primarykeys foreignkeys uniqueconstraints triggers"
)
"""Members that describe a table; they hold records only in results of describing tools."""

METADATA_MEMBERS = COLUMN_MEMBERS | word_set(
    "description warnings messages notes errors keys links params parameters args bindings suggestions tags labels "
    "facets aggregations index metadata meta sort order details annotations permissions options filters sorting "
    "included includes related references"
)
"""Members that describe the records; they hold records only if no other member does."""


NOTICE_MEMBERS = frozenset(("messages", "notes"))
"""Members with notices about the records, or with objects that are records."""


@lru_cache(maxsize=4_096)
def describes_records(name: str) -> bool:
    """Return True if a member (normalized) describes the records, so that they are in another one if there is one."""
    return name in METADATA_MEMBERS or name == "cols" or any(part in name for part in _DESCRIBING_PARTS)


def describes_columns(name: str) -> bool:
    """Return True if a member (normalized) describes the columns of the records."""
    return name in COLUMN_MEMBERS or any(part in name for part in _COLUMN_PARTS)


_COLUMN_PARTS = ("column", "field", "header", "schema", "dtype")
_DESCRIBING_PARTS = (*_COLUMN_PARTS, "warning", "preview", "sample", "indices")

RETURNED_COUNT_MEMBERS = word_set(
    "recordcount recordsreturned rowsreturned returnedrows returnedrecords numreturned returnedcount "
    "countreturned returned rowsfetched numberreturned"
)
"""Members with the number of records returned."""

COUNT_MEMBERS = word_set(
    "rowcount count numrows nrows rowscount numrecords numresults resultcount resultscount totalreturned "
    "itemcount length size"
)
"""Members with a count, usually of the records returned."""

ROW_COUNT_MEMBERS = frozenset(
    name for name in RETURNED_COUNT_MEMBERS | COUNT_MEMBERS if "row" in name or "record" in name or "result" in name
)
"""Members with a count whose name cannot be a column of a record."""

TOTAL_MEMBERS = word_set(
    "total totalcount totalrows totalrecords totalresults totalitems totalhits totalpages matched found available"
)
"""Members with the number of records that exist, as opposed to those returned."""

COUNTED_NOUNS = word_set("row record result item entry document doc hit match object element")
"""Nouns in the names of members that count records, such as `num_rows`."""

RECORD_NOUNS = word_set(
    "issues tickets tasks todos cards stories epics bugs incidents problems alerts alarms compositealarms "
    "metricalarms events messages mails emails threads posts comments notes articles pages papers publications books "
    "chapters products orders lineitems invoices bills payments charges refunds transactions customers contacts "
    "companies leads deals accounts users members people persons employees teams groups channels projects "
    "repositories repos commits branches releases pipelines builds jobs runs deployments instances containers pods "
    "nodes services clusters vertices edges relationships relations entities triples bindings facts solutions points "
    "vectors chunks passages snippets citations candles quotes prices trades positions series streams lines metrics "
    "measurements samples readings observations findings vulnerabilities violations errors errorgroups exceptions "
    "logs loggroups traces spans flights hotels places locations routes stops stations cities countries videos songs "
    "tracks albums playlists episodes movies photos images files folders buckets tables views datasets dashboards "
    "reports charts queries sessions visits cells links externallinks subscriptions plans coupons campaigns ads "
    "keywords segments forms surveys responses answers questions reviews ratings stores shops loggroupmetadata "
    "contents features firstbatch nextbatch preview keys"
)
"""Nouns under which results have lists of records."""


@lru_cache(maxsize=4_096)
def is_record_noun(name: str) -> bool:
    """Return True if a member (normalized) has a noun that is common for records: `issues`, `openissues`."""
    return name in RECORD_NOUNS or name.endswith(_LONG_RECORD_NOUNS)


_LONG_RECORD_NOUNS = (
    *(noun for noun in RECORD_NOUNS if len(noun) > 4),
    *("results", "records", "rows", "hits", "matches", "items", "entries", "objects", "elements", "documents"),
)


PART_NOUNS = word_set(
    "line message event point series node file key table view issue log comment task feature edge value page"
)
"""Nouns in the names of members that count records or something else."""

SUMMARY_MEMBERS = word_set(
    "meta metadata manifest pagination paging page pageinfo pagemeta pagingmetadata summary stats statistics info "
    "header responsemetadata resultmetadata resultsummary querymetadata querystats resultsetmetadata searchinformation"
)
"""Members with an object that describes the records beside it, such as a page."""

PAGE_MEMBERS = word_set(
    "hasmore hasmoreresults hasnext hasnextpage more next nextcursor nexttoken nextpagetoken nextpage nextlink nexturl "
    "truncated istruncated partial offset skip morerecords moreresults cursor nextoffset resultstruncated limitreached"
)
"""Members that say that there are more records than were returned."""

AFFECTED_MEMBERS = word_set(
    "affectedrows rowsaffected affected changes changedrows lastinsertid lastinsertrowid lastrowid insertid "
    "insertedid insertedids insertedcount matchedcount modifiedcount deletedcount upsertedcount upsertedid "
    "acknowledged rowsinserted rowsupdated rowsdeleted inserted updated deleted nmodified nmatched ninserted"
)
"""Members that report the effect of a write."""

ENVELOPE_MEMBERS = word_set(
    "success ok status message page pagesize perpage pages limit offset skip hasmore more next nextcursor "
    "nextpage cursor previous truncated partial complete executiontime executiontimems executionms elapsed "
    "elapsedms duration durationms time timems took timedout query sql statement command operation database "
    "databasename db schema schemaname namespace catalog table tablename tables tablenames dataset collection "
    "collectionname view objecttype objectname source sourceid warning warnings note notes requestid jobid "
    "queryid timestamp generatedat createdat format currency unit units timezone code type kind cached version "
    "engine dialect range nextrange pattern detaillevel info hint majordimension statementid columncount "
    "nextpagetoken islast lastpage islastpage contenthash etag"
)
"""Members that commonly surround a list of records and hold none."""

ERROR_MEMBERS = frozenset(["error", "err", "exception", "errormessage", "errors"])

NEVER_RECORDS = (
    ERROR_MEMBERS | COLUMN_MEMBERS | word_set("warnings warning params parameters args links included includes")
)
"""Members with lists that are beside any result, and hold no records unless the tool describes a table."""

TABLE_MEMBERS = ("table", "tablename", "sourcetable", "dataset", "collection", "collectionname")
"""Members of a result with the name of the table that its records come from."""

COMMON_MEMBERS = frozenset(ROW_MEMBERS).union(
    ENVELOPE_MEMBERS, SUMMARY_MEMBERS, *({noun, f"{noun}s"} for noun in COUNTED_NOUNS | PART_NOUNS)
)
"""Members whose name is a common term, and no data."""
