"""Agents: who answers, and the loop that lets a language model call tools and hand over."""

from __future__ import annotations

from voxloop.agents.agent import Agent, Handoff, Instructions, OnHandoff
from voxloop.agents.conversation import Conversation
from voxloop.agents.events import (
    AgentDone,
    AgentEvent,
    AgentHandoff,
    AgentText,
    AgentTextEnd,
    AgentToolCall,
    AgentToolResult,
)
from voxloop.agents.resolve import ResolvedAgent, resolve
from voxloop.agents.scope import open_nursery
from voxloop.agents.turn import AgentTurn, run_turn
from voxloop.tools import RunContext

__all__ = [
    "Agent",
    "AgentDone",
    "AgentEvent",
    "AgentHandoff",
    "AgentText",
    "AgentTextEnd",
    "AgentToolCall",
    "AgentToolResult",
    "AgentTurn",
    "Conversation",
    "Handoff",
    "Instructions",
    "OnHandoff",
    "ResolvedAgent",
    "RunContext",
    "open_nursery",
    "resolve",
    "run_turn",
]
