-- Views whose rows are each somebody's.
SELECT table FROM system.columns WHERE database = 'reports' AND name = 'user_id' ORDER BY table
