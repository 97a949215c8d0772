-- The second after the newest raw row. The generator makes each second's rows once: to go on from here repeats none.
SELECT date_trunc('second', max(timestamp)) + interval '1 second' FROM telemetry.raw_telemetry
