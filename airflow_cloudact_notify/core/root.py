"""The root's settings: its file, over what further layers say."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from airflow_cloudact_notify.core import documents
from airflow_cloudact_notify.core.budget import Caller
from airflow_cloudact_notify.core.documents import Document
from airflow_cloudact_notify.core.enums import NotificationProvider
from airflow_cloudact_notify.core.errors import ConfigProblem, ConfigurationError, OutOfTimeError
from airflow_cloudact_notify.core.files import Files

log = logging.getLogger(__name__)

ROOT_FOLDER = "notifications"
ROOT_FILE = f"{ROOT_FOLDER}/config.json"
LAYER_RECHECK_SECONDS = 60.0
"""How long a layer (a connection, say) is believed before it is read again."""
_NEVER = float("-inf")


@dataclass(frozen=True, slots=True)
class Layer:
    """Root settings from elsewhere than the root's file; ``read`` returns ``None`` when there are none.

    What is local asks no service, and is read also when services do not answer.
    """

    name: str
    read: Callable[[], Document | None]
    is_local: bool = False


@dataclass(frozen=True, slots=True)
class RootSettings:
    """What the root says, before it is validated as a whole; nothing when nothing of it is enabled.

    ``broken`` holds destinations that name an unset environment variable; ``document`` has them switched off.
    """

    document: Document = field(repr=False)
    source: str
    broken: Mapping[NotificationProvider, ConfigProblem] = field(default_factory=dict)
    problems: tuple[ConfigProblem, ...] = ()


class Root:
    """Reads the root's settings.

    :param layers: what is weaker than the file, the strongest first.
    """

    def __init__(
        self,
        files: Files,
        layers: tuple[Layer, ...],
        env: Mapping[str, str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._files = files
        self._layers = layers
        self._env = env
        self._clock = clock
        self._seen: dict[str, tuple[float, Document | None]] = {}
        self._last_good: tuple[bytes | None, RootSettings] | None = None

    def settings(self, call: Caller) -> RootSettings:
        """Return the file over the layers, each only if it is enabled; one that cannot be read is skipped."""
        settings = self.file(call)
        for layer in self._layers:
            try:
                document = self._layer(layer, call)
            except ConfigurationError as error:
                settings = replace(settings, problems=settings.problems + error.problems)
                document = self._seen[layer.name][1]
            log.debug("%s: %s", layer.name, _state(document))
            if document and document.get("enabled", True):
                source = f"{settings.source} over {layer.name}" if settings.document else layer.name
                merged = documents.merge(settings.document, document)
                settings = replace(settings, document=merged, source=source)
        return settings

    def file(self, call: Caller) -> RootSettings:
        """Return the root's file as it is, else its last good version, else nothing."""
        name, last = self._files.name(ROOT_FILE), self._last_good
        try:
            content = self._files.read(ROOT_FILE, call).content
            # The very same bytes until the file changes: of many tenants, each asks for it.
            if last and last[0] is content:
                return last[1]
            settings = RootSettings({}, name) if content is None else self._parsed(content, name)
        except ConfigurationError as error:
            if last is None:
                return RootSettings({}, name, problems=error.problems)
            source = f"{last[1].source}, last good version"
            return replace(last[1], source=source, problems=error.problems)
        self._last_good = (content, settings)
        return settings

    def layers(self, call: Caller) -> Iterator[tuple[str, Document]]:
        """Yield the layers that can be read and are enabled, the strongest first."""
        for layer in self._layers:
            try:
                document = self._layer(layer, call)
            except ConfigurationError:
                continue  # settings() tells of it
            if document and document.get("enabled", True):
                yield layer.name, document

    def layers_stamp(self) -> object:
        """Return what changes when a layer is read again, and is never the same when one should be."""
        oldest = self._clock() - LAYER_RECHECK_SECONDS
        times = [read_at for read_at, _ in list(self._seen.values())]  # other threads add to it
        return object() if any(read_at < oldest for read_at in times) else tuple(times)

    def forget(self) -> None:
        """Read the layers anew next time."""
        self._seen.clear()

    def _parsed(self, content: bytes, name: str) -> RootSettings:
        original = documents.parse(content, name)
        document, broken = documents.substituted(original, self._env, name)
        if not documents.validate(document, name).enabled:
            log.debug("%s: enabled is false", name)
            return RootSettings({}, name)
        switched_on = {kind: p for kind, p in broken.items() if documents.is_enabled(original, kind)}
        return RootSettings(document, name, switched_on)

    def _layer(self, layer: Layer, call: Caller) -> Document | None:
        read_at, document = self._seen.setdefault(layer.name, (_NEVER, None))
        if self._clock() - read_at <= LAYER_RECHECK_SECONDS:
            return document
        try:
            document = layer.read() if layer.is_local else call(f"read {layer.name}", layer.read)
        except ConfigurationError:
            raise
        except OutOfTimeError as error:
            raise _unreadable(layer, str(error)) from None
        except Exception as error:  # noqa: BLE001 - one layer's trouble, of any kind, must not silence the others
            raise _unreadable(layer, type(error).__name__) from None
        if document is not None:
            documents.validate(document, layer.name)
        self._seen[layer.name] = (self._clock(), document)
        return document


def _state(document: Document | None) -> str:
    if not document:
        return "it says nothing"
    return "used" if document.get("enabled", True) else "enabled is false"


def _unreadable(layer: Layer, why: str) -> ConfigurationError:
    return ConfigurationError(
        ConfigProblem(layer.name, "", f"it could not be read: {why}", "Check Airflow's API server.")
    )
