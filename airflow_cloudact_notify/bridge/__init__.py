"""Airflow's services, made into what the engine asks for."""
