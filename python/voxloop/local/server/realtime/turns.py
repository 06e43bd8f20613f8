"""The input buffer and the turns found in it.

One detector serves one stream of audio. Positions are counted from the first frame of the session,
in milliseconds on the wire. The voice activity detector is asked for short pauses; the silence that
ends a turn is counted here, so that a pause can already be used to begin the transcription while
the window is still running.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from voxloop import audio
from voxloop.local.gate import is_steady_sound
from voxloop.local.server.realtime.audio_settings import TurnSettings
from voxloop.local.server.refusal import Refusal

__all__ = ["Paused", "Resumed", "Segment", "Started", "Stopped", "TurnDetector", "TurnEvent"]

PAUSE_MS: Final = 160
MIN_SPEECH_MS: Final = 128
_BLOCK_MS: Final = 20
_SEGMENT_BEFORE_MS: Final = 300
_SEGMENT_AFTER_MS: Final = 150
_LOOK_BACK_MS: Final = 400
_SHORTEST_COMMIT_MS: Final = 100
_LONGEST_TURN_MS: Final = 10 * 60_000
_LONGEST_BUFFER_MS: Final = 30 * 60_000
_LONGEST_SPECULATION_MS: Final = 20_000
_BYTES: Final = 2


@dataclass(frozen=True, slots=True)
class Segment:
    """What is transcribed of a turn: the speech and a little on both sides.

    Attributes:
        start: First frame, counted from the start of the session.
        stop: Frame after the last.
        pcm: Signed 16-bit little-endian mono at the detector's rate.
    """

    start: int
    stop: int
    pcm: bytes


@dataclass(frozen=True, slots=True)
class Started:
    """Speech began; ``start_ms`` counts the prefix padding in."""

    start_ms: int


@dataclass(frozen=True, slots=True)
class Paused:
    """Speech stopped for a moment; ``segment`` is the turn if it is over."""

    segment: Segment


@dataclass(frozen=True, slots=True)
class Resumed:
    """Speech went on before the window was over: the last ``Paused`` is void."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """The turn is over.

    Attributes:
        end_ms: Position at which the window ended; the silence is counted in.
        pcm: All audio of the turn, prefix padding and silence included.
        segment: What to transcribe.
    """

    end_ms: int
    pcm: bytes
    segment: Segment


TurnEvent: TypeAlias = Started | Paused | Resumed | Stopped


class TurnDetector:
    """Cuts a stream of PCM16 mono into turns, or only keeps it when detection is off."""

    def __init__(
        self, settings: TurnSettings | None, *, sample_rate: int, start_ms: int = 0
    ) -> None:
        self._settings = settings
        self._rate = sample_rate
        self._format = audio.Format(sample_rate)
        self._base = start_ms * sample_rate // 1000  # frame of the buffer's first byte
        self._buffer = bytearray()
        self._taken = 0  # bytes of the buffer that the VAD has seen
        self._speech: int | None = None  # frame where the turn's speech began
        self._edge: int | None = None  # frame where it paused
        self._doubtful: int | None = None  # frame where something began that may be noise
        self._vad = self._open_vad()
        self._vad_base = self._base

    @property
    def position_ms(self) -> int:
        """Length of all audio so far."""
        return self._ms(self._position)

    @property
    def in_turn(self) -> bool:
        """Whether speech was found that is not committed yet."""
        return self._speech is not None

    def feed(self, pcm: bytes) -> Iterator[TurnEvent]:
        """Append audio and tell what it brings, block by block.

        Args:
            pcm: Signed 16-bit little-endian mono; an odd byte waits for its other half.

        Raises:
            Refusal: Detection is off and the buffer is full.
        """
        if self._settings is None:
            if self._ms(len(self._buffer) // _BYTES) > _LONGEST_BUFFER_MS:
                raise Refusal(
                    f"the input buffer holds {_LONGEST_BUFFER_MS // 60_000} minutes; "
                    "commit or clear it",
                    code="input_audio_buffer_full",
                )
            self._buffer += pcm
            return
        self._buffer += pcm
        block = self._rate * _BLOCK_MS // 1000 * _BYTES
        while len(self._buffer) - self._taken >= block:
            yield from self._block(self._settings, block)

    def commit(self) -> Stopped:
        """Take what is in the buffer as a turn, whether or not it is over.

        Raises:
            Refusal: There is less than 100 ms of audio, or detection is on and found no speech.
        """
        held = self._ms(len(self._buffer) // _BYTES)
        if held < _SHORTEST_COMMIT_MS or (self._settings is not None and self._speech is None):
            found = f"{held} ms" if self._settings is None else "no speech since the last turn"
            raise Refusal(
                "Error committing input audio buffer: expected at least "
                f"{_SHORTEST_COMMIT_MS} ms of audio, but the buffer has {found}",
                code="input_audio_buffer_commit_empty",
            )
        if self._settings is None:
            whole = Segment(self._base, self._position, self._slice(self._base, self._position))
            self._restart()
            return Stopped(self._ms(whole.stop), whole.pcm, whole)
        return self._stop(self._settings)

    def commit_quiet(self) -> Stopped:
        """Take audio without speech as a turn: the silence since the last one, at most some."""
        first = self._base
        whole = Segment(first, self._position, self._slice(first, self._position))
        self._restart()
        return Stopped(self._ms(whole.stop), whole.pcm, whole)

    def clear(self) -> None:
        """Forget what was not committed."""
        self._restart()

    @property
    def _position(self) -> int:
        return self._base + len(self._buffer) // _BYTES

    def _block(self, settings: TurnSettings, size: int) -> Iterator[TurnEvent]:
        data = bytes(self._buffer[self._taken : self._taken + size])
        self._taken += size
        now = self._base + self._taken // _BYTES
        for event in self._vad.process(audio.AudioChunk(data, self._format)):
            frame = self._vad_base + event.frame
            if event.kind == "speech_start":
                yield from self._speech_started(frame)
            elif self._speech is None:
                self._doubtful = None
            else:
                self._edge = frame
                segment = self._segment(self._speech, frame)
                if self._ms(segment.stop - segment.start) <= _LONGEST_SPECULATION_MS:
                    yield Paused(segment)
        if self._doubtful is not None and not self._is_noise(self._doubtful, now):
            yield self._start(settings, max(self._doubtful, now - self._frames(_LOOK_BACK_MS)))
        if self._speech is None:
            self._trim(settings, now)
        elif self._over(settings, self._speech, now):
            yield self._stop(settings, now)

    def _speech_started(self, frame: int) -> Iterator[TurnEvent]:
        if self._speech is None:
            self._doubtful = frame
            return
        self._edge = None
        yield Resumed()

    def _start(self, settings: TurnSettings, frame: int) -> Started:
        self._doubtful = None
        self._speech = max(frame, self._base)
        first = max(frame - self._frames(settings.prefix_padding_ms), self._base)
        return Started(self._ms(first))

    def _is_noise(self, start: int, now: int) -> bool:
        """Whether the VAD fell for steady noise: a short look is enough, as it is asked again."""
        pcm = self._slice(max(start, now - self._frames(_LOOK_BACK_MS)), now)
        return is_steady_sound(audio.AudioChunk(pcm, self._format).float32(), self._rate)

    def _over(self, settings: TurnSettings, speech: int, now: int) -> bool:
        if now - speech >= self._frames(_LONGEST_TURN_MS):
            return True
        if self._edge is None or now - self._edge < self._frames(settings.silence_duration_ms):
            return False
        # A frame that sounds like speech may be the first of more: wait for the VAD to decide.
        undecided = self._vad.probability >= settings.threshold
        return not undecided or now - self._edge >= 2 * self._frames(settings.silence_duration_ms)

    def _stop(self, settings: TurnSettings, now: int | None = None) -> Stopped:
        speech = self._base if self._speech is None else self._speech
        stop = self._position if now is None else now
        first = max(speech - self._frames(settings.prefix_padding_ms), self._base)
        segment = self._segment(speech, stop if self._edge is None else self._edge)
        turn = Stopped(self._ms(stop), self._slice(first, stop), segment)
        self._drop_before(stop)
        self._speech = self._edge = self._doubtful = None
        self._reset_vad()
        return turn

    def _segment(self, start: int, stop: int) -> Segment:
        before, after = self._frames(_SEGMENT_BEFORE_MS), self._frames(_SEGMENT_AFTER_MS)
        first = max(start - before, self._base)
        last = min(stop + after, self._position)
        return Segment(first, last, self._slice(first, last))

    def _trim(self, settings: TurnSettings, now: int) -> None:
        keep = self._frames(max(settings.prefix_padding_ms, _SEGMENT_BEFORE_MS) + _LOOK_BACK_MS)
        if now - self._base > 2 * keep:
            self._drop_before(now - keep)

    def _drop_before(self, frame: int) -> None:
        size = (frame - self._base) * _BYTES
        del self._buffer[:size]
        self._taken = max(0, self._taken - size)
        self._base = frame

    def _restart(self) -> None:
        self._drop_before(self._position)
        self._taken = 0
        self._speech = self._edge = self._doubtful = None
        self._reset_vad()

    def _reset_vad(self) -> None:
        self._vad = self._open_vad()
        self._vad_base = self._base + self._taken // _BYTES

    def _open_vad(self) -> audio.Vad:
        settings = self._settings or TurnSettings()
        return audio.Vad(
            sample_rate=self._rate,
            threshold=settings.threshold,
            silence_ms=min(PAUSE_MS, settings.silence_duration_ms),
            min_speech_ms=MIN_SPEECH_MS,
            prefix_ms=0,
        )

    def _slice(self, start: int, stop: int) -> bytes:
        return bytes(self._buffer[(start - self._base) * _BYTES : (stop - self._base) * _BYTES])

    def _frames(self, milliseconds: int) -> int:
        return milliseconds * self._rate // 1000

    def _ms(self, frames: int) -> int:
        return frames * 1000 // self._rate
