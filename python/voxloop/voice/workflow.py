"""What answers a transcript: a function, an agent, or any object with ``run(text)``."""

from __future__ import annotations

import inspect
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
    Mapping,
)
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, nullcontext
from dataclasses import replace
from typing import Protocol, TypeAlias, cast, runtime_checkable

import trio

from voxloop._errors import ConfigError
from voxloop.agents import (
    Agent,
    AgentEvent,
    AgentTextEnd,
    AgentTurn,
    Conversation,
    ConversationStore,
    RunOptions,
    run_turn,
)
from voxloop.providers import LanguageModel, Provider
from voxloop.tools import JsonObject

Item: TypeAlias = str | AgentEvent
"""What a workflow yields: text to say, or what an agent does."""


@runtime_checkable
class Workflow(Protocol):
    """Anything that answers text.

    `run` may be a coroutine function, an async generator, a plain function or a generator, and may
    give a string, a list of strings (each a message of its own), any iterator of `Item` (whose
    strings are pieces of one message), or an async context manager that opens one. Plain functions
    and generators run in a worker thread. Optional are an attribute ``greeting`` (text or texts
    that are said first in a streamed run, or a method that gives them), methods ``on_start()``,
    ``on_silence()`` and ``on_slow()`` of the same kinds as `run` (see `Config`),
    ``use_provider(provider)``, called when a pipeline opens, and ``agent``. What `run` gives may
    have a method ``interrupt(heard=...)``: it is told how much of its text was heard when the
    answer is broken off.
    """

    def run(self, text: str) -> object:
        """Answer `text`."""
        ...


class SimpleWorkflow:
    """A function as a workflow.

    Args:
        function: Called with the transcript; of any kind that `Workflow` names.
        greeting: Said first in a streamed run.

    Raises:
        ConfigError: `function` cannot be called, or `greeting` is no text.

    Example::

        workflow = voice.SimpleWorkflow(lambda text: f"You said {text}.", greeting="Hello!")
    """

    def __init__(self, function: Callable[[str], object], *, greeting: str | None = None) -> None:
        if not callable(function):
            raise ConfigError(f"SimpleWorkflow needs a function, not {type(function).__name__}")
        _check_greeting(greeting)
        self._function = function
        self.greeting = greeting

    @asynccontextmanager
    async def run(self, text: str) -> AsyncIterator[AsyncIterator[Item]]:
        """Open the function's answer to `text`.

        **Cancellation:** generators are closed; a worker thread runs out unseen.
        """
        async with open_items(self._function, text) as items:
            yield items


class AgentWorkflow:
    """An agent as a workflow; its memory and the agent that has the word last over turns.

    One pipeline run at a time may use it.

    Args:
        agent: Who answers first.
        context: Any object; tools find it as ``RunContext.value``.
        provider: Gives the language model; None takes the pipeline's.
        model: The language model itself, in the place of a provider's.
        greeting: Said first in a streamed run.
        max_turns: Responses that one turn may take; None takes that of `options`.
        options: Limits, guardrails and hooks of every turn.
        store: Where the conversation is kept, such as a `SqliteStore`; it outlives the workflow.
        conversation_id: Id of the conversation in the store.
        history_limit: Items that are loaded from the store at most, the latest; None loads all.

    Raises:
        ConfigError: `agent` is not an `Agent`, a store without an id, both a provider and a
            model, or another argument that cannot be used.
    """

    def __init__(
        self,
        agent: Agent,
        *,
        context: object = None,
        provider: Provider | None = None,
        model: LanguageModel | None = None,
        greeting: str | None = None,
        max_turns: int | None = None,
        options: RunOptions | None = None,
        store: ConversationStore | None = None,
        conversation_id: str | None = None,
        history_limit: int | None = None,
    ) -> None:
        if provider is not None and model is not None:
            raise ConfigError("give AgentWorkflow a provider or a model, not both")
        if options is not None and not isinstance(options, RunOptions):
            raise ConfigError(f"options is {type(options).__name__}; give RunOptions(...)")
        if max_turns is not None:
            options = replace(options or RunOptions(), max_turns=max_turns)
        _check_greeting(greeting)
        self.greeting = greeting
        self._conversation = Conversation(
            agent,
            context=context,
            store=store,
            conversation_id=conversation_id,
            limit=history_limit,
        )
        self._options = options
        self._own_model = provider is not None or model is not None
        self._model = model if provider is None else provider.language_model()

    @property
    def agent(self) -> Agent:
        """The agent that has the word."""
        return self._conversation.agent

    @property
    def history(self) -> tuple[JsonObject, ...]:
        """What was said and done so far, as Responses API input items; a copy."""
        return self._conversation.history

    @property
    def usage(self) -> JsonObject:
        """What the language model counted over all turns."""
        return self._conversation.usage

    @property
    def needs_provider(self) -> bool:
        """Whether a pipeline's provider is needed for a language model."""
        return self._model is None

    def use_provider(self, provider: Provider) -> None:
        """Take the language model of `provider`, unless this workflow has one of its own."""
        if not self._own_model:
            self._model = provider.language_model()

    def run(self, text: str) -> AbstractAsyncContextManager[AgentTurn]:
        """Open the agent's answer to `text`; see `voxloop.agents.run_turn`.

        Raises:
            ConfigError: There is no language model yet.
        """
        if self._model is None:
            raise ConfigError(
                "AgentWorkflow has no language model; use it in a voice.Pipeline, "
                "or give AgentWorkflow(agent, provider=...)"
            )
        return run_turn(
            self._conversation,
            text,
            model=self._model,
            options=self._options,
        )

    def approve_tool_call(self, call_id: str, *, always: bool = False) -> None:
        """Let a call run that waits for approval; see `voxloop.agents.AgentTurn.approve`.

        Raises:
            ConfigError: No such call waits.
        """
        self._conversation.desk.approve(call_id, always=always)

    def reject_tool_call(self, call_id: str, *, always: bool = False, message: str = "") -> None:
        """Keep a call from running that waits; see `voxloop.agents.AgentTurn.reject`.

        Raises:
            ConfigError: No such call waits.
        """
        self._conversation.desk.reject(call_id, always=always, message=message)


def _check_greeting(greeting: object) -> None:
    if greeting is not None and not isinstance(greeting, str):
        raise ConfigError(f"greeting is {greeting!r}; give a text, or None")


@asynccontextmanager
async def open_items(
    function: Callable[..., object], *arguments: object
) -> AsyncIterator[AsyncIterator[Item]]:
    """Call `function` and open what it gives as one async iterator.

    Raises:
        ConfigError: It gives something that cannot be said.

    **Cancellation:** what was opened is closed before the block is left.
    """
    source = await _call(function, arguments)
    if isinstance(source, AbstractAsyncContextManager):
        async with source as items:
            yield items
    elif isinstance(source, AsyncGenerator):
        async with aclosing(source):
            yield source
    elif hasattr(source, "__aiter__"):
        items = cast("AsyncIterator[Item]", source).__aiter__()
        # An __aiter__() may be a generator itself, and nobody else has it to close.
        async with aclosing(items) if isinstance(items, AsyncGenerator) else nullcontext():
            yield items
    else:
        async with aclosing(_each(source)) as items:
            yield items


async def _call(function: Callable[..., object], arguments: tuple[object, ...]) -> object:
    plain = inspect.unwrap(function)
    target = plain if inspect.isroutine(plain) else getattr(plain, "__call__", plain)  # noqa: B004
    if inspect.iscoroutinefunction(target) or inspect.isasyncgenfunction(target):
        source = function(*arguments)
    elif inspect.ismethod(function) and isinstance(function.__self__, AgentWorkflow):
        source = function(*arguments)  # ours, and known not to block
    else:
        # In a tuple: trio refuses a bare coroutine as a thread's result.
        (source,) = await trio.to_thread.run_sync(
            lambda: (function(*arguments),), abandon_on_cancel=True
        )
    return await cast("object", source) if inspect.isawaitable(source) else source  # type: ignore[misc]


async def _each(source: object) -> AsyncGenerator[Item, None]:
    """Strings, lists and iterators one by one; iterators are advanced in a worker thread."""
    if source is None:
        return
    if isinstance(source, str):
        yield source
    elif isinstance(source, (list, tuple)):
        for item in source:
            yield item
            if isinstance(item, str):
                yield AgentTextEnd()
    elif isinstance(source, Iterable) and not isinstance(source, (Mapping, bytes, bytearray)):
        iterator: Iterator[Item] = iter(source)
        end = object()
        try:
            while True:
                item = await trio.to_thread.run_sync(next, iterator, end, abandon_on_cancel=True)
                if item is end:
                    return
                yield cast("Item", item)
        finally:
            # A generator that an abandoned thread is still in cannot be closed from here.
            if inspect.isgenerator(iterator) and not iterator.gi_running:
                iterator.close()
    else:
        raise ConfigError(
            f"a workflow gave {type(source).__name__}; give text, a list of texts or an iterator"
        )
