-- The journal. One row per table, hour and commit; a row here is what makes a publication visible. An hour that came
-- out the same again is a row with the number of the publication that is there already, and a newer source_read_at.
-- Not partitioned: a commit is one INSERT of one block, and that is atomic only within one partition.
-- No TTL on purpose: the journal is also the audit trail, and a row of it costs some 30 bytes on disk.
CREATE TABLE IF NOT EXISTS storage.publications
(
    table_name     LowCardinality(String) COMMENT 'The public name, database.table',
    hour_start     DateTime('UTC')        COMMENT 'The hour that was published, its first second in UTC',
    publication    UInt64                 COMMENT 'The attempt that wrote the rows; its number is unique to it',
    source_read_at DateTime64(6, 'UTC')   COMMENT 'When the source was read, by the source''s own clock; the newest read of an hour is the one that is visible',
    started_at     DateTime64(6, 'UTC')   COMMENT 'When this attempt began, by the writer''s clock; decides between two attempts of one read',
    row_count      UInt64                 COMMENT 'Rows of the hour; 0 is an hour that is known to be empty',
    checksum       UInt64                 COMMENT 'Checksum of the hour''s public columns, in whatever order its rows are; the sender, the storage and the public view give the same',
    content        UInt64                 COMMENT 'The same without etl_processed_at: equal where two loads of an hour give the same rows',
    accounting     UInt64                 COMMENT 'Checksum of chips and numbers that telemetry has in common with mart and quarantine; 0 where it was not computed',
    made_of        String                 COMMENT 'What the rows were made of: the state of the source, or the numbers of other publications; empty if it is not known',
    compared_at    DateTime64(6, 'UTC')   COMMENT 'When the source was read whose rows were last compared with the stored ones, value by value',
    facts          String                 COMMENT 'What the load said of the hour, as JSON; repeated where an hour is confirmed without reading its rows',
    run_id         String                 COMMENT 'The Dagster run that published or confirmed it',
    committed_at   DateTime64(6, 'UTC')   DEFAULT now64(6) COMMENT 'When the row was written, by ClickHouse''s clock'
)
ENGINE = MergeTree
ORDER BY (table_name, hour_start, source_read_at, started_at, publication)
COMMENT 'Who published which hour, when, and from which read'
