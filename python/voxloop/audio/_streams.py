"""Streaming audio: each object keeps its state over any pause and any size of chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar, overload

from voxloop import _native
from voxloop._native import AudioChunk, Format
from voxloop.audio._checks import checked_format, whole_frames
from voxloop.audio._chunk import AudioLike

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
        AudioFormatError: A rate outside 1,000 to 768,000 Hz, or one more than 256 times the other.
    """
    return _native.resample(chunk, sample_rate, quality)


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

    Raises:
        AudioFormatError: A rate outside 1,000 to 768,000 Hz, rates more than a factor of 256
            apart, or a channel count outside 1 to 32.

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
        self._kind: type = AudioChunk
        self._array = False

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
        kind = type(data)
        if kind is not self._kind:
            self._kind = kind
            self._array = kind.__module__.partition(".")[0] == "numpy"
        out = self._native.process(data)
        return out.numpy() if self._array else out

    def flush(self) -> AudioChunk:
        """Give the rest and start anew; the same kind as the last input of `process`."""
        out = self._native.flush()
        return out.numpy() if self._array else out  # type: ignore[return-value]

    def reset(self) -> None:
        """Forget the stream so far."""
        self._native.reset()


class Framer:
    """Cuts chunks of any size into frames of exactly `frame_ms`.

    Args:
        format: Layout of the audio.
        frame_ms: Milliseconds of one frame; it must be a whole number of samples.

    Raises:
        AudioFormatError: It is not, or is beyond an hour.
    """

    def __init__(self, format: Format, *, frame_ms: float = 20.0) -> None:
        frames = whole_frames(checked_format(format).sample_rate, frame_ms)
        self._native = _native.Framer(format, frames)

    def process(self, data: AudioLike) -> list[AudioChunk]:
        """Take the next chunk, give the frames it completes.

        Frames that lie whole in `data` share its memory.

        Raises:
            AudioFormatError: Another format.
        """
        return self._native.process(data)

    def flush(self, *, pad: bool = True) -> list[AudioChunk]:
        """Give the incomplete last frame, filled up with silence if `pad`, and start anew."""
        return self._native.flush(pad)

    def reset(self) -> None:
        """Forget what waits for the rest of its frame."""
        self._native.reset()

    @property
    def pending_frames(self) -> int:
        """Samples per channel that wait for the rest of their frame."""
        return self._native.pending_frames
