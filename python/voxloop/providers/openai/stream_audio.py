"""From chunks of any format to the wire's: PCM16 mono at 24,000 Hz."""

from __future__ import annotations

from voxloop.audio import PCM24K, AudioChunk, Format, Resampler, to_mono, to_pcm16


class ToWire:
    """Converts a stream; a change of its rate begins a new filter, and loses nothing."""

    def __init__(self) -> None:
        self._rate = PCM24K.sample_rate
        self._resampler: Resampler | None = None

    def process(self, chunk: AudioChunk) -> bytes:
        """The bytes that can be computed by now."""
        rest = b""
        if chunk.sample_rate != self._rate:
            rest = self.flush()
            self._rate = chunk.sample_rate
            if self._rate != PCM24K.sample_rate:
                self._resampler = Resampler(self._rate, PCM24K.sample_rate)
        if chunk.format != Format(self._rate):
            chunk = to_pcm16(to_mono(chunk))
        if self._resampler is not None:
            chunk = self._resampler.process(chunk)
        return rest + bytes(chunk)

    def flush(self) -> bytes:
        """The rest; what follows is a new stream."""
        rest = b"" if self._resampler is None else bytes(self._resampler.flush())
        self.reset()
        return rest

    def reset(self) -> None:
        """Forget the stream so far."""
        self._rate = PCM24K.sample_rate
        self._resampler = None
