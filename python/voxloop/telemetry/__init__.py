"""Events for observers: attach a handler by name or pattern, pay nothing when nobody listens."""

from __future__ import annotations

from voxloop.telemetry._bus import Handler, attach, attach_many, detach, emit, enabled

__all__ = ["Handler", "attach", "attach_many", "detach", "emit", "enabled"]
