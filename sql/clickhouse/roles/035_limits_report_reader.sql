-- Limits of those who read reports. With readonly = 2 a client may change settings of its queries (drivers and BI tools
-- do, and fail where they may not), but not this one, and not the limits beyond their maximum.
-- Altered, never replaced: a new profile of the same name would be another one, and the role would keep the old.
ALTER SETTINGS PROFILE bionicpro_report_reader SETTINGS
    readonly = 2,
    max_execution_time = 60 MAX 60,
    max_result_rows = 1000000 MAX 1000000,
    max_memory_usage = 2000000000 MAX 2000000000,
    max_concurrent_queries_for_user = 20 MAX 20
