CREATE DATABASE IF NOT EXISTS quarantine COMMENT 'What was read from the sources and is not in the reports, with the reason'
