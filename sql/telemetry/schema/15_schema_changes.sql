-- The record of this folder: which file was applied when, and in what wording.
CREATE TABLE IF NOT EXISTS telemetry.schema_changes (
    file       text        NOT NULL,
    checksum   text        NOT NULL,
    breaking   boolean     NOT NULL,
    version    text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (file, applied_at)
);

COMMENT ON TABLE telemetry.schema_changes IS 'What was applied of this schema, when, and by which version of bionicpro_assets.';
COMMENT ON COLUMN telemetry.schema_changes.file IS 'Name of the file in sql/telemetry/schema.';
COMMENT ON COLUMN telemetry.schema_changes.checksum IS 'SHA-256 of its statements, without comments and white space.';
COMMENT ON COLUMN telemetry.schema_changes.breaking IS 'Whether versions that do not know the file must not work on these tables.';
