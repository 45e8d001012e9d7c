# ruff: noqa: E501 - the cases are read better in one line each
"""Tables that arguments name, for metering and for access control."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.metering import is_sql_parsed, parse_sql, reachable_tables, tables_in_arguments, tables_written
from gateway.metering.arguments import MAX_ARGUMENT_STRINGS, parse_arguments


@pytest.mark.parametrize(
    ("tool", "arguments", "read"),
    [
        ("get_rows", {"table": "Stocks"}, "stocks"),
        ("get_rows", {"tableName": '"Ref"."Airports"'}, "ref.airports"),
        ("get_rows", {"table_name": "stocks", "limit": 5}, "stocks"),
        ("describe", {"table": "airports", "schema": "ref"}, "ref.airports"),
        ("describe", {"table": "ref.airports", "schema": "other"}, "ref.airports"),
        ("get_object_details", {"schema_name": "ref", "object_name": "airports", "object_type": "table"}, "ref.airports"),
        ("get_object_details", {"schema_name": "ref", "object_name": "f", "object_type": "function"}, ""),
        ("list_objects", {"schema_name": "ref", "object_type": "table"}, ""),
        ("schema", {"tables": ["Penguins", "planes"]}, "penguins planes"),
        ("schema", {"table_names": "a, b"}, "a b"),
        ("find", {"database": "shop", "collection": "movies", "filter": {"from": "x"}}, "movies"),
        ("aggregate", {"collection": "a", "pipeline": [{"$lookup": {"from": "b", "as": "c"}}, {"$unionWith": {"coll": "d"}}]}, "a b d"),
        ("search", {"index": "logs", "query": {"match": {"a": "b"}}}, "logs"),
        ("read_range", {"path": "/x.xlsx", "sheet": "IBM prices", "range": "A1:B2"}, "ibm prices"),
        ("sheets_read", {"spreadsheetId": "x", "range": "'My Orders'!A1:B5"}, "my orders"),
        ("sheets_read", {"spreadsheet": "x", "range": "Orders"}, "orders"),
        ("read", {"range": "A1:B5"}, ""),
        ("list_tables", {"dataset": "shop"}, ""),
        ("get_dataset", {"dataset": "penguins"}, "penguins"),
        ("preview", {"dataset": "shop", "table": "orders"}, "shop.orders"),
        ("query", {"params": {"sql": "SELECT * FROM t"}}, "t"),
        ("query", {"queries": ["SELECT * FROM t", "SELECT * FROM u"]}, "t u"),
        ("query", {"anything": "SELECT * FROM t"}, "t"),
        ("find_cells", {"query": "Delta Air Lines", "sheet": "airlines"}, "airlines"),
        ("search", {"query": "show me the tables"}, ""),
        ("search", {"q": "update the docs"}, ""),
        ("get_prices", {"symbol": "AAPL"}, ""),
        ("insert_row", {"table": "t", "row": {"a": 1}}, ""),
        ("mysql_delete", {"table": "t"}, ""),
        ("get_last_update", {"table": "t"}, "t"),
        ("copy", {"from_table": "a", "target_table": "b"}, "a"),
        ("get", {"index": 5, "table": None, "tables": {}}, ""),
        ("execute_query", {"query": "StormEvents | where State == 'TEXAS' | take 5"}, "stormevents"),
        ("run_kql", {"query": "T"}, "t"),
        ("search_splunk", {"search_query": "search index=web | stats count"}, "web"),
        ("execute_esql", {"query": "FROM logs-* | LIMIT 5"}, "logs-*"),
        ("run", {"cypher_query": "MATCH (n:Person) RETURN n"}, "person"),
        ("run", {"query": "T | take 1", "language": "kql"}, "t"),
        ("query_influxql", {"q": "SELECT /cpu.*/ FROM metrics LIMIT 2"}, "metrics"),
        ("query", {"q": "SELECT mean(x) FROM cpu GROUP BY time(1m) fill(null)"}, "cpu"),
        ("query_nrql", {"nrql": "SELECT count(*) FROM Transaction FACET name SINCE 1 day ago"}, "transaction"),
        ("query", {"nrql": "FROM Log SELECT * WHERE id IN (FROM Span SELECT uniques(id))"}, "log span"),
        ("query_prometheus", {"expr": 'up{job="a"}'}, ""),
        ("query_loki_logs", {"logql": '{app="web"}'}, ""),
        ("query_graphql", {"query": "{ a }"}, ""),
        ("search", {"query": "how to (sort) a list = x"}, ""),
        ("query_records", {"objectName": "Contact", "fields": ["Name", "(SELECT Id FROM Cases)"]}, "contact"),
        ("list_objects", {"objectType": "contacts", "limit": 25}, "contacts"),
        ("list_objects", {"objectType": "function"}, ""),
        ("get_object", {"bucket": "b", "objectName": "x"}, ""),
        ("consume_messages", {"topic": "orders"}, "orders"),
        ("search_papers", {"topic": "AI"}, ""),
        ("read_stream", {"stream": "events"}, "events"),
        ("get_nodes", {"label": "Person"}, "person"),
        ("list_issues", {"labels": ["bug"]}, ""),
        ("read_points", {"bucket": "b", "measurement": "cpu"}, "cpu"),
        ("search", {"index": "logs-*,audit", "query": {"match_all": {}}}, "audit logs-*"),
        ("file_search", {"vector_store_id": "vs_1", "query": "x"}, "vs_1"),
        ("search", {"indexUid": "recipes", "query": "soup"}, "recipes"),
        ("search_records", {"name": "manuals", "namespace": "en", "query": {"inputs": {"text": "valve"}}}, "manuals"),
        ("get_pod", {"name": "web", "namespace": "prod"}, ""),
        ("search", {"indexes": [{"name": "a", "namespace": "en"}, {"name": "b"}]}, "a b"),
        ("list_documents", {"database_name": "parts", "limit": 20}, "parts"),
        ("find_documents", {"database": "shop", "collection": "parts"}, "parts"),
        ("search_emails", {"query": "from:nobody@example.org"}, ""),
        ("describe", {"hypertable_name": "conditions"}, "conditions"),
        ("filter_log_events", {"logGroupName": "/app/web"}, "/app/web"),
        ("query_items", {"container": "orders", "database": "shop"}, "orders"),
        ("start", {"container": "web"}, ""),
        ("arango_query", {"query": "FOR u IN users RETURN u"}, "users"),
        ("get_logs", {"stream": "stderr"}, ""),
        ("search_logs", {"stream_name": "web"}, "web"),
        ("search_records", {"model": "res.partner", "domain": []}, "res.partner"),
        ("search_records", {"model": "bge-reranker-v2-m3"}, ""),
        ("chat", {"model": "res.partner"}, ""),
        ("list_items", {"collection_id": "c1"}, "c1"),
        ("get_collection", {"collection_id": "c1"}, ""),
        ("get_table", {"table_full_name": "a.b.c"}, "a.b.c"),
        ("execute_query", {"query": "EVALUATE Sales"}, "sales"),
        ("execute", {"script": "let x = 5; console.log(x)"}, ""),
        ("execute", {"command": "history | limit 5"}, ""),
        ("get_messages", {"stream": "general", "topic": "greetings"}, ""),
        ("find_objects", {"objectType": "dashboard"}, ""),
        ("switch_tab", {"tab_name": "x"}, ""),
        ("search_logs", {"index": "logs", "kql": "error"}, "logs"),
        ("run_cypher", {"text": "MATCH (n:Person) RETURN n"}, "person"),
        ("run_command", {"command": "db.orders.find({})"}, "orders"),
        ("query", {"namespace": "n", "database": "d", "metric": "m", "data_source_id": "s"}, ""),
        ("query", {"sql": "SELECT * FROM {{ ref('orders') }} WHERE x = '${y}'"}, "orders"),
        ("run_command", {"command": {"find": "orders", "filter": {"a": 1}}}, "orders"),
        ("batch_get_item", {"RequestItems": {"Orders": {"Keys": [{"id": 1}]}}}, "orders"),
        ("get", {"table": {"name": "orders"}}, "orders"),
        ("get_updates", {"objectType": "Item", "objectId": "5"}, ""),
        ("index_document", {"index": "orders", "document": {"a": 1}}, ""),
        ("index_stats", {"index": "orders"}, "orders"),
        ("query", {"queries": ["SELECT count() FROM orders WHERE a = 'b' GROUP ALL"]}, "orders"),
        ("search_records", {"resource_type": "companies", "query": "a"}, "companies"),
        ("list_dns_records", {"record_type": "A"}, ""),
        ("search_entries", {"query": {"content_type": "article"}}, "article"),
        ("upload", {"content_type": "text/plain"}, ""),
    ],
)  # fmt: skip
def test_tables_that_a_call_reads(tool: str, arguments: dict[str, Any], read: str) -> None:
    assert " ".join(parse_arguments(tool, arguments).tables_read) == read


@pytest.mark.parametrize(
    ("tool", "arguments", "named"),
    [
        ("list_tables", {}, ()),
        ("list_tables", {"schema": "ref"}, ()),
        ("get_rows", {"table": "stocks"}, ("stocks",)),
        ("insert_row", {"table": "stocks"}, ("stocks",)),
        ("query", {"sql": "INSERT INTO a SELECT * FROM b"}, ("a", "b")),
        ("query", {"sql": "EXPLAIN SELECT * FROM t"}, ("t",)),
        ("query", {"sql": "DESCRIBE t"}, ("t",)),
        ("read", {"sheet": "IBM prices"}, ("ibm prices",)),
        ("get_rows", {"table": "ok", "other": '{"table": "secret"}'}, ("ok", "secret")),
        ("get_rows", {"table": "ok", "other": ' [{"table": "secret", "a": NaN}]'}, ("ok", "secret")),
        ("get_rows", {"table": "ok", "other": {"a": '{"b": "{\\"table\\": \\"secret\\"}"}'}}, ("ok", "secret")),
        ("get_rows", {"table": "ok", "other": "[not JSON]"}, ("ok",)),
        ("get_rows", {"table": "ok", "where": "lower(name) IN ('a', 'b') AND (n > 1)"}, ("ok",)),
        ("get_rows", {"table": "ok", "note": "Acme (Berlin), the table from 2020"}, ("ok",)),
        ("get_rows", {"table": "ok", "sql": ""}, ("ok",)),
        ("get_rows", {"table": "ok", "select": "id, count(*), sum(total)"}, ("ok",)),
        ("create_table", {"table": "ok", "columns": ["id int", "name VARCHAR(50)", "kind enum('a', 'b')"]}, ("ok",)),
        ("search", {"index": "ok", "runtime": {"a": {"type": "lookup", "target_index": "secret"}}}, ("ok", "secret")),
        ("aggregate", {"collection": "ok", "stages": [{"$unionWith": "secret"}]}, ("ok", "secret")),
        (
            "aggregate",
            {"collection": "ok", "stages": [{"$facet": {"a": [{"$unionWith": "secret"}]}}]},
            ("ok", "secret"),
        ),
        ("aggregate", {"collection": "ok", "stages": [{"$lookup": {"from": {"coll": "secret"}}}]}, ("ok", "secret")),
        ("search", {"index": "ok", "body": '{"index": "secret"}\n{"query": {}}\n'}, ("ok", "secret")),
        ("get_rows", {"table": "ok", "query": "AAPL"}, ("ok",)),
        ("query_logs", {"log_group_names": ["/app/web"], "query_string": "fields @message"}, ("/app/web",)),
    ],
)
def test_tables_that_a_call_names(tool: str, arguments: dict[str, Any], named: tuple[str, ...]) -> None:
    assert tables_in_arguments(tool, arguments) == named


@pytest.mark.parametrize(
    "arguments",
    [
        {"sql": "SELEC 1"},
        {"sql": "EXEC p"},
        {"sql": "SELECT my_function()"},
        {"sql": "SELECT 1", "query": "SELECT /* unclosed"},
        {"where": "1 = 1) UNION SELECT * FROM secret --"},
        {"filter": "id in (select id from secret)"},
        {"filter": "id in (FROM secret)"},
        {"filter": "1 = 1 UNION ALL TABLE secret"},
        {"table": "ok", "where": "pg_read_file('/etc/passwd') <> ''"},
        {"table": "ok", "where": "EXISTS (TABLE secret)"},
        {"sql": "BEGIN"},
        {"sql": "GO"},
        {"query": "BEGIN"},
        {"table": "stocks, (SELECT 1) x"},
        {"table": "stocks JOIN secret"},
        {"table": "*"},
        {"index": "logs-*"},
        {"tables": ["a", "%"]},
        {"pipeline": '[{"$lookup": {"from": "secret"}}]'},
        {"table": "ok", "select": "*, secret(*)"},
        {"table": "ok", "columns": ["id", "x:secret!key(id)"]},
        {"entity_set": "ok", "$expand": "secret"},
        {"table": "ok", "fetch": "<fetch><entity name='secret'/></fetch>"},
        {"a": {"b": {"c": {"d": {"e": {"f": {"g": "SELECT 1 FROM secret"}}}}}}},
        {"many": ["x"] * (MAX_ARGUMENT_STRINGS + 1), "sql": "SELECT 1 FROM secret"},
        {f"a{number}": "x" for number in range(MAX_ARGUMENT_STRINGS + 1)},
        {"text": "x" * 30_000},
        {"query": "StormEvents | take 5"},
        {"query": "MATCH (n:Person) RETURN n"},
        {"kql": "T | take 1 //" + "x" * 10_000},
        {"kql": "T | take 1 //" + "x" * 6_000, "esql": "FROM t //" + "x" * 6_000},
        {"query": "T | take 1", "language": "kql"},
        {"kql": "secret", "index": "allowed"},
        {"promql": "up"},
        {"sql": "SELECT * FROM {{ ref('orders') }}"},
        {"objectName": "Contact", "fields": ["(SELECT Id FROM Cases)"]},
        {"objectName": "Contact", "fields": ["Account.Name"]},
        {"sql": "SELECT 1 FROM t WHERE x = '" + "x" * 30_000 + "'"},
        {"table": "ok", "other": "{not JSON"},
        {"table": "ok", "body": '{"table": "secret", "table": "ok"}'},
    ],
)
def test_tables_are_unknown_if_a_call_may_reach_others(arguments: dict[str, Any]) -> None:
    assert tables_in_arguments("query", arguments) is None


def test_long_sql_has_to_be_parsed_in_advance() -> None:
    arguments = {"sql": "SELECT a FROM long_one WHERE " + " OR ".join(f"x{number} = 1" for number in range(400))}
    assert not is_sql_parsed(arguments)
    assert tables_in_arguments("query", arguments) is None
    parse_sql(arguments)
    assert is_sql_parsed(arguments)
    assert tables_in_arguments("query", arguments) == ("long_one",)
    assert is_sql_parsed({"symbol": "AAPL"})


@pytest.mark.parametrize(
    ("tool", "arguments", "written"),
    [
        ("run_sql", {"sql": "INSERT INTO t SELECT * FROM u"}, ("t",)),
        ("run_sql", {"sql": "UPDATE T SET a = 1 RETURNING *"}, ("t",)),
        ("run_sql", {"sql": "DELETE FROM a.t WHERE 1"}, ("a.t",)),
        ("run_sql", {"sql": "CREATE TABLE t (a int); DROP TABLE u"}, ("t", "u")),
        ("run_sql", {"sql": "EXPLAIN ANALYZE DELETE FROM t"}, ("t",)),
        ("run_sql", {"sql": "EXPLAIN DELETE FROM t"}, ()),
        ("run_sql", {"sql": "SELECT * FROM t WHERE word = 'delete'"}, ()),
        ("run_sql", {"queries": ["SELECT 1", "DELETE FROM t"]}, ("t",)),
        ("run", {"params": {"sql": "DELETE FROM t"}}, ("t",)),
        ("insert_row", {"table": "t", "row": {"a": 1}}, ("t",)),
        ("copy", {"from_table": "a", "target_table": "b"}, ("b",)),
        ("dml_records", {"operation": "insert", "objectName": "Contact", "records": [{"a": "b"}]}, ("contact",)),
        ("crm-batch-create-objects", {"objectType": "contacts", "inputs": [{"a": "b"}]}, ("contacts",)),
        ("run_kql", {"query": ".set-or-append T <| U"}, ("t",)),
        ("run_cypher", {"query": "MATCH (n:Person) SET n.a = 1"}, ("person",)),
        ("splunk_search", {"query": "index=web | outputlookup users"}, ("users",)),
        ("save_event", {"datasource_name": "signups", "data": "{}"}, ("signups",)),
        ("update_connection", {"datasource_name": "main"}, ()),
        ("publish_message", {"topic": "orders", "message": "x"}, ("orders",)),
        ("query_flux", {"query": 'from(bucket: "a") |> to(bucket: "b")'}, ("b",)),
        ("run_command", {"command": {"insert": "orders", "documents": [{"a": 1}]}}, ("orders",)),
        ("index_document", {"index": "orders", "document": {"a": 1}}, ("orders",)),
        ("run", {"request": "POST /orders/_doc"}, ("orders",)),
        ("get_rows", {"table": "t"}, ()),
        ("get_rows", {"table": "t", "fields": ["update", "a"]}, ()),
    ],
)  # fmt: skip
def test_tables_that_a_call_writes(tool: str, arguments: dict[str, Any], written: tuple[str, ...]) -> None:
    assert tables_written(tool, arguments) == parse_arguments(tool, arguments).tables_written == written


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        *(("run_sql", {"sql": text}) for text in (
            "SET search_path = secret", "SET search_path = secret; SELECT * FROM ok", "USE other; SELECT * FROM ok",
            "CREATE FUNCTION ok() RETURNS int AS $$ SELECT 1 FROM secret $$ LANGUAGE sql", "CREATE SEQUENCE ok",
            "CREATE TYPE ok AS ENUM ('a')", "CREATE SCHEMA ok", "DROP DATABASE ok", "DROP SCHEMA ok CASCADE",
            "DROP TABLE ok CASCADE", "TRUNCATE TABLE ok CASCADE", "TRUNCATE ok CASCADE", "COPY ok FROM '/etc/passwd'",
            "COPY ok TO PROGRAM 'sh'", "COPY (SELECT * FROM ok) TO '/tmp/x'", "CREATE EXTERNAL TABLE ok LOCATION 's3://x'",
            "SHOW TABLES", "SHOW DATABASES", "CALL f()", "VACUUM ok", "GRANT SELECT ON ok TO bob", "ALTER TABLE ok OWNER TO bob",
            "INSERT INTO ok VALUES (1); DROP SCHEMA x",
        )),
        *(("insert_row", {"row": {"a": 1}}), ("create_ticket", {"title": "x"}), ("delete_all", {})),
    ],
)  # fmt: skip
def test_a_write_or_a_statement_that_cannot_be_judged_has_unknown_tables(tool: str, arguments: dict[str, Any]) -> None:
    parse_sql(arguments)
    assert tables_in_arguments(tool, arguments) is None
    assert reachable_tables(tool, arguments) is None


@pytest.mark.parametrize(
    ("tool", "arguments", "judged"),
    [
        *(("run_sql", {"sql": text}, tables) for text, tables in {
            "INSERT INTO ok VALUES (1)": ("ok",), "INSERT INTO ok SELECT * FROM t": ("ok", "t"), "DELETE FROM ok": ("ok",),
            "CREATE TABLE ok (a int)": ("ok",), "ALTER TABLE ok ADD COLUMN x int": ("ok",), "DROP VIEW ok": ("ok",),
            "CREATE INDEX i ON ok (a)": ("ok",), "ALTER TABLE ok RENAME TO t": ("ok", "t"), "COMMIT": (), "SELECT 1": (),
            "BEGIN; INSERT INTO ok VALUES (1); COMMIT": ("ok",), "EXPLAIN ANALYZE DELETE FROM ok": ("ok",),
            "SELECT * FROM ok": ("ok",),
        }.items()),
        ("insert_row", {"table": "ok", "row": {"a": 1}}, ("ok",)),
        ("get_rows", {"table": "ok"}, None),
        ("get_prices", {"symbol": "A"}, None),
    ],
)  # fmt: skip
def test_a_statement_or_a_write_is_judged_by_its_arguments(
    tool: str, arguments: dict[str, Any], judged: tuple[str, ...] | None
) -> None:
    parse_sql(arguments)
    assert reachable_tables(tool, arguments) == judged


UUID = "5f0c2c1e-8f0e-4a57-9a59-0f3e5d1f7c11"


@pytest.mark.parametrize(
    ("tool", "arguments", "tables"),
    [
        ("query_dataset", {"dataset_id": UUID, "dax_query": "EVALUATE Boats"}, ("boats",)),
        ("run", {"dataset": "harbour", "sql": "SELECT id FROM boats"}, ("boats",)),
        ("run", {"dataset": "harbour", "sql": "SELECT 1"}, ("harbour",)),
        ("get_rows", {"dataset": "harbour"}, ("harbour",)),
        ("get_dataset_items", {"dataset_id": UUID}, (UUID,)),
        ("get_dataset", {"dataset_id": UUID}, ()),
        ("get_dataset", {"dataset_id": "harbour"}, ("harbour",)),
        ("describe_table", {"catalog": "lake", "schema": "harbour", "table": "boats"}, ("lake.harbour.boats",)),
        ("describe_table", {"catalog": "lake", "schema": "harbour", "table": "a.b.boats"}, ("a.b.boats",)),
        ("describe_table", {"catalog": "lake", "table": "boats"}, ("boats",)),
        ("query", {"model": "harbour", "view": "boats", "fields": ["boats.id"]}, ("boats",)),
        ("query", {"model": "harbour", "explore": "boats", "measures": ["count"]}, ("boats",)),
        ("list_fields", {"model_name": "harbour", "explore_name": "boats"}, ("boats",)),
        ("read_table_contents", {"identifier": "ops.boats", "limit": 5}, ("ops.boats",)),
        ("run_raw_query", {"explore_name": "boats", "metric_query": "{}"}, ("boats",)),
        ("render", {"model": "harbour", "view": "front"}, ()),
        ("get_page", {"view": "full", "fields": ["title"]}, ()),
        ("query", {"query": "SELECT Id, Name FROM Boat STARTPOSITION 4 MAXRESULTS 3"}, ("boat",)),
    ],
)
def test_tables_of_a_query_and_of_what_is_around_them(tool: str, arguments: Any, tables: tuple[str, ...]) -> None:
    assert parse_arguments(tool, arguments).tables_read == tables


def test_a_dataset_and_a_model_around_the_tables_may_hold_others() -> None:
    arguments = {"dataset": "harbour", "sql": "SELECT id FROM boats"}
    assert parse_arguments("run", arguments).tables_named == ("boats", "harbour")
    assert tables_in_arguments("get_dataset", {"dataset_id": UUID}) == (UUID,)
    assert tables_in_arguments("query", {"model": "harbour", "view": "boats", "fields": ["crew.name"]}) is None


def test_the_address_of_a_page_is_no_data_file() -> None:
    assert parse_arguments("fetch", {"url": "https://a.example/boats.json"}).files == ()
    assert parse_arguments("read", {"path": "/srv/boats.json"}).files == ("boats.json",)
