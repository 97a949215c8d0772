CREATE ROLE IF NOT EXISTS bionicpro_shards
