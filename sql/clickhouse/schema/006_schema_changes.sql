-- The record of this folder: which file was applied when, and in what wording.
CREATE TABLE IF NOT EXISTS storage.schema_changes
(
    file           LowCardinality(String) COMMENT 'Name of the file in sql/clickhouse/schema',
    checksum       String                 COMMENT 'SHA-256 of its statement, without comments and white space',
    breaking       Bool                   COMMENT 'Whether versions of the platform that do not know the file must not work on these tables',
    version        LowCardinality(String) COMMENT 'Version of bionicpro_assets that applied it',
    applied_at     DateTime64(6, 'UTC')   DEFAULT now64(6) COMMENT 'When it was applied, by ClickHouse''s clock'
)
ENGINE = MergeTree
ORDER BY (applied_at, file)
COMMENT 'What was applied of the schema, when, and by which version'
