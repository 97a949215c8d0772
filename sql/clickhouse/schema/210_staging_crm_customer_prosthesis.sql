CREATE OR REPLACE VIEW staging.crm_customer_prosthesis AS
SELECT * EXCEPT (publication, written_at)
FROM storage.crm_customer_prosthesis_rows
WHERE (hour_start, publication) IN (
    SELECT hour_start, argMax(publication, (source_read_at, started_at, publication))
    FROM storage.publications
    WHERE table_name = 'staging.crm_customer_prosthesis'
    GROUP BY hour_start
)
