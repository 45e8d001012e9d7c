"""The labels that Cypher reads, writes and may reach."""

from __future__ import annotations

import pytest

from gateway.metering.queries import cypher
from gateway.metering.queries.analysis import QueryAnalysis


def analyzed(text: str) -> QueryAnalysis:
    found = cypher.read(text)
    assert found is not None, text
    return found


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("MATCH (n:Person)-[:KNOWS]->(m:Person) RETURN n.name, m", "person"),
        ("MATCH (n:Person {name: 'x'})-[r:ACTED_IN]->(m:Movie) WHERE n.age > 3 RETURN count(n)", "movie person"),
        ("MATCH (n:Person) MATCH (n)-[:A]->(c:City) RETURN c", "city person"),
        ("MATCH (n:`Odd Label`:B|C) RETURN n", "b c odd label"),
        ("MATCH (n:A) WHERE EXISTS { MATCH (s:B) } RETURN n", "a b"),
        ("MATCH (n:A) RETURN [(n)-->(s:B) | s.x]", "a b"),
        ("MATCH (n:A) WHERE (n)-[:X]-(:B) RETURN n", "a b"),
        ("MATCH p = shortestPath((a:A)-[:R]-(b:B)) RETURN count(p)", "a b"),
        ("MATCH (n:A) WHERE n.x = '(s:B)' RETURN n // (s:C)", "a"),
        ("MATCH (n:A) WITH n ORDER BY n.name RETURN (n.age + 1), size(n.x)", "a"),
    ],
)
def test_labels_read(text: str, read: str) -> None:
    found = analyzed(text)
    assert (" ".join(found.read), found.is_exhaustive, found.returns_rows) == (read, True, True)


@pytest.mark.parametrize(
    ("text", "read", "written", "returns_rows"),
    [
        ("CREATE (n:Person {name: 'x'}) RETURN n", (), ("person",), True),
        ("MERGE (n:Person {name: 'x'}) ON CREATE SET n.a = 1", (), ("person",), False),
        ("MATCH (n:Person) SET n.age = 3", ("person",), ("person",), False),
        ("MATCH (n:Person) WITH n LIMIT 5 DETACH DELETE n", ("person",), ("person",), False),
        ("UNWIND $rows AS row MERGE (p:Person {id: row.id}) SET p += row", (), ("person",), False),
        ("MATCH (a:X), (b:Y) CREATE (a)-[:R]->(b)", ("x", "y"), (), False),
    ],
)
def test_labels_written(text: str, read: tuple[str, ...], written: tuple[str, ...], returns_rows: bool) -> None:
    found = analyzed(text)
    assert (found.read, found.written, found.returns_rows, found.is_exhaustive) == (read, written, returns_rows, False)


@pytest.mark.parametrize(
    "text",
    [
        "MATCH (n) RETURN n",
        "MATCH () RETURN 1",
        "MATCH (n:A)-->(m) RETURN m",
        "MATCH (n:A)-->() RETURN 1",
        "MATCH (n:!A) RETURN n",
        "MATCH (n:$($label)) RETURN n",
        "MATCH (n IS A) RETURN n",
        "MATCH (n:A) RETURN n UNION MATCH (n) RETURN n",
        "MATCH (n:A) WITH count(n) AS c MATCH (n) RETURN n",
        "MATCH (a:A) WHERE EXISTS { MATCH (n:A) } MATCH (n) RETURN n",
        "MATCH p = (a:A)-[*1..3]->(b:B) RETURN p",
        "MATCH (a:A)-[:R]->+(b:B) RETURN a",
        "MATCH (a:A)-[:R]->{1,3}(b:B) RETURN a",
        "MATCH SHORTEST 1 (n)-->(m:A) RETURN n",
        "MATCH (n:A) RETURN apoc.cypher.run('x')",
        "MATCH (n:A) CALL { MATCH (m:A) RETURN m } RETURN m",
        "CALL db.labels()",
        "LOAD CSV FROM 'https://example.com/x' AS l RETURN l",
        "USE other MATCH (n:A) RETURN n",
        "MATCH (n:A) RETURN n // \\u000A UNION MATCH (m:B) RETURN m",
        "MATCH (n:`A``B`) RETURN n",
        "SHOW INDEXES",
    ],
)
def test_a_query_that_may_reach_more_is_not_exhaustive(text: str) -> None:
    found = cypher.read(text)
    assert found is None or not found.is_exhaustive


@pytest.mark.parametrize("text", ["", "hello world", "MATCH (n:A RETURN n", "MATCH (n {a: 'x) RETURN n"])
def test_a_text_that_is_not_understood_has_no_analysis(text: str) -> None:
    assert cypher.read(text) is None
