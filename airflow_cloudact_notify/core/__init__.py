"""The engine: who hears what, how, and how often. Imports no Airflow."""
