CREATE OR REPLACE VIEW quarantine.rejected_telemetry AS
SELECT * EXCEPT (publication, written_at)
FROM storage.rejected_telemetry_rows
WHERE (hour_start, publication) IN (
    -- In the order of the journal's key, backwards: read as it lies, a fourth of what argMax() of the three costs.
    SELECT hour_start, publication
    FROM storage.publications
    WHERE table_name = 'quarantine.rejected_telemetry'
    ORDER BY hour_start DESC, source_read_at DESC, started_at DESC, publication DESC
    LIMIT 1 BY hour_start
)
COMMENT 'Telemetry that is not in the reports, and why: one row per chip and hour'
