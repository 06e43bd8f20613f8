"""What a handoff's ``input_filter`` makes of a conversation that the server holds.

The filter gets the conversation as items and gives those that the next agent is to see. What it
leaves out is deleted on the server, what it adds or changes is created there, what it gives back
as it was is not touched.

It is not shown what cannot be taken away from the conversation just now: calls without an output,
the handoff's own among them, a message that is still being said, and items of MCP servers. Those
stay where they are.
"""

from __future__ import annotations

import uuid
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from voxloop.realtime.items import as_item
from voxloop.realtime.machine.history import HistoryItem, HistoryPart, heard
from voxloop.tools import JsonObject
from voxloop.wire import realtime as rt


@dataclass(frozen=True, slots=True)
class Rewrite:
    """How the server's conversation becomes the filtered one.

    Attributes:
        deleted: Ids of items to take out.
        created: Items to put in, in order, each with the id of the one before it.
    """

    deleted: tuple[str, ...]
    created: tuple[tuple[rt.Item, str], ...]


def shown(entries: Sequence[HistoryItem]) -> tuple[JsonObject, ...]:
    """The items that a filter gets, in order: messages, and calls with their outputs."""
    items: list[JsonObject] = []
    for entry in entries:
        if entry.type == "function_call":
            if entry.output is not None and entry.output_id is not None:
                items += _call(entry)
        elif entry.type == "message" and not _being_said(entry):
            items.append(_message(entry))
    return tuple(items)


def rewrite(before: Sequence[JsonObject], after: Sequence[JsonObject]) -> Rewrite:
    """The least that leads from what a filter was shown to what it gave.

    An output goes with its call: of a pair that is not kept whole, both are taken out.

    Raises:
        ConfigError: Something that the filter gave is no item.
    """
    places = {str(item["id"]): place for place, item in enumerate(before)}
    whole = _whole_pairs(before, after)
    wanted = [item for item in after if item.get("call_id") in (None, *whole)]
    same = [place if item == before[place] else -1 for item, place in _placed(wanted, places)]
    kept = _rising(same)
    created: list[tuple[rt.Item, str]] = []
    previous = "root"
    for index, item in enumerate(wanted):
        if index in kept:
            previous = str(item["id"])
            continue
        known = item.get("id") in places
        item_id = str(item["id"]) if item.get("id") and not known else _new_id()
        made = msgspec.structs.replace(as_item(item), id=item_id)
        created.append((made, previous))
        previous = item_id
    left = {same[index] for index in kept}
    gone = tuple(name for name, place in places.items() if place not in left)
    return Rewrite(gone, tuple(created))


def _placed(items: Sequence[JsonObject], places: dict[str, int]) -> list[tuple[JsonObject, int]]:
    return [(item, places.get(str(item.get("id")), -1)) for item in items]


def _whole_pairs(before: Sequence[JsonObject], after: Sequence[JsonObject]) -> set[object]:
    """Ids of calls of which call and output are both wanted, or that are the filter's own."""
    known = {item.get("call_id") for item in before}
    kinds: dict[object, set[object]] = {}
    for item in after:
        kinds.setdefault(item.get("call_id"), set()).add(item.get("type"))
    return {call for call, found in kinds.items() if len(found) > 1 or call not in known}


def _rising(places: Sequence[int]) -> set[int]:
    """Indexes of a longest rising run of places, those below 0 left out."""
    ends: list[int] = []  # the lowest place that a run of each length ends with
    at: list[int] = []  # and the index of that place
    before: dict[int, int] = {}
    for index, place in enumerate(places):
        if place < 0:
            continue
        length = bisect_left(ends, place)
        if length:
            before[index] = at[length - 1]
        ends[length : length + 1] = [place]
        at[length : length + 1] = [index]
    run: set[int] = set()
    last = at[-1] if at else None
    while last is not None:
        run.add(last)
        last = before.get(last)
    return run


def _being_said(entry: HistoryItem) -> bool:
    return entry.role == "assistant" and entry.status == "in_progress"


def _message(entry: HistoryItem) -> JsonObject:
    if entry.role == "assistant":
        content: list[JsonObject] = [{"type": "output_text", "text": heard(entry)}]
    else:
        content = [_part(part) for part in entry.content]
    return {"type": "message", "id": entry.id, "role": entry.role, "content": content}


def _part(part: HistoryPart) -> JsonObject:
    if part.type == "image":
        return {"type": "input_image", "image_url": part.image_url}
    if part.text is None:  # sound of which no transcript has come
        return {"type": "input_audio", "transcript": None}
    return {"type": "input_text", "text": part.text}


def _call(entry: HistoryItem) -> list[JsonObject]:
    call: JsonObject = {
        "type": "function_call",
        "id": entry.id,
        "call_id": entry.call_id,
        "name": entry.name,
        "arguments": entry.arguments,
    }
    output: JsonObject = {
        "type": "function_call_output",
        "id": entry.output_id,
        "call_id": entry.call_id,
        "output": entry.output,
    }
    return [call, output]


def _new_id() -> str:
    return f"item_{uuid.uuid4().hex[:24]}"
