"""What an agent remembers: history, who has the word, what it cost."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from voxloop._errors import ConcurrencyError, ConfigError
from voxloop.agents.agent import Agent
from voxloop.tools import JsonObject, RunContext

CANCELLED_OUTPUT = "The call was cancelled: the user interrupted."


class Conversation:
    """A conversation with an agent over any number of turns.

    It changes only when a turn ends well or is interrupted; a turn that fails leaves it as it was.

    Args:
        agent: Who answers first.
        context: Any object; tools and instructions callables find it as ``RunContext.value``.
        history: Responses API input items to start from; copied.

    Raises:
        ConfigError: `agent` is not an `Agent`.
    """

    def __init__(
        self, agent: Agent, *, context: object = None, history: Iterable[JsonObject] = ()
    ) -> None:
        if not isinstance(agent, Agent):
            raise ConfigError(f"a conversation needs an Agent, not {type(agent).__name__}")
        self._agent = agent
        self._context = context
        self._history: tuple[JsonObject, ...] = tuple(copy.deepcopy(item) for item in history)
        self._usage: JsonObject = {}
        self._busy = False

    @property
    def agent(self) -> Agent:
        """The agent that has the word."""
        return self._agent

    @property
    def history(self) -> tuple[JsonObject, ...]:
        """All items so far, in the shape of Responses API input items; a copy."""
        return tuple(copy.deepcopy(item) for item in self._history)

    @property
    def usage(self) -> JsonObject:
        """What the models counted over all committed turns, numbers added up."""
        return copy.deepcopy(self._usage)

    @property
    def context(self) -> RunContext[object]:
        """The run as instructions callables see it."""
        return RunContext(self._context, agent_name=self._agent.name)

    @contextmanager
    def exclusive(self) -> Iterator[tuple[JsonObject, ...]]:
        """Hold the conversation for one turn; gives the history without copying.

        Raises:
            ConcurrencyError: Another turn is under way.
        """
        if self._busy:
            raise ConcurrencyError(
                "a turn of this conversation is under way; wait for it, or use a second one"
            )
        self._busy = True
        try:
            yield self._history
        finally:
            self._busy = False

    def commit(self, items: Iterable[JsonObject], *, agent: Agent, usage: JsonObject) -> None:
        """Take over what a turn brought."""
        self._history = (*self._history, *items)
        self._agent = agent
        self._usage = add_usage(self._usage, usage)


def add_usage(total: Mapping[str, object], more: Mapping[str, object]) -> JsonObject:
    """Add the numbers of two usage objects, level by level; other values are replaced."""
    result: JsonObject = dict(total)
    for key, value in more.items():
        old = result.get(key)
        if isinstance(value, Mapping):
            result[key] = add_usage(old if isinstance(old, Mapping) else {}, value)
        elif isinstance(value, (int, float)) and isinstance(old, (int, float)):
            result[key] = old + value
        else:
            result[key] = value
    return result


def user_item(text: str) -> JsonObject:
    """A user message."""
    return _message("user", "input_text", text)


def assistant_item(text: str) -> JsonObject:
    """An assistant message."""
    return _message("assistant", "output_text", text)


def call_item(*, name: str, arguments: str, call_id: str) -> JsonObject:
    """A function call as it is sent back to the model."""
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}


def output_item(*, call_id: str, output: str) -> JsonObject:
    """The output of a function call."""
    return {"type": "function_call_output", "call_id": call_id, "output": output}


def _message(role: str, kind: str, text: str) -> JsonObject:
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


def text_of(item: JsonObject) -> str | None:
    """Text of an assistant message, None for every other item."""
    if item.get("type") != "message" or item.get("role") != "assistant":
        return None
    content = item.get("content")
    parts = content if isinstance(content, list) else []
    return "".join(str(part.get("text", "")) for part in parts if isinstance(part, Mapping))
