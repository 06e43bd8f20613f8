"""Events for observers: attach a handler by name or pattern, pay nothing when nobody listens."""

from __future__ import annotations

from voxloop.telemetry._bus import Handler, attach, attach_many, detach, emit, enabled
from voxloop.telemetry._span import Later, Span, current_span, span, within

__all__ = [
    "Handler",
    "Later",
    "Span",
    "attach",
    "attach_many",
    "current_span",
    "detach",
    "emit",
    "enabled",
    "span",
    "within",
]
