"""SQL functions by what they can read: files, or nothing but their arguments.

A function that neither is listed here nor is known to the parser may be user-defined, and may read any table.
"""

from __future__ import annotations

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect

from gateway.metering.sql.nodes import Nodes
from gateway.metering.vocabulary.names import word_set

DIALECTS = ("postgres", "duckdb", "mysql", "tsql", "bigquery", "snowflake", "clickhouse", "sqlite")
"""Dialects in which statements are tried; looking one up imports it."""

_FILE_READERS = word_set(
    "readcsv readcsvauto readparquet parquetscan readjson readjsonauto readndjson readndjsonauto readjsonobjects "
    "readxlsx readtext readblob stread icebergscan deltascan sniffcsv file url s3 s3cluster gcs hdfs"
)
_ROW_GENERATORS = word_set(
    "generateseries explodinggenerateseries generatedatearray generatetimestamparray range unnest explode "
    "posexplode jsoneach jsontree jsonbeach jsontable jsonbarrayelements jsonarrayelements jsonbarrayelementstext "
    "jsonarrayelementstext jsonbtorecordset jsontorecordset jsonobjectkeys jsonbobjectkeys regexpmatches "
    "regexpsplittotable stringtotable stringsplit splittotable strtoksplittotable generator flatten "
    "openjson numbers values"
)
_OTHER_PURE = word_set(
    "age arrayfill arraylower arrayndims arrayupper cardinality changes clocktimestamp convertfrom convertto digest "
    "formattype gcd getbyte isfinite isjson jsonarrayelement jsonarraylength jsonb jsonbagg jsonbarraylength "
    "jsonbbuildarray jsonbbuildobject jsonbpretty jsonbset jsonbstripnulls jsonbtypeof jsonbuildarray jsonbuildobject "
    "jsonquote jsontypeof jsonvalid julianday lcm likelihood likely listaggregate listextract listreduce listunique "
    "makesettime maketimestamptz maketz mapentries overlaps plaintotsquery printf quote quoteident quoteliteral "
    "quotenullable regexpmatch regexpsplittoarray rowtojson sha224 starea starealocal stasbinary stasewkb stasewkt "
    "stasgeojson stastext statementtimestamp stazimuth stboundary stbuffer stcentroid stcontains stconvexhull "
    "stcoveredby stcovers stcrosses stdifference stdisjoint stdistancesphere stdwithin stenvelope stequals stflip "
    "stgeogfromtext stgeogpoint stgeohash stgeomfromgeojson stgeomfromtext stgeomfromwkb stintersection stintersects "
    "stisvalid stlength stlinestring stmakeenvelope stmakeline stmakepolygon stoverlaps stperimeter stpointfromtext "
    "strtojson structinsert stsetsrid stsimplify stsrid stsymdifference sttouches sttransform stunion stwithin stx "
    "stxmax stxmin sty stymax stymin stz timebucketgapfill timeofday toascii tojsonb tosecond total totsquery "
    "totsvector transactiontimestamp tsrank tsrankcd unixepoch unlikely uuidgeneratev4 weekday wordsimilarity "
    "zeroblob"
)
"""Functions that read nothing but their arguments, and that the parser does not know."""
_READING = word_set(
    "aiagg aiclassify aiembed aiforecast aigenerate aisimilarity aisummarizeagg apply directory dynamicidentifier "
    "embed featuresattime forecast gapfill generate generatebool generatedouble generateembedding generateint "
    "generatetable generatetext generatetextembedding get identifier mlforecast mltranslate nextvaluefor predict "
    "readcsv readparquet search secret table tofile trytofile vectorsearch xmltable"
)
"""Functions that the parser knows, and that read more than their arguments, or may be a user's in other dialects."""


def _normalize(name: str) -> str:
    return name.replace("_", "").lower()


def _known_to_parser() -> frozenset[str]:
    """Return the functions that `sqlglot` knows in the dialects that are used."""
    parsers = [Dialect.get_or_raise(name).parser_class for name in DIALECTS]
    names = {name for parser in parsers for name in (*parser.FUNCTIONS, *parser.FUNCTION_PARSERS)}
    names.update(*(getattr(parser, "AGG_FUNC_MAPPING", ()) for parser in parsers))
    return frozenset(map(_normalize, names)) - _READING


_PURE = _OTHER_PURE | _ROW_GENERATORS | _known_to_parser()
_READING_TYPES = tuple({type_ for name, type_ in exp.FUNCTION_BY_NAME.items() if _normalize(name) in _READING})
"""The types of the functions in `_READING` in parsed statements."""


def reads_files(name: str) -> bool:
    """Return True if the table function reads the files that its arguments name."""
    return _normalize(name) in _FILE_READERS


def generates_rows(name: str) -> bool:
    """Return True if the table function makes its rows from its arguments alone."""
    return _normalize(name) in _ROW_GENERATORS


def are_known(nodes: Nodes) -> bool:
    """Return True if each function is known to read its arguments only; those in place of a table are not judged."""
    misread = (one.this for one in nodes.of(exp.Aliases))  # `in(x, t)` of ClickHouse
    if nodes.has(exp.Command) or any(isinstance(one, exp.Column) for one in misread):
        return False
    rows = (call.this for call in nodes.of(exp.TableFromRows))
    return all(generates_rows(name_of(call)) for call in rows) and all(
        isinstance(call.parent, exp.Table) or _normalize(name_of(call)) in _PURE
        for call in nodes.of(exp.Anonymous, exp.AnonymousAggFunc, *_READING_TYPES)
    )


def name_of(call: exp.Expr) -> str:
    """Return the name of a function that is called."""
    if isinstance(call, exp.Anonymous | exp.AnonymousAggFunc):
        return call.name
    return call.sql_name() if isinstance(call, exp.Func) else type(call).__name__
