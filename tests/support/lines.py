"""What lies between a client and a server: proxies that log in, and lines that go dead."""

from __future__ import annotations

import base64
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from support.servers import tcp_server


@dataclass
class Proxy:
    """A proxy on loopback that leads every name to this machine.

    Attributes:
        login: User and password it asks for.
        refuse: Answer of an HTTP proxy, or reply code of a SOCKS proxy, instead of a tunnel.
        asked: Host and port of each tunnel it was asked for.
        heads: Requests to an HTTP proxy, as they came.
    """

    login: tuple[str, str] | None = None
    refuse: int | None = None
    silent: bool = False
    asked: list[tuple[str, int]] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    port: int = 0

    @asynccontextmanager
    async def http(self) -> AsyncIterator[int]:
        async with tcp_server(self._http) as self.port:
            yield self.port

    @asynccontextmanager
    async def socks(self) -> AsyncIterator[int]:
        async with tcp_server(self._socks) as self.port:
            yield self.port

    async def http_over(self, stream: trio.abc.Stream) -> None:
        await self._http(stream)

    async def _http(self, stream: trio.abc.Stream) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            piece = await stream.receive_some(4096)
            if not piece:
                return
            data += piece
        head = data.decode("latin-1")
        self.heads.append(head)
        if self.silent:
            await trio.sleep_forever()
        if self.login is not None:
            wanted = base64.b64encode(":".join(self.login).encode()).decode()
            if f"proxy-authorization: basic {wanted}".lower() not in head.lower():
                await stream.send_all(b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\n\r\n")
                return
        if self.refuse is not None:
            await stream.send_all(f"HTTP/1.1 {self.refuse} No\r\n\r\n".encode())
            return
        method, target, _ = head.split("\r\n")[0].split(" ")
        if method == "CONNECT":
            host, _, port = target.rpartition(":")
            self.asked.append((host, int(port)))
            await stream.send_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await self._join(stream, int(port), b"")
        else:
            authority = target.removeprefix("http://").partition("/")[0]
            host, _, port = authority.partition(":")
            self.asked.append((host, int(port or 80)))
            await self._join(stream, int(port or 80), data)

    async def _socks(self, stream: trio.abc.Stream) -> None:
        read = Reader(stream)
        version, count = await read.exactly(2)
        assert version == 5
        methods = await read.exactly(count)
        method = 0 if self.login is None else 2
        if method not in methods:
            await stream.send_all(b"\x05\xff")
            return
        await stream.send_all(bytes([5, method]))
        if self.login is not None and not await self._socks_login(stream, read):
            return
        _, _, _, kind = await read.exactly(4)
        if kind == 1:
            host = ".".join(map(str, await read.exactly(4)))
        elif kind == 3:
            host = (await read.exactly((await read.exactly(1))[0])).decode()
        else:
            host = (await read.exactly(16)).hex()
        (port,) = struct.unpack(">H", await read.exactly(2))
        self.asked.append((host, port))
        await stream.send_all(bytes([5, self.refuse or 0, 0, 1, 0, 0, 0, 0, 0, 0]))
        if self.refuse is None:
            await self._join(stream, port, b"")

    async def _socks_login(self, stream: trio.abc.Stream, read: Reader) -> bool:
        await read.exactly(1)
        user = (await read.exactly((await read.exactly(1))[0])).decode()
        password = (await read.exactly((await read.exactly(1))[0])).decode()
        fits = (user, password) == self.login
        await stream.send_all(b"\x01\x00" if fits else b"\x01\x01")
        return fits

    async def _join(self, stream: trio.abc.Stream, port: int, first: bytes) -> None:
        try:
            async with await trio.open_tcp_stream("127.0.0.1", port) as other:
                if first:
                    await other.send_all(first)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(pump, stream, other)
                    await pump(other, stream)
                    nursery.cancel_scope.cancel()
        except (trio.BrokenResourceError, OSError):
            pass


class Reader:
    """Takes bytes by number."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._data = b""

    async def exactly(self, count: int) -> bytes:
        while len(self._data) < count:
            piece = await self._stream.receive_some(4096)
            if not piece:
                raise trio.BrokenResourceError("the client left")
            self._data += piece
        taken, self._data = self._data[:count], self._data[count:]
        return taken


async def pump(source: trio.abc.Stream, sink: trio.abc.Stream) -> None:
    try:
        while piece := await source.receive_some(65_536):
            await sink.send_all(piece)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass


class Line:
    """A TCP line to ``port`` whose far end can be cut off without a word.

    Attributes:
        port: Where to connect instead.
        dead: From then on nothing is passed on, and nobody is told.
    """

    def __init__(self) -> None:
        self.port = 0
        self.dead = False
        self._number = 0
        self._streams: list[trio.SocketStream] = []

    def stall(self) -> None:
        """The connections that there are go dead; new ones are carried."""
        self._number += 1

    async def drop(self) -> None:
        """The connections that there are end without a word."""
        for stream in self._streams:
            await stream.aclose()

    @asynccontextmanager
    async def to(self, port: int) -> AsyncIterator[Line]:
        async def serve(stream: trio.SocketStream) -> None:
            self._streams.append(stream)
            number = self._number
            async with await trio.open_tcp_stream("127.0.0.1", port) as other:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._carry, stream, other, number)
                    nursery.start_soon(self._carry, other, stream, number)

        async with tcp_server(serve) as self.port:
            yield self

    async def _carry(self, source: trio.SocketStream, sink: trio.SocketStream, number: int) -> None:
        try:
            while True:
                piece = await source.receive_some(65_536)
                if self.dead or number < self._number:
                    await trio.sleep_forever()
                if not piece:
                    return
                await sink.send_all(piece)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
