"""Where a turn begins and ends: voice activity over a recording, and over a stream."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import trio

from voxloop.audio import AudioChunk, Format, Vad, VadEvent, concat
from voxloop.voice.config import TurnDetection
from voxloop.voice.input import Pushed

# Quiet kept after the last speech frame: a final consonant may lie below the threshold.
_TAIL_SECONDS = 0.2
# Detection works in slices: short enough that a cancelled run ends soon.
_THREAD_SLICE_SECONDS = 30.0
_STREAM_SLICE_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """What one turn said.

    Attributes:
        audio: Speech with its padding, mono PCM16.
        end_of_speech: When the last speech frame arrived, in seconds of `time.monotonic`.
        end_of_turn: When the end was certain.
        rest: What of `audio` was not given by `TurnDetector.take_live`.
    """

    audio: AudioChunk
    rest: AudioChunk
    end_of_speech: float
    end_of_turn: float


async def find_speech(chunk: AudioChunk, detection: TurnDetection) -> AudioChunk | None:
    """The speech of a recording with its padding, pauses longer than that cut out.

    Args:
        chunk: Mono PCM16.
        detection: Thresholds.

    Returns:
        None if no speech was found.

    **Cancellation:** ends within one slice of 30 s of audio; nothing is kept.
    """
    vad = _vad(chunk.format, detection)
    step = round(_THREAD_SLICE_SECONDS * chunk.sample_rate)
    edges = []
    for first in range(0, chunk.frames, step):
        edges += await trio.to_thread.run_sync(
            vad.process, chunk[first : first + step], abandon_on_cancel=True
        )
    edges += vad.flush()
    before = _frames(detection.prefix_padding_ms / 1000, chunk.format)
    after = _frames(_TAIL_SECONDS, chunk.format)
    regions: list[list[int]] = []
    for edge in edges:
        if edge.kind == "speech_start":
            first = max(0, edge.frame - before)
            if regions and first <= regions[-1][1]:
                continue  # the paddings touch: one region
            regions.append([first, chunk.frames])
        elif regions:
            regions[-1][1] = min(chunk.frames, edge.frame + after)
    if not regions:
        return None
    return concat([chunk[first:last] for first, last in regions])


@dataclass(frozen=True, slots=True)
class SpeechBegan:
    """Speech began, as is certain since `at`, in seconds of `time.monotonic`."""

    at: float


class TurnDetector:
    """Cuts a stream into utterances; holds no more than the padding between them.

    Args:
        sample_rate: Hertz of the stream.
        detection: Thresholds.
    """

    def __init__(self, *, sample_rate: int, detection: TurnDetection) -> None:
        self._format = Format(sample_rate)
        self._vad = _vad(self._format, detection)
        self._before = _frames(detection.prefix_padding_ms / 1000, self._format)
        # The VAD is certain of a beginning only after this much speech.
        self._lookback = self._before + _frames(detection.min_speech_ms / 1000 + 0.1, self._format)
        self._held: deque[AudioChunk] = deque()
        self._first = 0  # position of the first frame held
        self._position = 0
        self._started: int | None = None
        self._live: int | None = None  # up to where the turn under way was given out
        self._detection = detection
        self._speech_ms = 0.0

    @property
    def slice_frames(self) -> int:
        """Frames to give to `process` at once."""
        return _frames(_STREAM_SLICE_SECONDS, self._format)

    @property
    def speech_ms(self) -> float:
        """Speech, without the pauses, in the turn under way; 0 if there is none."""
        return 0.0 if self._started is None else self._speech_ms

    def process(self, pushed: Pushed) -> list[SpeechBegan | Utterance]:
        """Take the next audio; tell where turns begin, and give those that have ended."""
        self._held.append(pushed.chunk)
        self._position += pushed.chunk.frames
        edges, frames = self._vad.process_frames(pushed.chunk)
        found = self._edges(edges, pushed.at)
        if self._started is not None:
            for frame in frames:
                if frame.end > self._started and frame.probability >= self._detection.threshold:
                    self._speech_ms += (frame.end - frame.start) * 1000 / self._format.sample_rate
            if self._position - self._started >= _frames(
                self._detection.max_turn_seconds, self._format
            ):
                found.append(self._end(self._position, pushed.at))
                self._restart()
        self._forget()
        return found

    def take_live(self) -> AudioChunk | None:
        """What has come of the turn under way since the last call, its padding first."""
        if self._started is None:
            return None
        first = self._live_from()
        self._live = self._position
        return self._cut(first, self._position)

    def flush(self, *, at: float) -> list[SpeechBegan | Utterance]:
        """End the stream, or only the turn: what is being said is a turn."""
        found = self._edges(self._vad.flush(), at)
        self._restart()
        return found

    def _restart(self) -> None:
        self._vad.reset()
        self._started = self._live = None
        self._held.clear()
        self._first = self._position = 0

    def _edges(self, edges: list[VadEvent], at: float) -> list[SpeechBegan | Utterance]:
        found: list[SpeechBegan | Utterance] = []
        for edge in edges:
            if edge.kind == "speech_start":
                self._started = edge.frame
                self._speech_ms = float(self._detection.min_speech_ms)
                found.append(SpeechBegan(at))
            elif self._started is not None:
                found.append(self._end(edge.frame, at))
                self._started = self._live = None
        return found

    def _live_from(self) -> int:
        started = self._started if self._started is not None else self._position
        first = max(self._first, started - self._before)
        return first if self._live is None else self._live

    def _end(self, frame: int, at: float) -> Utterance:
        started = self._started if self._started is not None else frame
        last = min(self._position, frame + _frames(_TAIL_SECONDS, self._format))
        audio = self._cut(max(self._first, started - self._before), last)
        rest = self._cut(min(self._live_from(), last), last)
        spoken_at = at - (self._position - frame) / self._format.sample_rate
        return Utterance(audio=audio, rest=rest, end_of_speech=spoken_at, end_of_turn=at)

    def _cut(self, first: int, last: int) -> AudioChunk:
        whole = concat(self._held, format=self._format)
        return whole[first - self._first : last - self._first]

    def _forget(self) -> None:
        keep_from = self._position - self._lookback
        if self._started is not None:
            keep_from = min(keep_from, self._started - self._before)
        while self._held and self._first + self._held[0].frames <= keep_from:
            self._first += self._held.popleft().frames


def _vad(format: Format, detection: TurnDetection) -> Vad:
    return Vad(
        sample_rate=format.sample_rate,
        threshold=detection.threshold,
        silence_ms=detection.silence_duration_ms,
        min_speech_ms=detection.min_speech_ms,
        prefix_ms=detection.prefix_padding_ms,
    )


def _frames(seconds: float, format: Format) -> int:
    return round(seconds * format.sample_rate)
