-- One look at the rows of the CRM extract: how many, their checksum, and by hour how many rows the claims on them may be
-- about. Where there are none the claims hold; where there are some, each claim's own query looks at the hours.
WITH ownership IN ('named', 'assumed', 'stated') AS worn
SELECT
    toUnixTimestamp(hour_start) AS hour_seconds, :readers_hour AS readers_hour, count() AS row_count, :checksum AS checksum,
    countIf(worn) AS checked_one_wearer_per_chip,
    countIf(worn) - uniqExactIf(xxHash64(ifNull(chip_id, '')), worn) AS shared_chips,
    countIf(ended_at IS NOT NULL AND assumeNotNull(ended_at) >= hour_start AND ownership != 'overruled') AS ended,
    countIf(ownership = 'named') + ended AS checked_crm_not_shrunk,
    if(ended >= 5, ended, 0) AS ended_chips,
    countIf(empty(trimBoth(user_id)) OR empty(trimBoth(customer_full_name)) OR empty(trimBoth(email))
            OR ownership = 'contested') AS odd_people,
    countIf(ownership = 'assumed') AS assumed,
    countIf(worn) AS checked_wearers_named,
    if(assumed >= 3 AND assumed > {wearers_named_share:Float64} * checked_wearers_named, assumed, 0) AS assumed_wearers
FROM :rows
GROUP BY hour_seconds, readers_hour
