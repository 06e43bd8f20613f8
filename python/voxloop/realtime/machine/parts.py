"""`replace`, for the parts of a session's state: structs, which are made in C, and dataclasses.

Where a part is known to be a struct, `msgspec.structs.replace` does the same without asking.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, TypeVar, cast

import msgspec

P = TypeVar("P")

NONE: Final[Mapping[Any, Any]] = MappingProxyType({})
"""No entries: parts are never changed, so that all of them can have the same."""

# Cheaper to compare than to ask `isinstance`, which looks for an instance check of its own.
_STRUCT: Final = type(msgspec.Struct)


def replace(part: P, **changes: Any) -> P:
    """A copy with other fields; of a struct without a step in Python for each of them."""
    if type(type(part)) is _STRUCT:
        return cast("P", msgspec.structs.replace(cast("msgspec.Struct", part), **changes))
    return cast("P", dataclasses.replace(cast("Any", part), **changes))
