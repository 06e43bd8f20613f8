"""`trio-websocket`, with the protocol by hand: json and base64 of the standard library."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from trio_websocket import WebSocketConnection, open_websocket_url

from peers import Sink, by_hand

LOOP = "trio"
NEEDS = ("trio-websocket",)


class _Link:
    def __init__(self, socket: WebSocketConnection, sink: Sink) -> None:
        self._socket = socket
        self._hand = by_hand.ByHand(sink)

    async def append(self, pcm: bytes) -> None:
        await self._socket.send_message(by_hand.append(pcm))

    async def listen(self) -> None:
        while True:
            for answer in self._hand.take(await self._socket.get_message()):
                await self._socket.send_message(answer)


@asynccontextmanager
async def open_link(url: str, sink: Sink) -> AsyncIterator[_Link]:
    async with open_websocket_url(url) as socket:
        await socket.send_message(by_hand.UPDATE)
        yield _Link(socket, sink)
