"""`websockets` under trio, with the protocol by hand: json and base64 of the standard library."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from websockets.trio.client import ClientConnection, connect

from peers import Sink, by_hand

LOOP = "trio"
NEEDS = ("websockets",)


class _Link:
    def __init__(self, socket: ClientConnection, sink: Sink) -> None:
        self._socket = socket
        self._hand = by_hand.ByHand(sink)

    async def append(self, pcm: bytes) -> None:
        await self._socket.send(by_hand.append(pcm))

    async def listen(self) -> None:
        async for text in self._socket:
            for answer in self._hand.take(text):
                await self._socket.send(answer)


@asynccontextmanager
async def open_link(url: str, sink: Sink) -> AsyncIterator[_Link]:
    async with connect(url, compression=None, max_size=None) as socket:
        await socket.send(by_hand.UPDATE)
        yield _Link(socket, sink)
