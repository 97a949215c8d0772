CREATE OR REPLACE VIEW reports.model_hours AS
SELECT * EXCEPT (publication, written_at)
FROM storage.model_hours_rows
WHERE (hour_start, publication) IN (
    SELECT hour_start, publication
    FROM storage.publications
    WHERE table_name = 'reports.model_hours'
    ORDER BY hour_start DESC, source_read_at DESC, started_at DESC, publication DESC
    LIMIT 1 BY hour_start
)
COMMENT 'What the prostheses of each model did in every hour: one row per model and hour'
