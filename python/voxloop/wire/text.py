"""JSON that can always be sent, whatever its strings hold."""

from __future__ import annotations

import msgspec


def encode_json(value: object) -> bytes:
    """`value` as JSON text.

    Half a surrogate pair, which a file's name or a foreign recogniser may bring, cannot be told in
    UTF-8 and stands as U+FFFD.

    Raises:
        TypeError: An object of the application's own making holds what is no JSON.
    """
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return msgspec.json.encode(tellable(msgspec.to_builtins(value)))


def tellable(value: object) -> object:
    """Plain JSON values without halves of surrogate pairs."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {tellable(name): tellable(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [tellable(inner) for inner in value]
    return value
