"""Ids of events, items and responses, and the event that names what went wrong."""

from __future__ import annotations

import secrets

from voxloop.local.server.refusal import Refusal
from voxloop.wire import realtime as rt

__all__ = ["error_event", "new_id"]


def new_id(prefix: str) -> str:
    """A fresh id such as ``item_5f0c...``."""
    return f"{prefix}_{secrets.token_hex(12)}"


def error_event(refusal: Refusal, event_id: str | None) -> rt.ErrorEvent:
    """The ``error`` event of a refusal, naming the client event at fault."""
    return rt.ErrorEvent(
        error=rt.ErrorDetail(
            type=refusal.type,
            message=refusal.message,
            code=refusal.code,
            param=refusal.param,
            event_id=event_id,
        )
    )
