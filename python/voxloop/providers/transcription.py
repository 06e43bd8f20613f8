"""What a recogniser of a stream must offer: audio goes in as it comes, turns come out.

A recogniser that has this besides `SpeechToText` may find the turns by itself (``turns`` names a
way of the server's), or leave them to whoever calls `TranscriptionSession.commit`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, Self, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from voxloop._errors import VoxloopError
    from voxloop.audio import AudioChunk
    from voxloop.providers.settings import STTSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTurns:
    """How the server is to find the turns.

    Attributes:
        type: ``"server_vad"`` goes by silence, ``"semantic_vad"`` by what was said.
        threshold: Speech probability from which audio counts as speech, 0 to 1; server VAD only.
        prefix_padding_ms: Audio kept before speech; server VAD only.
        silence_duration_ms: Quiet time that ends a turn; server VAD only.
        eagerness: How soon a turn ends: ``"low"``, ``"medium"``, ``"high"`` or ``"auto"``;
            semantic VAD only.
    """

    type: Literal["server_vad", "semantic_vad"] = "semantic_vad"
    threshold: float | None = None
    prefix_padding_ms: int | None = None
    silence_duration_ms: int | None = None
    eagerness: Literal["low", "medium", "high", "auto"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStarted:
    """Speech has begun.

    Attributes:
        item_id: The turn it will be part of.
        audio_ms: Position in the stream, if the recogniser told it.
        at: When that was known, in seconds of `time.monotonic`.
    """

    item_id: str
    audio_ms: float | None = None
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStopped:
    """Speech has ended; attributes as those of `SpeechStarted`."""

    item_id: str
    audio_ms: float | None = None
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnPartial:
    """More of a turn's words; they may still change.

    Attributes:
        item_id: The turn.
        delta: What is new.
        text: All so far.
        at: When it came, in seconds of `time.monotonic`.
    """

    item_id: str
    delta: str
    text: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnHeard:
    """A turn is over and transcribed; turns come in the order in which they were spoken.

    Attributes:
        item_id: The turn.
        text: The words; empty when there were none.
        usage: What it cost, as the recogniser counted it.
        at: When it came, in seconds of `time.monotonic`.
    """

    item_id: str
    text: str
    usage: Mapping[str, object] | None = None
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnFailed:
    """A turn could not be transcribed; the session goes on.

    Attributes:
        item_id: The turn; None if the server has no name for it.
        error: Why.
        at: When it came, in seconds of `time.monotonic`.
    """

    item_id: str | None
    error: VoxloopError
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamError:
    """Something went wrong that belongs to no turn and ends nothing.

    Attributes:
        error: What the server complained of, or what it sent that could not be read.
        at: When it came, in seconds of `time.monotonic`.
    """

    error: VoxloopError
    at: float


TranscriptionEvent: TypeAlias = (
    SpeechStarted | SpeechStopped | TurnPartial | TurnHeard | TurnFailed | StreamError
)


class TranscriptionSession(Protocol):
    """One stream under way. One task sends, one iterates."""

    async def send(self, chunk: AudioChunk) -> None:
        """Give the next audio, of any format; waits while too much is queued.

        **Cancellation:** the chunk may have gone in part.
        """
        ...

    async def commit(self) -> None:
        """End a turn here, for sessions whose turns the server does not find."""
        ...

    async def clear(self) -> None:
        """Forget the audio since the last turn."""
        ...

    async def end_input(self) -> None:
        """Say that no more audio comes: what is left is a turn, and then the iteration ends."""
        ...

    def __aiter__(self) -> Self: ...

    async def __anext__(self) -> TranscriptionEvent:
        """The next event; stops after the last turn once the input has ended.

        Raises:
            VoxloopError: The session is lost.

        **Cancellation:** nothing is lost; may be called again.
        """
        ...


@runtime_checkable
class StreamingSpeechToText(Protocol):
    """Recognises a stream."""

    def open_transcription(
        self, settings: STTSettings, *, turns: ServerTurns | None
    ) -> AbstractAsyncContextManager[TranscriptionSession]:
        """Open a stream; leaving the block closes it.

        Args:
            settings: Model, language and so on.
            turns: How the server is to find the turns; None leaves them to ``commit``.
        """
        ...
