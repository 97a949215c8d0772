-- Where merges don't keep up: the most parts that one partition has.
SELECT table, partition, count() AS parts FROM system.parts
WHERE active AND database = 'storage'
GROUP BY table, partition ORDER BY parts DESC LIMIT 1
