-- Read-only, and no longer than a reader of reports may.
ALTER ROLE bionicpro_metrics SETTINGS PROFILE 'bionicpro_report_reader'
