"""What waits while a session has no connection."""

from __future__ import annotations

import trio

from voxloop.realtime.machine.state import Backlog
from voxloop.wire import realtime as rt

GAP_BYTES = 16 * 1024 * 1024
"""Items and events, in JSON, that may wait for a connection that is lost; audio has its ring."""


class Gap:
    """How much has come to wait.

    Attributes:
        nbytes: Bytes of it.
    """

    __slots__ = ("_over", "nbytes")

    def __init__(self) -> None:
        self.nbytes = 0
        self._over: trio.Event | None = None

    @property
    def over(self) -> trio.Event:
        """Set when there is a connection again, or when there will be none."""
        if self._over is None:  # few sessions ever have one that is waited for
            self._over = trio.Event()
        return self._over

    def end(self) -> None:
        """There is a connection again, or there will be none."""
        self.nbytes = 0
        if self._over is not None:
            self._over.set()
            self._over = None


def added(before: Backlog, after: Backlog) -> int:
    """Bytes of what has come to wait for a connection."""
    new = (*after.creates[len(before.creates) :], *after.held[len(before.held) :])
    return sum(len(rt.encode(event)) for event in new)
