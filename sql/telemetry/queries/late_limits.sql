-- A sensor's tick has a minute. A scan that takes longer than this is better stopped here, with a sentence.
SET LOCAL statement_timeout = '40s'
