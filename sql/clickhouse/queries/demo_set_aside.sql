SELECT chip_id, reason, count() AS hours, sum(movements_count) AS movements, min(first_rejected_at) AS first_set_aside
FROM quarantine.rejected_telemetry
GROUP BY chip_id, reason
ORDER BY hours DESC
LIMIT 5
