-- The thirteen columns that every report reads: at the front, in this order, of these types. More may follow.
WITH [('user_id', 'String'), ('prosthesis_id', 'UInt32'), ('chip_id', 'String'), ('report_date', 'Date'),
      ('report_hour', 'UInt8'), ('customer_name', 'String'), ('prosthesis_model', 'String'),
      ('movements_count', 'UInt32'), ('successful_movements', 'UInt32'), ('avg_response_time', 'Float32'),
      ('avg_battery_level', 'Float32'), ('error_count', 'UInt32'), ('etl_processed_at', 'DateTime')] AS contract,
     arrayMap(c -> (c.2, c.3), arraySort(groupArray((position, name, type)))) AS found,
     arrayFilter(i -> contract[i] != found[i], range(1, length(contract) + 1)) AS wrong
SELECT toUInt32({until:UInt32} - 3600) AS hour_seconds, length(contract) AS checked, length(wrong) AS failed,
       arrayMap(i -> format('column {} is {} {} and should be {} {}', toString(i), found[i].1, found[i].2,
                            contract[i].1, contract[i].2), arraySlice(wrong, 1, 5)) AS sample
FROM system.columns
WHERE database = 'reports' AND table = 'user_prosthesis_stats'
