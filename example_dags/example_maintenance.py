"""The one line that a platform adds: digests, messages of killed processes, recoveries nobody told, old rows."""

from airflow_cloudact_notify.maintenance import build_maintenance_dag

dag = build_maintenance_dag()
