"""Slack by incoming webhook: Block Kit in a coloured attachment, with a text for notifications."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, SecretStr

from airflow_cloudact_notify.core import block_kit
from airflow_cloudact_notify.core.content import content_of
from airflow_cloudact_notify.core.custom import mrkdwn
from airflow_cloudact_notify.core.enums import FailureReason, NotificationSeverity
from airflow_cloudact_notify.core.errors import DeliveryError
from airflow_cloudact_notify.core.formats.slack import SlackPayload, as_slack
from airflow_cloudact_notify.core.http import HttpAnswer, post_json, reason_of_status, session_for
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.providers.base import (
    NO_PARTS,
    BaseNotificationProvider,
    DestinationConfig,
    Parts,
    ProviderSettings,
    Receipt,
    misconfigured,
)

if TYPE_CHECKING:
    import requests

WEBHOOK_HOSTS = frozenset({"hooks.slack.com", "hooks.slack-gov.com"})

# https://docs.slack.dev/changelog/2016/05/17/changes-to-errors-for-incoming-webhooks
# Bodies move between statuses, so the body is asked first.
_REASON_OF_BODY = {
    "invalid_payload": FailureReason.REJECTED,
    "no_text": FailureReason.REJECTED,
    "invalid_blocks": FailureReason.REJECTED,
    "invalid_blocks_format": FailureReason.REJECTED,
    "too_many_attachments": FailureReason.REJECTED,
    "missing_text_or_fallback_or_attachments": FailureReason.REJECTED,
    "user_not_found": FailureReason.REJECTED,
    "action_prohibited": FailureReason.AUTH,
    "invalid_token": FailureReason.AUTH,
    "posting_to_general_channel_denied": FailureReason.AUTH,
    "channel_not_found": FailureReason.NOT_FOUND,
    "channel_is_archived": FailureReason.NOT_FOUND,
    "no_service": FailureReason.NOT_FOUND,
    "no_service_id": FailureReason.NOT_FOUND,
    "no_team": FailureReason.NOT_FOUND,
    "no_active_hooks": FailureReason.NOT_FOUND,
    "rate_limited": FailureReason.RATE_LIMITED,
    "rollup_error": FailureReason.SERVER_ERROR,
}

_PAYLOAD_REFUSED = frozenset(
    {
        "invalid_payload",
        "no_text",
        "invalid_blocks",
        "invalid_blocks_format",
        "too_many_attachments",
        "missing_text_or_fallback_or_attachments",
    }
)
"""What Slack says of a payload that we have made wrong: the same in plain text may be taken."""

_NOT_OK = re.compile(r'"ok"\s*:\s*false')
"""How Slack's web API says no, with a status that says yes."""

_URL_CHARACTERS = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")
_USER = re.compile(r"[UW][A-Z0-9]{2,}")
_GROUP = re.compile(r"S[A-Z0-9]{2,}")


def _looks_like_url(url: SecretStr) -> SecretStr:
    text = url.get_secret_value()
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    # Of a URL with other characters, a backslash say, two libraries may make two hosts.
    if not usable or not _URL_CHARACTERS.fullmatch(text):
        raise ValueError("not a URL; copy it from the Slack app's page Incoming Webhooks")
    return url


def _known_id(mention: str) -> str:
    bare = mention.removeprefix("<").removesuffix(">").lstrip("@!").removeprefix("subteam^")
    if not (_USER.fullmatch(bare) or _GROUP.fullmatch(bare)):
        raise ValueError(
            "not a Slack id; names do not ping: use the member id (U… or W…) or the user group id (S…)"
        )
    return bare


class SlackConfig(DestinationConfig):
    """The ``slack`` section.

    Webhooks of Slack apps post to the channel they were made for, under the app's name; only those of the older
    custom integrations follow ``channel``, ``username`` and ``icon_emoji``.
    """

    SERVER_KEYS: ClassVar = frozenset({"webhook_url", "proxy", "conn_id"})

    webhook_url: Annotated[SecretStr, AfterValidator(_looks_like_url)] | None = None
    """An incoming webhook, https://hooks.slack.com/…; a secret: name a variable, ``${…}``."""
    proxy: SecretStr | None = None
    """An HTTP proxy to reach Slack by; left out, the one that the environment names."""
    channel: str | None = None
    """The channel; only webhooks of older custom integrations follow it."""
    username: str | None = None
    """The name to post under; only webhooks of older custom integrations follow it."""
    icon_emoji: str | None = None
    """The icon, such as :satellite:; only webhooks of older custom integrations follow it."""
    mention_users: list[Annotated[str, AfterValidator(_known_id)]] = []
    """Ids of members (U…, W…) and user groups (S…) to mention when it is critical."""
    mention_channel: bool = False
    """Whether to mention the whole channel when it is critical."""

    def secrets(self) -> Iterator[str]:
        """Yield the webhook, and what of it a server may repeat in an answer."""
        for url in super().secrets():
            yield from (url, urlsplit(url).path)


class SlackNotificationProvider(BaseNotificationProvider[SlackConfig, SlackPayload]):
    """Posts to one webhook."""

    TEMPLATE_PARTS: ClassVar = ("slack",)

    def __init__(self, config: SlackConfig, settings: ProviderSettings) -> None:
        super().__init__(config, settings)
        if config.webhook_url is None:
            raise misconfigured("webhook_url", "missing", "Name the webhook, or a connection with conn_id.")
        self._url = config.webhook_url.get_secret_value()
        _check_host(self._url, settings.allowed_webhook_hosts)

    def render(self, message: NotificationMessage, parts: Parts = NO_PARTS) -> SlackPayload:
        is_critical = message.effective_severity is NotificationSeverity.CRITICAL
        content = content_of(message, self.settings.style)
        payload = as_slack(content, _mentions(self.config) if is_critical else "")
        if "slack" in parts:
            payload["attachments"][0]["blocks"] = _custom(parts["slack"])
        legacy = {
            "channel": self.config.channel,
            "username": self.config.username,
            "icon_emoji": self.config.icon_emoji,
        }
        return payload | {key: value for key, value in legacy.items() if value}

    def warm_up(self) -> None:
        _ = self._session

    def send(self, payload: SlackPayload, *, timeout: float) -> Receipt[SlackPayload]:
        answer = post_json(self._session, self._url, payload, timeout=timeout)
        reason = reason_of_status(answer.status)
        if reason is None and not _is_no(answer.body):
            return Receipt()
        word = _word(answer)
        raise DeliveryError(
            _REASON_OF_BODY.get(word, reason or FailureReason.REJECTED),
            f"Slack answered {answer.status} {_first_words(answer.body)}".strip(),
            retry_after=answer.retry_after,
            simpler=_without_blocks(payload) if word in _PAYLOAD_REFUSED else None,
        )

    def check(self, *, timeout: float) -> str:
        # Slack has no way of trying a webhook without posting.
        return f"webhook on {urlsplit(self._url).hostname} looks right; it was not posted to"

    @functools.cached_property
    def _session(self) -> requests.Session:
        proxy = self.config.proxy
        return session_for(self._url, proxy.get_secret_value() if proxy else None)


def _check_host(url: str, allowed: frozenset[str]) -> None:
    parts = urlsplit(url)
    if parts.hostname in allowed or parts.netloc.rpartition("@")[2].lower() in allowed:
        return
    if parts.hostname not in WEBHOOK_HOSTS or parts.port not in (None, 443):
        reason = f"the webhook's host '{parts.hostname}' is not one of Slack's"
    elif parts.scheme != "https":
        reason = "the webhook is not https"
    else:
        return
    raise misconfigured(
        "webhook_url",
        reason,
        "Use a https://hooks.slack.com/… URL, or let the platform's administrator add the host to "
        "[cloudact_notify] allowed_webhook_hosts.",
    )


def _custom(text: str) -> list[block_kit.Block]:
    return [block_kit.manual(piece) for piece in mrkdwn.pieces(text)]


def _mentions(config: SlackConfig) -> str:
    channel = ["<!channel>"] if config.mention_channel else []
    people = [f"<!subteam^{who}>" if who.startswith("S") else f"<@{who}>" for who in config.mention_users]
    return " ".join(channel + people)


def _is_no(body: str) -> bool:
    """Whether a body says no whatever the status is. A server that repeats what it was sent does not."""
    return body in _REASON_OF_BODY or _NOT_OK.search(body) is not None


def _word(answer: HttpAnswer) -> str:
    # A rate limit's body is JSON: {"retry_after":1,"ok":false,"error":"rate_limited"}
    return next((word for word in re.findall(r"[a-z_]+", answer.body) if word in _REASON_OF_BODY), "")


def _without_blocks(payload: SlackPayload) -> SlackPayload | None:
    """Return the same message as plain text, ``None`` when it is that already."""
    rich = {key: payload[key] for key in ("blocks", "attachments") if key in payload}
    if not rich:
        return None
    # What stands above the attachment says the same as the text.
    text = "\n".join((payload["text"], *block_kit.as_text(payload.get("attachments"))))
    return {key: payload[key] for key in payload if key not in rich} | {
        "text": mrkdwn.cut(text, block_kit.MAX_TEXT)
    }


def _first_words(body: str) -> str:
    return " ".join(body.split())[:200]
