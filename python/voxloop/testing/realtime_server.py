"""A scripted realtime server on a real socket, speaking the GA protocol."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from ssl import SSLContext
from types import TracebackType
from typing import TYPE_CHECKING

import trio

from voxloop._errors import MissingExtra
from voxloop.agents import open_nursery
from voxloop.testing import script as s
from voxloop.testing.realtime_peer import Json, Peer, Signal

if TYPE_CHECKING:
    from websockets.http11 import Request, Response
    from websockets.trio.server import ServerConnection

    from voxloop.providers import OpenAI

TEST_KEY = "sk-test-not-a-key"
"""What the provider of a test server authenticates with."""
CLOSE_SECONDS = 1.0


class RealtimeServer:
    """A realtime server that follows a script; needs the extra ``testing``.

    It listens on a free port of the loopback interface for as long as its block is open. What it
    is told and what it says can be looked at while it runs and afterwards: when the block is left,
    connections that are still open are closed with code 1001, and what clients have sent until then
    is read first, for at most `CLOSE_SECONDS`. A block that an exception ends does not wait.

    Args:
        plan: What it does; each connection goes on with the replies that are left.
        ssl: Serve ``wss`` with this context.
        port: Port to listen on; 0 takes a free one.

    Example::

        async with testing.RealtimeServer(testing.script.weather_call()) as server:
            async with realtime.open_session(agent, provider=server.provider()) as session:
                await session.send_message("How is the weather in Paris?")
    """

    def __init__(
        self, plan: s.Script | None = None, *, ssl: SSLContext | None = None, port: int = 0
    ) -> None:
        self._plan = plan or s.Script()
        self._replies = list(self._plan.replies)
        self._ssl = ssl
        self._stack = AsyncExitStack()
        self._changed = Signal()
        self._trouble = _Trouble(self._plan)
        self.peers: list[Peer] = []
        """One for each connection so far."""
        self.headers: list[dict[str, str]] = []
        """Headers of the upgrade request of each connection, lower-case names."""
        self.paths: list[str] = []
        """Path and query of each connection."""
        self.broken_at: list[float] = []
        """``time.monotonic()`` seconds at which a fault of the script broke a connection."""
        self.port = port
        """The port it listens on."""

    async def __aenter__(self) -> RealtimeServer:
        try:
            from websockets.trio.server import serve
        except ImportError:
            raise MissingExtra(
                "testing.RealtimeServer needs the package websockets: "
                "pip install 'voxloop[testing]'",
                extra="testing",
            ) from None
        async with AsyncExitStack() as stack:
            listeners = await trio.open_tcp_listeners(self.port, host="127.0.0.1")
            self.port = listeners[0].socket.getsockname()[1]
            nursery = await stack.enter_async_context(open_nursery())
            stack.callback(nursery.cancel_scope.cancel)
            await nursery.start(
                lambda task_status=trio.TASK_STATUS_IGNORED: serve(
                    self._serve,
                    listeners=listeners,
                    ssl=self._ssl,
                    compression=None,
                    process_request=self._upgrade,
                    close_timeout=CLOSE_SECONDS,
                    max_size=32 * 1024 * 1024,
                    # All of it is kept in any case. A reader that rests while an answer is written
                    # would not see the client leave, and give up what lies before its Close.
                    max_queue=None,
                    task_status=task_status,
                )
            )
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        async with self._stack:
            if kind is None:
                await self._hear_out()
        return None

    async def _hear_out(self) -> None:
        """Read what clients have sent: their answer to the close comes after it."""
        with trio.move_on_after(CLOSE_SECONDS):
            async with open_nursery() as nursery:
                for socket, peer in self._trouble.peers.items():
                    peer.gone = True
                    nursery.start_soon(socket.aclose, 1001, "the server is leaving")
            while self._trouble.sockets or self._trouble.coming:
                await self._changed.wait()
                self._trouble.coming -= {
                    s for s in self._trouble.coming if s.stream_closed.is_set()
                }

    @property
    def base_url(self) -> str:
        """Base URL for an API client."""
        return f"http{'s' if self._ssl else ''}://127.0.0.1:{self.port}/v1"

    def provider(self) -> OpenAI:
        """A provider that reaches this server."""
        from voxloop.providers import OpenAI

        return OpenAI(api_key=TEST_KEY, base_url=self.base_url)

    @property
    def received(self) -> list[Json]:
        """All client events of all connections, decoded, in order."""
        return [event for peer in self.peers for event in peer.received]

    @property
    def violations(self) -> list[str]:
        """What clients did against the protocol."""
        return [violation for peer in self.peers for violation in peer.violations]

    def types(self) -> list[str]:
        """Types of all client events, in order, audio left out."""
        kinds = [str(event["type"]) for event in self.received]
        return [kind for kind in kinds if kind != "input_audio_buffer.append"]

    async def wait_for(self, kind: str, count: int = 1) -> Json:
        """Wait until clients have sent ``count`` events of a type; the last of them.

        **Cancellation:** may be called again.
        """
        while True:
            found = [event for event in self.received if event["type"] == kind]
            if len(found) >= count:
                return found[count - 1]
            await self._changed.wait()

    async def drop(self) -> None:
        """End all connections without a word."""
        for socket in self._trouble.sockets:
            await socket.close_stream()

    def _upgrade(self, socket: ServerConnection, request: Request) -> Response | None:
        refusal = next(self._trouble.upgrades, None)
        if refusal is None:
            self._trouble.coming.add(socket)
            return None
        self.paths.append(request.path)
        self.headers.append({k.lower(): v for k, v in request.headers.raw_items()})
        self._changed.tell()
        response = socket.respond(refusal.status, refusal.body)
        for name, value in refusal.headers.items():
            response.headers[name] = value
        return response

    async def _break(self, socket: ServerConnection, after: float, code: int | None) -> None:
        await trio.sleep(after)
        self.broken_at.append(time.monotonic())
        if code is None:
            await socket.close_stream()
        else:
            await socket.aclose(code, "a fault of the script")

    async def _expire(self, socket: ServerConnection, peer: Peer, after: float) -> None:
        await trio.sleep(after)
        message = "Your session hit the maximum duration."
        detail = {"type": "invalid_request_error", "code": "session_expired", "message": message}
        await peer.send("error", error=detail)
        await socket.aclose(1001, message)

    async def _serve(self, socket: ServerConnection) -> None:
        from websockets.exceptions import ConnectionClosed

        self._trouble.coming.discard(socket)
        self._trouble.sockets.append(socket)
        try:
            await self._talk(socket)
        except (ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            self._trouble.sockets.remove(socket)
            self._trouble.peers.pop(socket, None)
            self._changed.tell()

    async def _talk(self, socket: ServerConnection) -> None:
        from websockets.exceptions import ConnectionClosed

        async def write(text: str) -> None:
            # A client that has left hears no answer, but what it has sent is read to its end.
            if not peer.gone:
                try:
                    await socket.send(text)
                except ConnectionClosed:
                    peer.gone = True

        peer = Peer(self._plan, self._replies, write, self._changed, len(self.peers) + 1)
        self.peers.append(peer)
        self._trouble.peers[socket] = peer
        if socket.request is not None:
            self.paths.append(socket.request.path)
            self.headers.append({k.lower(): v for k, v in socket.request.headers.raw_items()})
        self._changed.tell()
        async with open_nursery() as nursery:
            lifetime = self._plan.expires_after
            if lifetime is not None:
                peer.session["expires_at"] = int(time.time() + lifetime)
                nursery.start_soon(self._expire, socket, peer, lifetime)
            if not self._plan.played:
                await peer.send("session.created", session=peer.session)
            nursery.start_soon(self._steps, socket, peer, nursery)
            broken = next(self._trouble.breaks, None)
            if broken is not None:
                nursery.start_soon(self._break, socket, *broken)
            while (text := await _next(socket)) is not None:
                await peer.take(nursery, text)
            nursery.cancel_scope.cancel()

    async def _play(self, peer: Peer) -> None:
        """Do what a recording says, and nothing else."""
        number = min(self.peers.index(peer), len(self._plan.played) - 1)
        for step in self._plan.played[number]:
            match step:
                case s.Until(type=kind, count=count):
                    await peer.wait(peer.received, kind, count)
                case s.Emit(event=event):
                    await peer.send_event(event)
                case s.Pause(seconds=seconds):
                    await trio.sleep(seconds)
                case _:
                    raise AssertionError(f"{step!r} is no step of a recording")

    async def _steps(self, socket: ServerConnection, peer: Peer, nursery: trio.Nursery) -> None:
        steps = self._plan.steps
        if self._plan.later is not None and peer is not self.peers[0]:
            steps = self._plan.later
        if self._plan.played:
            await self._play(peer)
            return
        if not steps:
            return
        await peer.wait(peer.received, "session.update", 1)
        for step in steps:
            match step:
                case s.Hears():
                    await peer.hear(nursery, step)
                case s.Until(type=kind, count=count):
                    await peer.wait(peer.received, kind, count)
                case s.UntilSent(type=kind, count=count):
                    await peer.wait(peer.sent, kind, count)
                case s.Pause(seconds=seconds):
                    await trio.sleep(seconds)
                case s.Emit(event=event):
                    await peer.send_event(event)
                case s.Close(code=code, reason=reason):
                    await socket.aclose(code, reason)
                case s.Drop():
                    await socket.close_stream()


async def _next(socket: ServerConnection) -> str | bytes | None:
    """What the client has sent next, None after the last."""
    from websockets.exceptions import ConnectionClosed

    try:
        return await socket.recv()
    except ConnectionClosed:
        return None


class _Trouble:
    """What is to go wrong, and the sockets it happens to."""

    def __init__(self, plan: s.Script) -> None:
        self.upgrades = iter(plan.upgrades)
        self.breaks = _moments(plan.faults)
        self.sockets: list[ServerConnection] = []
        self.peers: dict[ServerConnection, Peer] = {}
        self.coming: set[ServerConnection] = set()
        """Those whose upgrade is being answered."""


def _moments(faults: s.Faults | None) -> Iterator[tuple[float, int | None]]:
    """Seconds after which each connection breaks, and the code it is closed with, if any."""
    if faults is None:
        return
    chance = random.Random(faults.seed)  # noqa: S311 - it is to be the same again
    for _ in range(faults.count):
        after = chance.uniform(faults.low, faults.high)
        clean = chance.random() < faults.clean_share
        yield after, chance.choice((1001, 1011)) if clean else None
