ALTER ROLE bionicpro_report_reader SETTINGS PROFILE 'bionicpro_report_reader'
