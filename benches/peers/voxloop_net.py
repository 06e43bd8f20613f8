"""`voxloop.net.open_websocket` with `voxloop.wire`, and the rest by hand."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from peers import Sink, by_hand
from voxloop import net
from voxloop.wire import realtime as rt

LOOP = "trio"
NEEDS = ("voxloop",)
_ANSWERED = (
    rt.InputAudioBufferSpeechStarted,
    rt.ResponseFunctionCallArgumentsDone,
    rt.ResponseDone,
)


class _Link:
    def __init__(self, socket: net.WebSocket, sink: Sink) -> None:
        self._socket = socket
        self._sink = sink
        self._hand = by_hand.ByHand(sink)

    async def append(self, pcm: bytes) -> None:
        await self._socket.send(rt.encode(rt.InputAudioBufferAppend(audio=pcm)))

    async def listen(self) -> None:
        audio = self._hand.audio
        while True:
            for frame in await self._socket.receive_batch():
                event = rt.decode_server(frame.data)
                if type(event) is rt.ResponseOutputAudioDelta:
                    audio(event.item_id, event.delta)
                elif isinstance(event, _ANSWERED):
                    for answer in self._hand.other(json.loads(frame.data)):
                        await self._socket.send(answer)


@asynccontextmanager
async def open_link(url: str, sink: Sink) -> AsyncIterator[_Link]:
    async with net.open_websocket(url) as socket:
        await socket.send(by_hand.UPDATE)
        yield _Link(socket, sink)
