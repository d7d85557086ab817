"""Whether the built wheel is whole: run with the wheel's contents first on the path."""

from __future__ import annotations

from pathlib import Path

import airflow_cloudact_notify
from airflow_cloudact_notify.core.providers.base import ProviderSettings
from airflow_cloudact_notify.core.providers.email import EmailConfig, EmailNotificationProvider
from airflow_cloudact_notify.testing import make_message

package = Path(airflow_cloudact_notify.__file__).parent
assert package.parent.name == "wheel", f"the wheel was not what was imported, but {package}"
assert (package / "py.typed").exists(), "py.typed is missing from the wheel"

config = EmailConfig(smtp_host="mail.example", from_email="a@b.example", to_emails=["c@d.example"])
mail = EmailNotificationProvider(config, ProviderSettings()).render(make_message()).mail
assert "Pipeline failed" in mail.get_body(("html",)).get_content(), "the templates are missing from the wheel"
print("The wheel is whole.")
