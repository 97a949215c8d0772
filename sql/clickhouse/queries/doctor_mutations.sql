-- Sweeps that don't come to an end.
SELECT table, count() AS mutations, anyLast(latest_fail_reason) FROM system.mutations
WHERE database = 'storage' AND NOT is_done AND create_time < now() - INTERVAL 1 HOUR
GROUP BY table ORDER BY table
