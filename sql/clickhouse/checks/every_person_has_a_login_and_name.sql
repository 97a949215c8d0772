WITH empty(trimBoth(user_id)) OR empty(trimBoth(customer_full_name)) OR empty(trimBoth(email)) AS nobody
SELECT toUnixTimestamp(hour_start) AS hour_seconds, count() AS checked, countIf(nobody) AS failed,
       groupArrayIf(5)(format('customer {}: no login, name or e-mail address', toString(customer_id)), nobody) AS sample
FROM :rows
GROUP BY hour_seconds
