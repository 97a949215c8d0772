-- What stands under the names this project wants for its views: a table there is somebody's data.
SELECT database || '.' || name AS full_name, engine
FROM system.tables
WHERE (database, name) IN (('reports', 'user_prosthesis_stats'), ('staging', 'crm_customer_prosthesis'), ('staging', 'hourly_telemetry'),
                           ('quarantine', 'rejected_telemetry'), ('reports', 'user_daily_stats'), ('reports', 'v_user_report'),
                           ('reports', 'v_user_summary'), ('reports', 'v_today_by_user'), ('reports', 'v_last_days'))
  AND engine != 'View'
