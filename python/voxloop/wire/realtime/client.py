"""The eleven events that a client sends."""

from __future__ import annotations

from typing import TypeAlias

from voxloop.wire._base import Event
from voxloop.wire.realtime.items import Item, ResponseParams
from voxloop.wire.realtime.session import Session


class ConversationItemCreate(Event, frozen=True, kw_only=True, tag="conversation.item.create"):
    """Add an item after ``previous_item_id`` (``"root"`` is the front, None the end)."""

    item: Item
    previous_item_id: str | None = None


class ConversationItemDelete(Event, frozen=True, kw_only=True, tag="conversation.item.delete"):
    """Remove an item."""

    item_id: str


class ConversationItemRetrieve(Event, frozen=True, kw_only=True, tag="conversation.item.retrieve"):
    """Ask for an item with its audio."""

    item_id: str


class ConversationItemTruncate(Event, frozen=True, kw_only=True, tag="conversation.item.truncate"):
    """Cut an assistant message after the audio that was heard.

    Attributes:
        audio_end_ms: Length to keep; not more than the item holds.
        content_index: Index of the audio part, 0.
    """

    item_id: str
    content_index: int
    audio_end_ms: int


class InputAudioBufferAppend(Event, frozen=True, kw_only=True, tag="input_audio_buffer.append"):
    """Add audio in the session's input format; at most 15 MiB of base64."""

    audio: bytes


class InputAudioBufferClear(Event, frozen=True, kw_only=True, tag="input_audio_buffer.clear"):
    """Forget the audio that was not committed."""


class InputAudioBufferCommit(Event, frozen=True, kw_only=True, tag="input_audio_buffer.commit"):
    """Make a user message of the audio; this starts no response."""


class OutputAudioBufferClear(Event, frozen=True, kw_only=True, tag="output_audio_buffer.clear"):
    """Stop the server's playout (WebRTC and SIP only)."""


class ResponseCancel(Event, frozen=True, kw_only=True, tag="response.cancel"):
    """Cancel a response; None means the one of the conversation."""

    response_id: str | None = None


class ResponseCreate(Event, frozen=True, kw_only=True, tag="response.create"):
    """Ask for a response."""

    response: ResponseParams | None = None


class SessionUpdate(Event, frozen=True, kw_only=True, tag="session.update"):
    """Change the session's settings."""

    session: Session


ClientEvent: TypeAlias = (
    ConversationItemCreate
    | ConversationItemDelete
    | ConversationItemRetrieve
    | ConversationItemTruncate
    | InputAudioBufferAppend
    | InputAudioBufferClear
    | InputAudioBufferCommit
    | OutputAudioBufferClear
    | ResponseCancel
    | ResponseCreate
    | SessionUpdate
)
