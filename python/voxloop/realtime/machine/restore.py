"""What a new connection is told, so that the conversation on it is the one before.

A session of the server cannot be resumed: a new one is empty. Its settings come first, then the
items under their own ids, each behind the one before: what was said as its words, what the user
said without known words as its sound, what the agent said as text and no further than it was
heard, calls with their outputs. Then what the server had not confirmed: items, audio, commits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

import msgspec

from voxloop.realtime.machine.history import HistoryItem, HistoryPart, heard
from voxloop.realtime.machine.images import Images
from voxloop.realtime.machine.ring import Ring, Segment
from voxloop.realtime.machine.state import Backlog, State
from voxloop.wire import realtime as rt

NewId = Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What is sent again, in order.

    Attributes:
        items: The conversation.
        names: Ids of items that the application knows already, and the item before each.
        audio: Uncommitted audio and the commits that the server has not confirmed.
        lost_items: Items whose content cannot be sent, or not all of it.
        audio_bytes: Bytes of the uncommitted audio.
    """

    items: tuple[rt.ConversationItemCreate, ...]
    names: Mapping[str, str | None]
    audio: tuple[rt.InputAudioBufferAppend | rt.InputAudioBufferCommit, ...]
    lost_items: int
    audio_bytes: int


def replay(state: State, new_id: NewId) -> Replay:
    """The conversation of a session, as events for an empty one.

    Args:
        state: The session.
        new_id: Makes ids, for events and for outputs of calls whose own is not known.
    """
    sounds = {segment.name: segment for segment in state.ring.said}
    items: list[rt.Item] = []
    names: dict[str, str | None] = {}
    lost = 0
    for entry in state.history.current():
        made = _item(entry, sounds.pop(entry.id, None), state.images)
        lost += _incomplete(entry, made)
        if made is None:
            continue
        names[entry.id] = items[-1].id if items else None
        items.append(made)
        if entry.type == "function_call" and entry.output is not None:
            output = rt.Item(
                type="function_call_output",
                id=entry.output_id or new_id("item"),
                call_id=entry.call_id,
                output=entry.output,
            )
            items.append(output)
    # A turn that the server has taken and not shown as a message yet.
    items += [_sound(name, segment) for name, segment in sounds.items()]
    audio = _audio(state.ring)
    return Replay(
        items=(*_chained(items, new_id), *_waiting(state.backlog, names)),
        names=names,
        audio=audio,
        lost_items=lost,
        audio_bytes=sum(
            len(event.audio) for event in audio if isinstance(event, rt.InputAudioBufferAppend)
        ),
    )


def exported(state: State) -> list[dict[str, object]]:
    """The conversation as JSON objects, in order."""
    count = iter(range(1_000_000))
    told = replay(state, lambda kind: f"{kind}_{state.prefix}_x{next(count)}")
    return [
        cast("dict[str, object]", msgspec.json.decode(msgspec.json.encode(event.item)))
        for event in told.items
    ]


def _chained(items: list[rt.Item], new_id: NewId) -> list[rt.ConversationItemCreate]:
    events: list[rt.ConversationItemCreate] = []
    previous: str | None = None
    for item in items:
        events.append(
            rt.ConversationItemCreate(
                event_id=new_id("replay"), item=item, previous_item_id=previous
            )
        )
        previous = item.id
    return events


def _waiting(backlog: Backlog, names: Mapping[str, str | None]) -> list[rt.ConversationItemCreate]:
    return [event for event in backlog.creates if event.item.id not in names]


def _audio(ring: Ring) -> tuple[rt.InputAudioBufferAppend | rt.InputAudioBufferCommit, ...]:
    events: list[rt.InputAudioBufferAppend | rt.InputAudioBufferCommit] = []
    for segment in ring.closing:
        if segment.pieces:  # all of it lost: a commit of nothing would only be refused
            events += [rt.InputAudioBufferAppend(audio=bytes(piece)) for piece in segment.pieces]
            events.append(rt.InputAudioBufferCommit(event_id=segment.name))
    events += [rt.InputAudioBufferAppend(audio=bytes(piece)) for piece in ring.pieces]
    return tuple(events)


def _item(entry: HistoryItem, sound: Segment | None, images: Images) -> rt.Item | None:
    if entry.type == "function_call":
        return _call(entry)
    if entry.type != "message" or entry.role not in ("user", "assistant", "system"):
        return None
    if entry.role == "assistant":
        text = heard(entry)
        parts = [rt.ContentPart(type="output_text", text=text)] if text else []
        status = "incomplete" if entry.status == "incomplete" else "completed"
    else:
        kept = iter(images.parts.get(entry.id, ()))  # servers may show them at another place
        told = [_user_part(part, kept) for part in entry.content]
        parts = [part for part in told if part is not None]
        status = "completed"
        if not parts and sound is not None:
            return _sound(entry.id, sound)
    if not parts:
        return None
    return rt.Item(type="message", id=entry.id, role=entry.role, status=status, content=parts)


def _call(entry: HistoryItem) -> rt.Item | None:
    if not entry.call_id or entry.status == "in_progress" or not entry.name:
        return None  # it was never complete, and no one carries it out
    return rt.Item(
        type="function_call",
        id=entry.id,
        status="completed",
        name=entry.name,
        call_id=entry.call_id,
        arguments=entry.arguments or "{}",
    )


def _user_part(part: HistoryPart, kept: Iterator[rt.ContentPart]) -> rt.ContentPart | None:
    if part.type == "image":
        if not part.image_url or part.image_url == "data:":
            return next(kept, None)
        return rt.ContentPart(type="input_image", image_url=part.image_url)
    return rt.ContentPart(type="input_text", text=part.text) if part.text else None


def _sound(item_id: str, segment: Segment) -> rt.Item:
    part = rt.ContentPart(type="input_audio", audio=b"".join(map(bytes, segment.pieces)))
    return rt.Item(type="message", id=item_id, role="user", status="completed", content=[part])


def _incomplete(entry: HistoryItem, made: rt.Item | None) -> bool:
    """Whether something of it is missing: not if it was empty or not heard at all."""
    if entry.type != "message":
        return made is None and entry.type != "function_call"
    if entry.role != "user":
        return False
    told = made.content if made is not None and made.content is not None else []
    if any(part.type == "input_audio" for part in told):
        return False
    return len(told) < sum(part.text != "" for part in entry.content)


def without(names: tuple[str, ...], name: str) -> tuple[str, ...]:
    """The names but for the first that is this one."""
    place = names.index(name)
    return (*names[:place], *names[place + 1 :])
