"""Where conversations are kept: a protocol, and a store in memory."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from voxloop._bridge import checkpoint
from voxloop._errors import StoreError
from voxloop.agents.items import add_usage
from voxloop.tools import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What one turn does to a conversation; taken over whole or not at all.

    Attributes:
        items: Responses API input items.
        replace: Whether they take the place of all items there are, or are put behind them.
        agent: Name of the agent that has the word from now on.
        usage: What the turn cost; added to what is there.
    """

    items: tuple[JsonObject, ...]
    replace: bool = False
    agent: str = ""
    usage: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredConversation:
    """A conversation as a store has it.

    Attributes:
        items: Responses API input items, oldest first.
        agent: Name of the agent that has the word; empty for a conversation that is not there.
        usage: What the models counted over all turns.
        version: Changes so far.
    """

    items: tuple[JsonObject, ...] = ()
    agent: str = ""
    usage: Mapping[str, object] = field(default_factory=dict)
    version: int = 0


@runtime_checkable
class ConversationStore(Protocol):
    """Keeps conversations by id."""

    async def load(self, conversation_id: str, *, limit: int | None = None) -> StoredConversation:
        """The conversation, an empty one if there is none.

        Args:
            conversation_id: Any text.
            limit: Items at most, the latest. They begin with a user message, so that no output is
                there without its call; there may be fewer for that.

        Raises:
            StoreError: It could not be read.
        """
        ...

    async def commit(self, conversation_id: str, change: Change, *, version: int) -> int:
        """Take over the change of one turn, whole or not at all.

        Args:
            conversation_id: Any text; a conversation that is not there begins.
            change: What the turn brought.
            version: Version that the turn began with. A change that is put behind may come after
                one of somebody else, a change that replaces may not.

        Returns:
            The new version.

        Raises:
            StoreError: It could not be written, or somebody else changed what is to be replaced.

        **Cancellation:** the change is taken over whole or not at all.
        """
        ...

    async def delete(self, conversation_id: str) -> None:
        """Forget the conversation; nothing if there is none.

        Raises:
            StoreError: It could not be written.
        """
        ...


class MemoryStore:
    """Keeps conversations as long as it lives; several workflows may share it."""

    def __init__(self) -> None:
        self._kept: dict[str, StoredConversation] = {}

    async def load(self, conversation_id: str, *, limit: int | None = None) -> StoredConversation:
        """See `ConversationStore`; items are copies.

        **Cancellation:** may be called again.
        """
        await checkpoint()
        found = self._kept.get(conversation_id, StoredConversation())
        return StoredConversation(
            items=tuple(copy.deepcopy(item) for item in latest(found.items, limit)),
            agent=found.agent,
            usage=copy.deepcopy(dict(found.usage)),
            version=found.version,
        )

    async def commit(self, conversation_id: str, change: Change, *, version: int) -> int:
        """See `ConversationStore`.

        **Cancellation:** nothing is taken over.
        """
        await checkpoint()
        found = self._kept.get(conversation_id, StoredConversation())
        check_version(change, version, found.version)
        items = tuple(copy.deepcopy(item) for item in change.items)
        self._kept[conversation_id] = StoredConversation(
            items=items if change.replace else (*found.items, *items),
            agent=change.agent,
            usage=add_usage(found.usage, change.usage),
            version=found.version + 1,
        )
        return found.version + 1

    async def delete(self, conversation_id: str) -> None:
        """See `ConversationStore`.

        **Cancellation:** nothing is forgotten.
        """
        await checkpoint()
        self._kept.pop(conversation_id, None)


def check_version(change: Change, version: int, found: int) -> None:
    """Refuse to replace what somebody else has changed meanwhile.

    Raises:
        StoreError: It was changed.
    """
    if change.replace and version != found:
        raise StoreError(
            "the conversation was changed by somebody else since it was read; load it again",
            code="store_conflict",
        )


def latest(items: tuple[JsonObject, ...], limit: int | None) -> tuple[JsonObject, ...]:
    """The latest items, from a user message on."""
    if limit is None or len(items) <= limit:
        return items
    kept = items[-limit:]
    for index, item in enumerate(kept):
        if item.get("role") == "user":
            return kept[index:]
    return ()
