"""The command line: ``cloudact-notify``, and the same commands as ``airflow cloudact-notify``."""
