"""The bus: a table of handlers, replaced whole on every change so that `emit` takes no lock."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from voxloop._errors import ConfigError

Handler = Callable[[str, Mapping[str, float], Mapping[str, object]], None]
"""Called as ``handler(name, measurements, metadata)``, on the thread that emits."""

_log = logging.getLogger("voxloop.telemetry")


@dataclass(frozen=True, slots=True)
class _Attachment:
    handler_id: str
    patterns: tuple[str, ...]
    handler: Handler

    def matches(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self.patterns)


class _Table:
    """All attachments, and for each name seen so far the handlers that want it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.attachments: tuple[_Attachment, ...] = ()
        self.routes: dict[str, tuple[_Attachment, ...]] = {}

    def replace(self, attachments: tuple[_Attachment, ...]) -> None:
        self.attachments = attachments
        self.routes = {}

    def route(self, name: str) -> tuple[_Attachment, ...]:
        routes = self.routes
        found = routes.get(name)
        if found is None:
            found = tuple(a for a in self.attachments if a.matches(name))
            routes[name] = found
        return found


_table = _Table()


def attach(handler_id: str, names: Iterable[str], handler: Handler) -> None:
    """Call `handler` for each event whose name matches one of `names`.

    Args:
        handler_id: A name of your own, for `detach`; it must not be in use.
        names: Event names or shell patterns, such as ``"realtime.*"``.
        handler: Called as ``handler(name, measurements, metadata)`` on the emitting thread.
            What it raises is logged and goes no further.

    Raises:
        ConfigError: `handler_id` is in use, `names` is empty or one string, or `handler` cannot be
            called.
    """
    if isinstance(names, str):
        raise ConfigError(f"names must be a list of event names, not the string {names!r}")
    patterns = tuple(names) if isinstance(names, Iterable) else ()
    if not patterns or not all(isinstance(name, str) and name for name in patterns):
        raise ConfigError("attach needs at least one event name or pattern, each a text")
    if not callable(handler):
        raise ConfigError(
            f"handler is of type {type(handler).__name__}; give a function "
            "(name, measurements, metadata)"
        )
    with _table.lock:
        if any(a.handler_id == handler_id for a in _table.attachments):
            raise ConfigError(f"telemetry handler {handler_id!r} is attached already; detach it")
        _table.replace((*_table.attachments, _Attachment(handler_id, patterns, handler)))


attach_many = attach


def detach(handler_id: str) -> bool:
    """Stop calling the handler attached under `handler_id`; False if there is none."""
    with _table.lock:
        kept = tuple(a for a in _table.attachments if a.handler_id != handler_id)
        found = len(kept) != len(_table.attachments)
        if found:
            _table.replace(kept)
    return found


def enabled(name: str) -> bool:
    """Whether anyone listens to `name`: ask before measuring what costs something."""
    return bool(_table.attachments) and bool(_table.route(name))


def emit(name: str, measurements: Mapping[str, float], metadata: Mapping[str, object]) -> None:
    """Hand one event to the handlers that want it."""
    if not _table.attachments:
        return
    for attachment in _table.route(name):
        try:
            attachment.handler(name, measurements, metadata)
        except Exception:
            _log.exception("telemetry handler %r failed on %s", attachment.handler_id, name)
