"""The WebSocket client against an independent server, over real sockets and real TLS."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trio
import trio.testing
from websockets.exceptions import ConnectionClosed as PeerClosed
from websockets.trio.server import ServerConnection

from support.frames import TEXT, Peer, frame, raw_websocket
from support.servers import authority, read_request, tcp_server, websocket_server
from voxloop import net
from voxloop._errors import ConcurrencyError, ConfigError, UseAfterClose

CANARY = "sk-canary-0123456789"


async def echo(peer: ServerConnection) -> None:
    try:
        async for message in peer:
            await peer.send(message)
    except PeerClosed:
        pass


async def test_messages_come_back_in_order_with_their_kind() -> None:
    async with websocket_server(echo) as url, net.open_websocket(url) as socket:
        for message in ("one", b"\x00\x01", "zwei äöü", ""):
            await socket.send(message)
        frames = [await socket.receive() for _ in range(4)]
        assert [frame.data for frame in frames] == ["one", b"\x00\x01", "zwei äöü", ""]
        times = [frame.at for frame in frames]
        assert times == sorted(times)
        assert abs(times[-1] - time.monotonic()) < 5
        stats = socket.stats()
        assert (stats.messages_in, stats.messages_out) == (4, 4)


async def test_tls_with_a_named_authority(tmp_path: Path) -> None:
    context, ca_file = authority(tmp_path)
    options = net.WebSocketOptions(ca_file=ca_file)
    async with websocket_server(echo, tls=context) as url:
        async with net.open_websocket(url, options=options) as socket:
            await socket.send("over TLS")
            assert (await socket.receive()).data == "over TLS"


async def test_an_unknown_authority_is_refused(tmp_path: Path) -> None:
    context, _ = authority(tmp_path)
    async with websocket_server(echo, tls=context) as url:
        with pytest.raises(net.TlsFailed) as caught:
            async with net.open_websocket(url):
                pass
    assert caught.value.code == "tls_failed"
    assert not caught.value.retryable


async def test_a_batch_is_one_wake_for_all_that_has_come() -> None:
    async def burst(peer: ServerConnection) -> None:
        for index in range(1_000):
            await peer.send(str(index))
        await peer.recv()

    async with websocket_server(burst) as url, net.open_websocket(url) as socket:
        taken: list[str | bytes] = []
        while len(taken) < 1_000:
            await trio.sleep(0.01)
            taken += [frame.data for frame in await socket.receive_batch()]
        assert taken == [str(index) for index in range(1_000)]
        assert socket.stats().wakes < 500
        await socket.send("done")


async def test_a_cancelled_receive_loses_nothing() -> None:
    total = 3_000

    async def count(peer: ServerConnection) -> None:
        for index in range(total):
            await peer.send(str(index))
            if index % 20 == 0:
                await trio.sleep(0.001)
        await peer.recv()

    taken: list[str | bytes] = []
    cancels = 0
    async with websocket_server(count) as url, net.open_websocket(url) as socket:
        while len(taken) < total:
            with trio.move_on_after(0.000_05 * (cancels % 5)) as scope:
                taken.append((await socket.receive()).data)
            cancels += scope.cancelled_caught
        await socket.send("done")
    assert taken == [str(index) for index in range(total)]
    assert cancels > 20


async def test_receive_and_send_are_checkpoints() -> None:
    async with websocket_server(echo) as url, net.open_websocket(url) as socket:
        with trio.testing.assert_checkpoints():
            await socket.send("a")
        await trio.sleep(0.1)
        with trio.testing.assert_checkpoints():
            await socket.receive()
        with trio.CancelScope() as scope:
            scope.cancel()
            await socket.send("never")
        await socket.send("b")
        assert (await socket.receive()).data == "b"


async def test_two_receivers_are_told_so() -> None:
    async with websocket_server(echo) as url, net.open_websocket(url) as socket:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(socket.receive)
            await trio.testing.wait_all_tasks_blocked(0.05)
            with pytest.raises(ConcurrencyError, match="another task"):
                await socket.receive()
            nursery.cancel_scope.cancel()


async def test_a_full_outbox_makes_the_sender_wait() -> None:
    release = trio.Event()

    async def stuck(peer: ServerConnection) -> None:
        await release.wait()
        async for _ in peer:
            pass

    options = net.WebSocketOptions(outbox_bytes=256 * 1024)
    async with websocket_server(stuck, max_queue=1) as url:
        async with net.open_websocket(url, options=options) as socket:
            sent = 0
            with trio.move_on_after(1.0) as scope:
                while True:
                    await socket.send(b"x" * 65_536)
                    sent += 65_536
            assert scope.cancelled_caught
            assert socket.stats().outbox_bytes <= 512 * 1024
            assert sent < 64 * 1024 * 1024
            release.set()
            with trio.fail_after(5):
                await socket.send(b"y")


async def test_a_reader_that_lags_holds_the_server_back() -> None:
    sent = 0

    async def flood(peer: ServerConnection) -> None:
        nonlocal sent
        try:
            while True:
                await peer.send(b"x" * 65_536)
                sent += 65_536
        except PeerClosed:
            pass

    options = net.WebSocketOptions(inbox_bytes=512 * 1024)
    async with websocket_server(flood) as url:
        async with net.open_websocket(url, options=options) as socket:
            await trio.sleep(0.7)
            before = sent
            await trio.sleep(0.3)
            assert sent == before, "the server is held back"
            assert socket.stats().inbox_bytes <= 512 * 1024 + 65_536
            assert sum(len(f.data) for f in await socket.receive_batch()) > 0


async def test_what_came_before_the_end_is_delivered_then_the_end() -> None:
    async def farewell(peer: ServerConnection) -> None:
        await peer.send("last words")
        await peer.aclose(1001, "going away")

    async with websocket_server(farewell) as url, net.open_websocket(url) as socket:
        await trio.sleep(0.2)
        assert (await socket.receive()).data == "last words"
        with pytest.raises(net.ConnectionClosed) as caught:
            await socket.receive()
        error = caught.value
        assert (error.close_code, error.reason, error.clean) == (1001, "going away", True)
        assert isinstance(error, trio.BrokenResourceError)
        with pytest.raises(net.ConnectionClosed):
            await socket.send("too late")


async def test_a_dropped_connection_has_no_close_code() -> None:
    async def drop(peer: ServerConnection) -> None:
        await peer.send("x")
        await peer.stream.aclose()

    async with websocket_server(drop) as url, net.open_websocket(url) as socket:
        assert (await socket.receive()).data == "x"
        with pytest.raises(net.ConnectionClosed) as caught:
            await socket.receive()
        assert caught.value.close_code is None
        assert not caught.value.clean
        assert caught.value.retryable


async def test_leaving_the_block_says_goodbye_in_time() -> None:
    seen: list[int | None] = []

    async def listen(peer: ServerConnection) -> None:
        try:
            await peer.recv()
        except PeerClosed as closed:
            seen.append(closed.rcvd.code if closed.rcvd else None)

    async with websocket_server(listen) as url:
        started = time.monotonic()
        async with net.open_websocket(url) as socket:
            pass
        assert time.monotonic() - started < 1.0
        await trio.sleep(0.1)
        with pytest.raises(UseAfterClose):
            await socket.receive()
        with pytest.raises(UseAfterClose):
            await socket.send("x")
    assert seen == [1000]


async def test_a_peer_that_ignores_the_goodbye_is_left() -> None:
    async def handshake_only(stream: trio.SocketStream) -> None:
        await accept_upgrade(stream)
        await trio.sleep_forever()

    async with tcp_server(handshake_only) as port:
        async with net.open_websocket(f"ws://localhost:{port}/"):
            started = time.monotonic()
        assert time.monotonic() - started < 1.0


async def accept_upgrade(stream: trio.SocketStream) -> None:
    import base64
    import hashlib
    import re

    head = (await read_request(stream)).decode()
    found = re.search(r"(?i)sec-websocket-key: (\S+)", head)
    assert found is not None
    digest = hashlib.sha1((found[1] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
    await stream.send_all(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
    )


async def test_cancelling_a_connect_closes_its_socket() -> None:
    closed = trio.Event()

    async def silent(stream: trio.SocketStream) -> None:
        while await stream.receive_some(65_536):
            pass
        closed.set()

    async with tcp_server(silent) as port:
        with trio.move_on_after(0.2) as scope:
            async with net.open_websocket(f"ws://localhost:{port}/"):
                raise AssertionError("the server never answers")
        assert scope.cancelled_caught
        with trio.fail_after(2):
            await closed.wait()


async def test_a_refused_upgrade_keeps_status_and_text_but_no_key() -> None:
    async def refuse(stream: trio.SocketStream) -> None:
        await read_request(stream)
        body = b'{"error": {"message": "wrong key"}}'
        head = (
            f"HTTP/1.1 401 Unauthorized\r\nContent-Length: {len(body)}\r\nX-Request-Id: r1\r\n\r\n"
        )
        await stream.send_all(head.encode() + body)

    async with tcp_server(refuse) as port:
        headers = {"Authorization": net.Secret(f"Bearer {CANARY}")}
        with pytest.raises(net.HandshakeRejected) as caught:
            async with net.open_websocket(f"ws://localhost:{port}/", headers=headers):
                pass
    error = caught.value
    assert error.status == 401
    assert "wrong key" in error.body_head
    assert error.headers["x-request-id"] == "r1"
    assert CANARY not in f"{error!r} {error} {vars(error)} {headers}"


async def test_a_refused_connection_is_an_os_error() -> None:
    with pytest.raises(net.ConnectFailed) as caught:
        async with net.open_websocket("ws://127.0.0.1:9/"):
            pass
    assert isinstance(caught.value, OSError)
    assert caught.value.host == "127.0.0.1:9"
    assert caught.value.retryable


async def test_a_handshake_that_takes_too_long() -> None:
    async def silent(_stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    async with tcp_server(silent) as port:
        options = net.WebSocketOptions(open_timeout=0.3)
        with pytest.raises(net.NetworkTimeout) as caught:
            async with net.open_websocket(f"ws://localhost:{port}/", options=options):
                pass
    assert isinstance(caught.value, TimeoutError)


async def test_a_peer_that_no_longer_answers_is_noticed() -> None:
    async def handshake_only(stream: trio.SocketStream) -> None:
        await accept_upgrade(stream)
        await trio.sleep_forever()

    options = net.WebSocketOptions(ping_interval=0.2, ping_timeout=0.3)
    async with tcp_server(handshake_only) as port:
        async with net.open_websocket(f"ws://localhost:{port}/", options=options) as socket:
            with trio.fail_after(3), pytest.raises(net.NetworkTimeout) as caught:
                await socket.receive()
    assert caught.value.phase == "ping"


async def test_a_message_beyond_the_limit_ends_the_connection() -> None:
    async def boast(peer: ServerConnection) -> None:
        try:
            await peer.send(b"x" * 100_000)
            await peer.recv()
        except PeerClosed:
            pass

    options = net.WebSocketOptions(max_message_bytes=65_536)
    async with websocket_server(boast) as url:
        async with net.open_websocket(url, options=options) as socket:
            with pytest.raises(net.ProtocolError) as caught:
                await socket.receive()
    assert caught.value.code == "too_big"


async def test_a_key_does_not_travel_in_the_clear() -> None:
    headers = {"Authorization": net.Secret(f"Bearer {CANARY}")}
    with pytest.raises(ConfigError) as caught:
        async with net.open_websocket("ws://example.com/", headers=headers):
            pass
    assert caught.value.code == "insecure_key"
    assert CANARY not in repr(caught.value)


@pytest.mark.parametrize("url", ["http://localhost/", "nonsense", "ws://"])
async def test_an_unusable_url_is_said_at_once(url: str) -> None:
    with pytest.raises(ConfigError):
        async with net.open_websocket(url):
            pass


PINGING_SERVER = """
import sys, time, trio
from websockets.trio.server import serve

async def ping(peer):
    worst = 0.0
    for _ in range(20):
        started = time.monotonic()
        await (await peer.ping()).wait()
        worst = max(worst, time.monotonic() - started)
        await trio.sleep(0.02)
    await peer.send(str(worst))
    await peer.recv()

async def main():
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    print(listeners[0].socket.getsockname()[1], flush=True)
    await serve(ping, listeners=listeners, compression=None)

trio.run(main)
"""


async def test_pings_are_answered_while_python_is_blocked() -> None:
    """The point of the bridge: a blocked interpreter does not block the socket."""
    server = subprocess.Popen(
        [sys.executable, "-c", PINGING_SERVER], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        async with net.open_websocket(f"ws://localhost:{port}/") as socket:
            # A C call that keeps the GIL: neither trio nor any other Python thread runs.
            ctypes.PyDLL(None).usleep(1_500_000)
            assert float((await socket.receive()).data) < 0.5
    finally:
        server.kill()
        server.communicate()


async def test_many_connections_share_one_thread() -> None:
    async with websocket_server(echo) as url, trio.open_nursery() as nursery:
        done: list[int] = []

        async def talk(index: int) -> None:
            async with net.open_websocket(url) as socket:
                for turn in range(5):
                    await socket.send(f"{index}:{turn}")
                    assert (await socket.receive()).data == f"{index}:{turn}"
            done.append(index)

        for index in range(50):
            nursery.start_soon(talk, index)
    assert sorted(done) == list(range(50))


async def test_what_can_be_read_at_once_comes_with_one_wake_up() -> None:
    count = 30

    async def script(peer: Peer) -> None:
        await peer.receive()
        await peer.send(*(frame(TEXT, b"%d" % number) for number in range(count)))
        await peer.until_end()

    async with raw_websocket(script) as (url, _), net.open_websocket(url) as socket:
        await socket.send("go")
        before = socket.stats().wakes
        got: list[str | bytes] = []
        with trio.fail_after(20):
            while len(got) < count:
                got += [item.data for item in await socket.receive_batch()]
        assert got == [str(number) for number in range(count)]
        assert socket.stats().wakes == before + 1
