"""Properties of the readers for arbitrary texts, and attacks on the access control that is built on them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.metering import tables_in_arguments
from gateway.metering.queries import languages
from gateway.metering.queries.languages import Language
from gateway.metering.queries.lexer import MAX_QUERY_CHARACTERS

WORDS = r"""
FROM SELECT MATCH index = a secret | ( ) [ ] { } ' " ` , ; : . - > * // /* */ -- union join where in let RETURN
search source= bucket: _measurement == CREATE into lookup collect .show with n : A -[ ]-> ``` \ $ # é ~ ! @ OR NOT
datamodel=x fields stats toscalar materialize database table FIND {x} RETURNING metadata enrich on as by fork
"""
PARTS = st.sampled_from(WORDS.split())
TEXTS = st.lists(PARTS, max_size=25).map(" ".join) | st.text(max_size=60)
MAX_CALLS = 25
"""Calls of Python and C functions for one character."""

SAFE = {
    "kql": "allowed | where x == 1 | take 5",
    "esql": "FROM allowed | WHERE x == 1 | LIMIT 5",
    "ppl": "source=allowed | where x = 1 | head 5",
    "spl": "index=allowed x=1 | head 5",
    "influxql": "SELECT x FROM allowed WHERE x = 1",
    "cypher": "MATCH (n:allowed) WHERE n.x = 1 RETURN n",
    "soql": "SELECT Id FROM allowed WHERE x = 1",
}
"""A query of each language that a key for the table `allowed` may send."""

ATTACKS = {
    "kql": [
        "allowed | union secret",
        "allowed | union withsource=t *",
        "allowed | union database('x').secret",
        "database('x').allowed",
        "allowed | join (secret | take 1) on a",
        "allowed | lookup secret on a",
        "let allowed = secret; allowed",
        "let a = () { secret }; a()",
        "allowed | where x in (secret)",
        "allowed | where x in~ ((secret | project a))",
        "allowed | extend x = toscalar(secret | count)",
        "allowed // \n | union secret",
        "allowed // \r | union secret",
        "allowed | where x == '\\'' | union secret | where y == '\\''",
        "allowed | where x == @'\\' | union secret | where y == @'\\'",
        "['secret']",
        "['allo\\u0077ed']",
        "table('secret')",
        "search 'x'",
        "search in (allowed, secret) 'x'",
        "find in (secret) where true",
        "secret",
        "\u0430llowed",
        "allowed; secret",
        "externaldata(x:string)['https://example.com']",
        "allowed | evaluate http_request('https://example.com')",
        "allowed | invoke f()",
        "cluster('c').database('d').allowed",
        ".set allowed <| secret",
        ".drop table allowed",
        ".show tables",
        "allowed | partition by x { secret | take 1 }",
        "allowed | fork (take 1) (union secret)",
    ],
    "esql": [
        "FROM allowed, secret",
        "FROM allowed,secret",
        "FROM allow*",
        "FROM *",
        "FROM _all",
        'FROM "allowed,secret"',
        'FROM """secret"""',
        "FROM `secret`",
        "FROM allowed /* | */ , secret",
        "FROM allowed // \n , secret",
        "FROM allowed // \r , secret",
        "FROM allowed | LOOKUP JOIN secret ON a",
        "FROM allowed | ENRICH secret",
        "FROM allowed | WHERE a IN (FROM secret)",
        "FROM allowed | FORK (WHERE x == 1) (LOOKUP JOIN secret ON a)",
        "FROM remote:allowed",
        "FROM (FROM secret)",
        'FROM "<allowed-{now/d}>"',
        "FROM \uff41llowed",
        "TS secret",
    ],
    "ppl": [
        "source=allowed, secret",
        "source=allow*",
        "source=`secret`",
        "search a=1 source=allowed source=secret",
        "source=allowed | join left=l right=r on l.a=r.a secret",
        "source=allowed | join left=l right=r on l.a=r.a [source=secret]",
        "source=allowed | lookup secret a",
        "source=allowed | where a in [source=secret | fields a]",
        "source=allowed | where exists [search source=secret]",
        "source=allowed | append [source=secret]",
        "source=allowed | unknown secret",
        "source=allowed /* */ | head",
        "describe secret",
        "show datasources",
    ],
    "spl": [
        "index=allowed OR index=secret",
        "index=allowed OR host=x",
        "index=*",
        "index=allow*",
        "index IN (allowed, secret)",
        "NOT index=allowed",
        "index!=allowed",
        "x=1",
        "INDEX=allowed",
        "index=allowed [search index=secret]",
        "index=allowed | append [search index=secret]",
        "index=allowed | appendpipe [append [search index=secret]]",
        "index=allowed | join a [search index=secret]",
        'index=allowed | map search="search index=secret"',
        "index=allowed | lookup secret a",
        "index=allowed | inputlookup append=t secret",
        "| inputlookup secret",
        "| from datamodel:secret",
        "| tstats count from datamodel=secret where index=allowed",
        "| tstats count where index=secret",
        "| savedsearch secret",
        "| rest /services",
        "index=allowed `secret`",
        'index=allowed ``` " ``` | append [search index=secret]',
        "index=allowed | collect index=allowed",
        "index=allowed | outputlookup allowed",
        "index=allowed | delete",
        "index=allowed eventtype=secret",
        "index::secret",
        'index="secret"',
    ],
    "influxql": [
        "SELECT x FROM allowed, secret",
        'SELECT x FROM "db".."allowed"',
        "SELECT x FROM /.*/",
        "SELECT x FROM (SELECT y FROM secret)",
        "SELECT x FROM allowed; SELECT y FROM secret",
        "SELECT x INTO allowed FROM allowed",
        "SELECT a / b FROM secret WHERE c / 2 > 1",
        "SELECT x FROM allowed -- \n , secret",
        "SELECT x FROM allowed -- \r , secret",
        'SELECT x FROM "secret"',
        'SELECT x FROM "allowed\\""',
        "SHOW MEASUREMENTS",
        "SHOW FIELD KEYS",
        "DROP MEASUREMENT allowed",
        "DELETE FROM allowed",
    ],
    "flux": ['from(bucket: "allowed") |> filter(fn: (r) => r._measurement == "allowed")'],
    "cypher": [
        "MATCH (n) RETURN n",
        "MATCH (n:allowed), (m:secret) RETURN m",
        "MATCH (n:allowed)-->(m) RETURN m",
        "MATCH (n:allowed|secret) RETURN n",
        "MATCH (n:`secret`) RETURN n",
        "MATCH (n:allowed) RETURN n UNION MATCH (n) RETURN n",
        "MATCH (n:allowed) RETURN [(n)-->(m) | m]",
        "MATCH (n:allowed) RETURN [(n)-->(m:secret) | m]",
        "MATCH (n:allowed) WHERE EXISTS { (m:secret) } RETURN n",
        "MATCH (n:allowed) CALL { MATCH (m:secret) RETURN m } RETURN m",
        "MATCH (n:allowed) CALL db.labels() YIELD label RETURN label",
        "MATCH p = (n:allowed)-[*]-(m:allowed) RETURN p",
        "MATCH (n:allowed) // \n MATCH (m:secret) RETURN m",
        "MATCH (n:allowed) // \r MATCH (m:secret) RETURN m",
        "MATCH (n:allowed) // \\u000a MATCH (m:secret) RETURN m",
        "CREATE (n:allowed) RETURN n",
        "MERGE (n:allowed)",
        "MATCH (n:allowed) SET n.x = 1",
        "LOAD CSV FROM 'file:///x' AS l RETURN l",
        "MATCH ANY SHORTEST (n:secret)-->(m:allowed) RETURN n",
    ],
    "soql": [
        "SELECT Id FROM secret",
        "SELECT Id, (SELECT Id FROM secrets) FROM allowed",
        "SELECT secret.Id FROM allowed",
        "SELECT Id FROM allowed WHERE Id IN (SELECT Id FROM secret)",
        "SELECT Id FROM allowed, allowed.secrets",
        "FIND {x} RETURNING allowed, secret",
        "FIND {x}",
    ],
    "promql": ["allowed", "secret"],
    "logql": ['{app="allowed"}'],
    "graphql": ["{ allowed }"],
}
"""Queries that reach more than the table `allowed`, or change it."""


def count_calls(function: Callable[[], object]) -> int:
    """Count the calls and returns of Python and C functions in `function`."""
    total = 0

    def profile(frame: FrameType, event: str, argument: object) -> None:
        nonlocal total
        total += 1

    previous = sys.getprofile()
    sys.setprofile(profile)
    try:
        function()
    finally:
        sys.setprofile(previous)
    return total


def named(language: str, text: str) -> tuple[str, ...] | None:
    return tables_in_arguments("query", {language: text})


@pytest.mark.parametrize("language", SAFE)
def test_a_query_of_the_allowed_table_is_understood(language: str) -> None:
    assert named(language, SAFE[language]) == ("allowed",)


@pytest.mark.parametrize(("language", "text"), [(name, text) for name, texts in ATTACKS.items() for text in texts])
def test_a_query_that_reaches_more_is_refused(language: str, text: str) -> None:
    assert named(language, text) not in (("allowed",), ())


@given(st.sampled_from(list(Language)), TEXTS)
@settings(max_examples=600, deadline=None)
def test_readers_never_raise(language: Language, text: str) -> None:
    found = languages.analyze(text, language, is_certain=True)
    assert found is None or set(found.read) | set(found.written) <= set(found.named)


@given(TEXTS)
@settings(max_examples=300, deadline=None)
def test_the_language_of_any_text_is_told_without_an_error(text: str) -> None:
    languages.unmistakable_language(text)


@given(st.sampled_from(list(SAFE)), st.sampled_from([" ", "\n", "\t", "  ", "\r\n"]))
@settings(max_examples=100, deadline=None)
def test_white_space_changes_no_table(language: str, space: str) -> None:
    assert named(language, SAFE[language].replace(" ", space)) == ("allowed",)


@given(st.sampled_from(["kql", "esql", "cypher"]), st.text(alphabet="abc'\"|()[]{},:=> ", max_size=20))
@settings(max_examples=200, deadline=None)
def test_a_comment_changes_no_table(language: str, comment: str) -> None:
    assert named(language, f"// {comment}\n{SAFE[language]} // {comment}") == ("allowed",)


@given(st.sampled_from(list(SAFE)), st.text(alphabet="abc|()[]{},:=> ", max_size=20))
@settings(max_examples=200, deadline=None)
def test_a_string_never_hides_a_table(language: str, inside: str) -> None:
    quote = "'" if language in ("influxql", "soql") else '"'
    text = SAFE[language].replace("1", f"{quote}{inside}{quote}", 1)
    assert named(language, text) in (("allowed",), None)


@given(TEXTS)
@settings(max_examples=300, deadline=None)
def test_a_definition_before_a_query_never_hides_a_table(value: str) -> None:
    tables = named("kql", f"let x = {value}\n; secret\n| take 1")
    assert tables is None or "secret" in tables or "secret" in value


@pytest.mark.parametrize("language", [*SAFE, "flux"])
@pytest.mark.parametrize(
    "part", ["(", "[", "a ", "| a ", "(a:b)", "'", '"a" ', "/", "/*", "//", "\n", "a=b ", ",", "{x} "]
)
def test_the_work_for_a_text_is_in_proportion_to_its_length(language: str, part: str) -> None:
    text = SAFE.get(language, "from(bucket: x)") + part * ((MAX_QUERY_CHARACTERS - 100) // len(part))
    reader = Language(language)
    assert count_calls(lambda: languages.analyze(text, reader, is_certain=True)) < MAX_CALLS * MAX_QUERY_CHARACTERS
    assert count_calls(lambda: languages.unmistakable_language(text)) < MAX_CALLS * MAX_QUERY_CHARACTERS
