-- The shards of a cluster: how many replicas each has, whether they replicate among themselves, and as whom they are asked.
SELECT shard_num, count() AS replicas, min(internal_replication) AS internal, groupUniqArray(user) AS users
FROM system.clusters
WHERE cluster = {cluster:String}
GROUP BY shard_num
ORDER BY shard_num
