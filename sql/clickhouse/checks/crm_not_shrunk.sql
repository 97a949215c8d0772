-- Chips that the CRM was found, within the hour, to name nobody for any more: a few are refitted or retired, not many at once.
-- Those of whom the visible extract says so already were accepted when it was published: by an operator, if they were many.
WITH ended_at IS NOT NULL AND assumeNotNull(ended_at) >= hour_start AND ownership != 'overruled'
     AND (hour_start, ifNull(chip_id, '')) NOT IN (
         SELECT hour_start, ifNull(chip_id, '') FROM :before WHERE ended_at IS NOT NULL AND assumeNotNull(ended_at) >= hour_start
     ) AS gone
SELECT toUnixTimestamp(hour_start) AS hour_seconds, countIf(ownership = 'named' OR gone) AS checked,
       if(countIf(gone) >= 5 AND countIf(gone) > {share:Float64} * checked, countIf(gone), 0) AS failed,
       if(failed > 0, [format('{} of {} chips have no wearer in the CRM any more', toString(countIf(gone)), toString(checked))], []) AS sample
FROM :rows
GROUP BY hour_start
