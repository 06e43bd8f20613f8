"""One WebSocket message as it came off the socket."""

from __future__ import annotations

from typing import NamedTuple


class Frame(NamedTuple):
    """One whole message of a WebSocket.

    Attributes:
        data: Text message as ``str``, binary message as ``bytes``.
        at: ``time.monotonic()`` seconds at which its last byte was read from the socket.
    """

    data: str | bytes
    at: float
