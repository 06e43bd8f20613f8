"""From an error answer of the API to one exception of ours."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit, urlunsplit

from voxloop._errors import (
    ApiError,
    AuthenticationError,
    HandshakeRejected,
    QuotaExceeded,
    RateLimited,
    VoxloopError,
)
from voxloop.net import QUOTA_CODES, Secret

if TYPE_CHECKING:
    from voxloop.wire.audio import ErrorBody

_RATE_CODES: Final = frozenset({"rate_limit_exceeded", "slow_down", "rate_limit_error"})
_RETRYABLE: Final = frozenset({408, 409, 429})
# Servers quote the key, whole or in part, in their messages.
_KEY: Final = re.compile(r"\b(sk|sess|ek)[-_][\w*.\-]{4,}")


def error_from_response(
    status: int,
    headers: Mapping[str, str],
    body: bytes | str,
    *,
    doing: str,
    key: Secret | None = None,
) -> VoxloopError:
    """The exception for an answer whose status is not 2xx.

    Args:
        status: HTTP status.
        headers: Response headers, lower-case names.
        body: What the server said, in any shape.
        doing: What was asked for, such as ``"transcription with gpt-4o-transcribe"``.
        key: The key that was used, to be kept out of the message.
    """
    from voxloop.wire.audio import decode_error  # with structs that realtime sessions do without

    said = decode_error(body)
    request_id = headers.get("x-request-id")
    text = f"{doing}: the server answered {status}"
    if said.message:
        text += f": {redact(said.message, key)}"
    if 300 <= status < 400 and (location := _address(headers.get("location", ""))):
        text += f"; redirects are not followed, and this one points to {redact(location, key)}"
    if request_id:
        text += f" (request {request_id})"
    if status == 401:
        return AuthenticationError(f"{text}; check the API key and its project")
    if status == 404:
        text += "; check the model's name and the base URL"
    if _is_quota(status, said):
        return QuotaExceeded(
            text, code=said.code, type=said.type, status=status, request_id=request_id
        )
    if status == 429:
        return RateLimited(
            text,
            code=said.code,
            type=said.type,
            request_id=request_id,
            retry_after=retry_after(headers),
        )
    return ApiError(
        text,
        code=said.code,
        type=said.type,
        status=status,
        param=said.param,
        request_id=request_id,
        retryable=status in _RETRYABLE or status >= 500,
    )


def error_from_stream(
    *,
    code: str | None,
    message: str | None,
    type: str | None = None,
    param: str | None = None,
    doing: str,
    key: Secret | None = None,
) -> ApiError:
    """The exception for an error that arrived inside a stream whose status was 200."""
    text = f"{doing}: {redact(message, key) if message else 'the server gave no reason'}"
    if code in QUOTA_CODES or type in QUOTA_CODES:
        return QuotaExceeded(text, code=code, type=type, param=param)
    if code in _RATE_CODES or type in _RATE_CODES:
        return RateLimited(text, code=code, type=type, status=None)
    retryable = code in {"server_error", "overloaded"} or type in {"server_error"}
    return ApiError(text, code=code, type=type, param=param, retryable=retryable)


def error_from_handshake(rejected: HandshakeRejected, *, key: Secret | None) -> VoxloopError:
    """A typed error for a refused upgrade; other statuses than 401 and 429 stay as they are."""
    if rejected.status not in (401, 429):
        return HandshakeRejected(
            redact(rejected.message, key),
            status=rejected.status,
            headers=rejected.headers,
            body_head=redact(rejected.body_head, key),
            retryable=rejected.retryable,
        )
    return error_from_response(
        rejected.status,
        rejected.headers,
        rejected.body_head,
        doing="opening the realtime connection",
        key=key,
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to wait, from ``retry-after-ms`` or ``retry-after``."""
    seconds = _number(headers.get("retry-after-ms"))
    if seconds is not None:
        return seconds / 1000
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is None and value:
        from email.utils import parsedate_to_datetime  # large, and rarely wanted

        try:
            seconds = max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
        except (ValueError, OverflowError):
            return None
    return seconds


def redact(text: str, key: Secret | None = None) -> str:
    """``text`` without the key and without anything that looks like one."""
    if key is not None:
        text = text.replace(key.reveal(), "***")
    return _KEY.sub(r"\1-***", text)


def _address(location: str) -> str:
    """Where it points, without what may be secret in it."""
    try:
        parts = urlsplit(location)
    except ValueError:
        return ""
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=host, query="", fragment=""))[:200]


def _is_quota(status: int, said: ErrorBody) -> bool:
    return status == 429 and (said.code in QUOTA_CODES or said.type in QUOTA_CODES)


def _number(value: str | None) -> float | None:
    try:
        number = float(value) if value else -1.0
    except ValueError:
        return None
    # Compared so that NaN counts as no number.
    return number if 0.0 <= number < 1e9 else None
