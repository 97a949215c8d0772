WITH empty(trimBoth(user_id)) OR empty(trimBoth(customer_name)) AS nobody
SELECT toUnixTimestamp(hour_start) AS hour_seconds, count() AS checked, countIf(nobody) AS failed,
       groupArrayIf(5)(format('prosthesis {}: no login or no name', toString(prosthesis_id)), nobody) AS sample
FROM :rows
GROUP BY hour_seconds
