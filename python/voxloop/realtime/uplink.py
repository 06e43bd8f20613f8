"""The user's audio on its way to the server: any format in, pieces of the session's format out."""

from __future__ import annotations

from collections.abc import Iterator

from voxloop.audio import AudioChunk, AudioLike, Format, Resampler, as_chunk, to_mono
from voxloop.realtime.telephone import FORMATS, WireFormat

PIECES_PER_SECOND = 10
"""One ``input_audio_buffer.append`` has 100 ms: of PCM16 6.4 kB of base64."""


class Uplink:
    """Keeps one resampler for as long as the rate stays the same, so that there are no seams.

    Args:
        form: What the server takes.
    """

    __slots__ = ("_form", "_rate", "_resampler")

    def __init__(self, form: WireFormat = FORMATS["pcm16"]) -> None:
        self._form = form
        self._resampler: Resampler | None = None
        self._rate = form.rate

    def convert(self, data: AudioLike, *, format: Format | None = None) -> Iterator[bytes]:
        """Pieces of at most 100 ms, made one by one so that a long clip does not stall the loop.

        Args:
            data: What `voxloop.audio.as_chunk` takes; several channels are mixed to one.
            format: Layout of bytes, and the rate of arrays.

        Raises:
            AudioFormatError: It is no such audio; nothing was converted then.
        """
        if isinstance(data, bytes) and format is None and self._ready(data):
            return iter((data,))
        chunk = as_chunk(data, format=format)
        return self._pieces(chunk)

    def _ready(self, data: bytes) -> bool:
        """Whether bytes are to be sent as they are: whole PCM16 samples, a piece at most."""
        fits = 0 < len(data) <= 2 * self._form.rate // PIECES_PER_SECOND and len(data) % 2 == 0
        return fits and self._form is FORMATS["pcm16"] and self._rate == self._form.rate

    def _pieces(self, chunk: AudioChunk) -> Iterator[bytes]:
        rate = chunk.sample_rate
        if rate != self._rate:
            yield from self.flush()
            self._rate = rate
            self._resampler = None if rate == self._form.rate else Resampler(rate, self._form.rate)
        step = max(1, rate // PIECES_PER_SECOND)
        for start in range(0, chunk.frames, step):
            mono = to_mono(chunk[start : start + step])
            if self._resampler is not None:
                mono = self._resampler.process(mono)
            yield from self._cut(mono)

    def flush(self) -> Iterator[bytes]:
        """The last milliseconds that the resampler holds back."""
        if self._resampler is not None:
            yield from self._cut(self._resampler.flush())

    def reset(self) -> None:
        """Forget what is held back."""
        if self._resampler is not None:
            self._resampler.reset()

    def _cut(self, chunk: AudioChunk) -> Iterator[bytes]:
        frames = self._form.rate // PIECES_PER_SECOND
        for start in range(0, chunk.frames, frames):
            yield self._form.encode(chunk[start : start + frames])
