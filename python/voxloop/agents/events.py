"""What an agent says and does during one turn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from voxloop.tools import ToolStatus

ModelStatus: TypeAlias = Literal["completed", "incomplete"]
"""Whether the model said all it had to say."""

TurnStatus: TypeAlias = Literal["completed", "incomplete", "rejected"]
"""How a turn ended."""


@dataclass(frozen=True, slots=True)
class AgentText:
    """The next piece of what the agent says."""

    delta: str


@dataclass(frozen=True, slots=True)
class AgentTextEnd:
    """One message is complete: what follows is another, not a continuation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentToolCall:
    """The agent calls a tool, which starts now, or when it is approved.

    Attributes:
        name: Name as the model wrote it.
        arguments: JSON text as the model wrote it.
        call_id: Ties the result to the call.
        needs_approval: Whether the call waits for `AgentTurn.approve` or `AgentTurn.reject`.
    """

    name: str
    arguments: str
    call_id: str
    needs_approval: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentToolResult:
    """A tool has answered.

    Attributes:
        name: Name as the model wrote it.
        output: Text that the model gets.
        call_id: Id of the call.
        status: ``"ok"``, ``"error"``, ``"timeout"`` or ``"rejected"``.
        duration: Seconds that the tool took.
    """

    name: str
    output: str
    call_id: str
    status: ToolStatus
    duration: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentHandoff:
    """Another agent has taken over and stays for the turns to come.

    Attributes:
        from_agent: Name of the agent that hands over.
        to_agent: Name of the agent that takes over.
        voice: Voice of that agent; None takes the session's or the pipeline's.
    """

    from_agent: str
    to_agent: str
    voice: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentDone:
    """The last event of a turn.

    Attributes:
        text: All that was said in it, messages joined by a blank.
        agent: Name of the agent that has the conversation now.
        status: ``"incomplete"`` when the model was cut short, ``"rejected"`` when a guardrail put
            its message in the place of the answer.
        guardrail: Name of that guardrail.
    """

    text: str
    agent: str
    status: TurnStatus = "completed"
    guardrail: str = ""


AgentEvent: TypeAlias = (
    AgentText | AgentTextEnd | AgentToolCall | AgentToolResult | AgentHandoff | AgentDone
)
