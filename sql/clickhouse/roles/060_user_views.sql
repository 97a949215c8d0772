-- With whose rights the views in `reports` read the storage. Nobody can log in as this user.
CREATE USER IF NOT EXISTS bionicpro_views IDENTIFIED WITH no_password HOST NONE
