-- An hour that began earlier has lost raw rows, or may have. Cut to what a client can hold: it is -infinity or infinity at times.
SELECT least(greatest(max(kept_since), TIMESTAMPTZ '1970-01-01 00:00+00'), TIMESTAMPTZ '2200-01-01 00:00+00') AS kept_since
FROM telemetry.raw_retention
