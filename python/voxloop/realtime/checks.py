"""What a settings object was made with, checked against the types that its fields are declared as.

Sets and lists are taken where a tuple is declared, numbers of other libraries where a number is,
and a mapping of its fields where another settings object is.
"""

from __future__ import annotations

import dataclasses
import math
import numbers
import sys
import types
import typing
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, Literal, Union, get_args, get_origin

from voxloop._errors import ConfigError


class _No:
    """The value does not fit."""


NO: Final = _No()


def check_fields(made: object, *, skip: tuple[str, ...] = ()) -> None:
    """Check every field of a dataclass instance, in its ``__post_init__``.

    Args:
        made: The instance; fields that fit in another form are replaced by their own.
        skip: Names of fields that are checked elsewhere.

    Raises:
        ConfigError: One does not fit; values that no repr shows are not shown here either.
    """
    kind: Any = type(made)
    for field in dataclasses.fields(typing.cast("Any", made)):
        if field.name in skip or not field.init:
            continue
        hint, value = _hint(kind, field.name), getattr(made, field.name)
        found = fit(value, hint)
        if found is NO:
            shown = repr(value) if field.repr else f"a value of type {type(value).__name__}"
            raise ConfigError(f"{kind.__name__}.{field.name} is {shown}; give {words(hint)}")
        if found is not value:
            object.__setattr__(made, field.name, found)


def fit(value: object, hint: Any) -> object:
    """The value as the type wants it, or `NO`.

    Raises:
        ConfigError: A mapping that stands for a settings object has fields that do not fit.
    """
    if hint is Any or hint is object:
        return value
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        found = (fit(value, one) for one in inner)
        return next((one for one in found if one is not NO), NO)
    if origin is Literal:
        same = (one for one in inner if type(one) is type(value) and one == value)
        return next(same, NO)
    if hint is None or hint is type(None):
        return value if value is None else NO
    if hint in (bool, str):
        return value if isinstance(value, hint) else NO
    if hint in (int, float):
        return _number(value, hint)
    if origin in (tuple, frozenset):
        return _several(value, origin, inner[0])
    return _object(value, hint if origin is None else origin)


def _number(value: object, kind: type[int] | type[float]) -> object:
    wanted = numbers.Integral if kind is int else numbers.Real
    if isinstance(value, bool) or not isinstance(value, wanted):
        return NO
    if not isinstance(value, int) and math.isnan(value):
        return NO
    return value if isinstance(value, (int, float)) else kind(typing.cast("Any", value))


def _several(value: object, kind: Any, inner: Any) -> object:
    if not isinstance(value, (tuple, list, set, frozenset)):
        return NO
    found = [fit(one, inner) for one in value]
    if any(one is NO for one in found):
        return NO
    return value if isinstance(value, kind) else kind(found)


def _object(value: object, kind: Any) -> object:
    if kind is Callable:
        return value if callable(value) else NO
    if isinstance(value, kind):
        return value
    if dataclasses.is_dataclass(kind) and isinstance(value, Mapping):
        names = {field.name for field in dataclasses.fields(kind)}
        unknown = sorted(str(name) for name in value if name not in names)
        if unknown:
            raise ConfigError(
                f"{typing.cast('Any', kind).__name__} has no field {unknown[0]!r}; "
                f"it has {', '.join(sorted(names))}"
            )
        try:
            return typing.cast("Any", kind)(**value)
        except TypeError:  # one that has to be given is missing
            return NO
    return NO


def words(hint: Any) -> str:
    """What a type wants, in words."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(words(one) for one in inner))
    if origin is Literal:
        return f"one of {', '.join(repr(one) for one in inner)}" if inner[1:] else repr(inner[0])
    if origin in (tuple, frozenset):
        return f"a list of {words(inner[0])}"
    known = {str: "text", bool: "True or False", int: "a whole number", float: "a number"}
    if hint in known:
        return known[hint]
    if hint is None or hint is type(None):
        return "None"
    kind = hint if origin is None else origin
    if kind is Callable:
        return "a function"
    return "a mapping" if kind is Mapping else f"a {kind.__name__}"


@cache
def _hint(kind: Any, name: str) -> Any:
    # One at a time: the names in another field's type need not be there when a program runs.
    alone = types.SimpleNamespace(__annotations__={name: kind.__annotations__[name]})
    return typing.get_type_hints(alone, vars(sys.modules[kind.__module__]))[name]
