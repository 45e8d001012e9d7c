"""Arguments beside the table `allowed`, and parts of queries: harmless ones, and attacks."""

from __future__ import annotations

from typing import Any

SAFE_ARGUMENTS: tuple[dict[str, Any], ...] = (
    {"cursor": "x"},
    {"page_token": "x"},
    {"next_page_token": "x"},
    {"next_token": "x"},
    {"offset": 5},
    {"scroll": "1m"},
    {"search_after": ["1", 5]},
    {"from": 0},
    {"from": "10"},
    {"from": "2024-01-01"},
    {"from": "2024-01-01T00:00:00Z"},
    {"from": "now-1h/d"},
    {"from": "ann@example.com"},
    {"include": ["documents", "metadatas"]},
    {"include": None, "expand": False, "joins": [], "union": ""},
    {"join_type": "left"},
    {"joins": [{"table": "allowed", "on": "a.id = b.id", "type": "left"}]},
    {"filter": {"from": "x"}},
    {"filter": "a eq 1 and b gt 2"},
    {"query": "status:500 AND host:a"},
    {"query": "select=id,name&id=gt.5&order=id"},
    {"query": "select=count()"},
    {"query": "$top=5&$filter=a eq 'b'"},
    {"note": "[ERROR] see a | b"},
)
"""Arguments that a key for the table `allowed` may send beside that table."""

REACHING_ARGUMENTS: tuple[dict[str, Any], ...] = (
    {"join": "secret"},
    {"joins": ["secret"]},
    {"joins": [{"target": "secret"}]},
    {"joins": '[{"target": "secret"}]'},
    {"joins": "[{target: 'secret'}]"},
    {"join": {"secret": {"on": "a"}}},
    {"join": {"table": "allowed", "on": "a in (select a from secret)"}},
    {"inner_join": "secret on a = b"},
    {"join_table": "secret"},
    {"second_table": "secret"},
    {"table2": "secret"},
    {"union": "secret"},
    {"union": [["secret"]]},
    {"lookup": {"from": "secret"}},
    {"from": "secret"},
    {"from": {"table": "secret"}},
    {"options": {"join": "secret"}},
    {"filter": {"join": "secret"}},
    {"with": "secret"},
    {"include": ["secret"]},
    {"include": ["documents"]},
    {"include": {"secret": True}},
    {"include": [{"model": "secret"}]},
    {"expand": "secret"},
    {"expand": True},
    {"embed": ["secret"]},
    {"populate": "*"},
    {"populate": {"secret": {"fields": ["a"]}}},
    {"relations": ["secret"]},
    {"query": "select=*,secret(*)"},
    {"query": "select=*,...secret(a)"},
    {"query": "select=*%2Csecret(*)"},
    {"q": "?select=id,x:secret!key(id)"},
    {"query_options": "$expand=secret"},
    {"query_options": "$top=5&$expand=secret"},
    {"query_options": "%24expand=secret"},
    {"query_options": "%2524expand=secret"},
    {"query": "populate[secret][fields]=*"},
    {"filter": "secrets/any(o: o/x eq 1)"},
    {"queryBody": "{query:{terms:{u:{index:'secret',id:1}}}}"},
    {"pipeline": "[{'\\u0024lookup':{from:'secret'}}]"},
    {"body": "/* x */ {index:'secret'}"},
    {"body": "// x\n[{'a':1}]"},
    {"body": "({index:'secret'})"},
    {"body": "\ufeff{index:'secret'}"},
    {"scroll_id": "x"},
    {"pit": {"id": "x"}},
    {"body": '{"pit": {"id": "x"}}'},
    {"statement_id": 5},
    {"query_execution_id": "x"},
    {"job_id": "x"},
    {"sql": "SELECT * FROM allowed", "next_token": "x"},
    {"filter": "| union secret"},
    {"filter": "x == 1 |// a\n union secret"},
    {"sql": "SELECT * FROM allowed, LATERAL FLATTEN(input => secret)"},
    {"sql": "SELECT * FROM UNNEST(secret)"},
    {"sql": "SELECT * FROM allowed, UNNEST(other.secret)"},
)
"""Arguments beside the table `allowed` that may reach another table."""

SAFE_PARTS = {
    "kql": ("x == 1", "x > ago(1h)", "| take 5", "| where a == 'b' | project a, b", '{"a": 1}', "https://example.com"),
    "splunk": ("| head 5", "-1h@h"),
    "esql": ("a > 1 AND (b == 2)",),
}
"""Parts of queries, by the language of the tool, that reach no other table."""

REACHING_PARTS = {
    "kql": (
        "| union secret",
        "|union (secret)",
        "; secret",
        "x in (secret)",
        "x in ((secret | project a))",
        "x == toscalar(secret | count)",
        "x == 1 // \n | union secret",
    ),
    "splunk": ("OR index=secret", "| append [search index=secret]"),
    "esql": (", secret", "| LOOKUP JOIN secret ON a"),
    "cypher": ("EXISTS { MATCH (m:secret) }",),
}
"""Parts of queries, by the language of the tool, that bring in another table."""

SAFE_FILTERS = (
    "status:500",
    'host.name : "web-1" and not (status >= 500 or a:(b or c))',
    "a:[1 TO 5] AND b:{x TO y}",
    "response:* and bytes > 100",
)
"""Texts of the argument `kql` beside an index: filters of Kibana and Lucene."""

REACHING_FILTERS = (
    "secret",
    "secret | where a:b",
    "a:b | union secret",
    "a:b; secret",
    "search in (secret) a:b",
    "find in (secret) where a:b",
    "union secret, x:y",
    "toscalar(secret) and a:b",
    "a:b or x in (secret)",
    "['secret'] | a:b",
    "let a:b = secret; a",
)
"""Texts of the argument `kql` beside an index that may be queries of Kusto."""
