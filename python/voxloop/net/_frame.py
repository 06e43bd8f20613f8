"""One WebSocket message as it came off the socket."""

from __future__ import annotations

from typing import NamedTuple

from voxloop._native import AudioDelta, MediaCut


class Frame(NamedTuple):
    """One whole message of a WebSocket.

    Attributes:
        data: Text message as ``str``, binary message as ``bytes``. A connection that was opened
            with ``decode_audio`` gives `AudioDelta` for sound, and `MediaCut` where an
            interruption was carried out already.
        at: ``time.monotonic()`` seconds at which its last byte was read from the socket.
    """

    data: str | bytes | AudioDelta | MediaCut
    at: float
