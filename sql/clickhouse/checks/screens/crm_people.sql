-- Rows of the CRM that its claims on single rows could find: each claim's own query looks at them then.
SELECT toUnixTimestamp(hour_start) AS hour_seconds, count() AS checked,
       countIf(empty(trimBoth(user_id)) OR empty(trimBoth(customer_full_name)) OR empty(trimBoth(email))
               OR ownership = 'contested') AS suspects
FROM :rows
GROUP BY hour_seconds
