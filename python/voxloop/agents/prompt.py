"""A prompt template that is kept by the API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

from voxloop._errors import ConfigError
from voxloop.tools import JsonObject, RunContext

_KEYS = {"id", "version", "variables"}


@dataclass(frozen=True, slots=True)
class Prompt:
    """A reference to a prompt template.

    Attributes:
        id: Id of the template.
        version: Its version; None takes the current one.
        variables: Put into the template: text, or content parts as JSON objects.

    Raises:
        ConfigError: A field has the wrong type.
    """

    id: str
    version: str | None = None
    variables: Mapping[str, object] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not isinstance(self.id, str) or not self.id:
            raise ConfigError(f"a prompt needs the id of its template, not {self.id!r}")
        if self.version is not None and not isinstance(self.version, str):
            raise ConfigError(f"version of prompt {self.id!r} must be text")
        if not isinstance(self.variables, Mapping):
            raise ConfigError(f"variables of prompt {self.id!r} must be a mapping")
        object.__setattr__(self, "variables", dict(self.variables))

    def to_json(self) -> JsonObject:
        """The reference in the shape that the Realtime and the Responses API take."""
        made: JsonObject = {"id": self.id}
        if self.version is not None:
            made["version"] = self.version
        if self.variables:
            made["variables"] = dict(self.variables)
        return made


PromptMaker: TypeAlias = (
    "Callable[[RunContext[Any], Any], Prompt | JsonObject | Awaitable[Prompt | JsonObject]]"
)
"""A callable ``(context, agent)`` that names a template; sync or async."""

PromptSource: TypeAlias = "Prompt | PromptMaker"
"""A template, or what names one."""


def as_prompt(value: object) -> Prompt:
    """A `Prompt`, also of a mapping with its fields.

    Raises:
        ConfigError: It is neither.
    """
    if isinstance(value, Prompt):
        return value
    if isinstance(value, Mapping) and set(value) <= _KEYS and "id" in value:
        fields = cast("Mapping[str, Any]", value)
        return Prompt(fields["id"], fields.get("version"), fields.get("variables") or {})
    raise ConfigError(f"a prompt is a Prompt or a mapping with id, version, variables: {value!r}")
