"""What is to be sent, in order, and the one task that sends it."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol, runtime_checkable

import trio

from voxloop._bridge import cancellation_point, checkpoint
from voxloop._errors import VoxloopError

ROOM_BYTES = 1024 * 1024
"""Waiting bytes above which the commands of the application wait: 16 s of PCM16 at 24,000 Hz."""
IN_A_ROW = 16
"""Commands that find room one after the other before other tasks have a turn."""


@runtime_checkable
class Direct(Protocol):
    """A transport that takes a frame without being awaited, while it has room."""

    def try_send(self, data: str) -> bool:
        """Queue a frame; False if it has no room now."""
        ...


@runtime_checkable
class DirectSound(Protocol):
    """A transport that makes the events of the user's audio by itself."""

    def try_append(self, data: bytes) -> bool:
        """Queue ``input_audio_buffer.append`` with ``data``; False if it has no room now."""
        ...


class Outbox:
    """Frames on their way out.

    Policy: it blocks. Commands of the application wait in `room` while more than ``ROOM_BYTES`` are
    queued. What the session sends by itself (outputs of tools, requests, cuts) is put in at once;
    of that there is never more than the open calls and the items being played.

    Args:
        transport: Where the frames go. One that is `Direct` gets them at once while nothing waits,
            which spares a frame the way through another task.
    """

    __slots__ = (
        "_append",
        "_bytes",
        "_closed",
        "_direct",
        "_drained",
        "_filled",
        "_queue",
        "_row",
        "_writer",
    )

    def __init__(self, transport: object = None) -> None:
        self._direct = transport.try_send if isinstance(transport, Direct) else None
        self._append = transport.try_append if isinstance(transport, DirectSound) else None
        # Most sessions never need what is None here: it is made when a frame has to wait.
        self._queue: deque[str] | None = None
        self._bytes = 0
        self._row = 0
        self._filled: trio.Event | None = None
        self._drained: trio.Event | None = None
        self._closed = False
        self._writer: Callable[[], None] | None = None

    @property
    def waiting(self) -> int:
        """Bytes that are not sent yet."""
        return self._bytes

    @property
    def depth(self) -> int:
        """Frames that are not sent yet."""
        return len(self._queue) if self._queue else 0

    def write_by(self, begin: Callable[[], None] | None) -> None:
        """Have ``begin`` start the task that calls `run`, once there is a frame that waits.

        Without one, which is so at first and again with None, frames wait.
        """
        self._writer = begin
        if self._queue:
            self._begin()

    def _begin(self) -> None:
        begin, self._writer = self._writer, None
        if begin is not None:
            begin()

    def put(self, data: str) -> None:
        """Send a frame at once if that can be, else queue it."""
        if self._closed or not (self._queue or not self._sent(data)):
            return
        if self._queue is None:
            self._queue = deque()
        self._queue.append(data)
        self._bytes += len(data)
        if self._filled is not None:
            self._filled.set()
        self._begin()

    def append(self, data: bytes) -> bool:
        """Send a piece of the user's audio at once; False if it is to go the way of all frames."""
        if self._append is None or self._queue or self._closed:
            return False
        try:
            return self._append(data)
        except VoxloopError:
            return False  # as below

    def _sent(self, data: str) -> bool:
        if self._direct is None:
            return False
        try:
            return self._direct(data)
        except VoxloopError:
            return False  # `run` meets the same end, and tells of it

    async def room(self) -> None:
        """Wait until there is room, or until nothing is sent any more.

        **Cancellation:** may be called again.
        """
        self._row = (self._row + 1) % IN_A_ROW
        await (cancellation_point() if self._row and not self._queue else checkpoint())
        while self._bytes > ROOM_BYTES and not self._closed:
            if self._drained is None:
                self._drained = trio.Event()
            await self._drained.wait()

    def close(self) -> None:
        """Forget what was not sent and let everyone go."""
        self._closed = True
        if self._queue:
            self._queue.clear()
        self._bytes = 0
        self._let_in()

    def _let_in(self) -> None:
        if self._drained is not None:
            self._drained.set()
            self._drained = None

    async def run(self, send: Callable[[str], Awaitable[None]]) -> None:
        """Send until cancelled. A frame leaves the queue once it is sent.

        **Cancellation:** the frame at hand is sent whole or not at all, as `send` promises.
        """
        while True:
            while not self._queue:
                self._filled = trio.Event()
                await self._filled.wait()
            data = self._queue[0]
            await send(data)
            if self._queue and self._queue[0] is data:
                self._queue.popleft()
                self._bytes -= len(data)
            if self._bytes <= ROOM_BYTES:
                self._let_in()
