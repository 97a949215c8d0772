-- The engine of a table's storage.
SELECT engine FROM system.tables WHERE database = 'storage' AND name = {table:String}
