"""The conversation as the server holds it, in order, without its audio.

Text and transcripts that are still coming are kept as drafts beside the items, one for each
(item, content index), so that a delta does not copy the conversation.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Literal, TypeAlias

from msgspec import Struct, field
from msgspec.structs import replace

from voxloop.realtime.machine.parts import NONE
from voxloop.wire import realtime as rt

Change: TypeAlias = Literal["added", "updated", "deleted"]
Key: TypeAlias = tuple[str, int]

MAX_PARTS = 256
"""Parts of one message that are kept; an index beyond is no index."""

_TEXT = frozenset({"input_text", "output_text", "text"})


class HistoryPart(Struct, frozen=True, kw_only=True):
    """One part of a message.

    Attributes:
        type: ``"text"``, ``"audio"`` or ``"image"``.
        text: The text, or what the audio says; None while it is not known.
        image_url: URL of an image; a ``data:`` URL is not kept and stands as ``"data:"``.
    """

    type: str
    text: str | None = None
    image_url: str | None = None


class HistoryItem(Struct, frozen=True, kw_only=True, eq=False):
    """One entry of the conversation.

    Attributes:
        id: Id of the item, the same on both sides.
        type: ``"message"``, ``"function_call"`` or the type of another item as the server names it.
        role: ``"user"``, ``"assistant"`` or ``"system"``, for a message.
        status: ``"in_progress"``, ``"completed"`` or ``"incomplete"``.
        content: Parts of a message.
        name: Function of a call.
        call_id: Id of a call.
        arguments: JSON text of a call.
        output: What a call was answered with; None until then.
        heard_ms: For a message that was cut short: how much of its audio was played.
        received_ms: For the same: how much of its audio had come.
        previous_id: The item before it, as the server told.
        output_id: Id of the item that holds the output of a call.
    """

    id: str
    type: str = "message"
    role: str | None = None
    status: str | None = None
    content: tuple[HistoryPart, ...] = ()
    name: str | None = None
    call_id: str | None = None
    arguments: str | None = None
    output: str | None = None
    heard_ms: int | None = None
    received_ms: float | None = None
    previous_id: str | None = None
    output_id: str | None = None

    # Which item of the server holds the output tells no entry from another. What changes first
    # comes first: entries are compared each time that the server speaks of one.
    def __eq__(self, other: object) -> bool:
        if not isinstance(other, HistoryItem):
            return NotImplemented
        return (
            self.id == other.id
            and self.status == other.status
            and self.content == other.content
            and self.arguments == other.arguments
            and self.output == other.output
            and self.previous_id == other.previous_id
            and self.heard_ms == other.heard_ms
            and self.received_ms == other.received_ms
            and (self.type, self.role) == (other.type, other.role)
            and (self.name, self.call_id) == (other.name, other.call_id)
        )

    def __hash__(self) -> int:
        return hash((self.id, self.type, self.status, self.content, self.arguments, self.output))

    def __repr__(self) -> str:
        hidden = ("previous_id", "output_id")
        names = (name for name in self.__struct_fields__ if name not in hidden)
        return f"HistoryItem({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    @property
    def text(self) -> str:
        """All text and transcripts of the message."""
        return "".join(part.text or "" for part in self.content)


class History(Struct, frozen=True, eq=False):
    """Items in order, and what is known of unfinished parts.

    Attributes:
        items: The items.
        drafts: Text of parts that are still coming.
        places: Where an item stood when it was looked for last. All versions of a history share
            it: it has every id that ever was in one of them, and is checked before it is believed.
        awaited: Ids that were named as predecessors before they came; shared as well, from the
            first of them on.
    """

    items: tuple[HistoryItem, ...] = ()
    drafts: Mapping[Key, str] = NONE
    places: dict[str, int] = field(default_factory=dict)
    awaited: Collection[str] = ()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, History):
            return NotImplemented
        return self.items == other.items and self.drafts == other.drafts

    __hash__ = None  # type: ignore[assignment]  # drafts are a dict

    def find(self, item_id: str) -> int | None:
        """Index of the item of this id."""
        place = self.places.get(item_id)
        if place is None:
            return None
        items = self.items
        if place < len(items) and items[place].id == item_id:
            return place
        for index in range(len(items) - 1, -1, -1):
            if items[index].id == item_id:
                self.places[item_id] = index
                return index
        return None

    def get(self, item_id: str) -> HistoryItem | None:
        """The item of this id."""
        place = self.find(item_id)
        return None if place is None else self.items[place]

    def current(self) -> tuple[HistoryItem, ...]:
        """The items with the drafts filled in."""
        if not self.drafts:
            return self.items
        return tuple(_with_drafts(item, self.drafts) for item in self.items)


def upsert(
    history: History, wire: rt.Item, previous_id: str | None
) -> tuple[History, HistoryItem, Change] | None:
    """Add or refresh an item as the server describes it.

    Returns:
        The new history, the item and what happened to it; None for an item that changes nothing
        (one without id, or an output, which `answered` has put into its call).
    """
    if not wire.id or wire.type in ("function_call_output", "item_reference"):
        return None
    old = history.get(wire.id)
    if old is None:
        incoming = _from_wire(wire, previous_id)
        return _insert(history, incoming), incoming, "added"
    merged = _merge(_with_drafts(old, history.drafts), wire, previous_id)
    if merged is old or merged == old:
        return None
    if merged.previous_id != old.previous_id:  # its place was not known before
        return _insert(_without(history, old.id), merged), merged, "updated"
    return _put(history, merged), merged, "updated"


def draft(history: History, key: Key, delta: str) -> History:
    """Append to the text that is known of an unfinished part."""
    if not 0 <= key[1] < MAX_PARTS:
        return history
    drafts = dict(history.drafts)
    drafts[key] = drafts.get(key, "") + delta
    return History(history.items, drafts, history.places, history.awaited)


def set_text(
    history: History, key: Key, text: str, kind: str
) -> tuple[History, HistoryItem | None]:
    """Settle the text of one part; the draft goes."""
    drafts = {name: value for name, value in history.drafts.items() if name != key}
    history = replace(history, drafts=drafts)
    item = history.get(key[0])
    if item is None or not 0 <= key[1] < MAX_PARTS:
        return history, None
    parts = list(item.content)
    while len(parts) <= key[1]:
        parts.append(HistoryPart(type=kind))
    parts[key[1]] = replace(parts[key[1]], text=text)
    return _changed(history, item, replace(item, content=tuple(parts)))


def transcribed(history: History, item_id: str, text: str) -> tuple[History, HistoryItem, Change]:
    """Give every audio part of a user message its transcript; an unknown message is added."""
    drafts = {key: value for key, value in history.drafts.items() if key[0] != item_id}
    history = replace(history, drafts=drafts)
    old = history.get(item_id)
    if old is None:
        part = HistoryPart(type="audio", text=text)
        item = HistoryItem(id=item_id, role="user", status="completed", content=(part,))
        return _insert(history, item), item, "added"
    parts = tuple(replace(p, text=text) if p.type == "audio" else p for p in old.content)
    if not any(part.type == "audio" for part in parts):
        parts = (*parts, HistoryPart(type="audio", text=text))
    item = replace(old, content=parts, status="completed")
    return _put(history, item), item, "updated"


def answered(
    history: History, call_id: str, output: str, output_id: str | None
) -> tuple[History, HistoryItem | None]:
    """Put the output of a call, and the id of the item that holds it, into the call's item."""
    call = find_call(history, call_id)
    if call is None:
        return history, None
    told = HistoryItem(
        id=call.id,
        type=call.type,
        role=call.role,
        status="completed",
        content=call.content,
        name=call.name,
        call_id=call_id,
        arguments=call.arguments,
        output=output,
        heard_ms=call.heard_ms,
        received_ms=call.received_ms,
        previous_id=call.previous_id,
        output_id=output_id or call.output_id,
    )
    return _put(history, told), None if told == call else told


def find_call(history: History, call_id: str) -> HistoryItem | None:
    """The latest item of a call."""
    for item in reversed(history.items):
        if item.call_id == call_id:
            return item
    return None


def cut(
    history: History, item_id: str, heard_ms: int, *, received_ms: float | None = None
) -> tuple[History, HistoryItem | None]:
    """Mark a message as heard only in part. Its words stay, as what was said so far."""
    item = history.get(item_id)
    if item is None:
        return history, None
    short = replace(
        _with_drafts(item, history.drafts),
        heard_ms=heard_ms,
        received_ms=item.received_ms if received_ms is None else received_ms,
        status="incomplete",
    )
    drafts = {key: value for key, value in history.drafts.items() if key[0] != item_id}
    return _changed(replace(history, drafts=drafts), item, short)


def set_status(history: History, item_id: str, status: str) -> tuple[History, HistoryItem | None]:
    """Change the status of an item."""
    item = history.get(item_id)
    if item is None:
        return history, None
    return _changed(history, item, replace(item, status=status))


def remove(history: History, item_id: str) -> tuple[History, HistoryItem | None]:
    """Take an item out; None if there is no such item."""
    item = history.get(item_id)
    if item is None:
        return history, None
    drafts = {key: value for key, value in history.drafts.items() if key[0] != item_id}
    return replace(_without(history, item_id), drafts=drafts), item


def _changed(
    history: History, old: HistoryItem, new: HistoryItem
) -> tuple[History, HistoryItem | None]:
    return (history, None) if new == old else (_put(history, new), new)


def _without(history: History, item_id: str) -> History:
    place = history.find(item_id)
    if place is None:
        return history
    return replace(history, items=history.items[:place] + history.items[place + 1 :])


def _put(history: History, item: HistoryItem) -> History:
    place = history.find(item.id)
    if place is None:
        return history
    items = history.items
    # Put together from slices: unpacking goes by a list, which is slow with a long conversation.
    return _holding(history, items[:place] + (item,) + items[place + 1 :])  # noqa: RUF005


def _insert(history: History, item: HistoryItem) -> History:
    place = len(history.items)
    if item.previous_id == "root":
        place = 0
    elif item.previous_id is not None:
        known = history.find(item.previous_id)
        if known is None:
            history = _awaiting(history, item.previous_id)
        else:
            place = known + 1
    history.places[item.id] = place
    if item.id not in history.awaited:
        items = history.items
        return _holding(history, items[:place] + (item,) + items[place:])  # noqa: RUF005
    return _holding(history, _reclaimed(history.items, item, place))


def _awaiting(history: History, item_id: str) -> History:
    if isinstance(history.awaited, set):
        history.awaited.add(item_id)
        return history
    return History(history.items, history.drafts, history.places, {item_id})


def _holding(history: History, items: tuple[HistoryItem, ...]) -> History:
    return History(items, history.drafts, history.places, history.awaited)


def _reclaimed(
    before: tuple[HistoryItem, ...], item: HistoryItem, place: int
) -> tuple[HistoryItem, ...]:
    """Insert an item others have named as theirs: they were put at the end, and follow it now."""
    items = [*before[:place], item, *before[place:]]
    early = [old for old in items[:place] if old.previous_id == item.id]
    for follower in early:
        chain = _chain(items, follower, item)
        items = [old for old in items if old not in chain]
        place = items.index(item) + 1
        items[place:place] = chain
    return tuple(items)


def _chain(items: list[HistoryItem], first: HistoryItem, until: HistoryItem) -> list[HistoryItem]:
    chain = [first]
    for item in items[items.index(first) + 1 :]:
        # A server that has each of two items follow the other gets some order, and no error.
        if item is until or item.previous_id != chain[-1].id:
            break
        chain.append(item)
    return chain


def _from_wire(wire: rt.Item, previous_id: str | None) -> HistoryItem:
    return HistoryItem(
        id=wire.id or "",
        type=wire.type,
        role=wire.role,
        status=wire.status,
        content=tuple(_part(part) for part in wire.content) if wire.content else (),
        name=wire.name,
        call_id=wire.call_id,
        arguments=wire.arguments,
        output=wire.output,
        previous_id=previous_id,
    )


def _part(part: rt.ContentPart) -> HistoryPart:
    if part.type in _TEXT and part.transcript is None:
        return HistoryPart(type="text", text=part.text)
    if part.type == "input_image":
        url = part.image_url or ""
        return HistoryPart(type="image", image_url="data:" if url.startswith("data:") else url)
    return HistoryPart(type="audio", text=part.transcript or part.text)


def _merge(old: HistoryItem, wire: rt.Item, previous_id: str | None) -> HistoryItem:
    """What the server says now, without losing what it said before and left out this time.

    Where it says nothing new, the item itself.
    """
    previous_id = previous_id or old.previous_id
    if old.type != wire.type or (old.role and wire.role and old.role != wire.role):
        return _from_wire(wire, previous_id)
    # A message that was cut stays cut: the events of its response come after the interruption.
    finished = old.heard_ms is not None or old.output is not None
    role = wire.role or old.role
    status = old.status if finished else wire.status or old.status
    content = _merged(old, wire.content) if wire.content else old.content
    name, call_id = wire.name or old.name, wire.call_id or old.call_id
    arguments, output = wire.arguments or old.arguments, wire.output or old.output
    if (
        content is old.content
        and status == old.status
        and arguments == old.arguments
        and (role, name, call_id, output) == (old.role, old.name, old.call_id, old.output)
        and previous_id == old.previous_id
    ):
        return old
    return HistoryItem(
        id=old.id,
        type=old.type,
        role=role,
        status=status,
        content=content,
        name=name,
        call_id=call_id,
        arguments=arguments,
        output=output,
        heard_ms=old.heard_ms,
        received_ms=old.received_ms,
        previous_id=previous_id,
        output_id=old.output_id,
    )


def _merged(old: HistoryItem, told: Sequence[rt.ContentPart]) -> tuple[HistoryPart, ...]:
    new = [_part(part) for part in told]
    said, images = old.content, old.content[:0]
    if old.role == "user" and not any(part.type == "image" for part in new):
        # Servers may leave images out of what they say of a message.
        images = tuple(part for part in said if part.type == "image")
        said = tuple(part for part in said if part.type != "image")
    parts = [
        part if part.text is not None or index >= len(said) else _keep(part, said[index])
        for index, part in enumerate(new)
    ]
    return (*images, *parts, *said[len(parts) :])


def _keep(part: HistoryPart, old: HistoryPart) -> HistoryPart:
    return replace(part, text=old.text, image_url=part.image_url or old.image_url)


def _with_drafts(item: HistoryItem, drafts: Mapping[Key, str]) -> HistoryItem:
    if not drafts:
        return item
    mine = {index: text for (item_id, index), text in drafts.items() if item_id == item.id}
    if not mine:
        return item
    parts = list(item.content)
    for index, text in sorted(mine.items()):
        while len(parts) <= index:
            parts.append(HistoryPart(type="audio"))
        if parts[index].text is None or len(text) > len(parts[index].text or ""):
            parts[index] = replace(parts[index], text=text)
    return replace(item, content=tuple(parts))


def heard(entry: HistoryItem) -> str:
    """The words of an answer that were heard: of one that was cut, a share as long as the sound's.

    Words are spread over the sound evenly, since the server does not tell when which is said; the
    last word is one that was begun.
    """
    if entry.heard_ms is None or not entry.received_ms:
        return entry.text
    share = min(1.0, entry.heard_ms / entry.received_ms)
    if share >= 1.0:
        return entry.text
    words = entry.text.split()
    return " ".join(words[: math.ceil(len(words) * share)])
