"""What a step asks the session to do. Nothing here does anything by itself."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from voxloop._errors import VoxloopError
from voxloop.agents import Agent, Handoff, ResolvedAgent
from voxloop.realtime.events import Event
from voxloop.realtime.machine.latency import TurnMetrics
from voxloop.realtime.machine.state import Call, ResponseTrack
from voxloop.realtime.usage import Usage
from voxloop.tools import Tool, ToolFailure
from voxloop.wire import realtime as rt


class Send(Struct, frozen=True):
    """Put an event on the wire of the connection in use; a plain dict goes as it is."""

    event: rt.ClientEvent | dict[str, object]


class Emit(Struct, frozen=True):
    """Tell the application."""

    event: Event


class Examine(Struct, frozen=True):
    """Ask whether a call may run and needs approval; comes back as `inputs.Examined`."""

    call: Call
    tool: Tool


class Explain(Struct, frozen=True):
    """Word a call that came to nothing; comes back as `inputs.ToolFinished`."""

    call: Call
    tool: Tool | None
    failure: ToolFailure
    status: str
    respond: bool | None = None


class CancelTool(Struct, frozen=True):
    """Stop a function, or the questions about it; nothing comes back."""

    call_id: str


class Hook(Struct, frozen=True):
    """Call the hook ``name`` of the run and of the agent with these arguments."""

    name: str
    agent: Agent
    arguments: tuple[object, ...] = ()
    call: Call | None = None


class CheckInput(Struct, frozen=True):
    """Have a turn of the user looked at; comes back as `inputs.Judged`."""

    item_id: str
    text: str
    agent: ResolvedAgent


class CheckRest(Struct, frozen=True):
    """Have what came of a response's words looked at to its end: no more will come."""

    response_id: str


class RunTool(Struct, frozen=True):
    """Run a function; its end comes back as `inputs.ToolFinished`."""

    call: Call
    tool: Tool


class RunHandoff(Struct, frozen=True):
    """Run a handoff's callback and resolve its agent; comes back as `inputs.AgentReady`."""

    call: Call
    handoff: Handoff


class Greeted(Struct, frozen=True):
    """The server has begun a session, and given it an id."""

    session_id: str | None


class ResponseOver(Struct, frozen=True):
    """A response ended: its times are complete, and perhaps the server said what it cost."""

    track: ResponseTrack
    status: str
    reason: str | None
    at: float
    usage: Usage | None = None


class TurnOver(Struct, frozen=True):
    """A turn ended: its latencies are complete."""

    metrics: TurnMetrics


class Dial(Struct, frozen=True):
    """Make another connection; it comes back as `inputs.Opened`, or as `inputs.Lost`."""

    epoch: int


class Switch(Struct, frozen=True):
    """Use a connection that was made; all others are let go, with what was queued for them."""

    epoch: int


class HangUp(Struct, frozen=True):
    """Let a connection go."""

    epoch: int


class Refuse(Struct, frozen=True):
    """The command cannot be carried out; its caller gets the error."""

    error: VoxloopError


class End(Struct, frozen=True):
    """The session is over; an error is raised by the iterations once they have drained.

    ``left``: the application has left it.
    """

    error: VoxloopError | None
    left: bool = False


Effect: TypeAlias = (
    Send
    | Emit
    | Examine
    | Explain
    | CancelTool
    | Hook
    | CheckInput
    | CheckRest
    | RunTool
    | RunHandoff
    | Greeted
    | ResponseOver
    | TurnOver
    | Dial
    | Switch
    | HangUp
    | Refuse
    | End
)
