"""One turn of an agent as a stream of events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import trio

from voxloop._scope import open_nursery
from voxloop.agents.conversation import Conversation
from voxloop.agents.desk import Desk
from voxloop.agents.draft import Draft
from voxloop.agents.events import AgentDone, AgentEvent, AgentText
from voxloop.agents.loop import Loop
from voxloop.agents.options import RunOptions
from voxloop.agents.store import Change
from voxloop.providers import LanguageModel

# Events that wait for a reader; a full buffer holds the model's stream back.
_BUFFERED_EVENTS = 32


class AgentTurn:
    """The events of a turn under way; iterate it inside its block.

    A failure is raised by the iteration. Leaving the block before the end is an interruption: the
    text that was read so far stays in the history.
    """

    def __init__(self, events: trio.MemoryReceiveChannel[AgentEvent], desk: Desk) -> None:
        self._events = events
        self._desk = desk
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
        try:
            raise error
        finally:
            del error  # its traceback holds this frame: else both wait for the collector

    def interrupt(self, *, heard: str | None = None) -> None:
        """Say that the turn is being broken off, and how much of its text the user heard.

        The history keeps the user's message, finished tool calls and the text up to there, even
        if the block is left by an exception or a cancellation.

        Args:
            heard: The part of the text that was heard, from its beginning; None takes all that
                was read from the turn.
        """
        self._heard = self._read if heard is None else len(heard)

    def approve(self, call_id: str, *, always: bool = False) -> None:
        """Let a call run that waits for approval.

        Args:
            call_id: Of an `AgentToolCall` with ``needs_approval``.
            always: Whether all later calls of the tool in this conversation may run as well.

        Raises:
            ConfigError: No such call waits: it was decided, or its time is over.
        """
        self._desk.approve(call_id, always=always)

    def reject(self, call_id: str, *, always: bool = False, message: str = "") -> None:
        """Keep a call from running that waits for approval.

        Args:
            call_id: Of an `AgentToolCall` with ``needs_approval``.
            always: Whether all later calls of the tool in this conversation are rejected as well.
            message: What the model reads.

        Raises:
            ConfigError: No such call waits: it was decided, or its time is over.
        """
        self._desk.reject(call_id, always=always, message=message)

    def _change(self, draft: Draft, *, clean: bool) -> Change | None:
        if self._finished and self._heard is None:
            return draft.whole()
        if self._heard is not None or (clean and self._error is None):
            return draft.cut(self._read if self._heard is None else self._heard)
        return None

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
    options: RunOptions | None = None,
    max_turns: int | None = None,
    max_parallel_tools: int | None = None,
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
        options: Limits, guardrails and hooks.
        max_turns: Responses that one turn may take; None takes that of `options`.
        max_parallel_tools: Tools that run at once; None takes that of `options`.

    Raises:
        ConfigError: A limit is below 1.
        ConcurrencyError: Another turn of the conversation is under way.
        StoreError: The conversation could not be read, or not be written when the block is left.
        GuardrailTripped: Raised by the iteration.
        MaxTurnsExceeded: Raised by the iteration.
        ModelBehaviorError: Raised by the iteration.

    **Cancellation:** the model's stream is closed and tools are cancelled before the block ends,
    except that a tool whose ``on_interrupt`` is ``"keep"`` or ``"report"`` is waited for, as long
    as its ``timeout`` allows. The history stays as it was unless `AgentTurn.interrupt` was called.
    """
    chosen = options or RunOptions()
    if max_turns is not None:
        chosen = replace(chosen, max_turns=max_turns)
    if max_parallel_tools is not None:
        chosen = replace(chosen, max_parallel_tools=max_parallel_tools)
    with conversation.exclusive():
        await conversation.load()
        send, receive = trio.open_memory_channel[AgentEvent](_BUFFERED_EVENTS)
        draft = Draft.of(text, agent=conversation.agent, history=conversation.items())
        turn = AgentTurn(receive, conversation.desk)
        loop = Loop(
            draft,
            text=text,
            context=conversation.context,
            model=model,
            emit=_sender(send),
            options=chosen,
            desk=conversation.desk,
        )
        clean = False
        try:
            async with open_nursery() as nursery, receive:
                nursery.start_soon(turn._produce, loop, send)
                yield turn
                clean = True
                nursery.cancel_scope.cancel()
        finally:
            conversation.desk.clear()
            change = turn._change(draft, clean=clean)
            turn._error = None  # it was raised; its traceback holds the turn
            if change is not None:
                with trio.CancelScope(shield=True):  # what was heard was heard
                    await conversation.commit(change, agent=draft.agent)


def _sender(
    send: trio.MemorySendChannel[AgentEvent],
) -> Callable[[AgentEvent], Awaitable[None]]:
    async def emit(event: AgentEvent) -> None:
        try:
            await send.send(event)
        except trio.BrokenResourceError:
            # The reader has left; a tool that is kept still ends, and is cancelled here.
            await trio.sleep_forever()

    return emit
