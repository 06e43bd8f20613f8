"""Tool output as text for the model."""

from __future__ import annotations

from typing import cast

import msgspec

from voxloop.tools.parts import parts_of, words_of


def to_text(value: object) -> str:
    """Write a tool's result for the model.

    A string stays as it is; of pictures and files (`ToolImage`, `ToolFile`) it says that they are
    there. Anything else becomes JSON with its letters as they are, not escaped:
    dataclasses, msgspec structs, TypedDicts, enums, dates, pydantic models; a set becomes a list,
    bytes become base64. What JSON cannot carry becomes ``str(value)``, a part of a value as well
    as the whole: nothing is raised.
    """
    if isinstance(value, str):
        return value
    parts = parts_of(value)
    if parts:
        return words_of(parts)
    try:
        return msgspec.json.encode(value, enc_hook=_plain).decode()
    except Exception:  # keys that are no text, a cycle, a model that cannot be dumped
        return _words(value)


def _plain(value: object) -> object:
    dump = getattr(value, "model_dump", None)
    if callable(dump) and not isinstance(value, type):
        return cast("object", dump(mode="json"))
    return _words(value)


def _words(value: object) -> str:
    try:
        return str(value)
    except Exception:
        return f"an object of type {type(value).__name__}"
