"""Between the wire's audio formats and the PCM16 at 24,000 Hz that the session works in.

Telephone audio is G.711 at 8,000 Hz, one byte a sample. Each direction keeps the state of its
resampler, so that pieces of any size join without seams.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from voxloop import audio

__all__ = ["FORMATS", "Encoder", "InputDecoder"]

FORMATS: Final = {"audio/pcm": 24_000, "audio/pcmu": 8_000, "audio/pcma": 8_000}
"""The wire's audio formats and their rates in Hz."""

_RATE: Final = 24_000
_TELEPHONE: Final = 8_000

Decode = Callable[[bytes], audio.AudioChunk]
Encode = Callable[[audio.AudioChunk], bytes]

_DECODERS: Final[dict[str, Decode]] = {
    "audio/pcmu": audio.ulaw_decode,
    "audio/pcma": audio.alaw_decode,
}
_ENCODERS: Final[dict[str, Encode]] = {
    "audio/pcmu": audio.ulaw_encode,
    "audio/pcma": audio.alaw_encode,
}


class InputDecoder:
    """Makes PCM16 mono at 24,000 Hz of what a client appends.

    Args:
        format: One of `FORMATS`.
    """

    def __init__(self, format: str) -> None:
        self._decode = _DECODERS.get(format)
        self._resampler = audio.Resampler(_TELEPHONE, _RATE)

    def process(self, data: bytes) -> bytes:
        """Take the next bytes; some milliseconds stay in the resampler."""
        if self._decode is None:
            return data
        return bytes(self._resampler.process(self._decode(data)))

    def flush(self) -> bytes:
        """Give what the resampler still holds; the next audio begins anew."""
        return b"" if self._decode is None else bytes(self._resampler.flush())


class Encoder:
    """Makes the wire's audio of PCM16 mono at 24,000 Hz.

    Args:
        format: One of `FORMATS`.
    """

    def __init__(self, format: str) -> None:
        self._encode = _ENCODERS.get(format)
        self._resampler = audio.Resampler(_RATE, _TELEPHONE)

    def process(self, pcm: bytes) -> bytes:
        """Take the next samples; some milliseconds stay in the resampler."""
        if self._encode is None:
            return pcm
        chunk = audio.AudioChunk(pcm, audio.Format(_RATE))
        return self._encode(self._resampler.process(chunk))

    def flush(self) -> bytes:
        """Give what the resampler still holds, at the end of a message."""
        return b"" if self._encode is None else self._encode(self._resampler.flush())
