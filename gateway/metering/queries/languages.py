"""The query languages other than SQL: how a language is known, and its reader.

The name of an argument or the words of a tool's name tell the language. Without them it is told by the text, if it is
unmistakable; the server may then read it differently, so its tables are not exhaustive.

`PromQL`, `LogQL`, `SPARQL`, `Gremlin` and `GraphQL` have no tables. They are known so that they are not taken for SQL;
a mutation of GraphQL is also a write.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Set
from enum import StrEnum

import msgspec

from gateway.metering.queries import cypher, dql, esql, influxql, kql, ppl, programs, soql, spl
from gateway.metering.queries.analysis import QueryAnalysis
from gateway.metering.queries.lexer import MAX_QUERY_CHARACTERS


class Language(StrEnum):
    """A query language other than SQL."""

    KQL = "kql"
    ESQL = "esql"
    SPL = "spl"
    PPL = "ppl"
    DQL = "dql"
    INFLUXQL = "influxql"
    NRQL = "nrql"
    GAQL = "gaql"
    QBQL = "qbql"
    SURREALQL = "surrealql"
    FLUX = "flux"
    AQL = "aql"
    DAX = "dax"
    MONGODB_SHELL = "mongosh"
    CYPHER = "cypher"
    SOQL = "soql"
    PROMQL = "promql"
    LOGQL = "logql"
    SPARQL = "sparql"
    GREMLIN = "gremlin"
    GRAPHQL = "graphql"


_WITHOUT_TABLES = QueryAnalysis((), (), (), returns_rows=True, is_exhaustive=False)


class _Description(msgspec.Struct, frozen=True):
    """The reader of a language, and how the language is known."""

    read: Callable[[str], QueryAnalysis | None] = lambda _: _WITHOUT_TABLES
    words: tuple[str, ...] = ()
    """Other names of the language."""
    products: tuple[str, ...] = ()
    """Words that name the language only in the name of a tool, or with `query`."""
    text: str = ""
    """The beginning of a text that is unmistakably in the language; empty if there is none."""
    unlike_sql: str = ""
    """Syntax of a language that begins like SQL, and that a parser of SQL rejects; empty for other languages."""
    start: str = ""
    """The beginning of a query of the table `_`, if servers put queries together from several arguments."""
    where: str = ""
    """The beginning of a condition after it."""


_KQL_COMMANDS = (
    r"(?:where|project|extend|summarize|take|distinct|mv-expand|project-away|(?:order|sort)\s+by|limit|"
    r"top|union|join\s+(?:kind|\()|search|render|make-series|sample)\s+\S|(?:count|getschema)\s*(?:\||\Z)"
)
_DESCRIPTIONS = {  # in the order in which a text is compared with them
    Language.ESQL: _Description(
        read=esql.read,
        text=r"from\s+[^|\s][^|]{0,500}\smetadata\s+_\w|row\s+\w+\s*=[^|]{1,500}(?:\||\Z)"
        r"|(?:from|ts)\s+[^|\s][^|]{0,500}\|\s*(?:where|eval|stats|keep|drop|limit|sort|rename|dissect|grok|enrich|lookup|"
        r"mv_expand|inlinestats|fork)\s",
        start="FROM _ ",
        where="| WHERE ",
    ),
    Language.KQL: _Description(
        read=kql.read,
        words=("kusto", "apl"),
        text=r"let\s+\w+\s*=[^|]{1,500}\||search\s+in\s*\(|(?:cluster|database)\s*\(\s*[\"'][^\"'\n]{1,200}[\"']\s*\)\s*\.|"
        r"\.(?:show|drop|create|alter|set|append|set-or-append|set-or-replace|ingest|clear|delete)\s+\S"
        rf"|(?:union\s[^|]{{1,500}}|\w+|\[\s*[\"'][^\"'\n]{{1,200}}[\"']\s*\])\s*\|\s*(?:{_KQL_COMMANDS})",
        start="_ ",
        where="| where ",
    ),
    Language.PPL: _Description(
        read=ppl.read,
        text=r"(?:search\s+)?source\s*=\s*[\w.`,*-]+\s*\|\s*(?:where|fields|stats|eval|head|sort|dedup|rename|top|rare|parse|"
        r"join|lookup|eventstats|table)\s",
        start="source=_ ",
        where="| where ",
    ),
    Language.DQL: _Description(
        read=dql.read,
        text=r"fetch\s+[\w.]+\s*(?:,\s*\w+\s*:[^|]{1,300})?\|\s*(?:filter|search|fields|fields(?:add|keep|remove|rename)|"
        r"summarize|sort|limit|dedup|parse|expand|maketimeseries)\s",
        start="fetch _ ",
        where="| filter ",
    ),
    Language.SPL: _Description(
        read=spl.read,
        products=("splunk",),
        text=r"(?:search\s[^|\n]{0,300}?)?\(*\bindex(?:\s*=|\s+in\s*\()\s*[\"\w*]"
        r"|[^|\[\n]{0,300}?\bindex\s*=\s*[\"\w*][^|]{0,500}\|\s*\w"
        r"|\|\s*(?:tstats|mstats|inputlookup|makeresults|metadata|savedsearch|datamodel|eventcount|rest|dbinspect|"
        r"from\s+(?:datamodel|lookup|savedsearch)\s*:)\s",
        start="index=_ ",
    ),
    Language.CYPHER: _Description(
        read=cypher.read,
        words=("opencypher",),
        products=("neo4j",),
        text=r"(?:(?:explain|profile)\s+)?(?:(?:optional\s+)?match|create|merge)\s*(?:\w+\s*=\s*)?(?:\w+\s*\(\s*)?\(\s*"
        r"[\w`]*\s*(?:[:{]|where\s|\)\s*(?:[-<,]|(?:return|where|with|detach|delete|set)\b))"
        r"|unwind\s+\S[^\n]{0,500}\sas\s+\w+\s|call\s+[\w.]{1,100}\([^)]{0,500}\)\s+(?:yield|return)\s",
        start="MATCH (_:_) ",
        where="WHERE ",
    ),
    Language.AQL: _Description(
        read=programs.read_aql,
        products=("arango", "arangodb"),
        text=r"for\s+(\w+)(?:\s*,\s*\w+){0,2}\s+in\s+[\w`@.\"]+\s[^;]{0,500}?\b(?:return|insert|update|remove|replace)\s"
        r"[^;]{0,200}?\b\1\b",
    ),
    Language.MONGODB_SHELL: _Description(
        read=programs.read_shell, text=r"db\s*\.\s*(?:getCollection\(|[\w.$-]{1,120}\.\w{3,30}\s*\()"
    ),
    Language.DAX: _Description(read=programs.read_dax, text=r"evaluate\s+(?:\w+\s*\(|'|\w+\s*(?:\Z|order\s+by\s))"),
    Language.FLUX: _Description(
        read=programs.read_flux, text=r"(?:\s*import\s+\"[\w/]{1,100}\")*\s*(?:\w+\s*=\s*)?from\s*\(\s*bucket\s*:"
    ),
    Language.INFLUXQL: _Description(
        read=influxql.read,
        text=r"show\s+(?:measurements|(?:field|tag)\s+(?:keys|values)|series|retention\s+policies)\b",
        unlike_sql=r"\bfill\s*\(|\bgroup\s+by\s[^;]{0,300}\btime\s*\(|=~\s*/|\bfrom\s+/|\bselect\s+/|\.\.\"|\bslimit\b",
        start="SELECT _ FROM _ ",
        where="WHERE ",
    ),
    Language.SOQL: _Description(
        read=soql.read,
        words=("sosl",),
        products=("salesforce",),
        text=r"find\s*\{[^{}]{1,500}\}[^()]{0,100}\sreturning\s+\w",
        unlike_sql=r"\bwith\s+security_enforced\b|\busing\s+scope\b|\b(?:last|next)_n_\w{3,20}:|\btypeof\s",
    ),
    Language.NRQL: _Description(read=influxql.read_nrql, unlike_sql=r"\b(?:since|facet|timeseries|during)\b"),
    Language.GAQL: _Description(read=influxql.read_nrql),
    Language.QBQL: _Description(read=influxql.read_nrql, unlike_sql=r"\b(?:startposition|maxresults)\s+\d"),
    Language.SURREALQL: _Description(read=influxql.read_surrealql, unlike_sql=r"\bgroup\s+all\b|\bselect\s+value\s"),
    Language.LOGQL: _Description(
        products=("loki",), text=r"(?:\w+\s*(?:by\s*\([^)]{0,200}\)\s*)?\(\s*){0,3}\{\s*\w+\s*(?:=~|!~|!=|=)\s*[\"`]"
    ),
    Language.PROMQL: _Description(
        products=("prometheus",),
        text=r"[^|;]{0,300}\w(?:\{[^{}]{0,300}\})?\[\d{1,6}(?:ms|[smhdwy])(?::[^\]]{0,20})?\]",
    ),
    Language.SPARQL: _Description(
        text=r"(?:prefix\s+\w*:\s*<|base\s+<|select\s+(?:distinct\s+)?\?\w|ask\s*\{|construct\s*\{)"
    ),
    Language.GREMLIN: _Description(text=r"g\.(?:V|E|addV|addE)\("),
    Language.GRAPHQL: _Description(
        read=programs.read_graphql,
        text=r"(?:(?:query|mutation|subscription)\b[^{}]{0,300})?\{\s*\w+\s*(?:\{|\(\s*\w+\s*:)",
    ),
}
_WORDS = {language.value: language for language in Language} | {
    word: language for language, one in _DESCRIPTIONS.items() for word in (*one.words, *one.products)
}
_PRODUCTS = frozenset(word for one in _DESCRIPTIONS.values() for word in one.products)
_AFFIXES = frozenset(("", "query", "queries", "search", "text", "string", "statement", "expr", "expression", "script"))
"""The rest of an argument's name that names a language: `kql_query`, `search_spl`."""
_TEXTS = [(language, re.compile(one.text, re.IGNORECASE)) for language, one in _DESCRIPTIONS.items() if one.text]
_UNLIKE_SQL = [
    (language, re.compile(one.unlike_sql, re.IGNORECASE)) for language, one in _DESCRIPTIONS.items() if one.unlike_sql
]
_DESCRIBED = re.compile(
    r"\b(?:sql|es\|ql|" + "|".join(word for word in _WORDS if word not in _PRODUCTS) + r")\b", re.IGNORECASE
)
_MAX_START = 600
"""Characters of a text by which its language is told."""
_QUERY_MARK = re.compile(r"[|=({\[]|\A(?:show|for|evaluate|\.)|\smetadata\s", re.IGNORECASE)
"""Marks without which no text is unmistakable."""


def named_language(words: frozenset[str]) -> Language | None:
    """Return the language that one of the words names."""
    return next((language for word, language in _WORDS.items() if word in words), None)


def language_in(name: str) -> Language | None:
    """Return the language in an argument's name (normalized), such as `kqlquery`."""
    for word, language in _WORDS.items():
        before, found, after = name.partition(word)
        if found and before in _AFFIXES and after in _AFFIXES and (name != word or word not in _PRODUCTS):
            return language
    return None


def described_language(text: str) -> Language | None:
    """Return the language that a description names, if it is the only one."""
    named = {word.lower().replace("|", "") for word in _DESCRIBED.findall(text)}
    found = {_WORDS.get(word) for word in named}
    return found.pop() if len(found) == 1 else None


PROGRAM_LANGUAGES = frozenset(
    (Language.CYPHER, Language.AQL, Language.MONGODB_SHELL, Language.FLUX, Language.INFLUXQL, Language.GREMLIN)
)
"""Languages whose texts cannot be commands of a shell."""


def unmistakable_language(text: str) -> Language | None:
    """Return the language of a text by its first words."""
    start = text[:_MAX_START].lstrip()
    if not _QUERY_MARK.search(start):
        return None
    return next((language for language, pattern in _TEXTS if pattern.match(start)), None)


def analyze(text: str, language: Language, *, is_certain: bool) -> QueryAnalysis | None:
    """Return the analysis of a query; `None` if it is not understood, or too long.

    `is_certain` is False if the server may read it as another language.
    """
    if len(text) > MAX_QUERY_CHARACTERS:
        return None
    found = _DESCRIPTIONS[language].read(text)
    if found is None or is_certain or not found.is_exhaustive:
        return found
    return msgspec.structs.replace(found, is_exhaustive=False)


_PART = re.compile(r"[|(;\[{,]|\b(?:or|index|source|union|match|from|into)\b", re.IGNORECASE)


def extendable(found: Set[Language]) -> Set[Language]:
    """Return those of the languages whose queries a server may put together from several arguments."""
    return {language for language in found if _DESCRIPTIONS[language].start}


def may_be_part(text: str) -> bool:
    """Return True if a text may be more than a word or a comparison."""
    return _PART.search(text) is not None


def may_extend(text: str, language: Language) -> bool:
    """Return True if a text that follows a query, as a command or as a condition, may bring in a table."""
    query = _DESCRIPTIONS[language]
    where = "" if text.lstrip()[:1] in ("|", ";", ",") else query.where
    found = analyze(f"{query.start}{where}{text}", language, is_certain=True)
    return found is None or not found.is_exhaustive or found.named != ("_",)


FILTER = QueryAnalysis((), (), (), returns_rows=None, is_exhaustive=True)
"""A filter of what another argument names."""

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_FILTER_RANGE = re.compile(r":\s*[\[{]\s*[\w.*+/:-]+\s+TO\s+[\w.*+/:-]+\s*[\]}]")
_FILTER_TERM = re.compile(r"(?<![\w.@*-])[\w.@*-]+\s*:(?!:)")
_NOT_FILTER = re.compile(
    r"[^\w\s.@:*?()<>,/+~^!&-]|//|\A\s*(?:let|union|search|find|print|set|database|cluster|range|declare|alias|restrict|evaluate|"
    r"externaldata|datatable|table|materialize)\b|(?<![\w:])(?!(?:and|or|not)\b)\w+\s*\(",
    re.IGNORECASE,
)


def is_kibana_filter(text: str) -> bool:
    """Return True for a filter in the syntax of Kibana or Lucene, `status:500`, which is no query of Kusto."""
    if len(text) > MAX_QUERY_CHARACTERS:
        return False
    plain = _FILTER_RANGE.sub(":x", _QUOTED.sub("x", text)).replace(">=", ">").replace("<=", "<")
    return _FILTER_TERM.search(plain) is not None and not _NOT_FILTER.search(plain)


def analyze_like_sql(text: str) -> QueryAnalysis | None:
    """Return the analysis of a text that begins like SQL and is not, by its syntax."""
    if len(text) > MAX_QUERY_CHARACTERS:
        return None
    lower = text.lower()
    language = next((language for language, pattern in _UNLIKE_SQL if pattern.search(lower)), None)
    return None if language is None else analyze(text, language, is_certain=False)
