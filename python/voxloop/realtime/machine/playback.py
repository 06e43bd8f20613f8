"""The playback ledger: which audio was handed out, in what order, and how much of it was played.

By default what was handed out is taken to play at once and without gaps, one item after the other,
from the moment it came; so all that is known at a time follows from ``ends_at``, when the last of
it will have been played. As soon as the application reports positions, those count instead.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace


class PlayItem(Struct, frozen=True, kw_only=True):
    """The audio of one message.

    Attributes:
        item_id: Id of the message.
        response_id: Response that it belongs to.
        content_index: Index of the audio part.
        received_ms: Audio received.
        reported_ms: Audio that the application says it has played; None without a report.
        complete: All its audio has come.
        truncatable: It stands in the conversation of the server.
        epoch: Connection that it came on.
        carry: A lone byte of a sample whose other byte is in the next event.
    """

    item_id: str
    response_id: str
    content_index: int
    received_ms: float = 0.0
    reported_ms: float | None = None
    complete: bool = False
    truncatable: bool = True
    epoch: int = 1
    carry: bytes = b""


class Position(Struct, frozen=True):
    """How far one item was played."""

    item: PlayItem
    played_ms: float

    @property
    def finished(self) -> bool:
        """Nothing of it is left to play."""
        return self.played_ms >= self.item.received_ms


class Playback(Struct, frozen=True):
    """Items not yet known to be over, in the order of playing.

    Attributes:
        items: The items.
        ends_at: Time at which all audio handed out will have been played.
        fresh_at: When the last audio came, until a turn's latencies have taken note of it.
        taken: Bytes of audio that a sink has taken; it keeps the account of those.
        silent: How many of them the sink has told to be over.
    """

    items: tuple[PlayItem, ...] = ()
    ends_at: float = 0.0
    fresh_at: float | None = None
    taken: int = 0
    silent: int = 0

    @property
    def reported(self) -> bool:
        """Whether the application reports positions."""
        return any(item.reported_ms is not None for item in self.items)

    def find(self, item_id: str, content_index: int) -> PlayItem | None:
        """The audio of one part."""
        for item in self.items:
            if item.item_id == item_id and item.content_index == content_index:
                return item
        return None

    def positions(self, at: float) -> tuple[Position, ...]:
        """How far each item was played at the time ``at``, in the order of playing."""
        if self.reported:
            return tuple(Position(item, _reported(item)) for item in self.items)
        left = max(0.0, self.ends_at - at) * 1000.0
        found: list[Position] = []
        for item in reversed(self.items):  # what is left to play is the end of what came
            unplayed = min(item.received_ms, left)
            left -= unplayed
            found.append(Position(item, item.received_ms - unplayed))
        return tuple(reversed(found))

    def playing(self, at: float) -> bool:
        """Whether audio that was handed out has not been played yet."""
        if self.taken > self.silent:
            return True
        if not self.items:
            return False
        return any(not position.finished for position in self.positions(at))

    def deadline(self) -> float | None:
        """When playing will be over, None if that is not known beforehand."""
        return None if not self.items or self.reported else self.ends_at


def _reported(item: PlayItem) -> float:
    return min(item.reported_ms or 0.0, item.received_ms)


def received(playback: Playback, item: PlayItem, milliseconds: float, at: float) -> Playback:
    """Enter audio that is handed out now. ``item`` is the ledger's entry, or a new one."""
    longer = replace(item, received_ms=item.received_ms + milliseconds)
    known = playback.find(item.item_id, item.content_index)
    if known is None:
        items = (*playback.items, longer)
    else:
        items = tuple(longer if old is known else old for old in playback.items)
    ends_at = max(playback.ends_at, at) + milliseconds / 1000.0
    return replace(playback, items=items, ends_at=ends_at)


def extensible(playback: Playback) -> PlayItem | None:
    """The item that came last, if there is nothing about it that `received` must look at."""
    last = playback.items[-1] if playback.items else None
    if last is None or last.carry or last.complete or last.reported_ms is not None:
        return None
    return last


def extended(
    playback: Playback, received_ms: float, ends_at: float, fresh_at: float | None
) -> Playback:
    """Enter more audio of the item that came last, which is `extensible`.

    Args:
        playback: The ledger.
        received_ms: All that has come of the item.
        ends_at: When it will have been played.
        fresh_at: When the last of it came.
    """
    last = playback.items[-1]
    longer = PlayItem(
        item_id=last.item_id,
        response_id=last.response_id,
        content_index=last.content_index,
        received_ms=received_ms,
        truncatable=last.truncatable,
        epoch=last.epoch,
    )
    items = (*playback.items[:-1], longer)
    return Playback(items, ends_at, fresh_at, playback.taken, playback.silent)


def reported(playback: Playback, item_id: str, played_ms: float) -> Playback:
    """Enter what the application says it has played of an item, in all."""
    items = tuple(
        replace(item, reported_ms=max(item.reported_ms or 0.0, played_ms))
        if item.item_id == item_id
        else item
        for item in playback.items
    )
    return replace(playback, items=items)


def completed(playback: Playback, item_id: str, content_index: int) -> Playback:
    """Note that no more audio of a part will come."""
    items = tuple(
        replace(item, complete=True)
        if item.item_id == item_id and item.content_index == content_index
        else item
        for item in playback.items
    )
    return replace(playback, items=items)


def gone(playback: Playback, item_id: str) -> Playback:
    """The conversation has lost an item: it plays on, and there is nothing to cut."""
    if all(item.item_id != item_id for item in playback.items):
        return playback
    items = tuple(
        replace(item, truncatable=False) if item.item_id == item_id else item
        for item in playback.items
    )
    return replace(playback, items=items)


def pruned(playback: Playback, at: float, active: frozenset[str]) -> Playback:
    """Drop items that were played and whose response is over."""
    keep = tuple(
        position.item
        for position in playback.positions(at)
        if not position.finished or position.item.response_id in active
    )
    return playback if len(keep) == len(playback.items) else replace(playback, items=keep)
