-- Journals one publication whose rows stand and whose journal entry is lost. Nothing is said of what it was made of, so
-- the next load of the hour compares it value by value.
INSERT INTO storage.publications
    (table_name, hour_start, publication, source_read_at, started_at, row_count, checksum, run_id)
SELECT {table_name:String}, toDateTime({hour:UInt32}, 'UTC'), {number:UInt64},
       fromUnixTimestamp64Micro({read_at:Int64}), fromUnixTimestamp64Micro({began_at:Int64}), count(), :checksum,
       'journalled again'
FROM :rows
