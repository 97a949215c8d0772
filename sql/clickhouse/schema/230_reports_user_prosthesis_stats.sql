-- The mart under its public name: of every hour, the rows of the newest read that was published.
CREATE OR REPLACE VIEW reports.user_prosthesis_stats AS
SELECT
    user_id, prosthesis_id, chip_id, report_date, report_hour, customer_name, prosthesis_model,
    movements_count, successful_movements, avg_response_time, avg_battery_level, error_count, etl_processed_at,
    customer_email, customer_region, customer_branch, prosthesis_category, prosthesis_serial,
    success_rate, min_response_time, max_response_time, min_battery_level, max_battery_level,
    avg_actuator_temp, max_actuator_temp, warning_count, avg_connection_quality, avg_myo_amplitude,
    source_updated_at
FROM storage.user_prosthesis_stats_rows
WHERE (hour_start, publication) IN (
    -- In the order of the journal's key, backwards: read as it lies, a fourth of what argMax() of the three costs.
    SELECT hour_start, publication
    FROM storage.publications
    WHERE table_name = 'reports.user_prosthesis_stats'
    ORDER BY hour_start DESC, source_read_at DESC, started_at DESC, publication DESC
    LIMIT 1 BY hour_start
)
