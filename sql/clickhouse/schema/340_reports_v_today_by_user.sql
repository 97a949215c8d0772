-- The monitoring query of the same name in the documentation (queries/monitor_today_by_user.sql), as a view.
-- `today()` is the ClickHouse server's, or that of the session's time zone.
CREATE OR REPLACE VIEW reports.v_today_by_user
(
    user_id         String COMMENT 'The patient''s login in the CRM (customers.external_id)',
    report_date     Date   COMMENT 'Today, by the session''s time zone',
    hours           UInt64 COMMENT 'Rows of the mart: hours with telemetry, of every prosthesis by itself',
    total_movements UInt64 COMMENT 'Movements so far'
)
AS
SELECT user_id, report_date, count() AS hours, sum(movements_count) AS total_movements
FROM reports.user_prosthesis_stats
WHERE report_date = today()
GROUP BY user_id, report_date
ORDER BY total_movements DESC
COMMENT 'Monitoring: who used a prosthesis today, the most movements first'
