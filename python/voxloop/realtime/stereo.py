"""A stereo WAV file whose channels are written by themselves, at any place, in any order."""

from __future__ import annotations

import array
import struct
import sys
from pathlib import Path

LEFT, RIGHT = 0, 1
RATE = 24_000
FRAME_BYTES = 4
HEADER_BYTES = 44
MAX_FRAMES = (0xFFFF_FFFF - HEADER_BYTES) // FRAME_BYTES
"""What the sizes of a WAV file can tell: twelve hours."""
_PIECE = 48_000
_OPEN_ENDED = 0xFFFF_FFFF


class StereoFile:
    """PCM16 at 24,000 Hz; what was not written is silence.

    Until it is closed its sizes are all ones, which readers take for "to the end".

    Raises:
        OSError: The file cannot be made or written.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b")
        self._frames = 0
        self._file.write(_header(_OPEN_ENDED))

    def write(self, channel: int, start: int, data: bytes) -> None:
        """Put PCM16 mono into a channel, from a frame on; what the sizes cannot tell is cut."""
        samples = array.array("h")
        samples.frombytes(data[: len(data) & ~1])
        if sys.byteorder == "big":
            samples.byteswap()
        samples = samples[: max(0, MAX_FRAMES - start)]
        for at in range(0, len(samples), _PIECE):
            self._mix(channel, start + at, samples[at : at + _PIECE])

    def silence(self, channel: int, start: int, end: int) -> None:
        """Take out what stands in a channel between two frames."""
        end = min(end, self._frames)
        for at in range(start, end, _PIECE):
            self._mix(channel, at, array.array("h", bytes(2 * min(_PIECE, end - at))))

    def close(self) -> None:
        """Write the true sizes."""
        try:
            self._file.seek(0)
            self._file.write(_header(self._frames * FRAME_BYTES))
        finally:
            self._file.close()

    def _mix(self, channel: int, start: int, samples: array.array[int]) -> None:
        count = len(samples)
        self._fill(start)
        self._file.seek(HEADER_BYTES + start * FRAME_BYTES)
        old = self._file.read(count * FRAME_BYTES)
        both = array.array("h", old.ljust(count * FRAME_BYTES, b"\0"))
        if sys.byteorder == "big":
            both.byteswap()
        both[channel::2] = samples
        if sys.byteorder == "big":
            both.byteswap()
        self._file.seek(HEADER_BYTES + start * FRAME_BYTES)
        self._file.write(both.tobytes())
        self._frames = max(self._frames, start + count)

    def _fill(self, until: int) -> None:
        while self._frames < until:
            count = min(_PIECE, until - self._frames)
            self._file.seek(HEADER_BYTES + self._frames * FRAME_BYTES)
            self._file.write(bytes(count * FRAME_BYTES))
            self._frames += count


def _header(size: int) -> bytes:
    riff = min(0xFFFF_FFFF, size + HEADER_BYTES - 8)
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        riff,
        b"WAVE",
        b"fmt ",
        16,
        1,
        2,
        RATE,
        RATE * FRAME_BYTES,
        FRAME_BYTES,
        16,
        b"data",
        size,
    )
