"""What a step asks the session to do. Nothing here does anything by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from voxloop._errors import VoxloopError
from voxloop.agents import Agent, Handoff, ResolvedAgent
from voxloop.realtime.events import Event
from voxloop.realtime.latency import TurnMetrics
from voxloop.realtime.state import Call, ResponseTrack
from voxloop.realtime.usage import Usage
from voxloop.tools import Tool, ToolFailure
from voxloop.wire import realtime as rt


@dataclass(frozen=True, slots=True)
class Send:
    """Put an event on the wire of the connection in use; a plain dict goes as it is."""

    event: rt.ClientEvent | dict[str, object]


@dataclass(frozen=True, slots=True)
class Emit:
    """Tell the application."""

    event: Event


@dataclass(frozen=True, slots=True)
class Examine:
    """Ask whether a call may run and needs approval; comes back as `inputs.Examined`."""

    call: Call
    tool: Tool


@dataclass(frozen=True, slots=True)
class Explain:
    """Word a call that came to nothing; comes back as `inputs.ToolFinished`."""

    call: Call
    tool: Tool | None
    failure: ToolFailure
    status: str
    respond: bool | None = None


@dataclass(frozen=True, slots=True)
class CancelTool:
    """Stop a function, or the questions about it; nothing comes back."""

    call_id: str


@dataclass(frozen=True, slots=True)
class Hook:
    """Call the hook ``name`` of the run and of the agent with these arguments."""

    name: str
    agent: Agent
    arguments: tuple[object, ...] = ()
    call: Call | None = None


@dataclass(frozen=True, slots=True)
class CheckInput:
    """Have a turn of the user looked at; comes back as `inputs.Judged`."""

    item_id: str
    text: str
    agent: ResolvedAgent


@dataclass(frozen=True, slots=True)
class CheckRest:
    """Have what came of a response's words looked at to its end: no more will come."""

    response_id: str


@dataclass(frozen=True, slots=True)
class RunTool:
    """Run a function; its end comes back as `inputs.ToolFinished`."""

    call: Call
    tool: Tool


@dataclass(frozen=True, slots=True)
class RunHandoff:
    """Run a handoff's callback and resolve its agent; comes back as `inputs.AgentReady`."""

    call: Call
    handoff: Handoff


@dataclass(frozen=True, slots=True)
class Greeted:
    """The server has begun a session, and given it an id."""

    session_id: str | None


@dataclass(frozen=True, slots=True)
class ResponseOver:
    """A response ended: its times are complete, and perhaps the server said what it cost."""

    track: ResponseTrack
    status: str
    reason: str | None
    at: float
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class TurnOver:
    """A turn ended: its latencies are complete."""

    metrics: TurnMetrics


@dataclass(frozen=True, slots=True)
class Dial:
    """Make another connection; it comes back as `inputs.Opened`, or as `inputs.Lost`."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Switch:
    """Use a connection that was made; all others are let go, with what was queued for them."""

    epoch: int


@dataclass(frozen=True, slots=True)
class HangUp:
    """Let a connection go."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Refuse:
    """The command cannot be carried out; its caller gets the error."""

    error: VoxloopError


@dataclass(frozen=True, slots=True)
class End:
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
