SELECT database || '.' || name FROM system.tables WHERE database IN ('reports', 'staging', 'storage', 'quarantine')
