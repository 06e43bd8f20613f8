"""Agents: who answers, and the loop that lets a language model call tools and hand over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voxloop._lazy import lazy
from voxloop._scope import open_nursery
from voxloop.agents.agent import (
    Agent,
    Handoff,
    HandoffSettings,
    InputFilter,
    Instructions,
    OnHandoff,
    ToolChoice,
)
from voxloop.agents.debounce import TextDebounce
from voxloop.agents.guardrail import (
    InputGuardrail,
    OutputGuardrail,
    Release,
    input_guardrail,
    output_guardrail,
)
from voxloop.agents.hooks import AgentHooks, Hooks, RunHooks, call_hooks
from voxloop.agents.prompt import Prompt
from voxloop.agents.resolve import ResolvedAgent, resolve
from voxloop.tools import GuardrailResult, RunContext, run_guardrails

if TYPE_CHECKING:
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
    from voxloop.agents.openai_agents import ForeignTurn, OpenAIAgentsWorkflow
    from voxloop.agents.options import RunOptions
    from voxloop.agents.sqlite import SqliteStore
    from voxloop.agents.store import (
        Change,
        ConversationStore,
        MemoryStore,
        StoredConversation,
    )
    from voxloop.agents.turn import AgentTurn, run_turn

__all__ = [
    "Agent",
    "AgentDone",
    "AgentEvent",
    "AgentHandoff",
    "AgentHooks",
    "AgentText",
    "AgentTextEnd",
    "AgentToolCall",
    "AgentToolResult",
    "AgentTurn",
    "Change",
    "Conversation",
    "ConversationStore",
    "ForeignTurn",
    "GuardrailResult",
    "Handoff",
    "HandoffSettings",
    "Hooks",
    "InputFilter",
    "InputGuardrail",
    "Instructions",
    "MemoryStore",
    "OnHandoff",
    "OpenAIAgentsWorkflow",
    "OutputGuardrail",
    "Prompt",
    "Release",
    "ResolvedAgent",
    "RunContext",
    "RunHooks",
    "RunOptions",
    "SqliteStore",
    "StoredConversation",
    "TextDebounce",
    "ToolChoice",
    "call_hooks",
    "input_guardrail",
    "open_nursery",
    "output_guardrail",
    "resolve",
    "run_guardrails",
    "run_turn",
]


# The loop over a language model and its conversations; a realtime session needs neither. The last
# two bring asyncio, which nobody else here needs.
__getattr__, __dir__ = lazy(
    __name__,
    __all__,
    {
        "AgentDone": "events",
        "AgentEvent": "events",
        "AgentHandoff": "events",
        "AgentText": "events",
        "AgentTextEnd": "events",
        "AgentToolCall": "events",
        "AgentToolResult": "events",
        "AgentTurn": "turn",
        "Change": "store",
        "Conversation": "conversation",
        "ConversationStore": "store",
        "MemoryStore": "store",
        "RunOptions": "options",
        "SqliteStore": "sqlite",
        "StoredConversation": "store",
        "run_turn": "turn",
        "ForeignTurn": "openai_agents",
        "OpenAIAgentsWorkflow": "openai_agents",
    },
)
