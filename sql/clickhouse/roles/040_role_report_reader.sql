CREATE ROLE IF NOT EXISTS bionicpro_report_reader SETTINGS PROFILE 'bionicpro_report_reader'
