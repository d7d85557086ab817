"""``python -m airflow_cloudact_notify.cli``."""

import sys

from airflow_cloudact_notify.cli.main import main

sys.exit(main())
