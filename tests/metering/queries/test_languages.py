"""The language of a query is told by names, or by an unmistakable text."""

from __future__ import annotations

import pytest

from gateway.metering.queries import languages
from gateway.metering.queries.languages import Language
from gateway.metering.queries.lexer import MAX_QUERY_CHARACTERS


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("FROM logs-* | WHERE a==1", "esql"),
        ("FROM logs METADATA _id", "esql"),
        ("ROW a = 1", "esql"),
        ("index=web | stats count by host", "spl"),
        ("search index IN (web) error", "spl"),
        ("| tstats count where index=web", "spl"),
        ("StormEvents | where State == 'TEXAS'", "kql"),
        ("T | count", "kql"),
        ("let x = 1; T | take x", "kql"),
        (".show tables", "kql"),
        ("source=logs | fields a", "ppl"),
        ("fetch logs, from:now()-2h | filter a == 1", "dql"),
        ("MATCH (n:Person) RETURN n", "cypher"),
        ("MATCH (n) RETURN n", "cypher"),
        ("CREATE (n:Person)", "cypher"),
        ('from(bucket: "b")', "flux"),
        ("FOR u IN users RETURN u", "aql"),
        ("db.orders.find({})", "mongosh"),
        ("EVALUATE 'Sales'", "dax"),
        ("SHOW MEASUREMENTS", "influxql"),
        ("FIND {x} RETURNING Account", "soql"),
        ("sum by (job) (rate(http_requests_total[5m]))", "promql"),
        ('{app="web"} |= "x"', "logql"),
        ('rate({app="web"}[5m])', "logql"),
        ("SELECT ?s WHERE { ?s ?p ?o }", "sparql"),
        ("g.V().hasLabel('a')", "gremlin"),
        ("query { user { name } }", "graphql"),
    ],
)
def test_the_language_of_an_unmistakable_text(text: str, language: str) -> None:
    assert languages.unmistakable_language(text) == language


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM t WHERE a = 1",
        "WITH a AS (SELECT 1) SELECT * FROM a",
        "FROM t",
        "up",
        "hello world",
        ".data | keys",
        "error | stats count",
        "match (all) the things",
        "create (a new table)",
        "the index in (city)",
        "a = b",
        "for sale in berlin",
        "for sale in berlin return policy",
        "source=github",
        "fetch logs",
        "fetch gce_instance | metric 'cpu'",
        '{"query": {"match": {"a": "b"}}}',
        "",
    ],
)
def test_other_texts_have_no_language(text: str) -> None:
    assert languages.unmistakable_language(text) is None


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("kql", "kql"),
        ("kqlquery", "kql"),
        ("esqlquery", "esql"),
        ("searchspl", "spl"),
        ("cypherstatement", "cypher"),
        ("promql", "promql"),
        ("splunkquery", "spl"),
        ("splunk", None),
        ("salesforceid", None),
        ("influence", None),
        ("explain", None),
        ("sqlquery", None),
    ],
)
def test_the_language_in_the_name_of_an_argument(name: str, language: str | None) -> None:
    assert languages.language_in(name) == language


def test_a_query_whose_language_is_uncertain_is_not_exhaustive() -> None:
    certain = languages.analyze("T | take 1", Language.KQL, is_certain=True)
    uncertain = languages.analyze("T | take 1", Language.KQL, is_certain=False)
    assert certain is not None
    assert uncertain is not None
    assert (certain.read, certain.is_exhaustive) == (("t",), True)
    assert (uncertain.read, uncertain.is_exhaustive) == (("t",), False)


@pytest.mark.parametrize("language", ["promql", "logql", "sparql", "gremlin", "graphql"])
def test_languages_without_tables_have_rows_and_may_reach_anything(language: str) -> None:
    found = languages.analyze("anything", Language(language), is_certain=True)
    assert found is not None
    assert (found.named, found.returns_rows, found.is_exhaustive) == ((), True, False)


def test_a_query_beyond_the_bound_has_no_analysis() -> None:
    assert languages.analyze("T | take 1 //" + "x" * MAX_QUERY_CHARACTERS, Language.KQL, is_certain=True) is None


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("SELECT mean(x) FROM cpu GROUP BY time(10m) fill(null)", "cpu"),
        ("SELECT campaign.id FROM campaign WHERE segments.date DURING LAST_30_DAYS", "campaign"),
        ("SELECT count(*) FROM Transaction FACET name SINCE 1 day ago", "transaction"),
        ("SELECT Id FROM Contact WITH SECURITY_ENFORCED", "contact"),
    ],
)
def test_a_language_that_begins_like_sql_is_told_by_its_syntax(text: str, read: str) -> None:
    found = languages.analyze_like_sql(text)
    assert found is not None
    assert (found.read, found.is_exhaustive) == ((read,), False)


def test_sql_is_no_other_language() -> None:
    assert languages.analyze_like_sql("SELECT a FROM t") is None
