"""Streaming audio: each object keeps its state over any pause and any size of chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar, overload

from voxloop import _native
from voxloop._errors import AudioFormatError
from voxloop._native import AudioChunk, Format, VadEvent
from voxloop.audio._chunk import AudioLike, as_chunk, to_mono

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from typing_extensions import Buffer

    Array = TypeVar("Array", npt.NDArray[np.int16], npt.NDArray[np.float32])

Quality: TypeAlias = Literal["high", "low_latency"]


def resample(chunk: AudioLike, sample_rate: int, *, quality: Quality = "high") -> AudioChunk:
    """Resample a whole clip to `sample_rate`.

    Args:
        chunk: The clip; its channels and encoding are kept.
        sample_rate: Hertz.
        quality: See `Resampler`.

    Returns:
        Exactly ``round(frames * sample_rate / chunk.sample_rate)`` frames.

    Raises:
        AudioFormatError: A rate outside 8,000 to 192,000 Hz.
    """
    return _native.resample(as_chunk(chunk), sample_rate, quality)


class Resampler:
    """A streaming resampler: any chunking gives the same bits as one call.

    A polyphase windowed-sinc filter (Kaiser window; Oppenheim and Schafer, *Discrete-Time Signal
    Processing*, 7.5). Its leading delay is taken out: the sound stays where it was in time, and
    the last frames come with `flush`.

    Args:
        rate_in: Hertz of the input.
        rate_out: Hertz of the output.
        channels: Interleaved channels.
        quality: ``"high"`` or ``"low_latency"``, which hears up to 2 ms into the future.

    Example:
        >>> from voxloop import audio
        >>> resampler = audio.Resampler(48_000, 24_000)
        >>> chunk = audio.silence(audio.Format(48_000), 0.5)
        >>> resampler.process(chunk).frames + resampler.flush().frames
        12000
    """

    def __init__(
        self, rate_in: int, rate_out: int, *, channels: int = 1, quality: Quality = "high"
    ) -> None:
        self._native = _native.Resampler(rate_in, rate_out, channels, quality)
        self._format_in = Format(rate_in, channels)
        self._like: object = None

    @property
    def delay_frames(self) -> int:
        """Output frames that the last input frame is ahead of the last output frame."""
        return self._native.delay_frames

    @overload
    def process(self, data: Array) -> Array: ...
    @overload
    def process(self, data: AudioChunk | Buffer) -> AudioChunk: ...
    def process(self, data: AudioLike) -> object:
        """Take the next chunk, give what can be computed by now; the same kind comes back.

        Args:
            data: Audio at ``rate_in`` with this resampler's channels.

        Raises:
            AudioFormatError: Another rate, channel count or dtype.
        """
        self._like = data
        return self._give(self._native.process(as_chunk(data, format=self._input(data))))

    def flush(self) -> AudioChunk:
        """Give the rest and start anew; the same kind as the last input of `process`."""
        return self._give(self._native.flush())  # type: ignore[return-value]

    def reset(self) -> None:
        """Forget the stream so far."""
        self._native.reset()

    def _input(self, data: AudioLike) -> Format:
        """The format for data that does not say its rate itself."""
        if isinstance(data, AudioChunk):
            return data.format
        return self._format_in

    def _give(self, chunk: AudioChunk) -> object:
        if type(self._like).__module__.partition(".")[0] == "numpy":
            return chunk.numpy()
        return chunk


class Framer:
    """Cuts chunks of any size into frames of exactly `frame_ms`.

    Args:
        format: Layout of the audio.
        frame_ms: Milliseconds of one frame; it must be a whole number of samples.
    """

    def __init__(self, format: Format, *, frame_ms: float = 20.0) -> None:
        frames = format.sample_rate * frame_ms / 1000
        if frames < 1 or frames != int(frames):
            raise AudioFormatError(
                f"{frame_ms} ms at {format.sample_rate} Hz is not a whole number of samples"
            )
        self._native = _native.Framer(format, int(frames))
        self._format = format

    def process(self, data: AudioLike) -> list[AudioChunk]:
        """Take the next chunk, give the frames it completes."""
        return self._native.process(as_chunk(data, format=self._format))

    def flush(self, *, pad: bool = True) -> list[AudioChunk]:
        """Give the incomplete last frame, filled up with silence if `pad`, and start anew."""
        return self._native.flush(pad)


class Vad:
    """Voice activity detection: a small network (earshot) judges 16 ms frames, rules make edges.

    Args:
        sample_rate: Hertz of the input; it is resampled to 16,000 Hz inside.
        threshold: Probability from which a frame counts as speech, 0 to 1.
        silence_ms: Quiet time after which speech has ended.
        min_speech_ms: Speech time from which it has begun.
        prefix_ms: How far before the first speech frame a segment should be cut.
    """

    def __init__(
        self,
        *,
        sample_rate: int = 16_000,
        threshold: float = 0.5,
        silence_ms: int = 500,
        min_speech_ms: int = 96,
        prefix_ms: int = 300,
    ) -> None:
        self._native = _native.Vad(sample_rate, threshold, silence_ms, min_speech_ms)
        self._format = Format(sample_rate)
        self.prefix_frames = sample_rate * prefix_ms // 1000
        """Frames before a speech start that belong to its segment."""

    def process(self, data: AudioLike) -> list[VadEvent]:
        """Take the next chunk; give the edges that are certain by now.

        Args:
            data: Audio at this detector's rate; several channels are mixed to one.

        Raises:
            AudioFormatError: Another rate.
        """
        return self._native.process(to_mono(as_chunk(data, format=self._format)))

    def flush(self) -> list[VadEvent]:
        """End the stream: speech that still goes on ends here."""
        return self._native.flush()

    def reset(self) -> None:
        """Forget the stream so far."""
        self._native.reset()

    @property
    def is_speech(self) -> bool:
        """Whether speech goes on at the current position."""
        return self._native.is_speech

    @property
    def probability(self) -> float:
        """Speech probability of the last 16 ms frame."""
        return self._native.probability

    @property
    def position(self) -> int:
        """Input frames taken so far."""
        return self._native.position
