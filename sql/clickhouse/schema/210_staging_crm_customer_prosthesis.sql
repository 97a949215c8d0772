CREATE OR REPLACE VIEW staging.crm_customer_prosthesis AS
SELECT * EXCEPT (publication, written_at)
FROM storage.crm_customer_prosthesis_rows
WHERE (hour_start, publication) IN (
    -- In the order of the journal's key, backwards: read as it lies, a fourth of what argMax() of the three costs.
    SELECT hour_start, publication
    FROM storage.publications
    WHERE table_name = 'staging.crm_customer_prosthesis'
    ORDER BY hour_start DESC, source_read_at DESC, started_at DESC, publication DESC
    LIMIT 1 BY hour_start
)
COMMENT 'Who wore which prosthesis in every hour: one row per customer, prosthesis and hour'
