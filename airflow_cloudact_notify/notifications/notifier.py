"""``CloudActNotifier`` and its ready instances, for callbacks of tasks and of DAGs."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.notifier import BaseNotifier

if TYPE_CHECKING:
    from airflow_cloudact_notify.bridge.wish import Wish

log = logging.getLogger(__name__)

# DAG files import this module, and are parsed all the time: whatever a callback needs it imports itself.
LIFECYCLES = ("run_started", "execute", "success", "failure", "retry", "skipped", "deadline")


class CloudActNotifier(BaseNotifier):
    """Tell the tenant's people what happened to a task or a DAG run.

    Who hears it, how, and how often is the tenant's file's matter. One instance may serve any number of DAGs and
    runs at once: it keeps nothing between calls. It never raises, and never takes longer than
    ``[cloudact_notify] callback_budget_seconds``.

    .. code-block:: python

        with DAG("daily_ingest", default_args={"on_failure_callback": CloudActNotifier(tenant_id="acme")}):
            ...

    ``tenant_id``, ``event``, ``severity``, ``title``, ``message`` and ``details`` may hold Jinja templates; what a
    context does not know becomes empty text.

    :param tenant_id: the tenant, or a function of Airflow's context that returns it; left out,
        ``dag_run.conf["tenant_id"]``, else the DAG's param ``tenant_id``, else its tag ``tenant:<id>``, else the run's
        team, else ``[cloudact_notify] tenant_from``, else ``[cloudact_notify] default_tenant``, else the root's
        settings apply.
    :param event: one of the eight events, or a function of Airflow's context that returns one; left out, or where
        the function returns ``None``, the one that the callback's occasion stands for.
    :param severity: ``info``, ``warning``, ``error`` or ``critical``; left out, the trigger's or the event's own.
    :param title: the headline.
    :param message: text under the headline.
    :param details: further facts, shown as a table.
    :param providers: destinations to use in place of those the trigger names.
    :param cloudact_notify_conn_id: the connection that supplies root settings.
    :param lifecycle: what the callback is for (``execute``, ``success``, ``failure``, ``retry``, ``skipped``); left
        out, it is read off the context.
    """

    # Airflow would render these into ``self``, where one run's texts become the next one's.
    template_fields: Sequence[str] = ()

    def __init__(
        self,
        *,
        tenant_id: str | Callable[[Mapping[str, Any]], str | None] | None = None,
        event: str | Callable[[Mapping[str, Any]], str | None] | None = None,
        severity: str | None = None,
        title: str | None = None,
        message: str | None = None,
        details: Mapping[str, Any] | None = None,
        providers: Sequence[str] | None = None,
        cloudact_notify_conn_id: str = "cloudact_notify_default",
        lifecycle: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if lifecycle not in (None, *LIFECYCLES):
            raise ValueError(f"lifecycle is {lifecycle!r}, which is none of {', '.join(LIFECYCLES)}")
        self.lifecycle = lifecycle
        self._asked: dict[str, Any] = {
            "tenant_id": tenant_id,
            "event": event,
            "severity": severity,
            "title": title,
            "message": message,
            "details": details or {},
            "providers": providers,
            "conn_id": cloudact_notify_conn_id,
        }

    @functools.cached_property
    def wish(self) -> Wish:
        """What the DAG's author asked for."""
        from airflow_cloudact_notify.bridge.wish import Wish

        return Wish(**self._asked)

    def __call__(self, *args: Any) -> Any:
        """Tell. Airflow's own steps before this one are left out: they write into ``self`` and into the context.

        Called without a context, as in ``on_failure_callback=on_failure()``, it is the callback that was meant: nothing
        has happened yet, and there is nothing to tell.
        """
        if not args:
            log.warning("a notifier was called where it is made a callback: leave out the () behind it")
            return self
        self.notify(args[0] if isinstance(args[0], Mapping) else {})
        return None

    def __await__(self) -> Generator[Any, None, None]:
        return self.async_notify(self.context).__await__()

    def notify(self, context: Mapping[str, Any]) -> None:
        """Tell, and return when it is told, or the budget is used up."""
        # In a process that has not imported the engine yet, that takes of the budget, too.
        began = time.monotonic()
        from airflow_cloudact_notify.bridge import callbacks
        from airflow_cloudact_notify.core.enums import Lifecycle

        callbacks.notify(context, self.wish, Lifecycle(self.lifecycle) if self.lifecycle else None, began)

    async def async_notify(self, context: Mapping[str, Any]) -> None:
        """Tell, without blocking the event loop."""
        import asyncio

        await asyncio.to_thread(self.notify, context)


on_execute = CloudActNotifier(lifecycle="execute")
on_success = CloudActNotifier(lifecycle="success")
on_failure = CloudActNotifier(lifecycle="failure")
on_retry = CloudActNotifier(lifecycle="retry")
on_skipped = CloudActNotifier(lifecycle="skipped")
