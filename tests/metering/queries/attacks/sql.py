# ruff: noqa: RUF001 - look-alike letters are attacks
"""Statements that reach more than the table `allowed`, or change what it is."""

from __future__ import annotations

SQL_ATTACKS = r"""
EXEC('SELECT * FROM secret')
EXECUTE IMMEDIATE 'SELECT * FROM secret'
SELECT * FROM OPENQUERY(srv, 'SELECT * FROM secret')
SELECT * FROM OPENROWSET('SQLNCLI', 'x', 'SELECT * FROM secret')
SELECT * FROM OPENROWSET(BULK '/x', SINGLE_CLOB) AS a
SELECT * FROM OPENDATASOURCE('SQLNCLI', 'x').db.dbo.secret
SELECT * FROM dblink('dbname=x', 'SELECT * FROM secret') AS t(a int)
SELECT * FROM EXTERNAL_QUERY('conn', 'SELECT * FROM secret')
SELECT query_to_xml('select * from secret', true, true, '') FROM allowed
SELECT table_to_xml('secret', true, true, '') FROM allowed
SELECT * FROM TABLE(RESULT_SCAN(LAST_QUERY_ID()))
SELECT * FROM TABLE('secret')
SELECT * FROM TABLE(secret)
SELECT * FROM IDENTIFIER('secret')
SELECT * FROM IDENTIFIER($t)
SELECT * FROM $t
SELECT * FROM :t
SELECT * FROM ?
SELECT * FROM @t
SELECT * FROM {t:Identifier}
SELECT * FROM &t
SELECT * FROM %s
SELECT * FROM remote('host', db.secret)
SELECT * FROM remote('host', 'db', 'secret')
SELECT * FROM merge('db', '.*')
SELECT * FROM cluster('c', db.secret)
SELECT * FROM url('http://x', CSV)
SELECT * FROM mysql('h:3306', 'db', 'secret', 'u', 'p')
SELECT * FROM loop(secret)
SELECT * FROM view(SELECT * FROM secret)
SELECT dictGet('secret', 'a', 1) FROM allowed
SELECT joinGet('secret', 'a', 1) FROM allowed
SELECT * FROM dictionary('secret')
SELECT * FROM allowed WHERE x IN secret
SELECT * FROM allowed WHERE x GLOBAL IN secret
SELECT * FROM allowed WHERE x IN (secret)
SELECT * FROM allowed WHERE x IN db.secret
SELECT * FROM allowed WHERE (x, y) IN secret
SELECT in(x, secret) FROM allowed
SELECT * FROM allowed WHERE globalIn(x, secret)
SELECT * FROM allowed PREWHERE x IN secret
SELECT * FROM mergeTreeIndex('db', 'secret')
SELECT * FROM query('SELECT * FROM secret')
SELECT * FROM query_table('secret')
SELECT * FROM query_table(['secret'])
SELECT * FROM 'secret.parquet'
SELECT * FROM 'secret'
SELECT * FROM "secret"
SELECT * FROM read_text('/etc/passwd')
SELECT * FROM glob('*')
SELECT * FROM postgres_scan('', 'public', 'secret')
SELECT * FROM sqlite_scan('x.db', 'secret')
SELECT * FROM postgres_query('db', 'SELECT * FROM secret')
SELECT * FROM duckdb_tables()
SELECT * FROM allowed, (FROM secret)
PIVOT secret ON x
UNPIVOT secret ON a, b
SUMMARIZE secret
DESCRIBE secret
SHOW secret
TABLE secret
SELECT * FROM allowed UNION TABLE secret
SELECT * FROM allowed UNION ALL FROM secret
COPY secret TO 'x'
COPY (SELECT * FROM secret) TO 'x'
EXPORT DATABASE 'x'
SELECT * FROM pragma_table_info('secret')
PRAGMA table_info(secret)
SELECT * FROM secret@link
SELECT * FROM allowed a, secret@link b
SELECT * FROM CONTAINERS(secret)
SELECT DBMS_XMLGEN.GETXML('select * from secret') FROM allowed
SELECT * FROM ONLY (secret)
SELECT * FROM ONLY secret
SELECT * FROM XMLTABLE('fn:collection("oradb:/HR/SECRET")')
SELECT XMLQUERY('fn:collection("oradb:/HR/SECRET")' RETURNING CONTENT) FROM allowed
HANDLER secret OPEN
SELECT LOAD_FILE('/x') FROM allowed
SELECT * FROM allowed /*!50000 UNION SELECT * FROM secret */
SELECT * FROM allowed INTO OUTFILE '/x'
PREPARE s FROM 'SELECT * FROM secret'
CHECKSUM TABLE secret
SELECT lo_get(1) FROM allowed
SELECT pg_read_file('x') FROM allowed
SELECT * FROM ROWS FROM (f()) AS t
EXECUTE prepared
FETCH ALL FROM cur
DECLARE c CURSOR FOR SELECT * FROM secret
SELECT * FROM ts_stat('select * from secret')
SELECT * FROM crosstab('select * from secret') AS t(a int)
SELECT * FROM connectby('secret', 'a', 'b', '1', 0)
DO $$ BEGIN PERFORM * FROM secret; END $$
CALL p()
SELECT * FROM U&"!0073ecret" UESCAPE '!'
SELECT * FROM U&"\0073ecret"
SELECT eval('select * from secret') FROM allowed
SELECT readfile('x') FROM allowed
CREATE VIRTUAL TABLE allowed USING fts5(content='secret')
CREATE VIEW allowed AS SELECT * FROM secret
CREATE TABLE allowed AS TABLE secret
CREATE TABLE allowed LIKE secret
CREATE TABLE allowed (LIKE secret INCLUDING ALL)
CREATE TABLE allowed CLONE secret
CREATE TABLE allowed () INHERITS (secret)
CREATE TABLE allowed PARTITION OF secret FOR VALUES IN (1)
ALTER TABLE allowed INHERIT secret
ALTER TABLE allowed RENAME TO other
ALTER TABLE allowed SWAP WITH secret
ALTER TABLE secret RENAME TO allowed
ALTER TABLE allowed EXCHANGE PARTITION p WITH TABLE secret
ALTER TABLE allowed ATTACH PARTITION p FROM secret
ALTER TABLE allowed SWITCH TO secret
RENAME TABLE secret TO allowed
CREATE TABLE allowed (a int REFERENCES secret)
CREATE SYNONYM allowed FOR secret
CREATE TRIGGER t AFTER INSERT ON allowed BEGIN INSERT INTO allowed SELECT * FROM secret; END
CREATE RULE r AS ON SELECT TO allowed DO INSTEAD SELECT * FROM secret
CREATE TEMP TABLE allowed AS SELECT * FROM secret
CREATE MATERIALIZED VIEW allowed AS SELECT * FROM secret
CREATE INDEX i ON secret (a)
CREATE FUNCTION f() RETURNS int AS 'SELECT 1' LANGUAGE sql
CREATE TABLE allowed ENGINE = Merge('db', 'secret')
CREATE TABLE allowed (a int) ENGINE = Distributed('c', 'db', 'secret')
CREATE TABLE allowed ENGINE=FEDERATED CONNECTION='mysql://h/db/secret'
CREATE EXTERNAL TABLE allowed (a int) LOCATION 's3://x'
SELECT * FROM `allowed*`
SELECT * FROM APPENDS(TABLE secret)
SELECT * FROM ML.PREDICT(MODEL m, TABLE secret)
SELECT * FROM ML.PREDICT(MODEL m, (SELECT * FROM secret))
SELECT * FROM VECTOR_SEARCH(TABLE secret, 'e', TABLE allowed)
SELECT * FROM [project:dataset.secret]
SELECT * FROM TABLE_DATE_RANGE([secret], x, y)
SELECT * FROM FLATTEN(secret, f)
SELECT * FROM allowed, FLATTEN(secret, f)
SELECT * FROM FLATTEN([secret], f)
SELECT * FROM GRAPH_TABLE(g MATCH (n:secret) RETURN n.x)
FROM allowed |> JOIN secret USING (a)
FROM allowed |> UNION ALL (SELECT * FROM secret)
FROM allowed |> CALL tvf()
EXPORT DATA OPTIONS (uri='x') AS SELECT * FROM secret
CREATE TEMP FUNCTION f() AS ((SELECT max(x) FROM secret)); SELECT f() FROM allowed
SELECT * FROM @stage/file
SELECT $1 FROM @stage
SELECT * FROM TABLE(INFER_SCHEMA(LOCATION => '@s'))
SELECT GET_DDL('table', 'secret') FROM allowed
SELECT * FROM SEMANTIC_VIEW(secret METRICS x)
SELECT * FROM secret CHANGES (INFORMATION => DEFAULT) AT (OFFSET => -60)
SELECT 1 ->> SELECT * FROM $1
SELECT * FROM parquet.`/x/secret`
SELECT * FROM delta.`/x/secret`
SELECT * FROM read_files('/x')
SELECT * FROM table_changes('secret', 0)
SELECT * FROM remote_query('c', query => 'select * from secret')
SELECT * FROM IDENTIFIER('sec' || 'ret')
SELECT TRANSFORM(a) USING 'cat' FROM allowed
FROM secret INSERT INTO allowed SELECT *
FROM secret SELECT *
SELECT * FROM event_log('secret')
SELECT ai_query('m', a) FROM allowed
SELECT http_get('http://x') FROM allowed
SELECT * FROM TABLE(system.query(query => 'SELECT * FROM secret'))
SELECT * FROM TABLE(exclude_columns(input => TABLE(secret), columns => DESCRIPTOR(a)))
SELECT * FROM TABLE(f(TABLE secret))
SELECT * FROM f(TABLE secret)
SELECT * FROM "secret$partitions"
WITH FUNCTION f() RETURNS int RETURN (SELECT max(x) FROM secret) SELECT f() FROM allowed
SELECT * FROM FREETEXTTABLE(secret, *, 'x')
SELECT * FROM CONTAINSTABLE(secret, a, 'x') c
SELECT * FROM CHANGETABLE(CHANGES secret, 0) AS c
SELECT * FROM PREDICT(MODEL = @m, DATA = secret AS d) WITH (x float)
DBCC SHOW_STATISTICS('secret', i)
UPDATE STATISTICS secret
SELECT OBJECT_DEFINITION(OBJECT_ID('secret')) FROM allowed
SELECT * FROM fn_dblog(NULL, NULL)
EXEC sp_executesql N'SELECT * FROM secret'
USE other; SELECT * FROM allowed
SET search_path = other; SELECT * FROM allowed
WITH allowed AS (SELECT * FROM secret) SELECT * FROM allowed
WITH secret AS (SELECT * FROM allowed) SELECT * FROM public.secret
WITH a AS (SELECT * FROM allowed) SELECT * FROM a, secret
SELECT * FROM allowed LIMIT (SELECT max(x) FROM secret)
SELECT * FROM allowed ORDER BY (SELECT max(x) FROM secret)
SELECT * FROM allowed PIVOT (SUM(x) FOR y IN (SELECT y FROM secret))
SELECT * FROM allowed PIVOT (SUM(x) FOR y IN (ANY ORDER BY (SELECT y FROM secret)))
SELECT * FROM allowed TABLESAMPLE ((SELECT max(x) FROM secret) PERCENT)
INSERT INTO allowed VALUES ((SELECT max(x) FROM secret))
INSERT INTO allowed (a) VALUES (1) RETURNING (SELECT max(x) FROM secret)
INSERT INTO allowed TABLE secret
INSERT INTO allowed FROM secret
INSERT INTO allowed SELECT * FROM secret
UPDATE allowed SET x = s.x FROM secret s WHERE s.id = allowed.id
UPDATE allowed, secret SET allowed.x = secret.x
UPDATE allowed JOIN secret ON 1 SET allowed.x = secret.x
DELETE FROM allowed USING secret WHERE secret.id = allowed.id
DELETE allowed FROM allowed JOIN secret ON 1
MERGE INTO allowed USING secret ON 1=1 WHEN MATCHED THEN DELETE
SELECT * FROM allowed a JOIN LATERAL (SELECT * FROM secret) s ON true
SELECT * FROM allowed CROSS APPLY secret
SELECT * FROM allowed, LATERAL secret
SELECT * FROM allowed STRAIGHT_JOIN secret
SELECT * FROM (allowed, secret)
SELECT * FROM (allowed JOIN secret ON 1=1)
SELECT * FROM { OJ allowed LEFT OUTER JOIN secret ON 1=1 }
SELECT * FROM allowed a, a.items, secret
SELECT * FROM allowed WHERE x = (TABLE secret)
SELECT ARRAY(SELECT x FROM secret) FROM allowed
SELECT EXISTS(FROM secret) FROM allowed
VALUES ((SELECT max(x) FROM secret))
SELECT * FROM allowed MATCH_RECOGNIZE (PATTERN (a) DEFINE a AS x > (SELECT max(x) FROM secret))
SELECT * FROM allowed WINDOW w AS (ORDER BY (SELECT x FROM secret))
SELECT * FROM allowed CONNECT BY PRIOR a = (SELECT max(x) FROM secret)
SELECT * FROM allowed FOR XML PATH, TYPE UNION SELECT * FROM secret
SELECT $$x$$ FROM allowed, secret
SELECT 'a\' FROM allowed, secret -- '
SELECT * FROM allowed # , secret
SELECT q'[']' FROM allowed, secret
SELECT * FROM cypher('g', $$ MATCH (n:secret) RETURN n $$) AS (v agtype)
SELECT nextval('secret') FROM allowed
SELECT * FROM ѕecret
SELECT * FROM ａllowed
EXPLAIN SELECT * FROM secret
ANALYZE secret
VACUUM secret
LOCK TABLE secret
REINDEX TABLE secret
SHOW CREATE TABLE secret
SHOW COLUMNS FROM secret
SHOW INDEX FROM secret
SHOW TABLE STATUS LIKE 'secret'
SHOW TABLES
SELECT * FROM information_schema.tables
SELECT * FROM allowed AS OF TIMESTAMP (SELECT max(x) FROM secret)
BEGIN; SELECT * FROM secret; COMMIT
IF 1=1 SELECT * FROM secret
WHILE 1=1 SELECT * FROM secret
SELECT * INTO allowed FROM secret
SELECT * FROM allowed WHERE CURRENT OF c
SELECT * FROM JSON_TABLE((SELECT doc FROM secret), '$' COLUMNS (x INT PATH '$.x')) j
SELECT * FROM json_each((SELECT doc FROM secret))
SELECT * FROM UNNEST((SELECT array_agg(x) FROM secret))
SELECT * FROM UNNEST(ARRAY(SELECT x FROM secret))
SELECT * FROM allowed, secret.items
SELECT * FROM allowed CROSS JOIN secret.items
SELECT * FROM allowed ARRAY JOIN (SELECT groupArray(x) FROM secret) AS y
SELECT COLUMNS(*) FROM allowed JOIN secret USING (a)
SELECT * FROM allowed SEMI JOIN secret USING (a)
SELECT * FROM allowed ANTI JOIN secret USING (a)
SELECT * FROM allowed PASTE JOIN secret
SELECT * FROM allowed ASOF JOIN secret USING (a)
SELECT * FROM allowed POSITIONAL JOIN secret
SELECT * FROM read_csv_auto((SELECT x FROM secret))
SELECT * FROM getvariable('t')
WITH t AS MATERIALIZED (TABLE secret) SELECT * FROM t
WITH t AS (DELETE FROM secret RETURNING *) SELECT * FROM t
WITH t AS (INSERT INTO allowed SELECT * FROM secret RETURNING *) SELECT * FROM t
WITH RECURSIVE secret AS (SELECT * FROM secret) SELECT * FROM secret
SELECT system$stream_has_data('secret') FROM allowed
SELECT * FROM information_schema.columns
SELECT currentDatabase(), hasColumnInTable('db', 'secret', 'x') FROM allowed
SELECT * FROM values('a Int', (SELECT max(x) FROM secret))
SELECT * FROM numbers((SELECT max(x) FROM secret))
SELECT * FROM executable('x.sh', TabSeparated, 'a Int')
SELECT * FROM input('a Int')
SELECT * FROM allowed WHERE x = SOME (SELECT a FROM secret)
SELECT * FROM allowed WHERE x > ALL (TABLE secret)
SELECT * FROM allowed FULL JOIN secret USING (a)
SELECT * FROM allowed UNION DISTINCT BY NAME SELECT * FROM secret
SELECT * FROM allowed INTERSECT SELECT * FROM secret
SELECT * FROM allowed MINUS SELECT * FROM secret
(SELECT * FROM allowed) UNION (SELECT * FROM secret)
SELECT ROW(secret.*) FROM allowed, secret
SELECT * FROM allowed a WHERE a.x = (SELECT s.x FROM secret s WHERE s.id = a.id)
SELECT * FROM LATERAL TABLE(f(x))
SELECT * FROM TABLE(TUMBLE(TABLE secret, DESCRIPTOR(t), INTERVAL '1' HOUR))
SELECT * FROM HOP(TABLE secret, DESCRIPTOR(t), INTERVAL '1' HOUR)
SELECT * FROM secret FINAL
SELECT * FROM TUMBLE(secret, t, INTERVAL '1' HOUR)
SELECT LASTVAL('secret') FROM allowed
SELECT LOOKUP('secret', 'k') FROM allowed
SELECT lookup(x, 'secret') FROM allowed
SELECT * FROM STREAM(secret)
SELECT * FROM LIVE.secret
SELECT * FROM SEARCH(secret, 'x')
SELECT * FROM sys.secret
SELECT has_table_privilege('secret', 'select') FROM allowed
SELECT * FROM TABLE(FLATTEN(secret))
SELECT * FROM allowed, TABLE(FLATTEN(input => secret))
SELECT embed('secret') FROM allowed
SELECT get('secret') FROM allowed
""".strip().splitlines()
"""Statements in the dialects of many engines; one in each line."""
