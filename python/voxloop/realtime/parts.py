"""`replace`, for the parts of a session's state: structs, which are made in C, and dataclasses."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar, cast

import msgspec

P = TypeVar("P")


def replace(part: P, **changes: Any) -> P:
    """A copy with other fields; of a struct without a step in Python for each of them."""
    if isinstance(part, msgspec.Struct):
        return msgspec.structs.replace(part, **changes)
    return cast("P", dataclasses.replace(cast("Any", part), **changes))
