CREATE DATABASE IF NOT EXISTS storage COMMENT 'Rows of every publication, and the journal that says which of them count'
