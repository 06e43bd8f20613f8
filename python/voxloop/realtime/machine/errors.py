"""Error objects of the server as typed errors, and what becomes of the session.

===========  ======================================================  ==============================
class        which                                                   what happens
===========  ======================================================  ==============================
fatal        the key is refused; the first settings are refused;     iteration drains, then raises
             the connection ends and is not to be made again, or
             the attempts are used up (see ``reconnect``)
recoverable  the connection is lost, the session has expired         `ReconnectingEvent`, then
                                                                     `ReconnectedEvent`
advisory     every other error of the server, a frame that cannot    `ErrorEvent`, the session goes
             be read, a failing tool, a failed response              on
harmless     nothing was left to cancel or to cut                    nothing
===========  ======================================================  ==============================
"""

from __future__ import annotations

from voxloop._errors import (
    ApiError,
    AuthenticationError,
    QuotaExceeded,
    RateLimited,
    VoxloopError,
)
from voxloop.net import QUOTA_CODES
from voxloop.providers.openai.errors import redact
from voxloop.wire import realtime as rt

_AUTHENTICATION = frozenset({"invalid_api_key", "authentication_error", "invalid_authentication"})
_NO_ITEM = frozenset({"item_not_found", "item_truncate_invalid_item_id"})
_RETRYABLE = frozenset({"server_error", "session_expired", "service_unavailable"})


def from_detail(detail: rt.ErrorDetail | None, fallback: str) -> VoxloopError:
    """The typed error for an error object.

    Args:
        detail: What the server said.
        fallback: Message when it said nothing.
    """
    if detail is None:
        return ApiError(fallback)
    code = detail.code or detail.type or None
    message = redact(detail.message) or fallback
    if code in _AUTHENTICATION or detail.type in _AUTHENTICATION:
        return AuthenticationError(message, code=code)
    if code in QUOTA_CODES:
        return QuotaExceeded(
            message, code=code, type=detail.type, param=detail.param, event_id=detail.event_id
        )
    if code == "rate_limit_exceeded":
        return RateLimited(message, code=code, type=detail.type, status=None)
    retryable = code in _RETRYABLE or detail.type in _RETRYABLE
    return ApiError(
        message,
        code=code,
        type=detail.type or None,
        param=detail.param,
        event_id=detail.event_id,
        retryable=retryable or None,
    )


def harmless(detail: rt.ErrorDetail) -> bool:
    """Whether it answers a cancel or a cut of ours that came too late."""
    event_id, code = detail.event_id or "", detail.code or ""
    if event_id.startswith("truncate_"):  # the item was taken out meanwhile
        return code in _NO_ITEM
    return event_id.startswith("cancel_") or code == "response_cancel_not_active"
