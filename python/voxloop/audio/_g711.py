"""G.711 as in ITU-T G.711 (tables and rounding of the reference code in G.191)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voxloop import _native
from voxloop._native import AudioChunk
from voxloop.audio._chunk import AudioLike, as_chunk

if TYPE_CHECKING:
    from typing_extensions import Buffer


def ulaw_encode(chunk: AudioLike) -> bytes:
    """PCM16 to u-law, one byte a sample, at the chunk's own rate."""
    return _native.g711_encode(as_chunk(chunk), "ulaw")


def ulaw_decode(data: Buffer, *, sample_rate: int = 8_000) -> AudioChunk:
    """u-law bytes to PCM16 mono."""
    return _native.g711_decode(data, "ulaw", sample_rate)


def alaw_encode(chunk: AudioLike) -> bytes:
    """PCM16 to A-law, one byte a sample, at the chunk's own rate."""
    return _native.g711_encode(as_chunk(chunk), "alaw")


def alaw_decode(data: Buffer, *, sample_rate: int = 8_000) -> AudioChunk:
    """A-law bytes to PCM16 mono."""
    return _native.g711_decode(data, "alaw", sample_rate)
