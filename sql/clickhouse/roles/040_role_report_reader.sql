CREATE ROLE IF NOT EXISTS bionicpro_report_reader
