"""From segments of text to sound in strict order, synthesised a little ahead."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import trio

from voxloop import telemetry
from voxloop._errors import TextToSpeechError, VoxloopError
from voxloop.agents import open_nursery
from voxloop.audio import AudioChunk
from voxloop.providers import TextToSpeech, TTSSettings
from voxloop.voice.events import AudioEvent, TextEvent
from voxloop.voice.framing import STEPS_MS, ProgressiveFramer
from voxloop.voice.metrics import TurnClock
from voxloop.voice.output import Output

# Pieces of 100 ms that wait for each segment: 5 s, 240 kB.
_BUFFERED_PIECES = 50


@dataclass(frozen=True, slots=True)
class Segment:
    """Text for one synthesis.

    Attributes:
        text: With the blank that ends it.
        voice: Overrides the settings' voice.
    """

    text: str
    voice: str | None = None


@dataclass(frozen=True, slots=True)
class _Started:
    segment: Segment
    pieces: trio.MemoryReceiveChannel[AudioChunk]


class Speaker:
    """Speaks the segments of one turn.

    At most `prefetch` segments are in synthesis or waiting to be played, so that a failure or an
    interruption wastes little. Sound leaves in the order of the text, whichever synthesis is
    quicker. The first failure cancels the others at once.
    """

    def __init__(
        self,
        tts: TextToSpeech,
        *,
        settings: TTSSettings,
        prefetch: int,
        output: Output,
        clock: TurnClock,
    ) -> None:
        self._tts = tts
        self._settings = settings
        self._prefetch = prefetch
        self._output = output
        self._clock = clock
        self._slots = trio.Semaphore(prefetch)

    async def speak(self, segments: trio.MemoryReceiveChannel[Segment]) -> None:
        """Speak until `segments` ends.

        Raises:
            TextToSpeechError: Synthesis failed; a `VoxloopError` of the engine comes as it is.

        **Cancellation:** all synthesis is cancelled.
        """
        send, started = trio.open_memory_channel[_Started](self._prefetch)
        async with open_nursery() as nursery, started:
            nursery.start_soon(self._start, segments, send, nursery)
            async for entry in started:
                await self._play(entry)
                self._slots.release()

    async def _start(
        self,
        segments: trio.MemoryReceiveChannel[Segment],
        started: trio.MemorySendChannel[_Started],
        nursery: trio.Nursery,
    ) -> None:
        first = True
        async with segments, started:
            while True:
                # The slot comes first: nothing is awaited between taking a segment and starting it.
                await self._slots.acquire()
                try:
                    segment = await segments.receive()
                except trio.EndOfChannel:
                    return
                send, pieces = trio.open_memory_channel[AudioChunk](_BUFFERED_PIECES)
                # Only the first sound of a turn is in a hurry.
                framer = ProgressiveFramer(steps_ms=STEPS_MS if first else STEPS_MS[-1:])
                first = False
                nursery.start_soon(self._synthesize, segment, framer, send)
                started.send_nowait(_Started(segment, pieces))

    async def _synthesize(
        self,
        segment: Segment,
        framer: ProgressiveFramer,
        pieces: trio.MemorySendChannel[AudioChunk],
    ) -> None:
        settings = self._settings
        if segment.voice is not None:
            settings = replace(settings, voice=segment.voice)
        metadata = {"turn_id": self._clock.turn_id, "model": settings.model}
        text = segment.text.strip()
        begun = time.monotonic()
        telemetry.emit("voice.tts.start", {"chars": len(text)}, metadata)
        seconds = 0.0
        async with pieces, self._engine(text, settings) as chunks:
            async for chunk in chunks:
                seconds += chunk.duration
                telemetry.emit("voice.tts.chunk", {"audio_ms": chunk.duration * 1000}, metadata)
                for piece in framer.process(chunk):
                    await pieces.send(piece)
            for piece in framer.flush():
                await pieces.send(piece)
        measured = {
            "duration_ms": (time.monotonic() - begun) * 1000,
            "audio_ms": seconds * 1000,
            "chars": len(text),
        }
        telemetry.emit("voice.tts.complete", measured, metadata)

    @asynccontextmanager
    async def _engine(
        self, text: str, settings: TTSSettings
    ) -> AsyncIterator[AsyncIterator[AudioChunk]]:
        try:
            async with self._tts.synthesize(text, settings) as chunks:
                yield chunks
        except VoxloopError:
            raise
        except Exception as error:
            raise TextToSpeechError(f"synthesis failed: {type(error).__name__}") from error

    async def _play(self, entry: _Started) -> None:
        turn_id = self._clock.turn_id
        said = False
        async with entry.pieces as pieces:
            async for piece in pieces:
                now = time.monotonic()
                if not said:
                    said = True
                    self._clock.mark("first_audio", at=now)
                    text = entry.segment.text
                    await self._output.emit(TextEvent(text=text, turn_id=turn_id, at=now))
                self._clock.mark("last_audio", at=now)
                await self._output.emit(AudioEvent(data=piece, turn_id=turn_id, at=now))
