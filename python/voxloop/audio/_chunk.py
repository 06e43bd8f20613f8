"""Chunks from whatever callers hold, and small operations on whole chunks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias, cast

from voxloop import _native
from voxloop._errors import AudioFormatError
from voxloop._native import AudioChunk, Format

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

_ENCODINGS = {"h": "pcm16", "<h": "pcm16", "=h": "pcm16", "f": "float32", "<f": "float32"}
_BYTES = {"B", "b", "c", "<B", "<b"}


def as_chunk(data: AudioLike, *, format: Format | None = None) -> AudioChunk:
    """An `AudioChunk` from anything that holds audio; the samples are copied once.

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
    if isinstance(data, AudioChunk):
        return data
    try:
        view = memoryview(cast("Buffer", data))  # what offers none raises here
    except TypeError:
        raise AudioFormatError(
            f"audio must be an AudioChunk, bytes-like PCM16, array.array or a numpy array of "
            f"int16 or float32, not {type(data).__name__}"
        ) from None
    layout = format or PCM24K
    if view.format in _BYTES and view.itemsize == 1:
        return AudioChunk(view, layout)
    encoding = _ENCODINGS.get(view.format)
    if encoding is None:
        raise AudioFormatError(
            f"samples must be int16 or float32, not {_dtype(data, view)}; "
            "convert them first (float64: .astype('float32'))"
        )
    channels = _channels(view)
    if format is not None and format.channels != channels:
        raise AudioFormatError(
            f"the array has {channels} channel(s) by its shape {view.shape}, "
            f"the format says {format.channels}"
        )
    return AudioChunk(view, Format(layout.sample_rate, channels, encoding))


def concat(chunks: Iterable[AudioChunk], *, format: Format | None = None) -> AudioChunk:
    """One chunk of all `chunks` in order.

    Args:
        chunks: Chunks of one format.
        format: The format of the result when there are no chunks; `PCM24K` if absent.

    Raises:
        AudioFormatError: The chunks differ in format.
    """
    parts = list(chunks)
    layout = parts[0].format if parts else format or PCM24K
    for part in parts:
        if part.format != layout:
            raise AudioFormatError(f"cannot join {part.format} to {layout}; resample it first")
    return AudioChunk(b"".join(parts), layout)


def silence(format: Format, seconds: float) -> AudioChunk:
    """Zeros for `seconds`, rounded to whole frames."""
    frames = round(seconds * format.sample_rate)
    return AudioChunk(bytes(frames * format.bytes_per_frame), format)


def to_mono(chunk: AudioLike) -> AudioChunk:
    """The mean of all channels as PCM16; a mono PCM16 chunk comes back as it is."""
    return _native.to_mono(as_chunk(chunk))


def rms_dbfs(chunk: AudioLike) -> float:
    """Root mean square level in dB relative to full scale; ``-inf`` for silence or no frames."""
    return _native.rms_dbfs(as_chunk(chunk))


def _channels(view: memoryview) -> int:
    if view.ndim == 1:
        return 1
    if view.ndim == 2 and view.shape is not None and view.shape[1] > 0:
        return view.shape[1]
    raise AudioFormatError(
        f"samples must have shape (frames,) or (frames, channels), not {view.shape}"
    )


def _dtype(data: object, view: memoryview) -> str:
    return str(getattr(data, "dtype", None) or f"items of type {view.format!r}")
