CREATE DATABASE IF NOT EXISTS reports COMMENT 'What people read: views only'
