"""The query languages other than SQL: how a language is known, and its reader.

The name of an argument or the words of a tool's name tell the language. Without them it is told by the text, if it is
unmistakable; the server may then read it differently, so its tables are not exhaustive.

`PromQL`, `LogQL`, `SPARQL`, `Gremlin` and `GraphQL` have no tables. They are known so that they are not taken for SQL.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Set
from enum import StrEnum

import msgspec

from gateway.metering.queries import cypher, esql, influxql, kql, ppl, programs, soql, spl
from gateway.metering.queries.analysis import QueryAnalysis
from gateway.metering.queries.lexer import MAX_QUERY_CHARACTERS


class Language(StrEnum):
    """A query language other than SQL."""

    KQL = "kql"
    ESQL = "esql"
    SPL = "spl"
    PPL = "ppl"
    INFLUXQL = "influxql"
    NRQL = "nrql"
    GAQL = "gaql"
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


_READERS: dict[Language, Callable[[str], QueryAnalysis | None]] = {
    Language.KQL: kql.read,
    Language.ESQL: esql.read,
    Language.SPL: spl.read,
    Language.PPL: ppl.read,
    Language.INFLUXQL: influxql.read,
    Language.NRQL: influxql.read_nrql,
    Language.GAQL: influxql.read_nrql,
    Language.FLUX: programs.read_flux,
    Language.AQL: programs.read_aql,
    Language.DAX: programs.read_dax,
    Language.MONGODB_SHELL: programs.read_shell,
    Language.CYPHER: cypher.read,
    Language.SOQL: soql.read,
}
_WITHOUT_TABLES = QueryAnalysis((), (), (), returns_rows=True, is_exhaustive=False)

_WORDS = {language.value: language for language in Language} | {
    "kusto": Language.KQL,
    "apl": Language.KQL,
    "arango": Language.AQL,
    "arangodb": Language.AQL,
    "splunk": Language.SPL,
    "sosl": Language.SOQL,
    "salesforce": Language.SOQL,
    "opencypher": Language.CYPHER,
    "neo4j": Language.CYPHER,
    "prometheus": Language.PROMQL,
    "loki": Language.LOGQL,
}
_AFFIXES = frozenset(("", "query", "queries", "search", "text", "string", "statement", "expr", "expression", "script"))
"""The rest of an argument's name that names a language: `kql_query`, `search_spl`."""
_PRODUCTS = frozenset(("splunk", "salesforce", "neo4j", "prometheus", "loki", "arango", "arangodb"))
"""Words that name a language only in the name of a tool, or with `query`."""
_COMMANDS = {
    Language.KQL: r"(?:where|project|extend|summarize|take|distinct|mv-expand|project-away|(?:order|sort)\s+by|limit|"
    r"top|union|join\s+(?:kind|\()|search|render|make-series|sample)\s+\S|(?:count|getschema)\s*(?:\||\Z)",
    Language.ESQL: "where|eval|stats|keep|drop|limit|sort|rename|dissect|grok|enrich|lookup|mv_expand|inlinestats|fork",
    Language.PPL: "where|fields|stats|eval|head|sort|dedup|rename|top|rare|parse|join|lookup|eventstats|table",
}
_UNMISTAKABLE = tuple(
    (language, re.compile(pattern, re.IGNORECASE))
    for language, pattern in (
        (Language.ESQL, rf"\s*(?:from|ts)\s+[^|\s][^|]{{0,500}}\|\s*(?:{_COMMANDS[Language.ESQL]})\s"),
        (Language.ESQL, r"\s*(?:from\s+[^|\s][^|]{0,500}\smetadata\s+_\w|row\s+\w+\s*=[^|]{1,500}(?:\||\Z))"),
        (
            Language.KQL,
            r"\s*(?:let\s+\w+\s*=[^|]{1,500}\||search\s+in\s*\(|(?:cluster|database)\s*\(\s*[\"'][^\"'\n]{1,200}[\"']\s*\)\s*\.|"
            r"\.(?:show|drop|create|alter|set|append|set-or-append|set-or-replace|ingest|clear|delete)\s+\S)",
        ),
        (
            Language.KQL,
            rf"\s*(?:union\s[^|]{{1,500}}|\w+|\[\s*[\"'][^\"'\n]{{1,200}}[\"']\s*\])\s*\|\s*(?:{_COMMANDS[Language.KQL]})",
        ),
        (Language.PPL, rf"\s*(?:search\s+)?source\s*=\s*[\w.`,*-]+\s*\|\s*(?:{_COMMANDS[Language.PPL]})\s"),
        (Language.SPL, r"\s*(?:search\s[^|\n]{0,300}?)?\(*\bindex(?:\s*=|\s+in\s*\()\s*[\"\w*]"),
        (Language.SPL, r"[^|\[\n]{0,300}?\bindex\s*=\s*[\"\w*][^|]{0,500}\|\s*\w"),
        (
            Language.SPL,
            r"\s*\|\s*(?:tstats|mstats|inputlookup|makeresults|metadata|savedsearch|datamodel|eventcount|rest|dbinspect|"
            r"from\s+(?:datamodel|lookup|savedsearch)\s*:)\s",
        ),
        (
            Language.CYPHER,
            r"\s*(?:(?:explain|profile)\s+)?(?:(?:optional\s+)?match|create|merge)\s*(?:\w+\s*=\s*)?(?:\w+\s*\(\s*)?\(\s*"
            r"[\w`]*\s*(?:[:{]|where\s|\)\s*(?:[-<,]|(?:return|where|with|detach|delete|set)\b))",
        ),
        (
            Language.CYPHER,
            r"\s*(?:unwind\s+\S[^\n]{0,500}\sas\s+\w+\s|call\s+[\w.]{1,100}\([^)]{0,500}\)\s+(?:yield|return)\s)",
        ),
        (
            Language.AQL,
            r"\s*for\s+(\w+)(?:\s*,\s*\w+){0,2}\s+in\s+[\w`@.\"]+\s[^;]{0,500}?\b(?:return|insert|update|remove|replace)\s"
            r"[^;]{0,200}?\b\1\b",
        ),
        (Language.MONGODB_SHELL, r"\s*db\s*\.\s*(?:getCollection\(|[\w.$-]{1,120}\.\w{3,30}\s*\()"),
        (Language.DAX, r"\s*evaluate\s+(?:\w+\s*\(|'|\w+\s*(?:\Z|order\s+by\s))"),
        (Language.FLUX, r"(?:\s*import\s+\"[\w/]{1,100}\")*\s*(?:\w+\s*=\s*)?from\s*\(\s*bucket\s*:"),
        (
            Language.INFLUXQL,
            r"\s*show\s+(?:measurements|(?:field|tag)\s+(?:keys|values)|series|retention\s+policies)\b",
        ),
        (Language.SOQL, r"\s*find\s*\{[^{}]{1,500}\}[^()]{0,100}\sreturning\s+\w"),
        (Language.LOGQL, r"\s*(?:\w+\s*(?:by\s*\([^)]{0,200}\)\s*)?\(\s*){0,3}\{\s*\w+\s*(?:=~|!~|!=|=)\s*[\"`]"),
        (Language.PROMQL, r"[^|;]{0,300}\w(?:\{[^{}]{0,300}\})?\[\d{1,6}(?:ms|[smhdwy])(?::[^\]]{0,20})?\]"),
        (Language.SPARQL, r"\s*(?:prefix\s+\w*:\s*<|base\s+<|select\s+(?:distinct\s+)?\?\w|ask\s*\{|construct\s*\{)"),
        (Language.GREMLIN, r"\s*g\.(?:V|E|addV|addE)\("),
        (Language.GRAPHQL, r"\s*(?:(?:query|mutation|subscription)\b[^{}]{0,300})?\{\s*\w+\s*(?:\{|\(\s*\w+\s*:)"),
    )
)
_DESCRIBED = re.compile(
    r"\b(?:sql|es\|ql|" + "|".join(word for word in _WORDS if word not in _PRODUCTS) + r")\b", re.IGNORECASE
)
_MAX_START = 600
"""Characters of a text by which its language is told."""
_QUERY_MARK = re.compile(r"[|=({\[]|\A(?:show|for|evaluate|\.)|\smetadata\s", re.IGNORECASE)
"""Marks without which no text is unmistakable."""
_LIKE_SQL = (
    (
        Language.INFLUXQL,
        re.compile(
            r"\bfill\s*\(|\bgroup\s+by\s[^;]{0,300}\btime\s*\(|=~\s*/|\bfrom\s+/|\bselect\s+/|\.\.\"|\bslimit\b"
        ),
    ),
    (
        Language.SOQL,
        re.compile(r"\bwith\s+security_enforced\b|\busing\s+scope\b|\b(?:last|next)_n_\w{3,20}:|\btypeof\s"),
    ),
    (Language.NRQL, re.compile(r"\b(?:since|facet|timeseries|during)\b")),
)
"""Syntax of languages that begin like SQL, and that a parser of SQL rejects."""


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
    return next((language for language, pattern in _UNMISTAKABLE if pattern.match(start)), None)


def analyze(text: str, language: Language, *, is_certain: bool) -> QueryAnalysis | None:
    """Return the analysis of a query; `None` if it is not understood, or too long.

    `is_certain` is False if the server may read it as another language.
    """
    if len(text) > MAX_QUERY_CHARACTERS:
        return None
    reader = _READERS.get(language)
    found = _WITHOUT_TABLES if reader is None else reader(text)
    if found is None or is_certain or not found.is_exhaustive:
        return found
    return msgspec.structs.replace(found, is_exhaustive=False)


_PARTS = {
    Language.KQL: ("_ ", "_ | where "),
    Language.ESQL: ("FROM _ ", "FROM _ | WHERE "),
    Language.SPL: ("index=_ ", "index=_ "),
    Language.PPL: ("source=_ ", "source=_ | where "),
    Language.CYPHER: ("MATCH (_:_) ", "MATCH (_:_) WHERE "),
    Language.INFLUXQL: ("SELECT _ FROM _ ", "SELECT _ FROM _ WHERE "),
}
"""Beginnings of queries of the table `_`, for a command and for a condition after it."""
_PART = re.compile(r"[|(;\[{,]|\b(?:or|index|source|union|match|from|into)\b", re.IGNORECASE)


def extendable(found: Set[Language]) -> Set[Language]:
    """Return those of the languages whose queries a server may put together from several arguments."""
    return found & _PARTS.keys()


def may_be_part(text: str) -> bool:
    """Return True if a text may be more than a word or a comparison."""
    return _PART.search(text) is not None


def may_extend(text: str, language: Language) -> bool:
    """Return True if a text that follows a query, as a command or as a condition, may bring in a table."""
    command, condition = _PARTS[language]
    found = analyze((command if text.lstrip()[:1] in ("|", ";", ",") else condition) + text, language, is_certain=True)
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
    language = next((language for language, pattern in _LIKE_SQL if pattern.search(lower)), None)
    return None if language is None else analyze(text, language, is_certain=False)
