"""What somebody may try with `bionicpro query`, and what people ask it. `{name}` is filled in by the tests."""

# Files are written, or those of others read.
FILES = """
SELECT 'x' INTO OUTFILE '{victim}' TRUNCATE
SELECT 'x' INTO OUTFILE '{victim}' APPEND
SELECT 'x' INTO OUTFILE '{new}'
SELECT 'x' INTO OUTFILE '{new}' FORMAT CSV SETTINGS readonly = 0
SELECT 'x' INTO OUTFILE '{new}' AND STDOUT
SELECT 1 UNION ALL SELECT 2 INTO OUTFILE '{new}' COMPRESSION 'gzip'
(SELECT 1) INTO OUTFILE '{new}'
SELECT 1 /* -- */ INTO/**/OUTFILE '{new}'
SELECT 'a''b', 'INTO OUTFILE', '\\\\' INTO OUTFILE '{new}' -- '
SELECT $a$ ' $a$ INTO OUTFILE '{new}'
WITH 1 AS x SELECT x INTO OUTFILE '{new}'
SHOW TABLES FROM reports INTO OUTFILE '{new}'
DESCRIBE reports.user_prosthesis_stats INTO OUTFILE '{new}'
EXISTS reports.user_prosthesis_stats INTO OUTFILE '{new}'
EXPLAIN SELECT 1 INTO OUTFILE '{new}'
EXPLAIN AST SELECT 1 INTO OUTFILE '{victim}' INTO OUTFILE '{new}'
EXPLAIN AST SET a = 1 INTO OUTFILE '{new}'
EXPLAIN AST DROP TABLE x INTO OUTFILE '{victim}' INTO OUTFILE '{new}'
SELECT 1; SELECT 2 INTO OUTFILE '{new}'
INSERT INTO FUNCTION file('{new}', 'TSV', 'a String') VALUES ('x')
INSERT INTO FUNCTION file('{new}', 'TSV', 'a String') SELECT 'x'
WITH x AS (SELECT 'x' AS a) INSERT INTO FUNCTION file('{new}', 'TSV', 'a String') SELECT a FROM x
EXPLAIN PIPELINE INSERT INTO FUNCTION file('{new}', 'TSV', 'a String') SELECT 'x'
INSERT INTO storage.publications FROM INFILE '{secret}' FORMAT TSV
SELECT * FROM file('{secret}', 'TSV', 'a String')
SELECT * FROM FILE('{secret}')
SELECT * FROM `file`('{secret}')
SELECT (SELECT a FROM file('{secret}', 'TSV', 'a String'))
SELECT 1 WHERE 's3cret' IN (SELECT a FROM file('{secret}', 'TSV', 'a String'))
SELECT * FROM view(SELECT * FROM file('{secret}', 'TSV', 'a String'))
SELECT * FROM viewIfPermitted(SELECT * FROM file('{secret}', 'TSV', 'a String') ELSE null('a String'))
WITH x AS (SELECT * FROM file('{secret}', 'TSV', 'a String')) SELECT * FROM x
DESCRIBE file('{secret}')
EXPLAIN SELECT * FROM file('{secret}')
SELECT file('{secret}')
SELECT file ('{secret}')
SELECT `file`('{secret}')
SELECT "file"('{secret}')
SELECT file/**/('{secret}')
SELECT * APPLY(file) FROM (SELECT '{secret}')
SELECT * APPLY file FROM (SELECT '{secret}')
SELECT * APPLY(file, 'p') FROM (SELECT '{secret}')
SELECT * APPLY(x -> file(x)) FROM (SELECT '{secret}')
SELECT arrayMap(file, ['{secret}'])
SELECT arrayMap(`file`, ['{secret}'])
SELECT arrayMap((file AS f), ['{secret}'])
SELECT arrayMap(f, ['{secret}']), file AS f
WITH file AS f SELECT arrayMap(f, ['{secret}'])
SELECT arrayMap(f, ['{secret}']) FROM (SELECT file AS f)
SELECT arrayMap(x -> file(x), ['{secret}'])
WITH x -> file(x) AS f SELECT f('{secret}')
SELECT 1 LIMIT length(file('{secret}'))
SHOW TABLES FROM reports WHERE name < file('{secret}')
SHOW COLUMNS FROM publications FROM storage WHERE field < file('{secret}')
SHOW TABLES FROM reports WHERE name < arrayMap(file, ['{secret}'])[1]
SELECT formatRow('Template', 1) SETTINGS format_template_row = '{secret}'
SELECT 1 FORMAT Template SETTINGS format_template_row = '{secret}'
SELECT * FROM (SELECT formatRow('Template', 1) SETTINGS format_template_row = '{secret}')
SELECT formatRow('Template', x) FROM (SELECT 1 AS x SETTINGS format_template_row = '{secret}')
WITH a AS (SELECT formatRow('Template', 1) SETTINGS format_template_row = '{secret}') SELECT * FROM a
SELECT * FROM (SELECT * FROM file('{secret}', 'TSV', 'a String') SETTINGS readonly = 0)
SELECT formatRow('Protobuf', 1 AS a) SETTINGS format_schema = '{secret}:M'
SELECT * FROM format(Protobuf, 'x') SETTINGS format_schema = '{secret}:M'
SELECT * FROM sqlite('{new}', 'b')
SELECT * FROM sqlite('{secret}', 'b')
SELECT * FROM executable('{secret}', 'TSV', 'a String')
SELECT * FROM filesystem('{folder}')
SELECT * FROM icebergLocal('{folder}')
SELECT * FROM deltaLakeLocal('{folder}')
SELECT * FROM python(settings)
SELECT * FROM Python(statement)
BACKUP TABLE storage.publications TO File('{new}')
BACKUP DATABASE reports TO Disk('default', 'b.zip')
RESTORE TABLE storage.publications FROM File('{secret}')
ATTACH TABLE storage.x FROM '{folder}' (a Int8) ENGINE = MergeTree ORDER BY a
CREATE DATABASE q ENGINE = Filesystem('{folder}')
CREATE TABLE storage.x (a String) ENGINE = File(TSV, '{secret}')
CREATE TEMPORARY TABLE x AS SELECT * FROM file('{secret}', 'TSV', 'a String')
CREATE DICTIONARY storage.d (a String) PRIMARY KEY a SOURCE(FILE(PATH '{secret}' FORMAT 'TSV')) LAYOUT(FLAT()) LIFETIME(0)
"""
# The embedded engine alone takes files for tables.
FILES_AS_TABLES = """
SELECT * FROM '{secret}'
SELECT * FROM `{secret}`
SELECT * FROM default.`{secret}`
"""
# Somebody else's database or address is asked.
ELSEWHERE = """
SELECT * FROM url('http://127.0.0.1:{port}/', 'TSV', 'a String')
SELECT * FROM urlCluster('default', 'http://127.0.0.1:{port}/', 'TSV', 'a String')
SELECT * FROM s3('http://127.0.0.1:{port}/bucket/a', 'TSV', 'a String')
SELECT * FROM s3('http://127.0.0.1:{port}/bucket/a', 'k', 's', 'TSV', 'a String')
SELECT * FROM gcs('http://127.0.0.1:{port}/bucket/a', 'TSV', 'a String')
SELECT * FROM iceberg('http://127.0.0.1:{port}/bucket/a')
SELECT * FROM deltaLake('http://127.0.0.1:{port}/bucket/a')
SELECT * FROM azureBlobStorage('http://127.0.0.1:{port}/a', 'c', 'b', 'a', 'a2V5', 'TSV', 'auto', 'a String')
SELECT * FROM hdfs('hdfs://127.0.0.1:{port}/x', 'TSV', 'a String')
SELECT * FROM remote('127.0.0.1:{port}', 'system', 'one')
SELECT * FROM remoteSecure('127.0.0.1:{port}', 'system', 'one')
SELECT * FROM mysql('127.0.0.1:{port}', 'a', 'b', 'c', 'd')
SELECT * FROM postgresql('127.0.0.1:{port}', 'a', 'b', 'c', 'd')
SELECT * FROM mongodb('127.0.0.1:{port}', 'a', 'b', 'c', 'd', 'a String')
SELECT * FROM redis('127.0.0.1:{port}', 'k', 'k String')
SELECT * FROM odbc('DSN=x', 'a', 'b')
SELECT * FROM jdbc('jdbc:mysql://127.0.0.1:{port}/?a', 'a', 'b')
SELECT * FROM format(AvroConfluent, 'x') SETTINGS format_avro_schema_registry_url = 'http://127.0.0.1:{port}'
DESCRIBE TABLE url('http://127.0.0.1:{port}/')
INSERT INTO FUNCTION url('http://127.0.0.1:{port}/', 'TSV', 'a String') SELECT user_id FROM reports.user_prosthesis_stats
INSERT INTO FUNCTION remote('127.0.0.1:{port}', 'a', 'b') SELECT 1
SELECT * FROM cluster('nowhere', 'system', 'one')
SELECT aiGenerate('say hello', map('endpoint', 'http://127.0.0.1:{port}'))
?? delete all publications
"""
# Something is changed, lifted, stopped or made.
CHANGES = """
SELECT 1 SETTINGS readonly = 0
SELECT 1 SETTINGS allow_ddl = 1, readonly = 0
SELECT count() FROM (SELECT 1 SETTINGS readonly = 0)
SELECT 1 SETTINGS max_execution_time = 0
SELECT * FROM (SELECT 1 SETTINGS `max_execution_time` = 0)
SELECT count() FROM (SELECT number FROM numbers(3) SETTINGS max_execution_time = 0, max_memory_usage = 0)
SELECT 1; DROP TABLE storage.publications
SELECT 1;;DROP TABLE storage.publications
SET readonly = 0
SET ROLE DEFAULT
SET param_x = 1
USE system
DROP TABLE storage.publications
DROP DATABASE reports
TRUNCATE TABLE storage.publications
DETACH TABLE storage.publications
RENAME TABLE storage.publications TO storage.p
EXCHANGE TABLES storage.publications AND storage.schema_changes
OPTIMIZE TABLE storage.publications FINAL
ALTER TABLE storage.publications DELETE WHERE 1
DELETE FROM storage.publications WHERE 1
UPDATE storage.publications SET row_count = 0 WHERE 1
INSERT INTO storage.publications (table_name) VALUES ('x')
INSERT INTO storage.publications SELECT * FROM storage.publications
CREATE VIEW reports.x AS SELECT * FROM file('{secret}', 'TSV', 'a String')
CREATE MATERIALIZED VIEW reports.x TO storage.publications AS SELECT 1
CREATE OR REPLACE VIEW reports.user_prosthesis_stats AS SELECT 1
CREATE TABLE storage.x (a Int8) ENGINE = Memory
CREATE TEMPORARY TABLE x (a Int8)
CREATE DATABASE x
CREATE FUNCTION f AS x -> file(x)
CREATE NAMED COLLECTION x AS a = 1
CREATE USER x
CREATE ROLE x
GRANT ALL ON *.* TO default
REVOKE ALL ON *.* FROM default
ALTER USER default SETTINGS readonly = 0
EXECUTE AS default SELECT 1
SYSTEM SHUTDOWN
SYSTEM FLUSH LOGS
SYSTEM STOP MERGES
KILL QUERY WHERE 1
CHECK TABLE storage.publications
UNDROP TABLE storage.x
BEGIN TRANSACTION
SELECT 1 PARALLEL WITH SELECT 2
SELECT * FROM eval('DROP TABLE storage.publications')
SELECT * FROM loop(system.one)
SELECT addressToSymbol(1)
SHOW USERS
SHOW CREATE USER default
SELECT * FROM system.users
SELECT * FROM system.grants
"""
# Rights that the embedded engine gives to nobody here, and a server to whom it likes.
RIGHTS = ("SHOW ", "SELECT * FROM system.", "SELECT addressToSymbol")

HONEST = """
SELECT 1
SELECT count() FROM reports.user_prosthesis_stats;
SELECT user_id, count() AS hours FROM reports.user_prosthesis_stats GROUP BY user_id ORDER BY user_id
FROM storage.publications SELECT count()
WITH hours AS (SELECT DISTINCT hour_start FROM storage.publications) SELECT count() FROM hours
(SELECT 1) UNION ALL (SELECT 2)
SELECT ownership, count() FROM staging.crm_customer_prosthesis GROUP BY 1 -- how sure it is
SELECT reason, count() FROM quarantine.rejected_telemetry /* set aside */ GROUP BY ALL
SELECT file, version, applied_at FROM storage.schema_changes ORDER BY applied_at
SELECT count(c.file) FROM storage.schema_changes AS c
SELECT format('{{}} of {{}}', 'INTO OUTFILE', 'file(1)')
SELECT 'a''b', '\\\\', $$it's$$, "x" AS `select` FROM (SELECT 1 AS x)
SELECT settings = 1 AS a, settings AS b FROM (SELECT 1 AS settings) ORDER BY a
SELECT today(), now(), toDate('2026-11-24'), INTERVAL 1 DAY + today()
SELECT * FROM numbers(3)
SELECT arrayMap(x -> x + 1, [1, 2]), arraySum([1, 2])
SELECT report_date, sum(movements_count) OVER (ORDER BY report_date) FROM reports.user_prosthesis_stats LIMIT 1 BY report_date
SELECT * EXCEPT (customer_name) FROM reports.user_prosthesis_stats LIMIT 0
SELECT name, type, comment FROM system.columns WHERE database = 'storage' AND table = 'user_prosthesis_stats' ORDER BY position
SELECT sum(rows) FROM system.parts WHERE active
SHOW TABLES FROM reports
SHOW DATABASES
SHOW CREATE TABLE reports.user_prosthesis_stats
DESCRIBE reports.user_prosthesis_stats
DESC TABLE (SELECT 1 AS a)
EXISTS reports.user_prosthesis_stats
EXPLAIN indexes = 1 SELECT count() FROM reports.user_prosthesis_stats
EXPLAIN PIPELINE SELECT 1
EXPLAIN SYNTAX SELECT 1
"""


def lines(text: str) -> list[str]:
    """The statements of one of the lists."""
    return text.strip().splitlines()
