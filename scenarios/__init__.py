"""What Airflow does to callbacks when things go wrong, done to a real Airflow: who is told of it, and how often."""
