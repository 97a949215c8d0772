GRANT SELECT ON reports.* TO bionicpro_report_reader
