"""What the core of a session asks its runner to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from voxloop.local.server.realtime.settings import SessionSettings
from voxloop.local.server.realtime.turns import Segment
from voxloop.providers import JsonObject
from voxloop.wire import realtime as rt

__all__ = [
    "Cancel",
    "Discard",
    "Effect",
    "PrepareTools",
    "Respond",
    "ResponsePlan",
    "Send",
    "Speculate",
    "Transcribe",
]


@dataclass(frozen=True, slots=True)
class Send:
    """Send an event to the client."""

    event: rt.ServerEvent


@dataclass(frozen=True, slots=True)
class Speculate:
    """Begin to transcribe a turn that may be over."""

    segment: Segment


@dataclass(frozen=True, slots=True)
class Discard:
    """The turn was not over: forget the transcription begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcribe:
    """Transcribe a user item.

    Attributes:
        item_id: The item.
        segment: Its speech, or all its audio.
        checked: Whether the turn detector found the speech; otherwise it has still to be found.
        announce: Whether the client wants transcription events.
        seconds: Length of the item's audio.
    """

    item_id: str
    segment: Segment
    checked: bool
    announce: bool
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponsePlan:
    """A response to generate.

    Attributes:
        response_id: Its id.
        settings: The session's settings with the parameters of this response.
        in_conversation: Whether it reads and writes the conversation.
        items: What to answer instead of the conversation.
        metadata: Given back as it came.
    """

    response_id: str
    settings: SessionSettings
    in_conversation: bool = True
    items: tuple[JsonObject, ...] | None = None
    metadata: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Respond:
    """Generate a response."""

    plan: ResponsePlan


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop a response; ``reason`` is ``turn_detected`` or ``client_cancelled``."""

    response_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class PrepareTools:
    """Compute ahead what the tools need."""

    tools: tuple[JsonObject, ...]


Effect: TypeAlias = Send | Speculate | Discard | Transcribe | Respond | Cancel | PrepareTools
