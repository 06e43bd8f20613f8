"""What an agent remembers: history, who has the word, what it cost."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from voxloop._errors import ConcurrencyError, ConfigError
from voxloop.agents.agent import Agent
from voxloop.agents.desk import Desk
from voxloop.agents.items import add_usage
from voxloop.agents.store import Change, ConversationStore
from voxloop.tools import JsonObject, RunContext


class Conversation:
    """A conversation with an agent over any number of turns.

    It changes only when a turn ends well or is interrupted; a turn that fails leaves it as it was.
    With a store, what is there under the id is loaded before the first turn, and each turn is
    written as one change, before it counts here.

    Args:
        agent: Who answers first.
        context: Any object; tools and instructions callables find it as ``RunContext.value``.
        history: Responses API input items to start from; copied.
        store: Where the conversation is kept.
        conversation_id: Its id in the store.
        limit: Items that are loaded at most, the latest; None loads all.

    Attributes:
        desk: Approvals of calls.

    Raises:
        ConfigError: `agent` is not an `Agent`, a store without an id or with a history, or a limit
            below 1.
    """

    def __init__(
        self,
        agent: Agent,
        *,
        context: object = None,
        history: Iterable[JsonObject] = (),
        store: ConversationStore | None = None,
        conversation_id: str | None = None,
        limit: int | None = None,
    ) -> None:
        if not isinstance(agent, Agent):
            raise ConfigError(f"a conversation needs an Agent, not {type(agent).__name__}")
        self._agent = agent
        self._first = agent
        self._context = context
        self._history: tuple[JsonObject, ...] = tuple(copy.deepcopy(item) for item in history)
        self._usage: JsonObject = {}
        self._busy = False
        self._store = store
        self._id = conversation_id or ""
        self._limit = limit
        self._version = 0
        self._loaded = store is None
        self.desk = Desk()
        if (store is None) is not (conversation_id is None) or conversation_id == "":
            raise ConfigError("give store= and conversation_id= together, or neither")
        if store is not None and self._history:
            raise ConfigError("give a history or a store, not both")
        if limit is not None and limit < 1:
            raise ConfigError(f"limit is {limit}; give a number of items of at least 1")

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
    def exclusive(self) -> Iterator[None]:
        """Hold the conversation for one turn.

        Raises:
            ConcurrencyError: Another turn is under way.
        """
        if self._busy:
            raise ConcurrencyError(
                "a turn of this conversation is under way; wait for it, or use a second one"
            )
        self._busy = True
        try:
            yield
        finally:
            self._busy = False

    def items(self) -> tuple[JsonObject, ...]:
        """The history without copying; not to be changed."""
        return self._history

    async def load(self) -> None:
        """Take over what the store has, once; nothing without a store.

        The agent that had the word is looked up by its name among those that the first one can
        hand over to; the first one itself if it is not there any more.

        Raises:
            StoreError: The store could not be read.

        **Cancellation:** nothing is taken over; may be called again.
        """
        if self._loaded or self._store is None:
            return
        stored = await self._store.load(self._id, limit=self._limit)
        self._history = stored.items
        self._usage = dict(stored.usage)
        self._version = stored.version
        self._agent = _reachable(self._first).get(stored.agent, self._first)
        self._loaded = True

    async def commit(self, change: Change, *, agent: Agent) -> None:
        """Take over what a turn brought, in the store first.

        Raises:
            StoreError: The store could not be written; the conversation is as it was.

        **Cancellation:** of a store that is asked, as it says; without one this awaits nothing.
        """
        if self._store is not None:
            self._version = await self._store.commit(self._id, change, version=self._version)
        self._history = change.items if change.replace else (*self._history, *change.items)
        self._agent = agent
        self._usage = add_usage(self._usage, change.usage)


def _reachable(first: Agent) -> dict[str, Agent]:
    found: dict[str, Agent] = {}
    todo = [first]
    while todo:
        agent = todo.pop(0)
        if agent.name not in found:
            found[agent.name] = agent
            todo += [handoff.agent for handoff in agent.handoffs]
    return found
