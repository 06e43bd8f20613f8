"""The moments at which hooks are called; who listens to none of them pays nothing."""

from __future__ import annotations

from msgspec.structs import replace

from voxloop.agents import Agent
from voxloop.realtime.machine.effects import Hook
from voxloop.realtime.machine.state import Call, ResponseTrack
from voxloop.realtime.machine.step import Step
from voxloop.tools import Tool, ToolOutcome


def began(step: Step) -> None:
    """A response of the conversation began."""
    turn, resolved = step.state.turn, step.state.agent.current
    agent = resolved.agent
    fresh = turn.word is not agent
    if fresh:
        step.update(turn=replace(turn, word=agent))
    if wanted(step, agent):
        if fresh:
            step.do(Hook("on_start", agent, ()))
        step.do(Hook("on_llm_start", agent, (resolved.instructions, ())))


def said(step: Step, text: str) -> None:
    """The agent has finished a message."""
    turn = step.state.turn
    if turn.word is not None and text:
        step.update(turn=replace(turn, said=(*turn.said, text)[-64:]))


def ended(step: Step, track: ResponseTrack, status: str) -> None:
    """A response ended."""
    if track.by is not None and track.in_conversation:
        _call(step, "on_llm_end", track.by.agent, status)


def handed_over(step: Step, before: Agent, after: Agent) -> None:
    """Another agent has taken over."""
    _call(step, "on_handoff", after, before)
    step.update(turn=replace(step.state.turn, word=None))


def settled(step: Step) -> None:
    """Nothing is going on any more: the agent that had the word has ended its turn."""
    turn = step.state.turn
    if turn.word is not None:
        step.update(turn=replace(turn, word=None, said=()))
        _call(step, "on_end", turn.word, " ".join(turn.said))


def tool_over(step: Step, call: Call, tool: Tool, outcome: ToolOutcome) -> None:
    """A call was answered, whether its tool ran or not."""
    agent = call.agent.agent
    if wanted(step, agent):
        step.do(Hook("on_tool_end", agent, (tool, outcome), call))


def _call(step: Step, name: str, agent: Agent, *arguments: object) -> None:
    if wanted(step, agent):
        step.do(Hook(name, agent, arguments))


def wanted(step: Step, agent: Agent) -> bool:
    """Whether anyone has hooks for what this agent does."""
    return agent.hooks is not None or step.state.config.hooks is not None
