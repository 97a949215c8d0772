CREATE OR REPLACE VIEW staging.hourly_telemetry AS
SELECT * EXCEPT (publication, written_at)
FROM storage.hourly_telemetry_rows
WHERE (hour_start, publication) IN (
    SELECT hour_start, argMax(publication, (source_read_at, started_at, publication))
    FROM storage.publications
    WHERE table_name = 'staging.hourly_telemetry'
    GROUP BY hour_start
)
