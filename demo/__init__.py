"""The demo: three tenants' emails and Slack messages, from DAG runs of a real Airflow to inboxes on this machine."""
