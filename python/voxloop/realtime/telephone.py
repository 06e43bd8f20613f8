"""The audio formats of the wire: PCM16 at 24,000 Hz, and G.711 of the telephone at 8,000 Hz.

G.711 (ITU-T) has one byte a sample. What the application gets of it is PCM16 at 8,000 Hz, as it
came: nothing is resampled that a telephone will hear at 8,000 Hz anyway.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from voxloop.audio import (
    PCM24K,
    AudioChunk,
    Resampler,
    alaw_decode,
    alaw_encode,
    ulaw_decode,
    ulaw_encode,
)


@dataclass(frozen=True, slots=True)
class WireFormat:
    """An audio format of the wire.

    Attributes:
        name: As the wire names it.
        rate: Hertz.
        bytes_per_ms: Bytes of a millisecond.
        decode: Makes PCM16 mono of whole samples.
        encode: The other way.
    """

    name: str
    rate: int
    bytes_per_ms: int
    decode: Callable[[bytes], AudioChunk]
    encode: Callable[[AudioChunk], bytes]

    def to_json(self) -> dict[str, object]:
        """The JSON object of the format; only PCM has a rate there."""
        if self.name == "audio/pcm":
            return {"type": self.name, "rate": self.rate}
        return {"type": self.name}


def _pcm(data: bytes) -> AudioChunk:
    return AudioChunk(data, PCM24K)


FORMATS: Final = {
    "pcm16": WireFormat("audio/pcm", 24_000, 48, _pcm, bytes),
    "pcmu": WireFormat("audio/pcmu", 8_000, 8, ulaw_decode, ulaw_encode),
    "pcma": WireFormat("audio/pcma", 8_000, 8, alaw_decode, alaw_encode),
}
"""By the names of the settings."""


class Widener:
    """Makes PCM16 at 24,000 Hz of chunks, without seams as long as they have one rate."""

    def __init__(self) -> None:
        self._resampler: Resampler | None = None
        self._rate = PCM24K.sample_rate

    def process(self, chunk: AudioChunk) -> bytes:
        """Take the next chunk; some milliseconds stay in the resampler."""
        before = b"" if chunk.sample_rate == self._rate else self.flush()
        self._rate = chunk.sample_rate
        if self._rate == PCM24K.sample_rate:
            return before + bytes(chunk)
        if self._resampler is None:
            self._resampler = Resampler(self._rate, PCM24K.sample_rate)
        return before + bytes(self._resampler.process(chunk))

    def flush(self) -> bytes:
        """What is held back; what comes next begins anew."""
        if self._resampler is None:
            return b""
        rest, self._resampler = bytes(self._resampler.flush()), None
        return rest
