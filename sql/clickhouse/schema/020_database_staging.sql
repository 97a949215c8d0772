CREATE DATABASE IF NOT EXISTS staging COMMENT 'The extracts as they were read, hour by hour: views only'
