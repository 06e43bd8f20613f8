"""The working copy of one step: it is made, filled and thrown away inside `reducer.step`."""

from __future__ import annotations

from typing import TypedDict, Unpack

from msgspec.structs import replace

from voxloop._errors import VoxloopError
from voxloop.realtime.events import ErrorEvent, Event, HistoryEvent
from voxloop.realtime.machine.effects import Effect, Emit, Refuse, Send
from voxloop.realtime.machine.history import Change, History, HistoryItem
from voxloop.realtime.machine.latency import Ledger
from voxloop.realtime.machine.playback import Playback
from voxloop.realtime.machine.ring import Ring
from voxloop.realtime.machine.sequencer import Sequencer
from voxloop.realtime.machine.state import (
    AgentSlot,
    Backlog,
    InputBuffer,
    Link,
    State,
    ToolState,
    Turn,
)
from voxloop.realtime.reconnect import Line
from voxloop.realtime.usage import Usage
from voxloop.wire import realtime as rt


class Parts(TypedDict, total=False):
    """Parts of a state that a step may replace."""

    agent: AgentSlot
    link: Link
    turn: Turn
    input: InputBuffer
    sequencer: Sequencer
    playback: Playback
    tools: ToolState
    latency: Ledger
    usage: Usage
    line: Line
    ring: Ring
    backlog: Backlog


class Step:
    """What a step has so far.

    Attributes:
        state: The state as changed so far.
        effects: What is to be done, in order.
        at: The time of the input.
    """

    __slots__ = ("at", "effects", "state")

    def __init__(self, state: State, at: float) -> None:
        self.state = state
        self.effects: list[Effect] = []
        self.at = at

    def update(self, **parts: Unpack[Parts]) -> None:
        """Replace parts of the state."""
        self.state = replace(self.state, **parts)

    def new_id(self, kind: str) -> str:
        """An id that no one else makes; at most 32 characters."""
        self.state = replace(self.state, ids=self.state.ids + 1)
        return id_of(self.state, kind, self.state.ids)

    def do(self, effect: Effect) -> None:
        """Add an effect."""
        self.effects.append(effect)

    def send(self, event: rt.ClientEvent | dict[str, object]) -> None:
        """Put an event on the wire.

        Without a connection it is left out: what the state holds is told to the next one whole.
        """
        if self.state.line.up:
            self.effects.append(Send(event))

    def send_later(self, event: rt.ClientEvent | dict[str, object]) -> None:
        """The same, but without a connection it is kept, to be sent once there is one."""
        if self.state.line.up:
            self.effects.append(Send(event))
        else:
            backlog = self.state.backlog
            self.update(backlog=replace(backlog, held=(*backlog.held, event)))

    def emit(self, event: Event) -> None:
        """Tell the application."""
        self.effects.append(Emit(event))

    def error(self, error: VoxloopError) -> None:
        """Tell the application of an error that the session survives."""
        self.emit(ErrorEvent(error=error, at=self.at))

    def refuse(self, error: VoxloopError) -> None:
        """Tell the caller of a command that it cannot be carried out."""
        self.effects.append(Refuse(error))

    def history(self, history: History, item: HistoryItem | None, kind: Change) -> None:
        """Replace the history and, if an item changed, say so."""
        self.state = replace(self.state, history=history)
        if item is not None:
            self.effects.append(Emit(HistoryEvent(item=item, kind=kind, at=self.at)))


def id_of(state: State, kind: str, number: int) -> str:
    """The id of this number."""
    return f"{kind}_{state.prefix}_{number}"
