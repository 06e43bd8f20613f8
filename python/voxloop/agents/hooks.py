"""Hooks: what an application may do at the steps of a run."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from voxloop.tools import JsonObject, RunContext, Tool, ToolOutcome

if TYPE_CHECKING:
    from voxloop.agents.agent import Agent

_log = logging.getLogger("voxloop.agents")


class Hooks:
    """Steps of a run; override those that are wanted, as coroutines or as plain methods.

    A hook is awaited where it stands, so it ought to be short. What it raises is written to the
    log and ends nothing.
    """

    async def on_start(self, context: RunContext[Any], agent: Agent) -> None:
        """The agent has the word: at the start of a turn, and after a handoff to it."""

    async def on_end(self, context: RunContext[Any], agent: Agent, output: str) -> None:
        """The agent has ended the turn; `output` is all that was said in it."""

    async def on_handoff(
        self, context: RunContext[Any], from_agent: Agent, to_agent: Agent
    ) -> None:
        """Another agent has taken over."""

    async def on_tool_start(self, context: RunContext[Any], agent: Agent, tool: Tool) -> None:
        """A tool runs from now on; the context tells the call."""

    async def on_tool_end(
        self, context: RunContext[Any], agent: Agent, tool: Tool, outcome: ToolOutcome
    ) -> None:
        """A call is over, whether the tool ran or not."""

    async def on_llm_start(
        self,
        context: RunContext[Any],
        agent: Agent,
        instructions: str,
        items: Sequence[JsonObject],
    ) -> None:
        """The model is about to be asked. A realtime session gives no items."""

    async def on_llm_end(self, context: RunContext[Any], agent: Agent, status: str) -> None:
        """The model has ended a response, ``"completed"`` or ``"incomplete"``."""


class AgentHooks(Hooks):
    """Hooks of one agent, given as ``Agent(hooks=...)``: called for that agent alone.

    Its `on_handoff` is called when the conversation is handed over *to* it.
    """


class RunHooks(Hooks):
    """Hooks of a run, called for whichever agent has the word."""


async def call_hooks(name: str, hooks: Iterable[object | None], *arguments: object) -> None:
    """Call the hook `name` of each object that has it, one after the other.

    Nothing that a hook raises comes out.

    **Cancellation:** an async hook is cancelled; those that follow are not called.
    """
    for owner in hooks:
        hook = getattr(owner, name, None)
        if hook is None:
            continue
        try:
            answer = hook(*arguments)
            if inspect.isawaitable(answer):
                await answer
        except Exception as error:
            _log.warning("the hook %s failed: %s", name, type(error).__name__)
            _log.debug("the hook %s failed", name, exc_info=error)
