CREATE OR REPLACE VIEW quarantine.rejected_telemetry AS
SELECT * EXCEPT (publication, written_at)
FROM storage.rejected_telemetry_rows
WHERE (hour_start, publication) IN (
    SELECT hour_start, argMax(publication, (source_read_at, started_at, publication))
    FROM storage.publications
    WHERE table_name = 'quarantine.rejected_telemetry'
    GROUP BY hour_start
)
