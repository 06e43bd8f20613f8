"""The user's audio on its way to the server: any format in, 24,000 Hz PCM16 mono pieces out."""

from __future__ import annotations

from collections.abc import Iterator

from voxloop.audio import AudioChunk, AudioLike, Format, Resampler, as_chunk, to_mono

RATE = 24_000
"""Hertz that the server takes."""
APPEND_FRAMES = RATE // 10
"""Frames of one ``input_audio_buffer.append``: 100 ms, 6.4 kB of base64."""
APPEND_BYTES = 2 * APPEND_FRAMES


class Uplink:
    """Keeps one resampler for as long as the rate stays the same, so that there are no seams."""

    def __init__(self) -> None:
        self._resampler: Resampler | None = None
        self._rate = RATE

    def convert(self, data: AudioLike, *, format: Format | None = None) -> Iterator[bytes]:
        """Pieces of at most 100 ms, made one by one so that a long clip does not stall the loop.

        Args:
            data: What `voxloop.audio.as_chunk` takes; several channels are mixed to one.
            format: Layout of bytes, and the rate of arrays.

        Raises:
            AudioFormatError: It is no such audio; nothing was converted then.
        """
        if isinstance(data, bytes) and format is None and _ready(data, self._rate):
            return iter((data,))
        chunk = as_chunk(data, format=format)
        return self._pieces(chunk)

    def _pieces(self, chunk: AudioChunk) -> Iterator[bytes]:
        rate = chunk.sample_rate
        if rate != self._rate:
            yield from self.flush()
            self._rate = rate
            self._resampler = None if rate == RATE else Resampler(rate, RATE)
        step = max(1, rate // 10)
        for start in range(0, chunk.frames, step):
            mono = to_mono(chunk[start : start + step])
            if self._resampler is not None:
                mono = self._resampler.process(mono)
            yield from _cut(mono)

    def flush(self) -> Iterator[bytes]:
        """The last milliseconds that the resampler holds back."""
        if self._resampler is not None:
            yield from _cut(self._resampler.flush())

    def reset(self) -> None:
        """Forget what is held back."""
        if self._resampler is not None:
            self._resampler.reset()


def _ready(data: bytes, rate: int) -> bool:
    """Whether PCM16 is to be sent as it is."""
    return rate == RATE and 0 < len(data) <= APPEND_BYTES and len(data) % 2 == 0


def _cut(chunk: AudioChunk) -> Iterator[bytes]:
    for start in range(0, chunk.frames, APPEND_FRAMES):
        yield bytes(chunk[start : start + APPEND_FRAMES])
