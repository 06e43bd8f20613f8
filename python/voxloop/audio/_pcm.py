"""Integer PCM of other widths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from voxloop import _native
from voxloop._native import AudioChunk, Format
from voxloop.audio._chunk import AudioLike

if TYPE_CHECKING:
    from typing_extensions import Buffer

Width: TypeAlias = Literal["pcm_u8", "pcm24", "pcm32"]


def encode_pcm(chunk: AudioLike, width: Width) -> bytes:
    """Samples as little-endian integers of another width.

    Args:
        chunk: PCM16 gives its upper 8 bits, or is shifted up; float32 is rounded to nearest and
            clamped.
        width: ``"pcm_u8"``: unsigned 8 bits, zero at 128; ``"pcm24"``: 24 bits in 3 bytes;
            ``"pcm32"``: 32 bits.

    Raises:
        AudioFormatError: Another width.
    """
    return _native.pcm_encode(chunk, width)


def decode_pcm(data: Buffer, width: Width, *, format: Format) -> AudioChunk:
    """A chunk from little-endian integers of another width.

    Args:
        data: Bytes-like.
        width: See `encode_pcm`.
        format: Of the result: PCM16 keeps the upper 16 bits, float32 all that fit.

    Raises:
        AudioFormatError: `data` is not a whole number of frames.
    """
    return _native.pcm_decode(data, width, format)
