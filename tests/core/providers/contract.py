"""What every provider must do. Its test class inherits the cases and says how to reach its inbox."""

from __future__ import annotations

import itertools
import logging
import threading
from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from airflow_cloudact_notify.core.enums import (
    FailureReason,
    NotificationEvent,
    NotificationSeverity,
    Outcome,
)
from airflow_cloudact_notify.core.errors import DeliveryError
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.providers.base import BaseNotificationProvider
from airflow_cloudact_notify.testing import FrozenClock, SlackInbox, make_message
from tests.support import delivered, terms

AWKWARD_TEXTS = {
    "very long": "x" * 10_000,
    "very long, two bytes each": "ü" * 10_000,
    "very long, many words": "several words " * 2_000,
    "long entities": "<&>" * 5_000,
    "emoji": "🔥👨‍👩‍👧🇫🇷" * 20,
    "a header": "Failed\r\nBcc: evil@example.com\r\n\r\nbody",
    "an encoded header": "=?utf-8?q?x=0D=0ABcc=3A_evil=40example=2Ecom?=",
    "HTML": "<script>alert(1)</script></td></table><img src=x>",
    "mentions": "<!channel> <!here> <@U123ABC> <!subteam^S123ABC> @channel",
    "fences": "``` <!channel> ``` and more ```",
    "a template": "{{ 7 * 7 }} {% raw %} ${HOME}",
    "a mail's end": "first\n.\nQUIT\n..two dots\nFrom here",
    "control characters": "nul\x00bell\x07 \x1b[31mred\x1b[0m \x0b\x85\u2028end",
    "half a character": "broken \udcff byte",
    "direction overrides": "\u202egnp.exe\u202c",
    "blanks only": " \r\n\t ",
}


class ProviderContract:
    """The cases.

    A subclass adds the fixtures ``inbox`` (a running server), ``provider`` (one that sends to it) and ``unreachable``
    (one whose server refuses connections), the method ``received`` (what came in, one text for each delivery, equal
    texts for equal payloads) and ``secrets`` (what its configuration hides).
    """

    secrets: ClassVar[tuple[str, ...]]

    def received(self, inbox: Any) -> list[str]:
        raise NotImplementedError

    def test_the_same_message_is_delivered_the_same(self, provider: Any, inbox: Any) -> None:
        delivered(provider)
        delivered(provider)
        first, second = self.received(inbox)
        assert first == second

    def test_every_event_in_every_severity_is_delivered(self, provider: Any, inbox: Any) -> None:
        kinds = list(itertools.product(NotificationEvent, NotificationSeverity))
        for event, severity in kinds:
            assert delivered(provider, make_message(event=event, severity=severity))
        assert len(self.received(inbox)) == len(kinds)

    @pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in AWKWARD_TEXTS.items()])
    def test_an_awkward_text_is_delivered_once(self, provider: Any, inbox: Any, text: str) -> None:
        result = delivered(
            provider,
            make_message(
                title=text,
                message=text,
                pipeline_id=text,
                pipeline_logging_id=text,
                task_id=text,
                details={"error": text, "table_name": text, text: [text, {text: 1}]},
            ),
        )
        assert (result.outcome, result.attempts, result.detail) == (Outcome.DELIVERED, 1, "")
        assert len(self.received(inbox)) == 1

    def test_what_is_cut_says_so(self, provider: Any, inbox: Any) -> None:
        delivered(provider, make_message(message="x" * 100_000))
        [text] = self.received(inbox)
        assert "x… (cut)" in text

    def test_a_message_that_says_only_its_event_is_delivered(self, provider: Any, inbox: Any) -> None:
        assert delivered(provider, NotificationMessage(event="system_error"))
        [text] = self.received(inbox)
        assert "System error" in text

    def test_an_unreachable_server_is_worth_retrying(self, unreachable: Any) -> None:
        clock = FrozenClock()
        result = delivered(unreachable, under=terms(clock, max_attempts=3))
        assert (result.outcome, result.reason) == (Outcome.FAILED, FailureReason.UNREACHABLE)
        assert (result.attempts, len(clock.slept)) == (3, 2)

    def test_no_text_holds_a_secret(
        self, provider: Any, unreachable: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        with pytest.raises(DeliveryError) as error:
            unreachable.send(unreachable.render(make_message()), timeout=5)
        assert error.value.__suppress_context__, "a traceback would show the cause, which may hold a secret"
        told = [str(error.value), repr(error.value)]
        for one in (provider, unreachable):
            told += [repr(one), str(one.config), repr(one.config), one.config.model_dump_json()]
            told += [repr(vars(one.config)), repr(delivered(one)), str(delivered(one))]
        told.append(caplog.text)
        for secret in self.secrets:
            assert not [text for text in told if secret in text]
        assert {secret for one in (provider, unreachable) for secret in one.config.secrets()}

    def test_an_unknown_key_is_refused_and_no_value_is_repeated(self, provider: Any) -> None:
        section = dict.fromkeys(type(provider.config).model_fields, "hunter2")
        with pytest.raises(ValidationError, match="no_such_key") as error:
            type(provider.config).model_validate({**section, "no_such_key": "hunter2"})
        assert "hunter2" not in str(error.value)

    def test_one_instance_serves_many_threads(self, provider: Any, inbox: Any) -> None:
        threads = [
            threading.Thread(target=delivered, args=(provider, make_message(title=f"Title {number}.")))
            for number in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        texts = self.received(inbox)
        assert len(texts) == 8
        assert all(sum(f"Title {number}." in text for text in texts) == 1 for number in range(8))

    def test_a_check_tells_nobody(self, provider: Any, inbox: Any) -> None:
        words = provider.check(timeout=5)
        assert words
        assert self.received(inbox) == []
        assert not any(secret in words for secret in self.secrets)

    def test_sending_changes_nothing_of_the_instance(
        self, provider: BaseNotificationProvider[Any, Any]
    ) -> None:
        delivered(provider)
        before = dict(vars(provider))
        delivered(provider, make_message(title="Another", severity="critical"))
        assert vars(provider) == before


STATUSES = [
    (200, None, 1),
    (204, None, 1),
    (302, FailureReason.NOT_FOUND, 1),
    (400, FailureReason.REJECTED, 1),
    (401, FailureReason.AUTH, 1),
    (403, FailureReason.AUTH, 1),
    (404, FailureReason.NOT_FOUND, 1),
    (408, FailureReason.SERVER_ERROR, 3),
    (410, FailureReason.NOT_FOUND, 1),
    (413, FailureReason.REJECTED, 1),
    (429, FailureReason.RATE_LIMITED, 3),
    (500, FailureReason.SERVER_ERROR, 3),
    (502, FailureReason.SERVER_ERROR, 3),
    (503, FailureReason.SERVER_ERROR, 3),
    (504, FailureReason.SERVER_ERROR, 3),
]
"""Status, what it means, and how many of three attempts are made."""


class HttpProviderContract(ProviderContract):
    """The cases of providers that post to a ``SlackInbox``."""

    @pytest.mark.parametrize(
        ("status", "reason", "attempts"), [pytest.param(*row, id=str(row[0])) for row in STATUSES]
    )
    def test_a_status_means_the_same_everywhere(
        self,
        provider: Any,
        inbox: SlackInbox,
        status: int,
        reason: FailureReason | None,
        attempts: int,
    ) -> None:
        for _ in range(3):
            inbox.answer(status, headers={"Location": "http://127.0.0.1:1/"})
        result = delivered(provider)
        assert (result.reason, result.attempts) == (reason, attempts)
        assert bool(result) is (reason is None)
        assert len(inbox.payloads) == attempts

    @pytest.mark.parametrize("status", [429, 503])
    def test_the_wait_a_server_asks_for_is_kept(self, provider: Any, inbox: SlackInbox, status: int) -> None:
        clock = FrozenClock()
        inbox.answer(status, headers={"Retry-After": "17"})
        result = delivered(provider, under=terms(clock))
        assert (bool(result), result.attempts, clock.slept) == (True, 2, [17])

    def test_an_answer_that_repeats_the_url_gives_nothing_away(
        self, provider: Any, inbox: SlackInbox, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        path = inbox.url.removeprefix(f"http://{inbox.host}")
        inbox.answer(404, f"Cannot POST {path}; {inbox.url}")
        result = delivered(provider)
        assert "Cannot POST ***" in result.detail
        assert path not in str(result) + caplog.text
