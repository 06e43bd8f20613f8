"""`picows` on uvloop with orjson and pybase64: the fastest that can be put together by hand."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
import pybase64
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from peers import Sink, by_hand

LOOP = "uvloop"
NEEDS = ("picows", "uvloop", "orjson", "pybase64")


class _Listener(WSListener):
    def __init__(self, sink: Sink) -> None:
        self._hand = by_hand.ByHand(sink, orjson.loads, pybase64.b64decode)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            for answer in self._hand.take(frame.get_payload_as_memoryview()):
                transport.send(WSMsgType.TEXT, answer.encode())
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()


class _Link:
    def __init__(self, transport: WSTransport) -> None:
        self._transport = transport

    async def append(self, pcm: bytes) -> None:
        audio = pybase64.b64encode_as_string(pcm)
        text = f'{{"type":"input_audio_buffer.append","audio":"{audio}"}}'
        self._transport.send(WSMsgType.TEXT, text.encode())

    async def listen(self) -> None:
        await asyncio.shield(self._transport.wait_disconnected())


@asynccontextmanager
async def open_link(url: str, sink: Sink) -> AsyncIterator[_Link]:
    context = ssl.create_default_context() if url.startswith("wss") else None
    transport, _ = await ws_connect(
        lambda: _Listener(sink), url, ssl_context=context, websocket_handshake_timeout=30
    )
    try:
        transport.send(WSMsgType.TEXT, by_hand.UPDATE.encode())
        yield _Link(transport)
    finally:
        transport.disconnect()
