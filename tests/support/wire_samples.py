"""JSON samples made from the type definitions of the `openai` package.

For a union of models: every member with all its fields, every member with only what is required,
and one sample more for each further alternative of a field.
"""

from __future__ import annotations

import base64
import types
import typing
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pydantic

PCM = base64.b64encode(bytes(range(48))).decode()


def members(union: Any) -> list[type[pydantic.BaseModel]]:
    """The models of a (possibly annotated) union."""
    if get_origin(union) is Annotated:
        union = get_args(union)[0]
    return list(get_args(union))


def samples(model: type[pydantic.BaseModel]) -> Iterator[dict[str, Any]]:
    """Minimal, full, and full with each alternative of each field."""
    yield minimal(model)
    full = {name: variants[0] for name, variants in _fields(model).items()}
    yield full
    for name, variants in _fields(model).items():
        for value in variants[1:]:
            yield {**full, name: value}


def minimal(model: type[pydantic.BaseModel]) -> dict[str, Any]:
    """Only what is required."""
    fields = _fields(model)
    required = {name for name, info in model.model_fields.items() if info.is_required()}
    return {name: variants[0] for name, variants in fields.items() if name in required}


def _fields(model: type[pydantic.BaseModel]) -> dict[str, list[Any]]:
    return {
        info.alias or name: _values(info.annotation, name)
        for name, info in model.model_fields.items()
    }


def _values(hint: Any, name: str) -> list[Any]:
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _values(args[0], name)
    if origin in (Union, types.UnionType):
        return [value for arg in args if arg is not type(None) for value in _values(arg, name)]
    if origin is Literal:
        return list(args)
    if origin in (list, typing.List):  # noqa: UP006
        values = _values(args[0], name)
        return [values, []]
    if origin in (dict, typing.Dict):  # noqa: UP006
        return [{"key": _values(args[1], name)[0]}]
    if isinstance(hint, type) and issubclass(hint, pydantic.BaseModel):
        return list(samples(hint))
    return [_scalar(hint, name)]


def _scalar(hint: Any, name: str) -> Any:
    if hint is str:
        return PCM if name in ("audio", "delta") else f"{name} café"
    if hint is bool:
        return False
    if hint is int:
        return 0
    if hint is float:
        return 0.25
    if hint in (object, Any):
        return {"any": [1, None, {"deep": "ü"}]}
    raise AssertionError(f"no sample for {hint!r} of {name}")
