"""The items of a conversation: order, content, audio."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

import msgspec

from voxloop.local.server.refusal import Refusal
from voxloop.providers import JsonObject
from voxloop.wire import realtime as rt

__all__ = ["Conversation", "checked_item", "model_item", "without_audio"]

_AUDIO_BUDGET: Final = 32 * 1024 * 1024
_LARGEST_RETRIEVED: Final = 8 * 1024 * 1024
_MOST_ITEMS: Final = 4096
_PARTS: Final = {
    "system": ("input_text",),
    "user": ("input_text", "input_audio", "input_image"),
    "assistant": ("output_text", "text"),
}


@dataclass(slots=True)
class _Entry:
    """An item and what is kept beside it.

    Attributes:
        item: As clients see it, without audio.
        audio: PCM of the message's audio part, emptied when the budget is spent.
        audio_ms: Length of the audio, kept when the audio itself is not.
        truncated: Whether the client cut it, after which its transcript stays empty.
    """

    item: rt.Item
    audio: bytearray
    audio_ms: int = 0
    truncated: bool = False


class Conversation:
    """Items in order. Holds at most 32 MiB of audio; the oldest audio goes first."""

    def __init__(self) -> None:
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._order: list[str] = []
        self._audio_bytes = 0

    @property
    def last_id(self) -> str | None:
        """Id of the last item."""
        return self._order[-1] if self._order else None

    def __contains__(self, item_id: str) -> bool:
        return item_id in self._entries

    def insert(
        self, item: rt.Item, *, after: str | None = None, pcm: bytes = b"", audio_ms: int = 0
    ) -> str | None:
        """Add an item.

        Args:
            item: With its id.
            after: Id of the item before it, ``"root"`` for the front, None for the end.
            pcm: Audio of its audio part.
            audio_ms: Length of that audio.

        Returns:
            Id of the item before it, None at the front.

        Raises:
            Refusal: The id is taken, ``after`` is unknown, or the conversation is full.
        """
        assert item.id is not None  # noqa: S101 - given by the caller
        if item.id in self._entries:
            raise Refusal(
                f"there is an item '{item.id}' already", code="item_already_exists", param="item.id"
            )
        if len(self._order) >= _MOST_ITEMS:
            raise Refusal(
                f"the conversation has {_MOST_ITEMS} items; delete some", code="too_many_items"
            )
        at = len(self._order)
        if after == "root":
            at = 0
        elif after is not None:
            if after not in self._entries:
                raise Refusal(
                    f"previous_item_id '{after}' is not in the conversation",
                    code="item_not_found",
                    param="previous_item_id",
                )
            at = self._order.index(after) + 1
        self._order.insert(at, item.id)
        self._entries[item.id] = _Entry(item, bytearray(), audio_ms)
        self.add_audio(item.id, pcm)
        return self._order[at - 1] if at else None

    def item(self, item_id: str, *, code: str = "item_not_found") -> rt.Item:
        """The item as it is now.

        Raises:
            Refusal: There is none.
        """
        return self._entry(item_id, code).item

    def delete(self, item_id: str) -> None:
        """Remove an item.

        Raises:
            Refusal: There is none.
        """
        entry = self._entry(item_id, "item_delete_invalid_item_id")
        self._audio_bytes -= len(entry.audio)
        del self._entries[item_id]
        self._order.remove(item_id)

    def replace(self, item: rt.Item) -> None:
        """Put a new version of an item in its place; one that was deleted or cut stays so."""
        entry = self._entries.get(item.id or "")
        if entry is not None:
            entry.item = _without_transcript(item) if entry.truncated else item

    def add_audio(self, item_id: str, pcm: bytes, *, audio_ms: int = 0) -> None:
        """Append to an item's audio; for a deleted item nothing happens."""
        entry = self._entries.get(item_id)
        if entry is None or not pcm:
            return
        entry.audio += pcm
        entry.audio_ms += audio_ms
        self._audio_bytes += len(pcm)
        for oldest in self._entries.values():
            if self._audio_bytes <= _AUDIO_BUDGET:
                break
            self._audio_bytes -= len(oldest.audio)
            oldest.audio = bytearray()

    def retrieve(self, item_id: str) -> rt.Item:
        """The item with its audio, as far as that is still kept.

        Raises:
            Refusal: There is none.
        """
        entry = self._entry(item_id, "item_retrieve_invalid_item_id")
        if not entry.audio or len(entry.audio) > _LARGEST_RETRIEVED or not entry.item.content:
            return entry.item
        first, *rest = entry.item.content
        part = msgspec.structs.replace(first, audio=bytes(entry.audio))
        return msgspec.structs.replace(entry.item, content=[part, *rest])

    def truncate(
        self, item_id: str, content_index: int, audio_end_ms: int, *, bytes_per_ms: int
    ) -> None:
        """Cut an assistant message after the audio that was heard, and drop its transcript.

        Raises:
            Refusal: No such item, not an assistant message, or a length beyond its audio.
        """
        entry = self._entry(item_id, "item_truncate_invalid_item_id")
        content = entry.item.content or []
        if entry.item.role != "assistant" or not 0 <= content_index < len(content):
            raise Refusal(
                "only the audio part 0 of an assistant message can be truncated; "
                f"'{item_id}' has none at index {content_index}",
                code="item_truncate_invalid_item_id",
                param="content_index",
            )
        if audio_end_ms < 0 or audio_end_ms > entry.audio_ms:
            raise Refusal(
                f"Audio content of {entry.audio_ms}ms is already shorter than {audio_end_ms}ms",
                param="audio_end_ms",
            )
        keep = audio_end_ms * bytes_per_ms
        self._audio_bytes -= max(0, len(entry.audio) - keep)
        del entry.audio[keep:]
        entry.audio_ms = audio_end_ms
        entry.truncated = True
        entry.item = _without_transcript(entry.item)

    def set_transcript(self, item_id: str, transcript: str) -> None:
        """Fill in what the user said; for a deleted item nothing happens."""
        entry = self._entries.get(item_id)
        if entry is None or not entry.item.content:
            return
        content = [
            msgspec.structs.replace(part, transcript=transcript)
            if part.type == "input_audio"
            else part
            for part in entry.item.content
        ]
        entry.item = msgspec.structs.replace(entry.item, content=content)

    def model_items(self) -> tuple[JsonObject, ...]:
        """The items in the shape of Responses API input."""
        return tuple(model_item(self._entries[item_id].item) for item_id in self._order)

    def _entry(self, item_id: str, code: str) -> _Entry:
        entry = self._entries.get(item_id)
        if entry is None:
            raise Refusal(
                f"there is no item '{item_id}' in the conversation", code=code, param="item_id"
            )
        return entry


def checked_item(item: rt.Item, new_id: str) -> rt.Item:
    """A client's item as it enters the conversation.

    Raises:
        Refusal: A type, role or part that a client cannot create, or a field that is missing.
    """
    if item.type == "message":
        allowed = _PARTS.get(item.role or "")
        if allowed is None:
            raise Refusal(
                f"item.role must be user, assistant or system, got {item.role!r}", param="item.role"
            )
        for index, part in enumerate(item.content or []):
            if part.type not in allowed:
                raise Refusal(
                    f"a message of role '{item.role}' cannot be created with a part of type "
                    f"'{part.type}'; allowed: {', '.join(allowed)}",
                    param=f"item.content[{index}].type",
                )
        if item.content is None:
            raise Refusal(
                "item.content is missing", code="missing_required_parameter", param="item.content"
            )
    elif item.type == "function_call_output":
        _require(item, "call_id", "output")
    elif item.type == "function_call":
        _require(item, "name", "arguments")
    else:
        raise Refusal(
            f"item.type '{item.type}' cannot be created here; use message, function_call or "
            "function_call_output",
            param="item.type",
        )
    return msgspec.structs.replace(
        item, id=item.id or new_id, object="realtime.item", status=item.status or "completed"
    )


def without_audio(item: rt.Item) -> tuple[rt.Item, bytes]:
    """The item without its audio, and the audio of all its parts."""
    parts = item.content or []
    pcm = b"".join(part.audio or b"" for part in parts)
    if not pcm:
        return item, b""
    silent = [msgspec.structs.replace(part, audio=None) for part in parts]
    return msgspec.structs.replace(item, content=silent), pcm[: len(pcm) // 2 * 2]


def model_item(item: rt.Item) -> JsonObject:
    """An item in the shape of Responses API input."""
    if item.type == "function_call":
        return {
            "type": "function_call",
            "call_id": item.call_id or item.id or "",
            "name": item.name or "",
            "arguments": item.arguments or "",
        }
    if item.type == "function_call_output":
        return {
            "type": "function_call_output",
            "call_id": item.call_id or "",
            "output": item.output or "",
        }
    parts: list[JsonObject] = []
    for part in item.content or []:
        if part.type == "input_image":
            parts.append({"type": "input_image", "image_url": part.image_url or ""})
        else:
            kind = "output_text" if item.role == "assistant" else "input_text"
            parts.append({"type": kind, "text": part.text or part.transcript or ""})
    return {"type": "message", "role": item.role or "user", "content": parts}


def _require(item: rt.Item, *names: str) -> None:
    for name in names:
        if getattr(item, name) is None:
            raise Refusal(
                f"item.{name} is missing for an item of type '{item.type}'",
                code="missing_required_parameter",
                param=f"item.{name}",
            )


def _without_transcript(item: rt.Item) -> rt.Item:
    content = [msgspec.structs.replace(part, transcript=None) for part in item.content or []]
    return msgspec.structs.replace(item, content=content)
