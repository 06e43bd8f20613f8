"""A whole recording for a recogniser that knows only streams."""

from __future__ import annotations

from voxloop.agents import open_nursery
from voxloop.audio import AudioChunk
from voxloop.providers import (
    StreamingSpeechToText,
    STTSettings,
    TranscriptionSession,
    TurnFailed,
    TurnHeard,
)

LEAST_TURN_SECONDS = 0.1
"""What recognisers need at least, and what a finger on a button makes by mistake."""


async def transcribe_whole(
    stt: StreamingSpeechToText, chunk: AudioChunk, settings: STTSettings
) -> str:
    """The words of one recording from a recogniser that knows only streams.

    Raises:
        VoxloopError: It could not be transcribed, or the recogniser was lost.

    **Cancellation:** the recogniser's session is closed.
    """
    texts: list[str] = []
    async with stt.open_transcription(settings, turns=None) as session, open_nursery() as nursery:
        nursery.start_soon(_send_whole, session, chunk)
        async for event in session:
            if isinstance(event, TurnHeard):
                texts.append(event.text.strip())
            elif isinstance(event, TurnFailed):
                raise event.error
    return " ".join(text for text in texts if text)


async def _send_whole(session: TranscriptionSession, chunk: AudioChunk) -> None:
    for first in range(0, chunk.frames, chunk.sample_rate):
        await session.send(chunk[first : first + chunk.sample_rate])
    if chunk.frames >= LEAST_TURN_SECONDS * chunk.sample_rate:
        await session.commit()
    await session.end_input()
