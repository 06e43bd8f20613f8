"""What a tool, a handoff or an instructions callable may know of the run it belongs to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Generic, TypeVar

ValueT = TypeVar("ValueT")


@dataclass(frozen=True, slots=True)
class RunContext(Generic[ValueT]):
    """The run as seen from inside: the caller's own object and, in a tool, the call.

    Attributes:
        value: The object given as ``context=`` when the session or the workflow was opened; shared
            by all tools of the run, never copied.
        agent_name: Name of the agent whose call this is.
        tool_name: Name of the tool that runs; empty outside a tool.
        call_id: Id of the call; empty outside a tool.
        arguments: JSON text of the arguments as the model wrote it; empty outside a tool.

    Example::

        @tool
        async def remember(context: RunContext[Notebook], note: str) -> str:
            context.value.add(note)
            return "noted"
    """

    value: ValueT
    agent_name: str = ""
    tool_name: str = ""
    call_id: str = ""
    arguments: str = ""

    def for_call(self, *, tool_name: str, call_id: str, arguments: str) -> RunContext[ValueT]:
        """The same run, seen from inside one tool call."""
        return replace(self, tool_name=tool_name, call_id=call_id, arguments=arguments)

    def for_agent(self, agent_name: str) -> RunContext[ValueT]:
        """The same run, seen from another agent."""
        return replace(self, agent_name=agent_name, tool_name="", call_id="", arguments="")
