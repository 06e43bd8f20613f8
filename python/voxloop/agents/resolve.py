"""An agent made ready for one response: instructions asked, names checked, schemas laid out."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from voxloop._errors import ConfigError
from voxloop.agents.agent import Agent, Handoff, check_names
from voxloop.tools import JsonObject, RunContext, Tool


@dataclass(frozen=True, slots=True)
class ResolvedAgent:
    """What a response is asked with, and what its calls are looked up in.

    Attributes:
        agent: The agent.
        instructions: System text for this response.
        functions: Tools by name.
        handoffs: Handoffs by function name.
        schemas: Definitions in the shape of the Realtime and the Responses API; hosted tools as
            they were given.
    """

    agent: Agent
    instructions: str
    functions: Mapping[str, Tool]
    handoffs: Mapping[str, Handoff]
    schemas: tuple[JsonObject, ...]


async def resolve(agent: Agent, context: RunContext[Any]) -> ResolvedAgent:
    """Make `agent` ready for one response.

    Args:
        agent: Who answers.
        context: Given to an instructions callable.

    Raises:
        ConfigError: The instructions callable answered with something other than text, or two
            functions share a name.

    **Cancellation:** an async instructions callable is cancelled; may be called again.
    """
    text = agent.instructions
    if not isinstance(text, str):
        made = text(context.for_agent(agent.name), agent)
        text = await made if inspect.isawaitable(made) else made
        if not isinstance(text, str):
            raise ConfigError(
                f"instructions of agent {agent.name!r} gave {type(text).__name__}; give text"
            )
    check_names(agent)
    functions = {tool.name: tool for tool in agent.tools if isinstance(tool, Tool)}
    schemas = [tool.schema() if isinstance(tool, Tool) else dict(tool) for tool in agent.tools]
    schemas += [handoff.schema() for handoff in agent.handoffs]
    return ResolvedAgent(
        agent=agent,
        instructions=text,
        functions=MappingProxyType(functions),
        handoffs=MappingProxyType({h.tool_name: h for h in agent.handoffs}),
        schemas=tuple(schemas),
    )
