"""One turn of an agent as a stream of events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from voxloop._errors import ConfigError
from voxloop.agents.conversation import Conversation
from voxloop.agents.draft import Draft
from voxloop.agents.events import AgentDone, AgentEvent, AgentText
from voxloop.agents.loop import Loop
from voxloop.agents.scope import open_nursery
from voxloop.providers import LanguageModel

# Events that wait for a reader; a full buffer holds the model's stream back.
_BUFFERED_EVENTS = 32


class AgentTurn:
    """The events of a turn under way; iterate it inside its block.

    A failure is raised by the iteration. Leaving the block before the end is an interruption: the
    text that was read so far stays in the history.
    """

    def __init__(self, events: trio.MemoryReceiveChannel[AgentEvent]) -> None:
        self._events = events
        self._error: Exception | None = None
        self._finished = False
        self._read = 0
        self._heard: int | None = None

    def __aiter__(self) -> AgentTurn:
        return self

    async def __anext__(self) -> AgentEvent:
        """The next event.

        **Cancellation:** nothing is lost; may be called again.
        """
        try:
            event = await self._events.receive()
        except trio.EndOfChannel:
            error: Exception = StopAsyncIteration() if self._error is None else self._error
        else:
            if isinstance(event, AgentText):
                self._read += len(event.delta)
            elif isinstance(event, AgentDone):
                self._finished = True
            return event
        raise error

    def interrupt(self, *, heard: str | None = None) -> None:
        """Say that the turn is being broken off, and how much of its text the user heard.

        The history keeps the user's message, finished tool calls and the text up to there, even
        if the block is left by an exception or a cancellation.

        Args:
            heard: The part of the text that was heard, from its beginning; None takes all that
                was read from the turn.
        """
        self._heard = self._read if heard is None else len(heard)

    def _settle(self, conversation: Conversation, draft: Draft, *, clean: bool) -> None:
        if self._finished and self._heard is None:
            conversation.commit(draft.items, agent=draft.agent, usage=draft.usage)
        elif self._heard is not None or (clean and self._error is None):
            heard = self._read if self._heard is None else self._heard
            conversation.commit(draft.cut(heard), agent=draft.agent, usage=draft.usage)

    async def _produce(self, loop: Loop, send: trio.MemorySendChannel[AgentEvent]) -> None:
        async with send:
            try:
                await loop.run()
            except Exception as error:
                self._error = error


@asynccontextmanager
async def run_turn(
    conversation: Conversation,
    text: str,
    *,
    model: LanguageModel,
    max_turns: int = 10,
    max_parallel_tools: int = 8,
) -> AsyncIterator[AgentTurn]:
    """Let the conversation's agent answer `text`.

    Function tools start as soon as the model has called them and run in parallel; the turn goes on
    when all have answered. The first handoff of a response is followed, and the agent it leads to
    keeps the conversation. The history grows by the whole turn when it ends well, by what was
    read or heard when it is interrupted, and not at all when it fails.

    Args:
        conversation: What came before; held until the block is left.
        text: What the user said.
        model: Answers.
        max_turns: Responses that one turn may take.
        max_parallel_tools: Tools that run at once; further ones wait.

    Raises:
        ConfigError: A limit is below 1, or a name clash.
        ConcurrencyError: Another turn of the conversation is under way.
        MaxTurnsExceeded: Raised by the iteration.
        ModelBehaviorError: Raised by the iteration.

    **Cancellation:** the model's stream is closed and tools are cancelled before the block ends;
    the history stays as it was unless `AgentTurn.interrupt` was called.
    """
    for name, value in (("max_turns", max_turns), ("max_parallel_tools", max_parallel_tools)):
        if value < 1:
            raise ConfigError(f"{name} is {value}; give a number of at least 1")
    with conversation.exclusive() as history:
        send, receive = trio.open_memory_channel[AgentEvent](_BUFFERED_EVENTS)
        draft = Draft.of(text, agent=conversation.agent)
        turn = AgentTurn(receive)
        loop = Loop(
            draft,
            history=history,
            context=conversation.context,
            model=model,
            emit=send.send,
            max_turns=max_turns,
            max_parallel_tools=max_parallel_tools,
        )
        clean = False
        try:
            async with open_nursery() as nursery, receive:
                nursery.start_soon(turn._produce, loop, send)
                yield turn
                clean = True
                nursery.cancel_scope.cancel()
        finally:
            turn._settle(conversation, draft, clean=clean)
