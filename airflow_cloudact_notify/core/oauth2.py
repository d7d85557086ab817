"""Access tokens for mail servers that take no passwords: Microsoft's and Google's, from their own libraries."""

from __future__ import annotations

import functools
import threading
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import SecretStr, model_validator

from airflow_cloudact_notify.core import http
from airflow_cloudact_notify.core.enums import FailureReason
from airflow_cloudact_notify.core.errors import DeliveryError
from airflow_cloudact_notify.core.section import Section

TOKEN_TIMEOUT = 10.0
"""Seconds to wait for a token server."""
MICROSOFT = "https://login.microsoftonline.com"
# https://developers.google.com/identity/protocols/oauth2/web-server#offline
GOOGLE_TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 - a place, not a secret
# https://learn.microsoft.com/en-us/entra/identity-platform/reference-error-codes#handling-error-codes-in-your-application
_FOR_NOW = ("temporarily_unavailable", "server_error")


class OAuth2Config(Section):
    """How to log in to a mail server by OAuth 2.0. The keys are those of the official ``smtp`` connection's extras.

    A token; or Microsoft's client credentials; or, with ``refresh_token``, Google's.
    """

    access_token: SecretStr | None = None
    """A token as it is: good for an hour or so."""
    client_id: str | None = None
    """The application's id."""
    client_secret: SecretStr | None = None
    """The application's secret. Name a variable, ``${…}``, instead of writing it down."""
    tenant_id: str = "common"
    """Microsoft's: the directory the application is registered in."""
    scope: str = "https://outlook.office.com/.default"
    """What Microsoft's token is for."""
    refresh_token: SecretStr | None = None
    """Google's, from which tokens are made. Name a variable, ``${…}``, instead of writing it down."""
    authority: str = MICROSOFT
    """Where Microsoft's tokens come from; national clouds have a place of their own."""

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if not self.access_token and not (self.client_id and self.client_secret):
            raise ValueError("no token and no credentials; name access_token, or client_id and client_secret")
        if urlsplit(self.authority).scheme != "https":
            raise ValueError("authority is not https; write it as https://login.microsoftonline.com")
        return self


def access_token(config: OAuth2Config) -> str:
    """Return a token that is good for minutes at least, from this process's memory where there is one.

    :raises DeliveryError: when there is none to be had.
    """
    if config.access_token:
        return config.access_token.get_secret_value()
    if config.refresh_token:
        return _googles(config)
    return _microsofts(config)


def _microsofts(config: OAuth2Config) -> str:
    place = urlsplit(config.authority).hostname or config.authority
    try:
        from msal.exceptions import MsalServiceError
    except ImportError:
        raise _missing("msal") from None
    try:
        answer = _application(config).acquire_token_for_client(scopes=[config.scope])
    except MsalServiceError as error:
        raise DeliveryError(FailureReason.SERVER_ERROR, f"{place} gave no access token ({error})") from None
    except ValueError:
        # MSAL's word for a directory that the authority does not know.
        why = f"{place} knows no tenant_id {config.tenant_id!r}"
        raise DeliveryError(FailureReason.MISCONFIGURED, why) from None
    except OSError as error:
        raise _no_answer(error, place) from None
    if "access_token" in answer:
        token: str = answer["access_token"]
        return token
    code = answer.get("error")
    words = str(answer.get("error_description") or code or "no token").splitlines()[0]
    reason = FailureReason.SERVER_ERROR if code in _FOR_NOW else FailureReason.AUTH
    raise DeliveryError(reason, f"{place} gave no access token ({words})")


@functools.lru_cache(maxsize=256)
def _application(config: OAuth2Config) -> Any:
    """Return MSAL's client, which keeps its token until five minutes before it ends.

    Making it asks the authority for its addresses.
    """
    import msal

    secret = config.client_secret.get_secret_value() if config.client_secret else None
    return msal.ConfidentialClientApplication(
        config.client_id,
        client_credential=secret,
        authority=f"{config.authority.rstrip('/')}/{config.tenant_id}",
        # Microsoft's public cloud cannot vouch for a place that it does not know.
        instance_discovery=None if config.authority == MICROSOFT else False,
        timeout=TOKEN_TIMEOUT,
    )


_GOOGLE_LOCK = threading.Lock()


def _googles(config: OAuth2Config) -> str:
    place = urlsplit(GOOGLE_TOKEN_URI).hostname or ""
    try:
        from google.auth import exceptions
        from google.auth.transport.requests import Request
    except ImportError:
        raise _missing("google-auth") from None
    credentials = _google_credentials(config)
    try:
        with _GOOGLE_LOCK:
            if not credentials.valid:
                credentials.refresh(functools.partial(Request(), timeout=TOKEN_TIMEOUT))
            token: str = credentials.token
            return token
    except exceptions.TransportError as error:
        raise _no_answer(OSError(error), place) from None
    except exceptions.RefreshError as error:
        words = str(error.args[0] if error.args else "no token")
        reason = FailureReason.SERVER_ERROR if error.retryable else FailureReason.AUTH
        raise DeliveryError(reason, f"{place} gave no access token ({words})") from None


@functools.lru_cache(maxsize=256)
def _google_credentials(config: OAuth2Config) -> Any:
    from google.oauth2.credentials import Credentials

    return Credentials(  # type: ignore[no-untyped-call]
        None,
        refresh_token=config.refresh_token.get_secret_value() if config.refresh_token else None,
        token_uri=GOOGLE_TOKEN_URI,
        client_id=config.client_id,
        client_secret=config.client_secret.get_secret_value() if config.client_secret else None,
    )


def _missing(library: str) -> DeliveryError:
    return DeliveryError(
        FailureReason.MISCONFIGURED,
        f"OAuth 2.0 needs {library}: pip install 'airflow-provider-cloudact-notify[oauth2]'",
    )


def _no_answer(error: OSError, place: str) -> DeliveryError:
    reason, words = http.why(error, place, TOKEN_TIMEOUT)
    return DeliveryError(reason, f"no access token ({words})")
