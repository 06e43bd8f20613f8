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

    @property
    def messages(self) -> list[tuple[str | bytes, float]]:
        """The messages it stands for, as they came, each with its time of arrival."""
        if isinstance(self.data, AudioDelta):
            return list(self.data.messages)
        return [] if isinstance(self.data, MediaCut) else [(self.data, self.at)]
