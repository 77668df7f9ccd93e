-- Runs once, when the data folder of PostgreSQL is empty.
CREATE DATABASE mlflow;
CREATE DATABASE mlflow_users;
CREATE DATABASE prefect;
