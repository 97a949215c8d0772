-- What the metrics count: publications, and rows set aside by reason. Of patients, nothing.
GRANT SELECT(table_name, hour_start, source_read_at, started_at, publication, row_count) ON storage.publications,
    SELECT(hour_start, publication, reason) ON storage.rejected_telemetry,
    SELECT(hour_start, publication, reason) ON storage.rejected_telemetry_rows,
    SELECT(reason) ON quarantine.rejected_telemetry TO bionicpro_metrics
