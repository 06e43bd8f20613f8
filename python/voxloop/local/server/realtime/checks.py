"""Small checks of JSON values, each refusing with the path of the field at fault."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import cast

from voxloop.local.server.refusal import Refusal
from voxloop.providers import JsonObject

__all__ = ["boolean", "choice", "integer", "known_keys", "number", "object_of", "text"]


def object_of(value: object, path: str) -> JsonObject:
    """``value`` as a JSON object."""
    if not isinstance(value, dict):
        raise Refusal(
            f"{path} must be an object, got {_kind(value)}", code="invalid_type", param=path
        )
    return cast("JsonObject", value)


def known_keys(value: Mapping[str, object], allowed: Collection[str], path: str) -> None:
    """Refuse the first key that is not allowed."""
    for key in value:
        if key not in allowed:
            where = f"{path}.{key}" if path else key
            raise Refusal(
                f"Unknown parameter: '{where}'; known here: {', '.join(sorted(allowed))}",
                code="unknown_parameter",
                param=where,
            )


def text(value: object, path: str) -> str:
    """``value`` as a string."""
    if not isinstance(value, str):
        raise Refusal(
            f"{path} must be a string, got {_kind(value)}", code="invalid_type", param=path
        )
    return value


def boolean(value: object, path: str) -> bool:
    """``value`` as true or false."""
    if not isinstance(value, bool):
        raise Refusal(
            f"{path} must be a boolean, got {_kind(value)}", code="invalid_type", param=path
        )
    return value


def number(value: object, path: str, *, low: float, high: float) -> float:
    """``value`` as a number within ``low`` to ``high``."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Refusal(
            f"{path} must be a number, got {_kind(value)}", code="invalid_type", param=path
        )
    if not low <= value <= high:
        raise Refusal(f"{path} must be {low:g} to {high:g}, got {value:g}", param=path)
    return float(value)


def integer(value: object, path: str, *, low: int, high: int) -> int:
    """``value`` as an integer within ``low`` to ``high``."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refusal(
            f"{path} must be an integer, got {_kind(value)}", code="invalid_type", param=path
        )
    return int(number(value, path, low=low, high=high))


def choice(value: object, path: str, allowed: Collection[str]) -> str:
    """``value`` as one of ``allowed``."""
    if not isinstance(value, str) or value not in allowed:
        wanted = ", ".join(f"'{name}'" for name in allowed)
        shown = repr(value) if isinstance(value, (str, int, float)) else _kind(value)
        raise Refusal(f"{path} must be one of {wanted}; got {shown}", param=path)
    return value


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case str():
            return "a string"
        case int() | float():
            return "a number"
        case list():
            return "an array"
        case _:
            return "an object"
