"""G.711 as in ITU-T G.711 (tables and rounding of the reference code in G.191)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voxloop import _native
from voxloop._native import AudioChunk
from voxloop.audio._chunk import AudioLike

if TYPE_CHECKING:
    from typing_extensions import Buffer


def ulaw_encode(chunk: AudioLike) -> bytes:
    """PCM16 to u-law, one byte a sample, at the chunk's own rate."""
    return _native.ulaw_encode(chunk)


def ulaw_decode(data: Buffer, *, sample_rate: int = 8_000) -> AudioChunk:
    """u-law bytes to PCM16 mono."""
    return _native.ulaw_decode(data, sample_rate)


def alaw_encode(chunk: AudioLike) -> bytes:
    """PCM16 to A-law, one byte a sample, at the chunk's own rate."""
    return _native.alaw_encode(chunk)


def alaw_decode(data: Buffer, *, sample_rate: int = 8_000) -> AudioChunk:
    """A-law bytes to PCM16 mono."""
    return _native.alaw_decode(data, sample_rate)
