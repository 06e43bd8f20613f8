"""The HTTP client over real sockets: bodies in pieces, cuts, limits, events."""

from __future__ import annotations

import time

import pytest
import trio

from support.servers import read_request, tcp_server
from voxloop import net
from voxloop._errors import ConfigError, ProtocolError, UseAfterClose
from voxloop.testing import HttpServer, http

CANARY = "sk-canary-0123456789"


def answer(body: bytes, *, status: str = "200 OK", extra: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{extra}\r\n".encode() + body


async def test_a_json_request_arrives_whole() -> None:
    seen: list[bytes] = []

    async def serve(stream: trio.SocketStream) -> None:
        seen.append(await read_request(stream))
        await stream.send_all(answer(b'{"ok": true}', extra="X-Request-Id: r7\r\n"))

    async with tcp_server(serve) as port:
        url = f"http://localhost:{port}/v1/thing?x=1"
        headers = {"Authorization": net.Secret(f"Bearer {CANARY}")}
        async with net.request("POST", url, headers=headers, json={"a": [1]}) as response:
            assert response.status == 200
            assert response.headers["x-request-id"] == "r7"
            assert await response.read() == b'{"ok": true}'
    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/thing?x=1 HTTP/1.1")
    assert f"bearer {CANARY}".encode() in head.lower()
    assert b"content-type: application/json" in head.lower()
    assert body == b'{"a":[1]}'


async def test_a_form_carries_files_and_fields() -> None:
    seen: list[bytes] = []

    async def serve(stream: trio.SocketStream) -> None:
        seen.append(await read_request(stream))
        await stream.send_all(answer(b"ok"))

    parts = [net.Part("model", "m"), net.Part("file", b"\x00\x01", "a.wav", "audio/wav")]
    async with tcp_server(serve) as port:
        async with net.request("POST", f"http://localhost:{port}/", multipart=parts) as response:
            assert await response.read() == b"ok"
    text = seen[0]
    assert b'name="model"' in text
    assert b'filename="a.wav"' in text
    assert b"audio/wav" in text
    assert b"\r\n\r\n\x00\x01\r\n" in text


async def test_the_body_arrives_as_it_is_sent() -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await read_request(stream)
        await stream.send_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for index in range(5):
            await stream.send_all(b"3\r\nab%d\r\n" % index)
            await trio.sleep(0.1)
        await stream.send_all(b"0\r\n\r\n")

    async with tcp_server(serve) as port:
        async with net.request("GET", f"http://localhost:{port}/") as response:
            times = []
            pieces = []
            async for piece in response.iter_bytes():
                pieces.append(piece)
                times.append(time.monotonic())
    assert b"".join(pieces) == b"ab0ab1ab2ab3ab4"
    assert times[-1] - times[0] > 0.3


async def test_a_cut_body_is_an_error_after_what_came() -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await read_request(stream)
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        await trio.sleep(0.1)
        await stream.aclose()

    async with tcp_server(serve) as port:
        async with net.request("GET", f"http://localhost:{port}/") as response:
            body = response.iter_bytes()
            assert await anext(body) == b"half"
            with pytest.raises(net.NetworkError) as caught:
                await anext(body)
    assert caught.value.retryable


async def test_leaving_the_block_drops_the_socket() -> None:
    dropped = trio.Event()

    async def serve(stream: trio.SocketStream) -> None:
        await read_request(stream)
        await stream.send_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                await stream.send_all(b"400\r\n" + bytes(1024) + b"\r\n")
                await trio.sleep(0.01)
        except trio.BrokenResourceError:
            dropped.set()

    async with tcp_server(serve) as port:
        async with net.request("GET", f"http://localhost:{port}/") as response:
            assert await anext(response.iter_bytes())
        with trio.fail_after(3):
            await dropped.wait()


async def test_a_slow_reader_holds_the_server_back() -> None:
    sent = 0

    async def serve(stream: trio.SocketStream) -> None:
        nonlocal sent
        await read_request(stream)
        await stream.send_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                await stream.send_all(b"10000\r\n" + bytes(65_536) + b"\r\n")
                sent += 65_536
        except trio.BrokenResourceError:
            pass

    async with tcp_server(serve) as port, net.request("GET", f"http://localhost:{port}/"):
        await trio.sleep(0.7)
        before = sent
        await trio.sleep(0.3)
        assert sent == before


async def test_silence_in_the_body_is_noticed() -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await read_request(stream)
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx")
        await trio.sleep_forever()

    options = net.HttpOptions(idle_timeout=0.3)
    async with tcp_server(serve) as port:
        async with net.request("GET", f"http://localhost:{port}/", options=options) as response:
            with pytest.raises(net.NetworkTimeout) as caught:
                await response.read()
    assert caught.value.phase == "idle"


async def test_redirects_are_the_callers_to_judge() -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await read_request(stream)
        await stream.send_all(
            answer(b"", status="307 Temporary Redirect", extra="Location: http://evil.example/\r\n")
        )

    async with tcp_server(serve) as port:
        async with net.request("GET", f"http://localhost:{port}/") as response:
            assert response.status == 307


async def test_a_body_beyond_the_limit_is_refused() -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await read_request(stream)
        await stream.send_all(answer(bytes(10_000)))

    async with tcp_server(serve) as port:
        async with net.request("GET", f"http://localhost:{port}/") as response:
            with pytest.raises(ProtocolError, match="larger than 999 bytes"):
                await response.read(limit=999)


async def test_events_survive_any_split() -> None:
    text = (
        ": hello\n\nevent: a\ndata: eins\ndata: zwei\n\n"
        'id: 7\r\ndata: {"ö": 1}\r\n\r\ndata: last\n\n'
    )

    async def serve(stream: trio.SocketStream) -> None:
        await read_request(stream)
        head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
        await stream.send_all(head.encode())
        for byte in text.encode():
            await stream.send_all(bytes([byte]))
        await stream.aclose()

    async with tcp_server(serve) as port:
        async with net.request("GET", f"http://localhost:{port}/") as response:
            events = [event async for event in response.iter_sse()]
    assert events == [
        net.SseEvent("a", "eins\nzwei", ""),
        net.SseEvent("message", '{"ö": 1}', "7"),
        net.SseEvent("message", "last", "7"),
    ]


async def test_one_body_at_most() -> None:
    with pytest.raises(ConfigError, match="at most one"):
        async with net.request("POST", "http://localhost/", json={}, content=b""):
            pass


async def test_a_key_does_not_travel_in_the_clear() -> None:
    headers = {"Authorization": net.Secret(f"Bearer {CANARY}")}
    with pytest.raises(ConfigError) as caught:
        async with net.request("GET", "http://example.com/", headers=headers):
            pass
    assert caught.value.code == "insecure_key"
    assert CANARY not in repr(caught.value)


@pytest.mark.parametrize(
    ("status", "headers", "body", "expected"),
    [
        (500, {}, "", (0.3, 0.5)),
        (429, {"retry-after": "3"}, "", (3.0, 3.0)),
        (429, {"retry-after-ms": "250"}, "", (0.25, 0.25)),
        (429, {"retry-after": "500"}, "", None),
        (429, {}, '{"error": {"code": "insufficient_quota"}}', None),
        (400, {}, "", None),
        (401, {}, "", None),
        (400, {"x-should-retry": "true"}, "", (0.3, 0.5)),
        (None, {}, "", (0.3, 0.5)),
    ],
)
def test_waiting_before_another_try(
    status: int | None,
    headers: dict[str, str],
    body: str,
    expected: tuple[float, float] | None,
) -> None:
    delay = net.retry_delay(1, status=status, headers=headers, body=body)
    if expected is None:
        assert delay is None
    else:
        assert delay is not None
        assert expected[0] <= delay <= expected[1]


def test_tries_come_to_an_end() -> None:
    assert net.retry_delay(2, status=500, headers={}) is not None
    assert net.retry_delay(3, status=500, headers={}) is None


async def test_a_body_is_read_inside_its_block() -> None:
    async with HttpServer(http.Answer(body=b"x" * 200_000)) as server:
        async with net.request("GET", server.base_url) as response:
            pieces = response.iter_bytes()
        with pytest.raises(UseAfterClose, match="outside its block"):
            await response.read()
        with pytest.raises(UseAfterClose):
            await anext(pieces)


@pytest.mark.parametrize("value", ["10", True, object()])
def test_times_are_numbers(value: object) -> None:
    with pytest.raises(ConfigError, match="idle_timeout must be a positive number"):
        net.HttpOptions(idle_timeout=value)  # type: ignore[arg-type]
