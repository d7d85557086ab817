"""The one file that a platform adds: dead letters, digests, messages of killed processes, recoveries, old rows."""

from airflow_cloudact_notify.maintenance import build_maintenance_dag

dag = build_maintenance_dag()
