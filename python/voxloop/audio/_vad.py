"""Where speech starts and ends in a stream."""

from __future__ import annotations

from voxloop import _native
from voxloop._native import VadEvent, VadFrame
from voxloop.audio._checks import real, whole
from voxloop.audio._chunk import AudioLike


class _Detector:
    """What the network and the gate have in common: sound in, edges out."""

    _detector: _native.Vad | _native.EnergyGate

    prefix_frames: int
    """Frames before a speech start that belong to its segment."""

    def process(self, data: AudioLike) -> list[VadEvent]:
        """Take the next chunk; give the edges that are certain by now.

        Args:
            data: Audio at this detector's rate; several channels are mixed to one.

        Raises:
            AudioFormatError: Another rate.
        """
        return self._detector.process(data)[0]

    def process_frames(self, data: AudioLike) -> tuple[list[VadEvent], list[VadFrame]]:
        """As `process`, and the probability of each frame that was judged."""
        return self._detector.process(data)

    def flush(self) -> list[VadEvent]:
        """End the stream: speech that still goes on ends here."""
        return self._detector.flush()[0]

    def flush_frames(self) -> tuple[list[VadEvent], list[VadFrame]]:
        """As `flush`, and the last, partial frame."""
        return self._detector.flush()

    def reset(self) -> None:
        """Forget the stream so far, and all that was learned from it."""
        self._detector.reset()

    @property
    def is_speech(self) -> bool:
        """Whether speech goes on at the current position."""
        return self._detector.is_speech

    @property
    def position(self) -> int:
        """Input frames taken so far."""
        return self._detector.position


class Vad(_Detector):
    """Voice activity detection: a small network (earshot) judges 16 ms frames, rules make edges.

    Args:
        sample_rate: Hertz of the input; it is resampled to 16,000 Hz inside.
        threshold: Probability from which a frame counts as speech, 0 to 1.
        release: Probability below which speech counts as silence again; at most `threshold`, by
            default 0.35 or the threshold if that is lower.
        silence_ms: Quiet time after which speech has ended (hangover).
        min_speech_ms: Speech time from which it has begun.
        prefix_ms: How far before the first speech frame a segment should be cut.

    Raises:
        AudioFormatError: A setting out of range.
    """

    def __init__(
        self,
        *,
        sample_rate: int = 16_000,
        threshold: float = 0.5,
        release: float | None = None,
        silence_ms: int = 500,
        min_speech_ms: int = 96,
        prefix_ms: int = 300,
    ) -> None:
        top = real(threshold, "threshold", 0, 1)
        low = min(0.35, top) if release is None else release
        self._detector = self._network = _native.Vad(
            sample_rate, top, low, silence_ms, min_speech_ms
        )
        self.prefix_frames = _prefix(sample_rate, prefix_ms)

    @property
    def probability(self) -> float:
        """Speech probability of the last 16 ms frame."""
        return self._network.probability


class EnergyGate(_Detector):
    """Voice activity detection by level alone, in frames of 10 ms: cheap, and fooled by any noise.

    A frame is speech if it is above `threshold_dbfs` and `margin_db` above the noise floor, which
    is learned: it falls to quieter frames at once and rises by 3 dB per second.

    Args:
        sample_rate: Hertz of the input.
        threshold_dbfs: Level below which no frame is speech, -120 to 0.
        margin_db: Distance from the noise floor, 0 to 60; 0 turns the floor off.
        silence_ms: Quiet time after which speech has ended (hangover).
        min_speech_ms: Loud time from which it has begun.
        prefix_ms: How far before the first loud frame a segment should be cut.

    Raises:
        AudioFormatError: A setting out of range.
    """

    def __init__(
        self,
        *,
        sample_rate: int = 16_000,
        threshold_dbfs: float = -50.0,
        margin_db: float = 10.0,
        silence_ms: int = 500,
        min_speech_ms: int = 96,
        prefix_ms: int = 300,
    ) -> None:
        self._detector = self._gate = _native.EnergyGate(
            sample_rate, threshold_dbfs, margin_db, silence_ms, min_speech_ms
        )
        self.prefix_frames = _prefix(sample_rate, prefix_ms)

    @property
    def floor_dbfs(self) -> float | None:
        """The learned noise floor in dBFS; None before the first frame with sound."""
        return self._gate.floor_dbfs


def _prefix(sample_rate: int, ms: int) -> int:
    return sample_rate * whole(ms, "prefix_ms", 0, 600_000) // 1_000
