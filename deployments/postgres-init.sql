-- Prefect's database is made by the image itself; both keep a table `alembic_version`, so they need one each.
CREATE DATABASE mlflow;
