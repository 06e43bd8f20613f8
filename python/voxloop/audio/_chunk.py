"""Chunks from whatever callers hold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias

from voxloop import _native
from voxloop._errors import AudioFormatError
from voxloop._native import AudioChunk, Format
from voxloop.audio._checks import checked_format, real, shown

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from typing_extensions import Buffer

    AudioLike: TypeAlias = AudioChunk | Buffer | npt.NDArray[np.int16] | npt.NDArray[np.float32]
else:
    AudioLike = object

PCM24K = Format(24_000)
"""PCM16 mono at 24,000 Hz: what the Realtime API speaks."""
PCM16K = Format(16_000)
"""PCM16 mono at 16,000 Hz: what speech recognition here listens to."""


def as_chunk(data: AudioLike, *, format: Format | None = None) -> AudioChunk:
    """An `AudioChunk` from anything that holds audio.

    ``bytes`` are shared, not copied; of all else that is not a chunk, one copy is made.

    Args:
        data: An `AudioChunk`, bytes-like PCM, an ``array.array`` of ``"h"`` or ``"f"``, or a numpy
            array of int16 or float32 in [-1, 1], shape ``(frames,)`` or ``(frames, channels)``;
            it may be read-only or not contiguous.
        format: Layout of bytes-like data, and the rate of arrays; PCM16 mono at 24,000 Hz if
            absent. A chunk keeps its own.

    Raises:
        AudioFormatError: Another dtype, an odd number of bytes, or another channel count; the
            message says what came and what was wanted.
    """
    return _native.as_chunk(data, format)


def concat(chunks: Iterable[AudioChunk], *, format: Format | None = None) -> AudioChunk:
    """One chunk of all `chunks` in order.

    Args:
        chunks: Chunks of one format.
        format: The format of the result when there are no chunks; `PCM24K` if absent.

    Raises:
        AudioFormatError: The chunks differ in format, or are none.
    """
    if not isinstance(chunks, Iterable):
        raise AudioFormatError(f"chunks: got {shown(chunks)}, wanted AudioChunks to join")
    parts = list(chunks)
    for part in parts:
        if not isinstance(part, AudioChunk):
            raise AudioFormatError(f"chunks: got {shown(part)} among them, wanted AudioChunks")
    layout = parts[0].format if parts else checked_format(format or PCM24K)
    for part in parts:
        if part.format != layout:
            raise AudioFormatError(f"cannot join {part.format} to {layout}; resample it first")
    return AudioChunk(b"".join(parts), layout)


def silence(format: Format, seconds: float) -> AudioChunk:
    """Zeros for `seconds`, 0 to 86,400, rounded to whole frames.

    Raises:
        AudioFormatError: Another time.
    """
    layout = checked_format(format)
    frames = round(real(seconds, "seconds", 0, 86_400) * layout.sample_rate)
    return AudioChunk(bytes(frames * layout.bytes_per_frame), layout)
