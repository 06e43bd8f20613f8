"""Levels, mixing, channels and conversions of whole chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from voxloop import _native
from voxloop._native import AudioChunk, Format
from voxloop.audio._chunk import AudioLike

if TYPE_CHECKING:
    from typing_extensions import Buffer

Width: TypeAlias = Literal["pcm_u8", "pcm24", "pcm32"]


def gain(chunk: AudioLike, factor: float) -> AudioChunk:
    """Every sample times `factor`.

    Args:
        chunk: PCM16 is rounded to nearest, halves to even, and clamped; float32 is not clamped.
        factor: Linear; for decibels ``10 ** (db / 20)``.

    Raises:
        AudioFormatError: `factor` is not finite.

    Example:
        >>> import array
        >>> from voxloop import audio
        >>> bytes(audio.gain(array.array("h", [100, -30_000]), 2.0)) == bytes(
        ...     array.array("h", [200, -32_768])
        ... )
        True
    """
    return _native.gain(chunk, factor)


def mix(one: AudioLike, other: AudioLike) -> AudioChunk:
    """The sum of two chunks, each sample clamped to full scale.

    Raises:
        AudioFormatError: The chunks differ in format or in length.
    """
    return _native.mix(one, other)


def rms(chunk: AudioLike) -> float:
    """Root mean square in full-scale units, 0 to 1; 0 for no frames."""
    return _native.rms(chunk)


def peak(chunk: AudioLike) -> float:
    """Largest magnitude in full-scale units, 0 to 1; 0 for no frames."""
    return _native.peak(chunk)


def rms_dbfs(chunk: AudioLike) -> float:
    """Root mean square level in dB relative to full scale; ``-inf`` for silence or no frames."""
    return _native.rms_dbfs(chunk)


def peak_dbfs(chunk: AudioLike) -> float:
    """Largest magnitude in dB relative to full scale; ``-inf`` for silence or no frames."""
    return _native.peak_dbfs(chunk)


def to_mono(chunk: AudioLike) -> AudioChunk:
    """The mean of all channels as PCM16; a mono PCM16 chunk comes back as it is."""
    return _native.to_mono(chunk)


def channel(chunk: AudioLike, index: int) -> AudioChunk:
    """One channel, counted from 0, in the chunk's own encoding.

    Raises:
        AudioFormatError: There is no such channel.
    """
    return _native.channel(chunk, index)


def to_pcm16(chunk: AudioLike) -> AudioChunk:
    """As PCM16: ``round(x * 32768)``, halves to even, clamped, NaN as 0.

    There is no dither; see `Dither`. A PCM16 chunk comes back as it is.
    """
    return _native.to_pcm16(chunk)


def to_float32(chunk: AudioLike) -> AudioChunk:
    """As float32: ``x / 32768``, in [-1, 1); `to_pcm16` brings the same samples back.

    A float32 chunk comes back as it is.
    """
    return _native.to_float32(chunk)


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
