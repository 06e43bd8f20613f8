"""Connections of a session: each is a task of its own, within the session's nursery.

A connection is opened, read and written inside its own block, so that leaving the session, or
letting one connection go for the next, closes it and nothing of it stays.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Protocol, runtime_checkable

import trio

from voxloop._errors import (
    ConfigError,
    ConnectionClosed,
    NetworkError,
    NetworkTimeout,
    VoxloopError,
)
from voxloop._scope import Entering
from voxloop.agents import open_nursery
from voxloop.net import Frame, MediaLink
from voxloop.providers import MediaTransport, Provider, RealtimeTarget, RealtimeTransport
from voxloop.realtime.machine import inputs
from voxloop.realtime.reconnect import Reconnect
from voxloop.realtime.skin.outbox import Outbox
from voxloop.realtime.skin.timer import Timer

NORMAL_CLOSURE = 1000
DIAL_SECONDS = 15.0
"""How long an attempt to connect again may take."""
FIRST_EVENT_SECONDS = 15.0
"""How long a new connection may be silent before it counts as lost."""
DRAIN_SECONDS = 1.0
"""How long the reader may go on after nothing can be sent any more."""
MAX_HELD = 1024
"""Frames that wait on a connection that is not in use yet."""

_log = logging.getLogger("voxloop.realtime")


class Owner(Protocol):
    """What a connection tells the session."""

    def feed(self, given: inputs.Input) -> VoxloopError | None:
        """Take one input."""
        ...

    def take(self, connection: Connection, frames: Sequence[Frame]) -> int:
        """Handle frames for as long as the connection is the one in use; how many those were.

        Those after one that is `hurried` are left for the next time.
        """
        ...

    @property
    def hurried(self) -> bool:
        """Whether something was begun that is not to wait for the frames that came with it."""
        ...

    async def hurry(self) -> None:
        """Let it begin."""
        ...

    def told(self) -> bool:
        """Tell the application what it is to be told; False if it is far behind."""
        ...

    async def give_way(self) -> None:
        """Let the application take what it was told."""
        ...


class Figures(Protocol):
    """What a transport has counted."""

    @property
    def rtt(self) -> float | None:
        """Seconds of the last ping's round trip."""
        ...

    @property
    def pongs(self) -> int:
        """Pings that were answered."""
        ...


@runtime_checkable
class Pinged(Protocol):
    """A transport that pings its peer."""

    def stats(self) -> Figures:
        """What it has counted."""
        ...


class Connection:
    """One connection.

    Attributes:
        epoch: Its number.
        outbox: What is queued for it, and for no other.
        transport: What carries its messages.
        gone: It was let go: `serve` returns.
    """

    __slots__ = (
        "_heard",
        "_held",
        "_reading",
        "_serving",
        "_writing",
        "epoch",
        "gone",
        "outbox",
        "transport",
    )

    def __init__(self, epoch: int, transport: RealtimeTransport, *, keep: bool) -> None:
        self.epoch = epoch
        self.outbox = Outbox(transport)
        self.transport = transport
        self.keep_messages(keep)
        self.gone = False
        self._held: list[Frame] = []
        self._heard = False
        self._reading: trio.CancelScope | None = None
        self._serving: tuple[Owner, trio.Nursery] | None = None
        self._writing: trio.CancelScope | None = None

    async def aclose(self) -> None:
        """Close the transport.

        **Cancellation:** as the transport has it.
        """
        self.outbox.close()
        await self.transport.aclose()

    def bind_media(self, media: MediaLink) -> int:
        """Let media talk over it; samples of the user's audio that are sent again.

        Raises:
            ConfigError: The transport is none that they can talk over.
        """
        if not isinstance(self.transport, MediaTransport):
            raise ConfigError(
                "media need a connection of the network layer; this provider's has no place for "
                "them: play AudioEvents and call send_audio instead"
            )
        return self.transport.bind_media(media)

    def keep_messages(self, wanted: bool) -> None:
        """Whether sound is to keep the messages that it came in."""
        if isinstance(self.transport, MediaTransport):
            self.transport.keep_messages(wanted)

    def let_go(self) -> None:
        """Have `serve` return, with whatever has come by then."""
        self.gone = True
        if self._reading is not None:
            self._reading.cancel()

    async def serve(self, owner: Owner, nursery: trio.Nursery, clock: Timer | None = None) -> None:
        """Read and write until the connection ends, which is told as `inputs.Lost`.

        A task in ``nursery`` writes what the transport did not take at once; it is begun for the
        first of those frames, and ends with this. The reader sees to ``clock`` while it waits,
        which spares a task.

        **Cancellation:** nothing that was received is lost to a connection in use.
        """
        self._serving = owner, nursery
        self.outbox.write_by(self._begin_to_write)
        try:
            while not self.gone:
                self._reading = trio.CancelScope() if clock is None else clock.rest()
                # Few calls deep: each that waits here is held as long as the connection stands.
                with self._reading:
                    while True:
                        try:
                            if self._heard or self.epoch == 1:
                                frames = await self.transport.receive_batch()
                            else:
                                frames = await self._first_batch()
                        except Exception as error:
                            lost = inputs.Lost(as_lost(error), time.monotonic(), self.epoch)
                            owner.feed(lost)
                            return
                        # While another connection is in use, what came waits.
                        self._held = [*self._held, *frames] if self._held else frames
                        del frames  # what is done with is not to lie here until more comes
                        if not self._handled(owner):
                            break
                if clock is not None:
                    clock.rested()
                if not await self._rest_handled(owner):
                    return
        finally:
            self._serving = None
            self.outbox.write_by(None)
            if self._writing is not None:
                self._writing.cancel()

    def _handled(self, owner: Owner) -> bool:
        """Handle what came; False if something is left to do that others need a turn for."""
        if not self._heard:
            self._heard = True
            owner.feed(inputs.Heard(self.epoch, time.monotonic()))
        self._held = self._held[owner.take(self, self._held) :]
        return not owner.hurried and owner.told() and len(self._held) <= MAX_HELD

    async def _rest_handled(self, owner: Owner) -> bool:
        """Do what is left; False if too much waits."""
        while owner.hurried:
            await owner.hurry()
            self._held = self._held[owner.take(self, self._held) :]
        if not owner.told():
            await owner.give_way()
        if len(self._held) <= MAX_HELD:
            return True
        early = NetworkError("the server sent events before it was told anything")
        owner.feed(inputs.Lost(early, time.monotonic(), self.epoch))
        return False

    async def _first_batch(self) -> list[Frame]:
        with trio.move_on_after(FIRST_EVENT_SECONDS):
            return await self.transport.receive_batch()
        raise NetworkTimeout(
            f"the server said nothing for {FIRST_EVENT_SECONDS:g} s after it was connected",
            phase="first_event",
        )

    def _begin_to_write(self) -> None:
        if self._serving is not None:
            owner, nursery = self._serving
            nursery.start_soon(self._write, owner)

    async def _write(self, owner: Owner) -> None:
        with trio.CancelScope() as self._writing:
            if self._serving is None:
                return  # it ended before this began
            try:
                await self.outbox.run(self.transport.send)
            except Exception as error:
                # What has arrived is still read; the reader then finds the end by itself.
                self.outbox.close()
                await trio.sleep(DRAIN_SECONDS)
                owner.feed(inputs.Lost(as_lost(error), time.monotonic(), self.epoch))


class _First(Entering):
    """The first connection: a block that is tried as often as the policy says."""

    __slots__ = ("_connector",)

    def __init__(self, connector: Connector) -> None:
        self._connector = connector

    async def __aenter__(self) -> RealtimeTransport:
        self._opened, transport = await self._connector.reach()
        return transport


class Connector:
    """Opens connections to one place.

    Args:
        provider: Who opens them; its key is asked for anew each time.
        target: Where to.
        policy: How often the first is tried.
    """

    __slots__ = (
        "_begin",
        "_keep",
        "_policy",
        "_provider",
        "_scopes",
        "_target",
        "attempts",
        "connections",
        "current",
    )

    def __init__(
        self, provider: Provider, target: RealtimeTarget, policy: Reconnect | None = None
    ) -> None:
        self._policy = policy or Reconnect()
        self._provider = provider
        self._target = target
        # By number; of both there is hardly ever more than one.
        self._scopes: tuple[tuple[int, trio.CancelScope], ...] = ()
        self._keep = False
        self.attempts = 0
        """How often the first connection was tried."""
        self._begin: trio.Event | None = trio.Event()
        self.current: Connection | None = None
        """The connection in use, or the last one that was."""
        self.connections: tuple[Connection, ...] = ()
        """Those that stand."""

    async def first(
        self,
        owner: Owner,
        nursery: trio.Nursery,
        clock: Timer,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Open the first connection, and serve it and ``clock`` once the session has begun.

        Raises:
            VoxloopError: It cannot be opened.

        **Cancellation:** it is closed.
        """
        # Around the block, which may have scopes of its own.
        with trio.CancelScope() as leaving:
            async with _First(self) as transport:
                connection = Connection(1, transport, keep=self._keep)
                self.connections, self.current = (connection,), connection
                task_status.started()
                del task_status  # it holds the nursery that this was begun in
                await self._begun()
                try:
                    await connection.serve(owner, nursery, clock)
                finally:
                    nursery.start_soon(clock.run, name="voxloop timer")
                    if connection.gone:
                        leaving.cancel()  # let go for another: nobody waits for the other side

    async def _begun(self) -> None:
        if self._begin is not None:
            await self._begin.wait()
            self._begin = None

    async def reach(
        self,
    ) -> tuple[AbstractAsyncContextManager[RealtimeTransport], RealtimeTransport]:
        """The first connection, and the block that it is in.

        Raises:
            VoxloopError: It cannot be opened.

        **Cancellation:** it is closed.
        """
        began = trio.current_time()
        while True:
            self.attempts += 1
            try:
                opening = self._provider.realtime(self._target)
                return opening, await opening.__aenter__()
            except VoxloopError as error:
                spent = trio.current_time() - began
                delay = self._policy.first_delay(self.attempts, error, spent)
                if delay is None:
                    raise
                _log.info("no connection (%s); another attempt in %.2f s", error.code, delay)
            await trio.sleep(delay)

    async def again(self, owner: Owner, epoch: int) -> None:
        """Open another connection and serve it; a failure is told as `inputs.Lost`.

        **Cancellation:** it is closed.
        """
        async with open_nursery() as nursery:
            scope = nursery.cancel_scope
            self._scopes = (*self._scopes, (epoch, scope))
            scope.deadline = trio.current_time() + DIAL_SECONDS
            await self._again(owner, epoch, nursery)
        dialling = any(number == epoch for number, _ in self._scopes)
        if scope.cancelled_caught and dialling and self._standing(epoch) is None:
            late = NetworkTimeout(f"no connection within {DIAL_SECONDS:g} s", phase="connect")
            owner.feed(inputs.Lost(late, time.monotonic(), epoch))

    async def _again(self, owner: Owner, epoch: int, nursery: trio.Nursery) -> None:
        async with AsyncExitStack() as stack:
            try:
                opening = self._provider.realtime(self._target)
                transport = await stack.enter_async_context(opening)
            except Exception as error:
                owner.feed(inputs.Lost(as_lost(error), time.monotonic(), epoch))
                return
            nursery.cancel_scope.deadline = float("inf")
            connection = Connection(epoch, transport, keep=self._keep)
            self.connections = (*self.connections, connection)
            owner.feed(inputs.Opened(epoch, time.monotonic(), time.time()))
            await connection.serve(owner, nursery)

    def keep_messages(self, wanted: bool) -> None:
        """Whether sound is to keep its messages, on every connection; it does not at first."""
        self._keep = wanted
        for connection in self.connections:
            connection.keep_messages(wanted)

    def begin(self) -> None:
        """The session has told the first connection what it is for: read it."""
        if self._begin is not None:
            self._begin.set()

    def switch(self, epoch: int) -> None:
        """Use a connection that stands."""
        (self.current,) = (one for one in self.connections if one.epoch == epoch)

    def _standing(self, epoch: int) -> Connection | None:
        return next((one for one in self.connections if one.epoch == epoch), None)

    def hang_up(self, epoch: int) -> None:
        """Let a connection go, with what is queued for it; its task closes it."""
        connection = self._standing(epoch)
        if connection is not None:
            connection.outbox.close()
            connection.let_go()
        self.connections = tuple(one for one in self.connections if one is not connection)
        scopes, self._scopes = self._scopes, ()
        for number, scope in scopes:
            if number == epoch:
                scope.cancel()
            else:
                self._scopes = (*self._scopes, (number, scope))


def as_lost(error: Exception) -> VoxloopError | None:
    """What ended the connection; None when it was closed as it should be."""
    if isinstance(error, ConnectionClosed) and error.close_code == NORMAL_CLOSURE:
        return None
    if isinstance(error, VoxloopError):
        return error
    lost = NetworkError(f"the connection failed: {type(error).__name__}: {error}")
    lost.__cause__ = error
    return lost
