"""A WebSocket server that breaks RFC 6455 in every way it can, and lines that go dead."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random

import pytest
import trio
from websockets.exceptions import ConnectionClosed as PeerClosed
from websockets.trio.server import ServerConnection

from support.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Peer,
    close_frame,
    frame,
    raw_websocket,
)
from support.lines import Line
from support.servers import read_request, tcp_server, websocket_server
from voxloop import net
from voxloop._errors import ConfigError, NetworkError

LIMIT = 64 * 1024
SMALL = net.WebSocketOptions(max_message_bytes=LIMIT, close_timeout=2.0)
Script = Callable[[Peer], Awaitable[None]]


async def outcome(
    *frames: bytes, options: net.WebSocketOptions = SMALL, cut: bool = False
) -> tuple[list[str | bytes], NetworkError, Peer]:
    """What a client makes of these frames: the messages, the end, and what it told the server."""
    done = trio.Event()
    taken: list[str | bytes] = []

    async def script(peer: Peer) -> None:
        await peer.send(*frames)
        if cut:
            await peer.stream.send_eof()
        await peer.until_end()
        done.set()

    error: NetworkError | None = None
    async with raw_websocket(script) as (url, peer):
        with trio.fail_after(20):
            try:
                async with net.open_websocket(url, options=options) as socket:
                    while True:
                        taken += [item.data for item in await socket.receive_batch()]
            except NetworkError as end:
                error = end
            await done.wait()
    assert error is not None
    return taken, error, peer


VIOLATIONS = {
    "a reserved bit": (frame(TEXT, b"x", reserved=4), 1002),
    "the second reserved bit": (frame(TEXT, b"x", reserved=2), 1002),
    "the third reserved bit": (frame(TEXT, b"x", reserved=1), 1002),
    "a reserved data opcode": (frame(3, b"x"), 1002),
    "a reserved control opcode": (frame(11, b"x"), 1002),
    "a masked frame": (frame(TEXT, b"x", mask=b"abcd"), 1002),
    "a ping in fragments": (frame(PING, b"x", fin=False), 1002),
    "a ping of 126 bytes": (frame(PING, bytes(126)), 1002),
    "a close of 126 bytes": (frame(CLOSE, b"\x03\xe8" + bytes(124)), 1002),
    "a close of one byte": (frame(CLOSE, b"\x03"), 1002),
    "a continuation of nothing": (frame(CONTINUATION, b"x"), 1002),
    "a text inside a text": (frame(TEXT, b"x", fin=False) + frame(TEXT, b"y"), 1002),
    "text that is not UTF-8": (frame(TEXT, b"\xff\xfe"), 1007),
    "text with a surrogate": (frame(TEXT, b"\xed\xa0\x80"), 1007),
    "text that ends in a character": (frame(TEXT, "ö".encode()[:1]), 1007),
    "bad UTF-8 split over fragments": (
        frame(TEXT, b"\xf0\x9f", fin=False) + frame(CONTINUATION, b"\x41"),
        1007,
    ),
    "a message beyond the limit": (frame(BINARY, bytes(LIMIT + 1)), 1009),
    "fragments beyond the limit": (
        frame(BINARY, bytes(LIMIT), fin=False) + frame(CONTINUATION, b"x"),
        1009,
    ),
    "a claim of 2 to the 62": (frame(BINARY, b"x", claim=1 << 62), 1009),
}


@pytest.mark.parametrize("case", VIOLATIONS)
async def test_a_violation_ends_it_and_the_server_is_told_why(case: str) -> None:
    frames, code = VIOLATIONS[case]
    taken, error, peer = await outcome(frame(TEXT, b"before"), frames)
    assert taken == ["before"]
    assert isinstance(error, net.ProtocolError)
    assert not error.retryable
    assert peer.close_code == code


async def test_what_came_before_a_violation_is_answered() -> None:
    for violation, code in (VIOLATIONS["a reserved bit"], VIOLATIONS["text that is not UTF-8"]):
        done = trio.Event()

        async def script(peer: Peer, bad: bytes = violation, done: trio.Event = done) -> None:
            await peer.send(frame(TEXT, b"one"), frame(TEXT, b"two"), bad, frame(TEXT, b"late"))
            await peer.until_end()
            done.set()

        heard = []
        async with raw_websocket(script) as (url, peer):
            with trio.fail_after(20), pytest.raises(net.ProtocolError):
                async with net.open_websocket(url, options=SMALL) as socket:
                    while True:
                        for item in await socket.receive_batch():
                            heard.append(item.data)
                            await socket.send(item.data)
            await done.wait()
        assert heard == ["one", "two"]
        assert peer.frames[:2] == [(TEXT, b"one"), (TEXT, b"two")]
        assert [opcode for opcode, _ in peer.frames[2:]] == [CLOSE]
        assert peer.close_code == code


async def test_a_claim_is_not_allocated() -> None:
    before = resident_bytes()
    highest = before
    options = net.WebSocketOptions(max_message_bytes=256 << 20, inbox_bytes=1 << 20)
    with pytest.raises(ConfigError, match="at most"):
        net.WebSocketOptions(max_message_bytes=(256 << 20) + 1)

    async def script(peer: Peer) -> None:
        nonlocal highest
        # Within the limit this client was given, but only its head ever comes.
        await peer.send(frame(BINARY, bytes(1_000), claim=256 << 20))
        for _ in range(20):
            highest = max(highest, resident_bytes())
            await trio.sleep(0.02)

    async with raw_websocket(script) as (url, _):
        with pytest.raises(net.ConnectionClosed):
            async with net.open_websocket(url, options=options) as socket:
                await socket.receive()
    assert highest - before < 16 << 20


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def test_fragments_and_pings_between_them() -> None:
    text = "Grüße, 👋".encode()
    pieces = [frame(TEXT, text[:1], fin=False)]
    for byte in text[1:]:
        pieces += [frame(PING, b"p"), frame(CONTINUATION, bytes([byte]), fin=False)]
    pieces += [frame(CONTINUATION), frame(PONG, b"unasked"), close_frame(1000)]
    taken, error, peer = await outcome(*pieces)
    assert taken == [text.decode()]
    assert isinstance(error, net.ConnectionClosed)
    assert (PONG, b"p") in peer.frames


async def test_a_flood_of_pings_and_crumbs_is_survived() -> None:
    pings = frame(PING, b"x" * 125) * 20_000
    crumbs = (
        frame(BINARY, b"", fin=False)
        + frame(CONTINUATION, b"c", fin=False) * 50_000
        + frame(CONTINUATION)
    )
    before = resident_bytes()
    taken, error, peer = await outcome(pings, crumbs, frame(TEXT, b"alive"), close_frame(1000))
    assert taken == [b"c" * 50_000, "alive"]
    assert isinstance(error, net.ConnectionClosed)
    assert any(opcode == PONG for opcode, _ in peer.frames)
    assert resident_bytes() - before < 64 << 20


CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014]
CODES += [3000, 3999, 4000, 4999]


@pytest.mark.parametrize("code", CODES)
async def test_a_close_code_and_its_reason_are_kept(code: int) -> None:
    reason = "was nun? " * 12 + "äöü"
    _, error, peer = await outcome(close_frame(code, reason))
    assert isinstance(error, net.ConnectionClosed)
    assert (error.close_code, error.reason, error.clean) == (code, reason, True)
    assert error.retryable is (code in (1001, 1011, 1012, 1013, 1014))
    # The protocol library does not know 1014, and answers as it answers a code not in use.
    assert peer.close_code == (1002 if code == 1014 else code)


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535])
async def test_a_close_code_that_may_not_be_sent(code: int) -> None:
    _, error, peer = await outcome(close_frame(code, "no"))
    assert isinstance(error, NetworkError)
    assert peer.ended
    assert peer.close_code in (1002, None)


async def test_ends_without_a_reason() -> None:
    _, error, _ = await outcome(frame(CLOSE))
    assert isinstance(error, net.ConnectionClosed)
    assert (error.close_code, error.clean, error.retryable) == (1005, True, True)
    _, error, _ = await outcome(frame(CLOSE, b"\x03\xe8\xff\xff"))
    assert isinstance(error, NetworkError)

    async def vanish(peer: Peer) -> None:
        await peer.send(frame(TEXT, b"half", claim=100))
        await peer.stream.aclose()

    async with raw_websocket(vanish) as (url, _):
        with pytest.raises(net.ConnectionClosed) as caught:
            async with net.open_websocket(url) as socket:
                await socket.receive()  # half a message is none
    assert (caught.value.close_code, caught.value.clean) == (None, False)
    assert caught.value.retryable


async def test_what_follows_a_close_is_not_heard() -> None:
    taken, error, _ = await outcome(close_frame(4001, "over"), frame(TEXT, b"late"))
    assert taken == []
    assert isinstance(error, net.ConnectionClosed)
    assert error.close_code == 4001


async def echo(peer: ServerConnection) -> None:
    try:
        async for message in peer:
            await peer.send(message)
    except PeerClosed:
        pass


async def test_a_line_that_goes_dead_is_noticed() -> None:
    options = net.WebSocketOptions(ping_interval=0.3, ping_timeout=0.5)
    async with websocket_server(echo) as server, Line().to(int(server.split(":")[2][:-1])) as line:
        with trio.fail_after(20), pytest.raises(net.NetworkTimeout) as caught:
            async with net.open_websocket(
                f"ws://localhost:{line.port}/", options=options
            ) as socket:
                await socket.send("hello")
                assert (await socket.receive()).data == "hello"
                await trio.sleep(1.0)
                assert (socket.stats().rtt or 1) < 1  # pings go through
                line.dead = True
                begun = time.monotonic()
                await socket.send("into the void")
                await socket.receive()
    assert caught.value.phase == "ping"
    assert caught.value.retryable
    assert time.monotonic() - begun < 10


def test_the_defaults_notice_a_dead_line_within_30_s() -> None:
    options = net.WebSocketOptions()
    assert options.ping_interval is not None
    assert options.ping_timeout is not None
    assert options.ping_interval + options.ping_timeout <= 30


async def test_a_dead_peer_does_not_hold_up_the_close() -> None:
    async with websocket_server(echo) as server, Line().to(int(server.split(":")[2][:-1])) as line:
        async with net.open_websocket(f"ws://localhost:{line.port}/") as socket:
            await socket.send("hello")
            await socket.receive()
            line.dead = True
            begun = time.monotonic()
        assert time.monotonic() - begun < 5


REFUSALS = [
    (b"HTTP/1.1 301 Moved\r\nLocation: wss://evil.example/?k=sk-canary\r\n\r\n", "evil.example"),
    (b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n\r\n", "another path"),
    (b"HTTP/1.1 307 Moved\r\nLocation: ws://localhost:1/\r\n\r\n", "none is followed"),
    (b"HTTP/1.1 308 Moved\r\nLocation: http://[nonsense\r\n\r\n", "another path"),
]


@pytest.mark.parametrize(("reply", "words"), REFUSALS)
async def test_a_redirect_of_the_upgrade_is_refused(reply: bytes, words: str) -> None:
    asked = 0

    async def serve(stream: trio.SocketStream) -> None:
        nonlocal asked
        asked += 1
        await read_request(stream)
        await stream.send_all(reply)
        await stream.aclose()

    headers = {"Authorization": net.Secret("Bearer sk-canary-0123456789")}
    async with tcp_server(serve) as port:
        with pytest.raises(net.HandshakeRejected, match=words) as caught:
            async with net.open_websocket(f"ws://localhost:{port}/", headers=headers):
                pass
    assert asked == 1
    assert caught.value.status in (301, 302, 307, 308)
    assert not caught.value.retryable
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "retryable"),
    [(401, False), (403, False), (404, False), (408, True), (429, True), (503, True)],
)
async def test_a_refused_upgrade_is_told_apart(status: int, retryable: bool) -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await read_request(stream)
        body = b'{"error": {"code": "c"}}' + b" " * 9_000
        head = f"HTTP/1.1 {status} No\r\nRetry-After: 3\r\nContent-Length: {len(body)}\r\n\r\n"
        await stream.send_all(head.encode() + body)

    async with tcp_server(serve) as port:
        with pytest.raises(net.HandshakeRejected) as caught:
            async with net.open_websocket(f"ws://localhost:{port}/"):
                pass
    error = caught.value
    assert (error.status, error.retryable) == (status, retryable)
    assert error.headers["retry-after"] == "3"
    assert len(error.body_head) <= 4096


async def test_random_bytes_after_the_handshake() -> None:
    random = Random(20)
    for size in range(20, 1220, 40):
        # Cut off behind: what is random may well begin a frame that would never be whole.
        _, error, peer = await outcome(random.randbytes(size), close_frame(1000), cut=True)
        assert isinstance(error, NetworkError)
        assert peer.ended
