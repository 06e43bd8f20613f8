"""An agent that another agent uses as a tool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from voxloop.agents.events import AgentDone
from voxloop.agents.options import RunOptions
from voxloop.providers import LanguageModel
from voxloop.tools import RunContext, Tool, tool

if TYPE_CHECKING:
    from voxloop.agents.agent import Agent


def agent_tool(
    agent: Agent,
    *,
    name: str,
    description: str,
    model: LanguageModel | None,
    options: RunOptions | None,
    settings: dict[str, Any],
) -> Tool:
    """See `Agent.as_tool`."""

    async def ask(context: RunContext[Any], input: str) -> str:
        from voxloop.agents.conversation import Conversation
        from voxloop.agents.turn import run_turn

        conversation = Conversation(agent, context=context.value)
        answer = ""
        chosen = model or _model()
        async with run_turn(conversation, input, model=chosen, options=options) as turn:
            async for event in turn:
                if isinstance(event, AgentDone):
                    answer = event.text
        return answer

    summary = description or agent.handoff_description or f"Ask {agent.name} and get its answer."
    return tool(name=name, description=summary, **settings)(ask)


def _model() -> LanguageModel:
    from voxloop.agents.loop import current_model

    running = current_model.get()
    if running is not None:
        return running
    from voxloop.providers import default_provider

    return default_provider().language_model()
