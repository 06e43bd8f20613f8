"""One module per client; each opens a session and hands what comes to a `Sink`.

A module has ``LOOP`` (``"trio"``, ``"asyncio"`` or ``"uvloop"``), ``NEEDS`` (the distributions it
imports) and ``open_link(url, sink)``, an asynchronous context manager that gives a `Link`.
"""

from __future__ import annotations

import struct
import time
from typing import Protocol

NAMES = {
    "voxloop": "voxloop_session",
    "voxloop attached": "voxloop_attached",
    "voxloop callback": "voxloop_callback",
    "voxloop net": "voxloop_net",
    "picows by hand": "picows_hand",
    "websockets by hand": "websockets_hand",
    "websockets.trio by hand": "websockets_trio_hand",
    "trio-websocket by hand": "trio_websocket_hand",
    "openai-agents": "openai_agents",
    "openai": "openai_client",
}
"""What a table calls a client, and its module."""

ATTACHED = "voxloop attached"
CALLBACK = "voxloop callback"
FLOORS = {"bare sockets": 0, "bare sockets, 1 ms rests": 1}
"""What a table calls the sockets alone (``benches/load/src/bin/floor.rs``), and the rest in ms."""
SENDING = (ATTACHED, CALLBACK, *FLOORS)
"""Clients that send by themselves."""
MARK = 0x4C584C56
DELTA_BYTES = 960
"""Sound of one delta: 20 ms."""
_STAMP = struct.Struct("<IIIIQ")


class Link(Protocol):
    """A session as the benches use it."""

    async def append(self, pcm: bytes) -> None:
        """Send 20 ms of the user's sound."""

    async def listen(self) -> None:
        """Receive until cancelled; everything goes to the sink."""


class Sink:
    """Where a session's sound ends: counted and, when asked, timed against its stamp."""

    def __init__(self, *, timed: bool = False) -> None:
        self.timed = timed
        self.deltas = 0
        self.next_number: int | None = None
        self.lost = 0
        self.late: list[int] = []
        self.barges = 0
        self.tools = 0

    def audio(self, data: bytes | memoryview) -> None:
        """Take one delta, or several that were joined; each counts and is timed by itself."""
        count = len(data) // DELTA_BYTES
        self.deltas += count
        if self.timed:
            now = time.monotonic_ns()
            for start in range(0, count * DELTA_BYTES, DELTA_BYTES):
                mark, _, number, _, sent = _STAMP.unpack_from(data, start)
                if mark != MARK:
                    raise ValueError("this is not a delta of the generator")
                if self.next_number is not None and number:
                    self.lost += number != self.next_number
                self.next_number = number + 1
                self.late.append(now - sent)
