"""Whether to try a request again, and after how long; the rules themselves are in Rust."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Final

import msgspec

from voxloop import _native

QUOTA_CODES: Final = frozenset(_native.quota_codes())
"""Codes and types of an error that says a quota is spent, which waiting does not mend."""


def retry_delay(
    attempt: int,
    *,
    status: int | None,
    headers: Mapping[str, str],
    body: str = "",
    budget: float | None = None,
) -> float | None:
    """Seconds to wait before trying again, or None to give up.

    A spent quota, ``x-should-retry: false``, a status other than 408, 409, 429 and 5xx, a third
    failure, and a server that asks for more than 120 s all mean None. The wait is what
    ``retry-after-ms`` or ``retry-after`` (seconds or a date) asks for, else 0.5 s doubled with
    each failure up to 8 s, less up to a quarter by chance.

    Args:
        attempt: Tries that have failed so far, from 1.
        status: HTTP status; None when no response came.
        headers: Response headers, lower-case names.
        body: Response body, in which codes of a spent quota are looked for.
        budget: Seconds left for the whole request; a wait that does not fit is not begun.
    """
    code, kind = _error_code(body)
    return _native.retry_delay(
        attempt,
        status,
        list(headers.items()),
        code,
        kind,
        random.random(),  # noqa: S311 - jitter
        None if budget is None else max(budget, 0.0),
    )


class _ErrorFields(msgspec.Struct):
    code: object = None
    type: object = None


class _ErrorBody(msgspec.Struct):
    error: _ErrorFields


def _error_code(body: str) -> tuple[str | None, str | None]:
    """Code and type of an API error body; bodies of other shapes have neither."""
    try:
        error = msgspec.json.decode(body, type=_ErrorBody).error
    except msgspec.DecodeError:
        return None, None
    code, kind = error.code, error.type
    return code if isinstance(code, str) else None, kind if isinstance(kind, str) else None
