SELECT name FROM system.tables WHERE database = 'reports' AND engine = 'View' ORDER BY name
