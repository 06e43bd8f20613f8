"""From segments of text to sound in strict order, synthesised a little ahead."""

from __future__ import annotations

import inspect
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import trio

from voxloop._errors import ConfigError, TextToSpeechError, VoxloopError
from voxloop.agents import open_nursery
from voxloop.audio import AudioChunk, to_float32
from voxloop.providers import TextToSpeech, TTSSettings
from voxloop.voice.config import Config
from voxloop.voice.events import AudioEvent, TextEvent
from voxloop.voice.floor import Floor, OpenTurn
from voxloop.voice.framing import STEPS_MS, ProgressiveFramer
from voxloop.voice.metrics import TurnClock
from voxloop.voice.output import Output
from voxloop.voice.playback import Segment
from voxloop.voice.probe import Probe

Value = TypeVar("Value")

# Pieces of 100 ms that wait for each segment: 5 s, 240 kB.
_BUFFERED_PIECES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What the stages of one run share."""

    output: Output
    floor: Floor
    probe: Probe
    config: Config


@dataclass(frozen=True, slots=True)
class _Started:
    segment: Segment
    pieces: trio.MemoryReceiveChannel[AudioChunk]


class Speaker:
    """Speaks the segments of one turn.

    At most `Config.prefetch` segments are in synthesis or waiting to be played, so that a failure
    or an interruption wastes little. Sound leaves in the order of the text, whichever synthesis is
    quicker. The first failure cancels the others at once.
    """

    def __init__(self, tts: TextToSpeech, run: Run, *, turn: OpenTurn, clock: TurnClock) -> None:
        self._tts = tts
        self._run = run
        self._turn = turn
        self._clock = clock
        self._slots = trio.Semaphore(run.config.prefetch)
        self._count = 0
        self._under_way = 0

    @property
    def idle(self) -> bool:
        """Whether no segment is in synthesis or waits to be read."""
        return self._under_way == 0

    async def speak(self, segments: trio.MemoryReceiveChannel[Segment]) -> None:
        """Speak until `segments` ends.

        Raises:
            TextToSpeechError: Synthesis failed; a `VoxloopError` of the engine comes as it is.

        **Cancellation:** all synthesis is cancelled.
        """
        send, started = trio.open_memory_channel[_Started](self._run.config.prefetch)
        async with open_nursery() as nursery, started:
            nursery.start_soon(self._start, segments, send, nursery)
            async for entry in started:
                await self._play(entry)
                self._under_way -= 1
                self._slots.release()

    async def _start(
        self,
        segments: trio.MemoryReceiveChannel[Segment],
        started: trio.MemorySendChannel[_Started],
        nursery: trio.Nursery,
    ) -> None:
        async with segments, started:
            while True:
                # The slot comes first: nothing is awaited between taking a segment and starting it.
                await self._slots.acquire()
                try:
                    segment = await segments.receive()
                except trio.EndOfChannel:
                    return
                self._under_way += 1
                send, pieces = trio.open_memory_channel[AudioChunk](_BUFFERED_PIECES)
                self._count += 1
                nursery.start_soon(self._synthesize, segment, self._count, send)
                started.send_nowait(_Started(segment, pieces))

    def _framer(self, number: int) -> ProgressiveFramer:
        most = self._run.config.buffer_ms
        # Only the first sound of a turn is in a hurry.
        early = [step for step in STEPS_MS if step < most] if number == 1 else []
        return ProgressiveFramer(steps_ms=(*early, most))

    async def _synthesize(
        self, segment: Segment, number: int, pieces: trio.MemorySendChannel[AudioChunk]
    ) -> None:
        settings = self._run.config.tts
        if segment.voice is not None:
            settings = replace(settings, voice=segment.voice)
        probe, framer = self._run.probe, self._framer(number)
        tell = partial(
            probe.emit,
            turn_id=self._clock.turn_id,
            segment=number,
            model=settings.model,
            voice=settings.voice,
        )
        text = segment.text.strip()
        begun = time.monotonic()
        tell("voice.tts.start", {"chars": len(text)}, text=probe.text(text))
        seconds = 0.0
        async with pieces, self._engine(text, settings, number) as chunks:
            async for given in chunks:
                chunk = _sound(given, self._tts)
                if not seconds:
                    tell("voice.tts.first_byte", {"duration_ms": _since(begun)})
                seconds += chunk.duration
                if probe.wants("voice.tts.chunk"):
                    measured = {"audio_ms": chunk.duration * 1000, "bytes": len(memoryview(chunk))}
                    tell("voice.tts.chunk", measured, audio=probe.audio(chunk))
                for piece in framer.process(chunk):
                    await hand_on(pieces, piece)
            for piece in framer.flush():
                await hand_on(pieces, piece)
        measured = {"duration_ms": _since(begun), "audio_ms": seconds * 1000, "chars": len(text)}
        tell("voice.tts.complete", measured)

    @asynccontextmanager
    async def _engine(
        self, text: str, settings: TTSSettings, number: int
    ) -> AsyncIterator[AsyncIterator[AudioChunk]]:
        begun = time.monotonic()
        try:
            async with _opened(self._tts.synthesize(text, settings), self._tts) as chunks:
                yield chunks
        except Exception as error:
            self._turn.voice_failed = True
            self._run.probe.fail(
                "voice.tts.error",
                error,
                time.monotonic() - begun,
                turn_id=self._clock.turn_id,
                segment=number,
                model=settings.model,
                voice=settings.voice,
            )
            if isinstance(error, VoxloopError):
                raise
            raise TextToSpeechError(f"synthesis failed: {type(error).__name__}") from error

    async def _play(self, entry: _Started) -> None:
        turn, segment = self._turn, entry.segment
        turn.playback.segments.append(segment)
        said = False
        async with entry.pieces as pieces:
            async for raw in pieces:
                piece = await self._dress(raw)
                now = time.monotonic()
                if not said:
                    said = True
                    self._clock.mark("first_audio", at=now)
                    told = TextEvent(text=segment.text, turn_id=turn.turn_id, at=now)
                    await self._run.output.emit(told)
                self._clock.mark("last_audio", at=now)
                milliseconds = piece.duration * 1000
                segment.made_ms += milliseconds
                await self._run.output.emit(
                    AudioEvent(data=piece, turn_id=turn.turn_id, at=now),
                    on_read=partial(self._run.floor.handed_out, turn, segment, milliseconds),
                )
        segment.complete = True

    async def _dress(self, piece: AudioChunk) -> AudioChunk:
        """The piece as the application wants it."""
        config = self._run.config
        if config.encoding == "float32":
            piece = to_float32(piece)
        if config.transform is None:
            return piece
        changed = config.transform(piece)
        result = await changed if inspect.isawaitable(changed) else changed
        if not isinstance(result, AudioChunk):
            raise ConfigError(f"transform gave {type(result).__name__}; give an AudioChunk")
        return result


def _opened(
    source: object, tts: TextToSpeech
) -> AbstractAsyncContextManager[AsyncIterator[AudioChunk]]:
    """What a voice of the application's own gave; a plain async generator will do."""
    if isinstance(source, AbstractAsyncContextManager):
        return source
    if isinstance(source, AsyncGenerator):
        return aclosing(source)
    if inspect.iscoroutine(source):
        source.close()
    raise TextToSpeechError(
        f"{type(tts).__name__}.synthesize() gave {type(source).__name__}; give an async context "
        "manager or an async generator of AudioChunks"
    )


def _sound(given: object, tts: TextToSpeech) -> AudioChunk:
    if isinstance(given, AudioChunk):
        return given
    raise TextToSpeechError(
        f"{type(tts).__name__}.synthesize() gave {type(given).__name__} as sound; "
        "give AudioChunks, such as AudioChunk(pcm, PCM24K)"
    )


async def hand_on(channel: trio.MemorySendChannel[Value], value: Value) -> None:
    """Send to the next stage; if that has failed, wait to be cancelled: its error is on its way.

    **Cancellation:** the value is either sent or not.
    """
    try:
        await channel.send(value)
    except trio.BrokenResourceError:
        await trio.sleep_forever()


def _since(begun: float) -> float:
    return (time.monotonic() - begun) * 1000
