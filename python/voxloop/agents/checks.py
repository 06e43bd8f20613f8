"""What is checked when an agent is made."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, cast

from voxloop._errors import ConfigError
from voxloop.tools import FileSearch, JsonObject, LocalFileSearch, Tool

if TYPE_CHECKING:
    from voxloop.agents.agent import Agent, Handoff

_DEFINITION = {"type", "name", "description", "parameters", "strict"}
_CHOICES = ("auto", "none", "required")


def transfer_name(name: str) -> str:
    """Function name of a handoff to the agent called `name`."""
    return "transfer_to_" + re.sub(r"[^a-z0-9_]", "_", name.lower())[:52]


def transfer_description(agent: Agent, condition: str | None) -> str:
    """What the model reads about a handoff to `agent`."""
    parts = [f"Hand over to {agent.name}.", agent.handoff_description.strip()]
    if condition:
        parts.append(f"Use when: {condition}")
    return " ".join(part for part in parts if part)


def items_of(items: object, field_name: str, agent: str) -> Iterable[object]:
    """`items`, if it is a list of some kind.

    Raises:
        ConfigError: It is text, a mapping, or no iterable.
    """
    if isinstance(items, (str, Mapping)) or not isinstance(items, Iterable):
        raise ConfigError(
            f"{field_name} of agent {agent!r} must be a list, not {type(items).__name__}"
        )
    return items


def tool_of(item: object, *, agent: str) -> Tool | FileSearch | JsonObject:
    """A tool as the agent keeps it: function definitions become `Tool`, hosted tools stay.

    Raises:
        ConfigError: It cannot be used as a tool.
    """
    if isinstance(item, (Tool, FileSearch)):
        return item
    if isinstance(item, LocalFileSearch):
        return item.tool()
    if not isinstance(item, Mapping):
        hint = "decorate it with @tool" if callable(item) else "give a Tool or a dict"
        raise ConfigError(f"agent {agent!r} cannot use {item!r} as a tool; {hint}")
    definition = cast("Mapping[str, object]", item)
    kind = definition.get("type", "function")
    if kind != "function":
        if not isinstance(kind, str) or not kind:
            raise ConfigError(f"a hosted tool of agent {agent!r} needs a 'type', not {kind!r}")
        return dict(definition)
    unknown = sorted(set(definition) - _DEFINITION)
    if unknown:
        raise ConfigError(
            f"function definition of agent {agent!r} has unknown keys: {', '.join(unknown)}"
        )
    parameters = definition.get("parameters") or {"type": "object", "properties": {}}
    return Tool(
        cast("str", definition.get("name", "")),
        str(definition.get("description") or ""),
        cast("Mapping[str, object]", parameters),
    )


def check_names(agent: str, tools: Iterable[object], handoffs: Iterable[Handoff]) -> None:
    """Refuse two functions of one name, naming both sources.

    Raises:
        ConfigError: Two tools or handoffs share a name.
    """
    sources: dict[str, str] = {}
    named = [(tool.name, "a tool") for tool in tools if isinstance(tool, Tool)]
    named += [(h.tool_name, f"the handoff to {h.agent.name!r}") for h in handoffs]
    for name, source in named:
        if name in sources:
            raise ConfigError(
                f"agent {agent!r} has two functions named {name!r}: "
                f"{sources[name]} and {source}; rename one (name= or tool_name=)"
            )
        sources[name] = source


def check_choice(choice: object, tools: Iterable[object], *, agent: str) -> None:
    """Refuse a ``tool_choice`` that is no mode, no object and no tool of the agent.

    Raises:
        ConfigError: It cannot be used.
    """
    if choice is None or isinstance(choice, Mapping) or choice in _CHOICES:
        return
    names = [tool.name for tool in tools if isinstance(tool, Tool)]
    if choice not in names:
        raise ConfigError(
            f"tool_choice of agent {agent!r} is {choice!r}; give 'auto', 'none', 'required', "
            "the name of one of its tools, or an object of the API"
        )


def wire_choice(choice: str | Mapping[str, object] | None) -> str | JsonObject | None:
    """``tool_choice`` as the API takes it: the name of a tool becomes an object."""
    if choice is None or (isinstance(choice, str) and choice in _CHOICES):
        return choice
    if isinstance(choice, str):
        return {"type": "function", "name": choice}
    return dict(choice)


def takes(function: Callable[..., object], count: int) -> bool:
    """Whether `function` can be called with `count` arguments; True where nothing is known."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return True
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True
