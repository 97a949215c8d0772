INSERT INTO {schema}.schema_changes (file, checksum, breaking, version) VALUES (%s, %s, %s, %s)
