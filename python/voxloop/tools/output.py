"""Tool output as text for the model."""

from __future__ import annotations

from typing import cast

import msgspec


def to_text(value: object) -> str:
    """Write a tool's result for the model.

    A string stays as it is; anything else becomes JSON (dataclasses, msgspec structs, enums,
    dates, pydantic models), and what JSON cannot carry becomes ``str(value)``.
    """
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value, enc_hook=_plain).decode()


def _plain(value: object) -> object:
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return cast("object", dump(mode="json"))
    return str(value)
