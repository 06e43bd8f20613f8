"""`Agent` and `Handoff`: who answers, with what, and to whom a conversation may be passed."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, Unpack

import msgspec

from voxloop._errors import ConfigError, ModelBehaviorError
from voxloop.agents.checks import (
    check_choice,
    check_names,
    items_of,
    takes,
    tool_of,
    transfer_description,
    transfer_name,
)
from voxloop.agents.guardrail import InputGuardrail, OutputGuardrail
from voxloop.agents.hooks import Hooks
from voxloop.agents.prompt import Prompt, PromptSource, as_prompt
from voxloop.tools import (
    Enabled,
    FileSearch,
    JsonObject,
    LocalFileSearch,
    RunContext,
    Tool,
    ToolSettings,
)
from voxloop.tools.enabled import check_enabled
from voxloop.tools.guardrail import as_guardrails
from voxloop.tools.schema import ArgumentsError, decode_type, describe_type

if TYPE_CHECKING:
    from voxloop.agents.options import RunOptions
    from voxloop.providers import LanguageModel

Instructions: TypeAlias = "str | Callable[[RunContext[Any], Agent], str | Awaitable[str]]"
"""System text, or a callable that makes it when the agent gets the word."""

OnHandoff: TypeAlias = Callable[..., object]
"""Called with ``(context)``, or ``(context, input)`` where the handoff has an ``input_type``.

It is awaited if it answers with an awaitable.
"""

InputFilter: TypeAlias = (
    "Callable[[tuple[JsonObject, ...]], Iterable[JsonObject] | Awaitable[Iterable[JsonObject]]]"
)
"""From the history items of a conversation to those that the next agent gets; sync or async."""

ToolChoice: TypeAlias = "Literal['auto', 'none', 'required'] | str | Mapping[str, object]"
"""A mode, the name of a tool that must be called, or an object of the API."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Handoff:
    """A way to another agent, shown to the model as a function.

    Attributes:
        agent: Who takes over.
        tool_name: Name of the function; default ``transfer_to_`` and the agent's name.
        description: When to use it, for the model.
        on_handoff: Called before the other agent takes over, see `OnHandoff`.
        input_type: What the model must tell with the handoff: a dataclass, a TypedDict, a msgspec
            struct or a pydantic model. Checked strictly, nothing is coerced, and given to
            `on_handoff`.
        input_filter: Chooses what of the history the other agent gets; the conversation goes on
            with that. In a realtime session what it leaves out is deleted on the server, and what
            it adds or changes is made there; calls without an output, this handoff's own among
            them, are not shown to it and stay.
        is_enabled: Whether the handoff is offered: a bool, or a callable ``(context, agent)`` that
            is asked for each response.

    Raises:
        ConfigError: A field cannot be used.
    """

    agent: Agent
    tool_name: str = ""
    description: str = ""
    on_handoff: OnHandoff | None = None
    input_type: Any = None
    input_filter: InputFilter | None = None
    is_enabled: Enabled = True
    _parameters: JsonObject = field(init=False, repr=False, compare=False)

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
        owner = f"the handoff to {self.agent.name!r}"
        check_enabled(self.is_enabled, owner=owner)
        if self.input_filter is not None and not callable(self.input_filter):
            raise ConfigError(f"input_filter of {owner} must be a callable (items)")
        self._check_callback(owner)
        parameters: JsonObject = {
            "type": "object",
            "properties": {},
            "required": [],
            "additionalProperties": False,
        }
        if self.input_type is not None:
            parameters = describe_type(self.input_type, owner=owner)
        object.__setattr__(self, "_parameters", parameters)

    def _check_callback(self, owner: str) -> None:
        if self.on_handoff is None:
            if self.input_type is not None:
                raise ConfigError(f"{owner} has an input_type; give on_handoff=, which gets it")
            return
        if not callable(self.on_handoff):
            raise ConfigError(f"on_handoff of {owner} cannot be called: {self.on_handoff!r}")
        count = 1 if self.input_type is None else 2
        if not takes(self.on_handoff, count):
            wanted = "(context)" if count == 1 else "(context, input)"
            raise ConfigError(f"on_handoff of {owner} must take {wanted}")

    def schema(self) -> JsonObject:
        """The definition in the shape that the Realtime and the Responses API take."""
        return {
            "type": "function",
            "name": self.tool_name,
            "description": self.description,
            "parameters": dict(self._parameters),
        }

    async def accept(self, context: RunContext[Any], arguments: str = "") -> str:
        """Check what the model tells with the handoff and call `on_handoff`.

        Args:
            context: Given to `on_handoff`.
            arguments: JSON text as the model wrote it; without an `input_type` it is not read.

        Returns:
            The output of the call: JSON with the name of the agent that takes over.

        Raises:
            ModelBehaviorError: The arguments do not fit the `input_type`; the message can be told
                to the model. What `on_handoff` raises comes out as it is.

        **Cancellation:** an async callback is cancelled.
        """
        given: list[object] = [context]
        if self.input_type is not None:
            try:
                given.append(decode_type(self.input_type, arguments))
            except ArgumentsError as error:
                raise ModelBehaviorError(f"no handoff to {self.agent.name}: {error}") from error
        if self.on_handoff is not None:
            answer = self.on_handoff(*given)
            if inspect.isawaitable(answer):
                await answer
        return f'{{"assistant": {msgspec.json.encode(self.agent.name).decode()}}}'

    async def filtered(self, items: tuple[JsonObject, ...]) -> tuple[JsonObject, ...]:
        """What the other agent gets of the history.

        Raises:
            ConfigError: The filter gave something other than a list of JSON objects. What it
                raises itself comes out as it is.

        **Cancellation:** an async filter is cancelled.
        """
        if self.input_filter is None:
            return items
        answer: Any = self.input_filter(items)
        chosen = await answer if inspect.isawaitable(answer) else answer
        kept = None if isinstance(chosen, (str, Mapping)) else tuple(chosen)
        if kept is None or not all(isinstance(item, Mapping) for item in kept):
            raise ConfigError(
                f"input_filter of the handoff to {self.agent.name!r} must give history items"
            )
        return tuple(dict(item) for item in kept)


class HandoffSettings(TypedDict, total=False):
    """Fields of a `Handoff` that `Agent.add_handoff` passes on; each is described there."""

    on_handoff: OnHandoff | None
    input_type: Any
    input_filter: InputFilter | None
    is_enabled: Enabled


@dataclass(frozen=True, slots=True)
class Agent:
    """Who answers: the same agent runs in a realtime session and behind a voice pipeline.

    Attributes:
        name: Shown in events and to other agents.
        instructions: System text, or a sync or async callable ``(context, agent) -> str`` that is
            asked each time the agent gets the word: at the start of a turn or of a session, and
            after a handoff.
        tools: `Tool` objects, `FileSearch`, `LocalFileSearch`, raw JSON function definitions (the
            application answers those), and hosted tools as plain dicts (``web_search``, ``mcp``,
            ``code_interpreter`` and whatever the API will know), passed on as they are.
        handoffs: Agents or `Handoff` objects; kept as `Handoff` objects.
        handoff_description: What this agent is for, told to agents that may hand over to it.
        model: Model name; None takes the provider's default. A realtime session has one model for
            all its agents.
        voice: Voice name; None takes the session's or the pipeline's.
        input_guardrails: Look at what the user says while this agent has the word.
        output_guardrails: Look at what this agent says.
        hooks: Called at the steps of this agent.
        prompt: A `Prompt` template that the API keeps, a mapping with its fields, or a sync or
            async callable ``(context, agent)`` that gives one.
        tool_choice: ``"auto"``, ``"none"``, ``"required"``, the name of a tool, or an object of
            the API; None leaves it to the server.
        parallel_tool_calls: Whether the model may call several tools in one response; None leaves
            it to the server.
        reset_tool_choice: Whether `tool_choice` is dropped in the responses that follow a tool
            call, so that a tool that must be called is not called for ever.
        final_tools: Names of tools whose output is the answer: it is said, and the turn ends.

    Raises:
        ConfigError: A field has the wrong type, or two tools or handoffs share a name.

    Example::

        sales = Agent(name="Sales", instructions="You answer questions about prices.")
        greeter = Agent(name="Greeter", instructions="Welcome callers.").add_handoff(sales)
    """

    name: str
    instructions: Instructions = ""
    tools: tuple[Tool | FileSearch | JsonObject, ...] = field(default=(), hash=False)
    handoffs: tuple[Handoff, ...] = ()
    handoff_description: str = ""
    model: str | None = None
    voice: str | None = None
    input_guardrails: tuple[InputGuardrail, ...] = ()
    output_guardrails: tuple[OutputGuardrail, ...] = ()
    hooks: Hooks | None = field(default=None, hash=False)
    prompt: PromptSource | None = field(default=None, hash=False)
    tool_choice: ToolChoice | None = field(default=None, hash=False)
    parallel_tool_calls: bool | None = None
    reset_tool_choice: bool = True
    final_tools: tuple[str, ...] = ()

    def __init__(
        self,
        name: str,
        instructions: Instructions | None = "",
        *,
        tools: Iterable[Tool | FileSearch | LocalFileSearch | Mapping[str, object]] = (),
        handoffs: Iterable[Agent | Handoff] = (),
        handoff_description: str = "",
        model: str | None = None,
        voice: str | None = None,
        input_guardrails: Iterable[InputGuardrail] = (),
        output_guardrails: Iterable[OutputGuardrail] = (),
        hooks: Hooks | None = None,
        prompt: PromptSource | Mapping[str, object] | None = None,
        tool_choice: ToolChoice | None = None,
        parallel_tool_calls: bool | None = None,
        reset_tool_choice: bool = True,
        final_tools: Iterable[str] = (),
    ) -> None:
        if not isinstance(name, str) or not name.strip():
            raise ConfigError(f"an agent needs a name, not {name!r}")
        text = "" if instructions is None else instructions
        if not isinstance(text, str) and not callable(text):
            raise ConfigError(
                f"instructions of agent {name!r} must be text or a callable (context, agent), "
                f"not {type(text).__name__}"
            )
        owner = f"agent {name!r}"
        kept_tools = tuple(tool_of(item, agent=name) for item in items_of(tools, "tools", name))
        values = {
            "name": name,
            "instructions": text,
            "tools": kept_tools,
            "handoffs": tuple(
                _as_handoff(item, agent=name) for item in items_of(handoffs, "handoffs", name)
            ),
            "handoff_description": handoff_description,
            "model": model,
            "voice": voice,
            "input_guardrails": as_guardrails(input_guardrails, InputGuardrail, owner=owner),
            "output_guardrails": as_guardrails(output_guardrails, OutputGuardrail, owner=owner),
            "hooks": hooks,
            "prompt": prompt if prompt is None or _asks(prompt) else as_prompt(prompt),
            "tool_choice": tool_choice,
            "parallel_tool_calls": parallel_tool_calls,
            "reset_tool_choice": reset_tool_choice,
            "final_tools": tuple(str(n) for n in items_of(final_tools, "final_tools", name)),
        }
        for key, value in values.items():
            object.__setattr__(self, key, value)
        check_choice(tool_choice, kept_tools, agent=name)
        self._check_functions()

    def _check_functions(self) -> None:
        # What may be switched off clashes only when it is switched on: see `resolve`.
        tools = [t for t in self.tools if isinstance(t, Tool) and t.is_enabled is True]
        check_names(self.name, tools, [h for h in self.handoffs if h.is_enabled is True])
        names = {tool.name for tool in self.tools if isinstance(tool, Tool)}
        missing = sorted(set(self.final_tools) - names)
        if missing:
            raise ConfigError(f"agent {self.name!r} has no tool {missing[0]!r} of its final_tools")

    def add_handoff(
        self,
        agent: Agent,
        *,
        condition: str | None = None,
        tool_name: str | None = None,
        description: str | None = None,
        **settings: Unpack[HandoffSettings],
    ) -> Agent:
        """A new agent that may also hand over to `agent`; this one stays as it is.

        Args:
            agent: Who takes over.
            condition: When to hand over, in words; becomes part of the description.
            tool_name: Name of the function that the model sees.
            description: Replaces the description made from the agent and the condition.
            **settings: ``on_handoff``, ``input_type``, ``input_filter`` and ``is_enabled`` of
                `Handoff`.

        Raises:
            ConfigError: The name is taken already, or a setting cannot be used.
        """
        if not isinstance(agent, Agent):
            raise ConfigError(f"a handoff goes to an Agent, not to {type(agent).__name__}")
        handoff = Handoff(
            agent=agent,
            tool_name=tool_name or "",
            description=description or transfer_description(agent, condition),
            **settings,
        )
        return replace(self, handoffs=(*self.handoffs, handoff))

    def as_tool(
        self,
        name: str = "",
        description: str = "",
        *,
        model: LanguageModel | None = None,
        options: RunOptions | None = None,
        **settings: Unpack[ToolSettings],
    ) -> Tool:
        """This agent as a tool of another one: asked with a text, it answers with a text.

        It runs a turn of its own, with its own tools and handoffs and without the history of the
        conversation; what it says is the output and is not spoken. The other agent keeps the word.

        Args:
            name: Name of the tool; default ``ask_`` and the agent's name.
            description: When to use it; default the agent's ``handoff_description``.
            model: Answers; None takes that of the pipeline that runs the call, in a realtime
                session that of the provider which goes by the API key.
            options: Limits, guardrails and hooks of its turns.
            **settings: Fields of the `Tool`, such as ``timeout``.

        Raises:
            ConfigError: The name or a setting cannot be used.
        """
        from voxloop.agents.nested import agent_tool

        return agent_tool(
            self,
            name=name or transfer_name(self.name).replace("transfer_to_", "ask_", 1),
            description=description,
            model=model,
            options=options,
            settings=dict(settings),
        )


def _asks(prompt: object) -> bool:
    return callable(prompt) and not isinstance(prompt, (Prompt, Mapping))


def _as_handoff(item: object, *, agent: str) -> Handoff:
    if isinstance(item, Handoff):
        return item
    if isinstance(item, Agent):
        return Handoff(agent=item)
    raise ConfigError(f"agent {agent!r} cannot hand over to {item!r}; give an Agent or a Handoff")
