"""`Agent` and `Handoff`: who answers, with what, and to whom a conversation may be passed."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, cast

from voxloop._errors import ConfigError
from voxloop.tools import JsonObject, RunContext, Tool

Instructions: TypeAlias = "str | Callable[[RunContext[Any], Agent], str | Awaitable[str]]"
"""System text, or a callable that makes it anew for each response."""

OnHandoff: TypeAlias = Callable[[RunContext[Any]], object]
"""Called, and awaited if it answers with an awaitable, when a handoff is taken."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DEFINITION = {"type", "name", "description", "parameters", "strict"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Handoff:
    """A way to another agent, shown to the model as a function without arguments.

    Attributes:
        agent: Who takes over.
        tool_name: Name of the function; default ``transfer_to_`` and the agent's name.
        description: When to use it, for the model.
        on_handoff: Called with the `RunContext` before the other agent takes over.

    Raises:
        ConfigError: ``tool_name`` cannot be used.
    """

    agent: Agent
    tool_name: str = ""
    description: str = ""
    on_handoff: OnHandoff | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.agent, Agent):
            raise ConfigError(f"a handoff goes to an Agent, not to {type(self.agent).__name__}")
        if not self.tool_name:
            object.__setattr__(self, "tool_name", transfer_name(self.agent.name))
        if not _NAME.fullmatch(self.tool_name):
            raise ConfigError(
                f"handoff name {self.tool_name!r} cannot be used; "
                "give tool_name= of 1 to 64 letters, digits, '_' or '-'"
            )
        if not self.description:
            object.__setattr__(self, "description", transfer_description(self.agent, None))

    def schema(self) -> JsonObject:
        """The definition in the shape that the Realtime and the Responses API take."""
        return {
            "type": "function",
            "name": self.tool_name,
            "description": self.description,
            "parameters": {
                "type": "object",
                "properties": {},
                "required": [],
                "additionalProperties": False,
            },
        }


@dataclass(frozen=True, slots=True)
class Agent:
    """Who answers: the same agent runs in a realtime session and behind a voice pipeline.

    Attributes:
        name: Shown in events and to other agents.
        instructions: System text, or a sync or async callable ``(context, agent) -> str`` that is
            asked anew for each response.
        tools: `Tool` objects, raw JSON function definitions (the application answers those), and
            hosted tools as plain dicts, which are passed on as they are.
        handoffs: Agents or `Handoff` objects; kept as `Handoff` objects.
        handoff_description: What this agent is for, told to agents that may hand over to it.
        model: Model name; None takes the provider's default. A realtime session has one model for
            all its agents.
        voice: Voice name; None takes the session's or the pipeline's.

    Raises:
        ConfigError: A field has the wrong type, or two tools or handoffs share a name.

    Example::

        sales = Agent(name="Sales", instructions="You answer questions about prices.")
        greeter = Agent(name="Greeter", instructions="Welcome callers.").add_handoff(sales)
    """

    name: str
    instructions: Instructions = ""
    tools: tuple[Tool | JsonObject, ...] = field(default=(), hash=False)
    handoffs: tuple[Handoff, ...] = ()
    handoff_description: str = ""
    model: str | None = None
    voice: str | None = None

    def __init__(
        self,
        name: str,
        instructions: Instructions | None = "",
        *,
        tools: Iterable[Tool | Mapping[str, object]] = (),
        handoffs: Iterable[Agent | Handoff] = (),
        handoff_description: str = "",
        model: str | None = None,
        voice: str | None = None,
    ) -> None:
        if not isinstance(name, str) or not name.strip():
            raise ConfigError(f"an agent needs a name, not {name!r}")
        text = "" if instructions is None else instructions
        if not isinstance(text, str) and not callable(text):
            raise ConfigError(
                f"instructions of agent {name!r} must be text or a callable (context, agent), "
                f"not {type(text).__name__}"
            )
        values = {
            "name": name,
            "instructions": text,
            "tools": tuple(as_tool(item, agent=name) for item in _items(tools, "tools", name)),
            "handoffs": tuple(
                _as_handoff(item, agent=name) for item in _items(handoffs, "handoffs", name)
            ),
            "handoff_description": handoff_description,
            "model": model,
            "voice": voice,
        }
        for key, value in values.items():
            object.__setattr__(self, key, value)
        check_names(self)

    def add_handoff(
        self,
        agent: Agent,
        *,
        condition: str | None = None,
        tool_name: str | None = None,
        description: str | None = None,
        on_handoff: OnHandoff | None = None,
    ) -> Agent:
        """A new agent that may also hand over to `agent`; this one stays as it is.

        Args:
            agent: Who takes over.
            condition: When to hand over, in words; becomes part of the description.
            tool_name: Name of the function that the model sees.
            description: Replaces the description made from the agent and the condition.
            on_handoff: See `Handoff`.

        Raises:
            ConfigError: The name is taken already.
        """
        if not isinstance(agent, Agent):
            raise ConfigError(f"a handoff goes to an Agent, not to {type(agent).__name__}")
        handoff = Handoff(
            agent=agent,
            tool_name=tool_name or "",
            description=description or transfer_description(agent, condition),
            on_handoff=on_handoff,
        )
        return replace(self, handoffs=(*self.handoffs, handoff))


def transfer_name(name: str) -> str:
    """Function name of a handoff to the agent called `name`."""
    return "transfer_to_" + re.sub(r"[^a-z0-9_]", "_", name.lower())[:52]


def transfer_description(agent: Agent, condition: str | None) -> str:
    """What the model reads about a handoff to `agent`."""
    parts = [f"Hand over to {agent.name}.", agent.handoff_description.strip()]
    if condition:
        parts.append(f"Use when: {condition}")
    return " ".join(part for part in parts if part)


def as_tool(item: object, *, agent: str) -> Tool | JsonObject:
    """A tool as the agent keeps it: function definitions become `Tool`, hosted tools stay."""
    if isinstance(item, Tool):
        return item
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


def check_names(agent: Agent) -> None:
    """Refuse two functions of one name, naming both sources.

    Raises:
        ConfigError: Two tools or handoffs share a name.
    """
    sources: dict[str, str] = {}
    named = [(tool.name, "a tool") for tool in agent.tools if isinstance(tool, Tool)]
    named += [(h.tool_name, f"the handoff to {h.agent.name!r}") for h in agent.handoffs]
    for name, source in named:
        if name in sources:
            raise ConfigError(
                f"agent {agent.name!r} has two functions named {name!r}: "
                f"{sources[name]} and {source}; rename one (name= or tool_name=)"
            )
        sources[name] = source


def _as_handoff(item: object, *, agent: str) -> Handoff:
    if isinstance(item, Handoff):
        return item
    if isinstance(item, Agent):
        return Handoff(agent=item)
    raise ConfigError(f"agent {agent!r} cannot hand over to {item!r}; give an Agent or a Handoff")


def _items(items: object, field_name: str, agent: str) -> Iterable[object]:
    if isinstance(items, (str, Mapping)) or not isinstance(items, Iterable):
        raise ConfigError(
            f"{field_name} of agent {agent!r} must be a list, not {type(items).__name__}"
        )
    return items
