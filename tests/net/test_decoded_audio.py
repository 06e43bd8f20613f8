"""Sound of the Realtime protocol over a real socket: decoded, in order, never other sound."""

from __future__ import annotations

import base64
import functools
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio
from websockets.trio.server import ServerConnection, serve

from voxloop import net
from voxloop.wire import realtime as rt


def delta(data: bytes, *, item: str = "i", kind: str = "response.output_audio.delta") -> str:
    event = {"type": kind, "event_id": "e", "response_id": "r", "item_id": item}
    place = {"output_index": 0, "content_index": 0}
    return json.dumps({**event, **place, "delta": base64.b64encode(data).decode()})


@asynccontextmanager
async def saying(*texts: str) -> AsyncIterator[str]:
    """A server that says these texts at once; its URL."""

    async def handler(connection: ServerConnection) -> None:
        for text in texts:
            await connection.send(text)
        await connection.wait_closed()

    async with serving(handler) as url:
        yield url


@asynccontextmanager
async def serving(handler: Callable[[ServerConnection], Awaitable[None]]) -> AsyncIterator[str]:
    """A server for one conversation; its URL."""
    async with trio.open_nursery() as nursery:
        server = await nursery.start(functools.partial(serve, handler, 0, host="127.0.0.1"))
        port = server.listeners[0].socket.getsockname()[1]
        try:
            yield f"ws://127.0.0.1:{port}"
        finally:
            nursery.cancel_scope.cancel()


async def take(socket: net.WebSocket, last: str) -> list[net.Frame]:
    frames: list[net.Frame] = []
    with trio.fail_after(10):
        while not frames or frames[-1].data != last:
            frames += await socket.receive_batch()
    return frames


async def test_sound_is_decoded_and_keeps_its_place_among_the_texts() -> None:
    texts = [
        '{"type":"a"}',
        delta(b"\1\2\3"),
        delta(b"\4"),
        delta(b"\5\6", item="j"),
        '{"type":"b"}',
        delta(b"\7\0", kind="response.audio.delta"),
        delta(b"").replace("/", "\\/"),
        '{"type":"end"}',
    ]
    async with saying(*texts) as url, net.open_websocket(url, decode_audio=True) as socket:
        frames = await take(socket, texts[-1])
    seen: list[str | bytes] = []
    messages: list[str] = []
    for frame in frames:
        if isinstance(frame.data, net.AudioDelta):
            seen.append(frame.data.data)
            messages += [text for text, _ in frame.data.messages]
        else:
            assert isinstance(frame.data, str)
            seen.append(frame.data)
            messages.append(frame.data)
    joined = b"".join(part for part in seen if isinstance(part, bytes))
    assert joined == b"\1\2\3\4\5\6\7\0"
    assert messages == texts, "what came is there as it came"
    places = [part if isinstance(part, str) else "sound" for part in seen]
    shown = [p for n, p in enumerate(places) if n == 0 or p != places[n - 1]]
    assert shown == [texts[0], "sound", texts[4], "sound", texts[-1]]


async def test_messages_are_kept_only_while_they_are_wanted() -> None:
    async def handler(connection: ServerConnection) -> None:
        await connection.send(delta(b"\1\2"))
        await connection.recv()
        await connection.send(delta(b"\3\4"))
        await connection.send("{}")
        await connection.wait_closed()

    async with serving(handler) as url, net.open_websocket(url, decode_audio=True) as socket:
        first = (await socket.receive()).data
        socket.keep_messages(False)
        await socket.send("go on")
        second = (await socket.receive()).data
        assert (await socket.receive()).data == "{}"
    assert isinstance(first, net.AudioDelta)
    assert isinstance(second, net.AudioDelta)
    assert [text for text, _ in first.messages] == [delta(b"\1\2")]
    assert (second.messages, second.data) == ([], b"\3\4")


async def test_what_is_not_in_order_goes_to_the_full_decoder() -> None:
    bad = [
        delta(b"\1\2").replace("AQI=", "AQ"),
        delta(b"\1\2").replace("AQI=", "!!!!"),
        delta(b"\1\2").replace('"delta": "AQI="', '"delta": 7'),
        delta(b"\1\2")[:-1],
    ]
    async with saying(*bad, "{}") as url, net.open_websocket(url, decode_audio=True) as socket:
        frames = await take(socket, "{}")
    assert [frame.data for frame in frames] == [*bad, "{}"]
    decoded = rt.decode_server(bad[1])
    assert isinstance(decoded, rt.Invalid)


async def test_one_wake_up_is_for_many_pieces() -> None:
    pieces = [delta(bytes([n % 251, 0]) * 480) for n in range(400)]
    end = '{"type":"end"}'
    options = net.WebSocketOptions(coalesce_ms=1000.0)
    async with saying(*pieces, end) as url:
        async with net.open_websocket(url, options=options, decode_audio=True) as socket:
            frames = await take(socket, end)
            wakes = socket.stats().wakes
    sound = b"".join(f.data.data for f in frames if isinstance(f.data, net.AudioDelta))
    assert sound == b"".join(bytes([n % 251, 0]) * 480 for n in range(400))
    assert wakes <= 4, "open, the first piece, and the end with all the rest"


async def test_a_flood_keeps_its_order_whatever_comes_in_between() -> None:
    chance = random.Random(5)
    texts, wanted = [], []
    for number in range(3_000):
        item, data = chance.choice("iiiiij"), chance.randbytes(chance.choice((960, 2, 1, 4_000)))
        text = delta(data, item=item)
        kind = chance.random()
        if kind < 0.1:
            text = json.dumps({"type": "other", "number": number})
        elif kind < 0.15:
            text = text.replace('"delta": "', '"delta": "!')  # no base64: for the full decoder
        else:
            wanted.append((item, data))
        texts.append(text)
    texts.append('{"type":"end"}')
    for keep in (True, False):
        async with saying(*texts) as url, net.open_websocket(url, decode_audio=True) as socket:
            socket.keep_messages(keep)
            frames = await take(socket, texts[-1])
        sound = [frame.data for frame in frames if isinstance(frame.data, net.AudioDelta)]
        for item in "ij":
            parts = [one.data for one in sound if one.item_id == item]
            assert b"".join(parts) == b"".join(data for name, data in wanted if name == item)
        others = [frame.data for frame in frames if isinstance(frame.data, str)]
        assert others == [text for text in texts if not good(text)]
        # Sound stands between the same texts as before.
        places = [
            item.item_id if isinstance(item, net.AudioDelta) else "text" for item, _ in frames
        ]
        runs = [json.loads(text).get("item_id") if good(text) else "text" for text in texts]
        assert squeezed(places) == squeezed(runs)
        if keep:
            assert [m for frame in frames for m, _ in frame.messages] == texts


def good(text: str) -> bool:
    return '"delta": "' in text and '"delta": "!' not in text


def squeezed(places: list[str]) -> list[str]:
    """Without what stands twice in a row, texts aside."""
    pairs = zip(["", *places], places, strict=False)
    return [place for before, place in pairs if place == "text" or place != before]


async def test_without_the_option_text_stays_text() -> None:
    async with saying(delta(b"\1\2"), "{}") as url, net.open_websocket(url) as socket:
        frames = await take(socket, "{}")
    assert [frame.data for frame in frames] == [delta(b"\1\2"), "{}"]
