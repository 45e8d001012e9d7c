# ruff: noqa: E501 - one statement a line
"""Statements that read the table `allowed` only."""

from __future__ import annotations

SAFE_SQL = r"""
SELECT u FROM allowed, UNNEST(items) AS u
SELECT u FROM allowed CROSS JOIN UNNEST(items) AS t(u)
SELECT u.x FROM allowed a, UNNEST(a.items) AS u(x)
SELECT f.value FROM allowed a, LATERAL FLATTEN(input => a.items) f
SELECT f.value FROM allowed a, LATERAL FLATTEN(a.items:b) f
SELECT * FROM allowed LATERAL VIEW explode(items) t AS x
SELECT query_id, count(*) FROM allowed GROUP BY query_id
SELECT * FROM allowed WHERE query_id = 5
SELECT n, a.x FROM GENERATE_SERIES(1, 10) AS n CROSS JOIN allowed a
SELECT d FROM allowed, generate_series(allowed.a, allowed.b, interval '1 day') AS d
SELECT * FROM allowed a, LATERAL (SELECT a.x + 1 AS y) s
SELECT * FROM allowed a LEFT JOIN LATERAL (SELECT * FROM allowed b WHERE b.id = a.id LIMIT 1) s ON true
SELECT * FROM allowed a CROSS APPLY (SELECT TOP 1 * FROM allowed b WHERE b.id = a.id) s
SELECT * FROM allowed a CROSS APPLY OPENJSON(a.doc) WITH (x int '$.x') j
SELECT * FROM allowed a CROSS APPLY STRING_SPLIT(a.tags, ',') s
SELECT * FROM allowed a, jsonb_array_elements(a.doc) AS e
SELECT * FROM allowed a, jsonb_array_elements(a.doc->'x') WITH ORDINALITY AS e(v, i)
SELECT * FROM allowed a, jsonb_to_recordset(a.doc) AS e(id int, name text)
SELECT * FROM allowed a, JSON_TABLE(a.doc, '$[*]' COLUMNS (x INT PATH '$.x')) j
SELECT * FROM allowed, json_each(allowed.doc)
SELECT * FROM allowed, json_each(doc, '$.x') j WHERE j.value > 5
SELECT * FROM allowed a, regexp_split_to_table(a.x, ',') AS p
SELECT * FROM allowed a, unnest(string_to_array(a.x, ',')) AS p
SELECT EXTRACT(year FROM created) FROM allowed
SELECT EXTRACT(EPOCH FROM (b - a)) FROM allowed
SELECT SUBSTRING(name FROM 1) FROM allowed
SELECT SUBSTRING(name FROM 1 FOR 3) FROM allowed
SELECT SUBSTRING(name FROM 'a(.*)b') FROM allowed
SELECT TRIM(BOTH FROM name) FROM allowed
SELECT TRIM(BOTH 'x' FROM name) FROM allowed
SELECT TRIM(LEADING FROM name), TRIM(TRAILING 'x' FROM name) FROM allowed
SELECT * FROM allowed WHERE a IS DISTINCT FROM b
SELECT * FROM allowed WHERE a IS NOT DISTINCT FROM b
SELECT OVERLAY(name PLACING 'x' FROM 2 FOR 3) FROM allowed
SELECT POSITION('a' IN name) FROM allowed
SELECT * FROM allowed WHERE (a, b) IN ((1, 2), (3, 4))
SELECT * FROM allowed WHERE a IN (1)
SELECT * FROM allowed WHERE a IN ('x')
SELECT * FROM allowed WHERE 5 IN (a, b)
SELECT * FROM allowed WHERE a = ANY(b)
SELECT * FROM allowed WHERE a = ANY(ARRAY[1,2])
SELECT * FROM allowed WHERE x BETWEEN SYMMETRIC 1 AND 2
SELECT x, rank() OVER (PARTITION BY y ORDER BY z) FROM allowed
SELECT x FROM allowed QUALIFY row_number() OVER (PARTITION BY y ORDER BY z) = 1
SELECT COUNT(*) FILTER (WHERE x > 1) FROM allowed
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY x) FROM allowed
SELECT string_agg(x, ',' ORDER BY y) FROM allowed
SELECT GROUP_CONCAT(x SEPARATOR ',') FROM allowed
SELECT array_agg(DISTINCT x) FROM allowed
SELECT date_trunc('month', x), date_part('year', x) FROM allowed
SELECT x::int, CAST(y AS date), TRY_CAST(z AS int) FROM allowed
SELECT CASE WHEN x > 1 THEN 'a' ELSE 'b' END FROM allowed
SELECT * FROM allowed TABLESAMPLE SYSTEM (10)
SELECT * FROM allowed FOR SYSTEM_TIME AS OF '2024-01-01'
SELECT * FROM allowed AT (TIMESTAMP => '2024-01-01'::timestamp)
SELECT * FROM allowed FINAL
SELECT * FROM allowed SAMPLE 0.1
SELECT * FROM (VALUES (1), (2)) AS v(x) JOIN allowed a ON a.x = v.x
SELECT a[1], a['k'] FROM allowed
SELECT doc->>'x', doc#>>'{a,b}', doc @> '{}' FROM allowed
SELECT JSON_VALUE(doc, '$.x'), JSON_QUERY(doc, '$.y') FROM allowed
SELECT doc:a.b::string FROM allowed
SELECT name FROM allowed WHERE name ILIKE '%x%' OR name ~ 'a.*' OR name SIMILAR TO 'x'
SELECT name FROM allowed WHERE name REGEXP '^a' AND name RLIKE 'b'
SELECT * EXCEPT (x) FROM allowed
SELECT * EXCLUDE (x) REPLACE (y + 1 AS y) FROM allowed
SELECT COLUMNS('a.*') FROM allowed
FROM allowed SELECT x
FROM allowed
SELECT x FROM allowed UNION ALL SELECT y FROM allowed
SELECT x FROM allowed EXCEPT SELECT y FROM allowed
WITH t AS (SELECT * FROM allowed) SELECT * FROM t
WITH RECURSIVE t AS (SELECT id, parent FROM allowed WHERE parent IS NULL UNION ALL SELECT a.id, a.parent FROM allowed a JOIN t ON a.parent = t.id) SELECT * FROM t
SELECT * FROM allowed PIVOT (SUM(x) FOR y IN ('a', 'b'))
SELECT * FROM allowed UNPIVOT (v FOR k IN (a, b))
SELECT * FROM allowed MATCH_RECOGNIZE (PARTITION BY x ORDER BY y MEASURES a.x AS z PATTERN (a+) DEFINE a AS x > 1)
SELECT GREATEST(a, b), LEAST(a, b), NULLIF(a, b), IFNULL(a, b) FROM allowed
SELECT toStartOfMonth(x), uniqExact(y), countIf(z > 1), quantile(0.9)(x) FROM allowed
SELECT arrayJoin(items) FROM allowed
SELECT x FROM allowed ORDER BY x LIMIT 5 BY y
SELECT DATE_ADD(x, INTERVAL 1 DAY), DATE_SUB(x, INTERVAL 1 DAY), DATEDIFF(day, a, b), DATEADD(day, 1, a) FROM allowed
SELECT STRUCT(x, y), TO_JSON_STRING(z), SAFE_DIVIDE(a, b), SAFE_CAST(c AS INT64) FROM allowed
SELECT APPROX_COUNT_DISTINCT(x), APPROX_QUANTILES(x, 4), ANY_VALUE(y) FROM allowed
SELECT FORMAT_DATE('%Y', d), PARSE_DATE('%Y', s), DATE_TRUNC(d, MONTH), TIMESTAMP_TRUNC(t, DAY) FROM allowed
SELECT REGEXP_CONTAINS(x, r'a'), REGEXP_EXTRACT(x, r'b'), SPLIT(x, ','), STARTS_WITH(x, 'a') FROM allowed
SELECT time_bucket('1 hour', ts), first(x, ts), last(x, ts) FROM allowed GROUP BY 1
SELECT date_bin('1 hour', ts, timestamp '2020-01-01'), approx_percentile(x, 0.5) FROM allowed
SELECT md5(x), sha1(x), encode(digest(x, 'sha256'), 'hex') FROM allowed
SELECT to_char(x, 'YYYY'), to_number(y, '99'), age(a, b), make_interval(days => 1) FROM allowed
SELECT array_length(a, 1), cardinality(a), array_to_string(a, ','), array_position(a, 1) FROM allowed
SELECT json_build_object('a', x), jsonb_agg(y), row_to_json(allowed) FROM allowed
SELECT LENGTH(x), CHAR_LENGTH(x), BTRIM(x), INITCAP(x), CONCAT_WS(',', x, y), LEFT(x, 1) FROM allowed
SELECT ST_Distance(a, b), ST_AsText(c), ST_X(d) FROM allowed
SELECT strftime('%Y', x), julianday(x), total(y), printf('%d', z) FROM allowed
SELECT list_transform(a, x -> x + 1), list_aggregate(a, 'sum'), struct_extract(s, 'k') FROM allowed
SELECT bool_and(x), bit_or(y), corr(a, b), regr_slope(a, b), stddev_samp(c), var_pop(d) FROM allowed
SELECT ntile(4) OVER (ORDER BY x), lead(x) OVER (ORDER BY x), first_value(x) OVER (ORDER BY x) FROM allowed
SELECT CURRENT_DATE, CURRENT_TIMESTAMP, NOW(), CURRENT_USER FROM allowed
SELECT x FROM allowed OFFSET 5 ROWS FETCH NEXT 10 ROWS ONLY
SELECT TOP 10 * FROM allowed WITH (NOLOCK)
SELECT * FROM allowed USE INDEX (i) WHERE x = 1
SELECT * FROM allowed FOR UPDATE SKIP LOCKED
SELECT u.name FROM allowed AS o, UNNEST(o.items) AS u WITH OFFSET AS i
SELECT (SELECT SUM(x) FROM UNNEST(items) AS x) FROM allowed
SELECT ARRAY(SELECT x FROM UNNEST(items) AS x WHERE x > 1) FROM allowed
SELECT * FROM allowed WHERE 1 IN UNNEST(items)
SELECT * FROM UNNEST(GENERATE_DATE_ARRAY('2024-01-01', '2024-02-01')) AS d LEFT JOIN allowed a ON a.d = d
SELECT * FROM allowed JOIN TABLE(GENERATOR(ROWCOUNT => 5)) g
SELECT * FROM allowed, TABLE(SPLIT_TO_TABLE(x, ','))
SELECT * FROM range(10) t(i) JOIN allowed ON true
SELECT * FROM numbers(10) n JOIN allowed ON true
SELECT * FROM allowed a, unnest(a.x, a.y) AS u(p, q)
SELECT unnest(items) FROM allowed
SELECT explode(items) FROM allowed
INSERT INTO allowed (x) VALUES (1) ON CONFLICT (x) DO UPDATE SET x = EXCLUDED.x
INSERT INTO allowed SELECT * FROM allowed
UPDATE allowed SET x = 1 WHERE y = 2 RETURNING *
DELETE FROM allowed WHERE x = 1
EXPLAIN SELECT * FROM allowed
EXPLAIN ANALYZE SELECT * FROM allowed
DESCRIBE allowed
SELECT * FROM allowed -- a comment
SELECT /* hint */ * FROM allowed
SELECT * FROM allowed WHERE name = 'it''s'
SELECT * FROM allowed WHERE name = "x"
SELECT * FROM allowed WHERE t > TIMESTAMP '2024-01-01' AND t < INTERVAL '1' DAY + NOW()
SELECT * FROM allowed WHERE t AT TIME ZONE 'UTC' > '2024-01-01'
SELECT x FROM allowed GROUP BY GROUPING SETS ((x), ())
SELECT x FROM allowed GROUP BY ROLLUP (x, y)
SELECT x FROM allowed GROUP BY CUBE (x, y)
SELECT x FROM allowed WINDOW w AS (PARTITION BY y)
SELECT DISTINCT ON (x) * FROM allowed
SELECT x FROM ONLY allowed
SELECT x FROM allowed NATURAL JOIN allowed b
SELECT x FROM allowed ASOF JOIN allowed b ON allowed.t >= b.t
SELECT * FROM allowed a POSITIONAL JOIN allowed b
SUMMARIZE allowed
SELECT $1, x FROM allowed WHERE y = :p AND z = ?
SELECT @@version FROM allowed
SELECT x'00ff', b'01', N'x', E'a\n' FROM allowed
SELECT 'a\\b' FROM allowed WHERE path LIKE 'C:\\%'
SELECT * FROM allowed WHERE name LIKE 'a\_b' ESCAPE '\'
SELECT data[0], data[1:2] FROM allowed
SELECT data['a']['b'] FROM allowed
SELECT [x] FROM [allowed]
SELECT * FROM allowed # c
""".strip().splitlines()
"""Statements that a key for the table `allowed` may send; one in each line."""
