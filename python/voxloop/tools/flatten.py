"""Making one self-contained schema: references are put in place, titles dropped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

_PREFIX = "#/$defs/"


def flatten(schema: Mapping[str, object], *, strict: bool) -> dict[str, object]:
    """Put every referenced definition in place of its reference.

    Small models follow a schema without references better, and strict mode allows no siblings
    beside one. A definition that contains itself keeps its reference and stays in ``$defs``.

    Args:
        schema: A JSON schema object, perhaps with ``$defs``; left as it is.
        strict: Also close every nested object and list all of its properties as required.
    """
    walker = _Flattener(strict=strict)
    flat = cast("dict[str, object]", walker.walk(schema, {}, ()))
    if walker.recursive:
        flat["$defs"] = walker.recursive
    return flat


class _Flattener:
    def __init__(self, *, strict: bool) -> None:
        self.strict = strict
        self.recursive: dict[str, object] = {}

    def walk(self, node: object, scope: Mapping[str, object], path: tuple[str, ...]) -> object:
        if isinstance(node, list):
            return [self.walk(item, scope, path) for item in node]
        if not isinstance(node, Mapping):
            return node
        own = node.get("$defs")
        if isinstance(own, Mapping):  # definitions may be nested: a pydantic model brings its own
            scope = {**scope, **own}
        reference = node.get("$ref")
        if isinstance(reference, str) and reference.startswith(_PREFIX):
            return self._resolve(reference, node, scope, path)
        flat: dict[str, object] = {}
        for key, value in node.items():
            if key == "properties" and isinstance(value, Mapping):
                # Keys of this object are names chosen by people, "title" among them.
                flat[key] = {name: self.walk(item, scope, path) for name, item in value.items()}
            elif key in ("enum", "const", "default", "examples"):
                flat[key] = value
            elif key not in ("$defs", "title"):
                flat[key] = self.walk(value, scope, path)
        return self._closed(flat) if self.strict else flat

    def _resolve(
        self,
        reference: str,
        node: Mapping[str, object],
        scope: Mapping[str, object],
        path: tuple[str, ...],
    ) -> object:
        name = reference.removeprefix(_PREFIX)
        if name in path:
            if name not in self.recursive:
                self.recursive[name] = {}  # claimed first: the definition refers to itself
                self.recursive[name] = self.walk(scope[name], scope, (name,))
            return {"$ref": reference}
        target = self.walk(scope[name], scope, (*path, name))
        siblings = {k: v for k, v in node.items() if k not in ("$ref", "$defs", "title")}
        return {**cast("dict[str, object]", target), **siblings}

    @staticmethod
    def _closed(flat: dict[str, object]) -> dict[str, object]:
        properties = flat.get("properties")
        if flat.get("type") == "object" and isinstance(properties, Mapping):
            flat["additionalProperties"] = False
            flat["required"] = list(properties)
        return flat
