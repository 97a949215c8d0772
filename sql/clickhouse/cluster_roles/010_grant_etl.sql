-- To sweep on all servers. By itself it allows no statement, only that one goes to all servers of a cluster.
GRANT CLUSTER ON *.* TO bionicpro_etl
