"""Media go from one connection to the next: nothing that the user said is lost."""

from __future__ import annotations

import array
import base64
import functools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from websockets.exceptions import ConnectionClosed
from websockets.trio.server import ServerConnection, serve

from voxloop import audio, net
from voxloop._errors import ConfigError, UseAfterClose

SOUND = array.array("h", (n % 30_000 + 1 for n in range(24_000))).tobytes()


class Ear:
    """A server that keeps the audio of each connection, and answers commits."""

    def __init__(self) -> None:
        self.heard: list[bytearray] = []
        self.committed: list[int] = []
        self.sockets: list[ServerConnection] = []

    def of(self, connection: int) -> bytes:
        """What a connection has brought so far."""
        return bytes(self.heard[connection]) if connection < len(self.heard) else b""

    async def handle(self, socket: ServerConnection) -> None:
        heard = bytearray()
        self.heard.append(heard)
        self.sockets.append(socket)
        try:
            async for text in socket:
                event = json.loads(text)
                if event["type"] == "input_audio_buffer.append":
                    heard.extend(base64.b64decode(event["audio"], validate=True))
                elif event["type"] == "input_audio_buffer.commit":
                    self.committed.append(len(heard))
                    await socket.send('{"type":"input_audio_buffer.committed","item_id":"i"}')
        except ConnectionClosed:
            pass


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[Ear, str]]:
    ear = Ear()
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            server = await nursery.start(functools.partial(serve, ear.handle, 0, host="127.0.0.1"))
            port = server.listeners[0].socket.getsockname()[1]
            yield ear, f"ws://127.0.0.1:{port}"
            nursery.cancel_scope.cancel()


async def reached(check: Callable[[], bool]) -> None:
    while not check():  # noqa: ASYNC110 - other threads do not set trio's events
        await trio.sleep(0.01)


@asynccontextmanager
async def media(**settings: bool) -> AsyncIterator[net.MediaLink]:
    source = await audio.WavSource(SOUND, **settings).open_source()
    link = net.MediaLink(source, None, net.MediaOptions())
    try:
        yield link
    finally:
        await link.aclose()


async def test_what_was_not_committed_is_sent_again() -> None:
    async with listening() as (ear, url), media() as link:
        async with net.open_websocket(url, decode_audio=True) as socket:
            assert socket.bind_media(link) == 0
            await reached(lambda: len(ear.of(0)) > 9_600)
            await ear.sockets[0].close_stream()
            await reached(lambda: link.stats().position_up > 12_000)
        link.unbind()
        async with net.open_websocket(url, decode_audio=True) as socket:
            again = socket.bind_media(link)
            await reached(lambda: len(ear.of(1)) == len(SOUND))
    assert again * 2 >= len(ear.of(0))
    assert ear.of(1) == SOUND
    assert SOUND.startswith(ear.of(0))
    assert link.stats().lost_up == 0


async def test_what_was_committed_is_not_sent_again() -> None:
    async with listening() as (ear, url), media() as link:
        async with net.open_websocket(url, decode_audio=True) as socket:
            socket.bind_media(link)
            await reached(lambda: len(ear.of(0)) > 9_600)
            kept = link.stats().kept_up
            await socket.send('{"event_id":"e","type":"input_audio_buffer.commit"}')
            await reached(lambda: link.stats().kept_up < kept)
        async with net.open_websocket(url, decode_audio=True) as socket:
            socket.bind_media(link)
            await reached(lambda: bytes(ear.of(1)[-960:]) == SOUND[-960:])
    start = len(SOUND) - len(ear.of(1))
    assert ear.of(1) == SOUND[start:]
    # The commit is put in its place as it is queued: at most a frame may be on its way then.
    assert 0 <= ear.committed[0] - start <= 2 * 960


async def test_as_fast_as_it_goes_waits_for_a_connection() -> None:
    async with listening() as (ear, url), media(realtime=False) as link:
        await trio.sleep(0.05)
        assert link.stats().position_up == 0
        async with net.open_websocket(url, decode_audio=True) as socket:
            socket.bind_media(link)
            await reached(lambda: len(ear.of(0)) == len(SOUND))
    assert ear.of(0) == SOUND


async def test_media_need_a_connection_that_decodes() -> None:
    async with listening() as (_, url), media() as link:
        async with net.open_websocket(url) as socket:
            with pytest.raises(ConfigError, match="decode"):
                socket.bind_media(link)
        await link.aclose()
        async with net.open_websocket(url, decode_audio=True) as socket:
            with pytest.raises(UseAfterClose):
                socket.bind_media(link)
