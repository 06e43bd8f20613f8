"""An agent made ready for one response: instructions asked, names checked, schemas laid out."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final
from weakref import WeakValueDictionary

from voxloop._errors import ConfigError
from voxloop._scope import open_nursery
from voxloop.agents.agent import Agent, Handoff
from voxloop.agents.checks import check_names
from voxloop.agents.prompt import as_prompt
from voxloop.tools import Enabled, FileSearch, JsonObject, RunContext, Tool, is_enabled


@dataclass(frozen=True, slots=True, weakref_slot=True)
class ResolvedAgent:
    """What a response is asked with, and what its calls are looked up in.

    Attributes:
        agent: The agent.
        instructions: System text for this response.
        functions: Enabled tools by name.
        handoffs: Enabled handoffs by function name.
        schemas: Definitions in the shape of the Realtime and the Responses API; hosted tools as
            they were given.
        prompt: Reference to a prompt template, in the shape of both APIs.
        include: What a response is to tell beside its output, as the Responses API names it.
    """

    agent: Agent
    instructions: str
    functions: Mapping[str, Tool]
    handoffs: Mapping[str, Handoff]
    schemas: tuple[JsonObject, ...]
    prompt: JsonObject | None = None
    include: tuple[str, ...] = ()


_latest: Final[WeakValueDictionary[int, ResolvedAgent]] = WeakValueDictionary()
"""How an agent was made ready last, for as long as someone holds that and with it the agent."""


async def resolve(
    agent: Agent, context: RunContext[Any], *, before: ResolvedAgent | None = None
) -> ResolvedAgent:
    """Make `agent` ready for one response.

    Every callable of the agent is asked once: instructions, prompt and ``is_enabled`` of tools and
    handoffs, all at the same time; one that raises cancels the others, and its exception comes
    out as it is.

    Args:
        agent: Who answers.
        context: Given to the callables.
        before: The same agent as it was made ready before, if it has kept the word since: its
            instructions and its prompt still hold, and only ``is_enabled`` is asked.

    Raises:
        ConfigError: The instructions callable answered with something other than text, another
            callable with something that cannot be used, or two functions share a name.

    **Cancellation:** async callables are cancelled; may be called again.
    """
    context = context.for_agent(agent.name)
    answers: dict[object, Any] = {}

    async def ask(key: object, function: Callable[..., Awaitable[object]], *args: Any) -> None:
        answers[key] = await function(*args)

    questions: list[tuple[object, Callable[..., Awaitable[object]], tuple[Any, ...]]] = [
        (index, is_enabled, (policy, context, agent))
        for index, policy in enumerate(_policies(agent))
        if not isinstance(policy, bool)
    ]
    if before is not None:
        answers.update(instructions=before.instructions, prompt=before.prompt)
    else:
        questions.append(("instructions", _instructions, (agent, context)))
        if agent.prompt is not None:
            questions.append(("prompt", _prompt, (agent, context)))
    if len(questions) == 1:  # the usual case, and a nursery costs as much as all the rest
        await ask(questions[0][0], questions[0][1], *questions[0][2])
    elif questions:
        async with open_nursery() as nursery:
            for key, function, arguments in questions:
                nursery.start_soon(ask, key, function, *arguments)
    on = [
        policy if isinstance(policy, bool) else answers[index]
        for index, policy in enumerate(_policies(agent))
    ]
    tools = [tool for tool, wanted in zip(agent.tools, on, strict=False) if wanted]
    handoffs = [
        h for h, wanted in zip(agent.handoffs, on[len(agent.tools) :], strict=True) if wanted
    ]
    check_names(agent.name, tools, handoffs)
    schemas = [_schema(tool) for tool in tools]
    schemas += [handoff.schema() for handoff in handoffs]
    return _shared(
        ResolvedAgent(
            agent=agent,
            instructions=answers["instructions"],
            functions=MappingProxyType(
                {tool.name: tool for tool in tools if isinstance(tool, Tool)}
            ),
            handoffs=MappingProxyType({h.tool_name: h for h in handoffs}),
            schemas=tuple(schemas),
            prompt=answers.get("prompt"),
            include=tuple(
                dict.fromkeys(
                    name for tool in tools if isinstance(tool, FileSearch) for name in tool.include
                )
            ),
        )
    )


def _shared(made: ResolvedAgent) -> ResolvedAgent:
    """The same, with the functions of the last time if it has no others.

    Many sessions have one agent: its functions and their definitions are held once.
    """
    last = _latest.get(id(made.agent))
    if last is None or (last.functions, last.handoffs, last.schemas) != (
        made.functions,
        made.handoffs,
        made.schemas,
    ):
        _latest[id(made.agent)] = made
        return made
    return replace(made, functions=last.functions, handoffs=last.handoffs, schemas=last.schemas)


def _schema(tool: Tool | FileSearch | JsonObject) -> JsonObject:
    if isinstance(tool, Tool):
        return tool.schema()
    return tool.definition() if isinstance(tool, FileSearch) else dict(tool)


def _policies(agent: Agent) -> list[Enabled]:
    tools = [tool.is_enabled if isinstance(tool, Tool) else True for tool in agent.tools]
    return [*tools, *(handoff.is_enabled for handoff in agent.handoffs)]


async def _instructions(agent: Agent, context: RunContext[Any]) -> str:
    text: object = agent.instructions
    if callable(text):
        made = text(context, agent)
        text = await made if inspect.isawaitable(made) else made
    if text is None:
        return ""
    if not isinstance(text, str):
        raise ConfigError(
            f"instructions of agent {agent.name!r} gave {type(text).__name__}; give text"
        )
    return text


async def _prompt(agent: Agent, context: RunContext[Any]) -> JsonObject | None:
    prompt: object = agent.prompt
    if callable(prompt):
        made = prompt(context, agent)
        prompt = await made if inspect.isawaitable(made) else made
    return None if prompt is None else as_prompt(prompt).to_json()
