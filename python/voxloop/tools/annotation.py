"""What annotations and docstrings say about a value beside its type."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Annotated, Any, cast, get_args

import msgspec

_META: Any = msgspec.Meta  # its overloads know no names made at run time
_LIMITS = ("ge", "gt", "le", "lt", "min_length", "max_length", "multiple_of", "pattern")


def is_field(value: object) -> bool:
    """Whether `value` is what pydantic's ``Field(...)`` gives; pydantic itself is not needed."""
    return type(value).__name__ == "FieldInfo" and hasattr(value, "is_required")


def field_default(value: Any) -> Any:
    """The default of a parameter written as ``= Field(...)``; empty where it has none."""
    if value.is_required():
        return inspect.Parameter.empty
    return value.get_default(call_default_factory=True)


def understood(hint: Any, description: str | None, *fields: object) -> Any:
    """`hint` with what its metadata says in the way that msgspec reads it.

    Understood are a bare string, ``msgspec.Meta``, ``Field`` of pydantic, and the limits of
    ``annotated_types`` (``Ge``, ``Le``, ``MinLen``...). The description that is nearest to the
    parameter counts: a field or a string, then the docstring's.

    Args:
        hint: An annotation; ``object`` counts as ``Any``.
        description: From the docstring.
        *fields: Further metadata, such as a default written as ``Field(...)``.
    """
    metadata = [*getattr(hint, "__metadata__", ()), *fields]
    base = get_args(hint)[0] if getattr(hint, "__metadata__", ()) else hint
    base = Any if base is object else base
    words: str | None = None
    limits: dict[str, object] = {}
    kept: list[msgspec.Meta] = []
    for item in metadata:
        if isinstance(item, str):
            words = words or item
        elif isinstance(item, msgspec.Meta):
            kept.append(item)
            words = words or item.description
        else:
            words = words or (getattr(item, "description", None) if is_field(item) else None)
            for part in (item, *getattr(item, "metadata", ())):
                limits.update(_limits(part))
    words = words or description
    for key, value in limits.items():
        base = Annotated[base, _META(**{key: value})]
    for meta in kept:
        base = Annotated[base, meta]
    return Annotated[base, msgspec.Meta(description=words)] if words else base


def _limits(part: object) -> dict[str, object]:
    found: dict[str, object] = {}
    for name in _LIMITS:
        value = getattr(part, name, None)
        if isinstance(value, (int, float, str)) and not callable(value):
            found[name] = value
    return found


def documented(schema: Mapping[str, object]) -> dict[str, object]:
    """`schema` of a class with its docstring taken apart.

    The summary stays the description; what the docstring says of attributes goes to the properties
    that have no description yet.
    """
    text, properties = schema.get("description"), schema.get("properties")
    if not isinstance(text, str) or not isinstance(properties, Mapping):
        return dict(schema)
    summary, attributes = read_docstring(inspect.cleandoc(text))
    entries = {
        name: {**entry, "description": attributes[name]}
        if name in attributes and "description" not in entry
        else entry
        for name, entry in cast("Mapping[str, dict[str, object]]", properties).items()
    }
    made = {**schema, "properties": entries}
    if summary:
        made["description"] = summary
    else:
        made.pop("description")
    return made


def read_docstring(text: str) -> tuple[str, dict[str, str]]:
    """Summary and descriptions of parameters or attributes, of a Google, NumPy or Sphinx text."""
    import docstring_parser  # loaded by the first decorated function, not by `import voxloop`

    parsed = docstring_parser.parse(text)
    parts = [part for part in (parsed.short_description, parsed.long_description) if part]
    described = {p.arg_name: " ".join((p.description or "").split()) for p in parsed.params}
    return "\n\n".join(parts), {name: words for name, words in described.items() if words}
