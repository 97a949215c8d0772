-- The shards of a cluster: how many replicas each has, and whether they replicate among themselves.
SELECT shard_num, count() AS replicas, min(internal_replication) AS internal
FROM system.clusters
WHERE cluster = {cluster:String}
GROUP BY shard_num
ORDER BY shard_num
