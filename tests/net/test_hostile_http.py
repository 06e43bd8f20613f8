"""A scripted server that breaks HTTP in every way it can; each break has its typed error."""

from __future__ import annotations

import datetime
import gzip
import os
import zlib
from contextlib import suppress
from email.utils import format_datetime
from pathlib import Path

import pytest
import trio

from support.servers import read_request, tcp_server
from voxloop import net
from voxloop._errors import NetworkError, VoxloopError

QUICK = net.HttpOptions(
    connect_timeout=2.0, first_byte_timeout=0.5, idle_timeout=0.5, total_timeout=3.0
)


async def fetch(reply: bytes, *, hold: bool = False, limit: int = 1 << 20) -> bytes | VoxloopError:
    """What comes of a server that answers with these bytes and then closes, or is silent."""

    async def serve(stream: trio.SocketStream) -> None:
        await read_request(stream)
        try:
            await stream.send_all(reply)
        except trio.BrokenResourceError:
            return
        if hold:
            await trio.sleep_forever()
        await stream.aclose()

    async with tcp_server(serve) as port:
        with trio.fail_after(20):
            url = f"http://localhost:{port}/"
            try:
                async with net.request("GET", url, options=QUICK) as response:
                    return await response.read(limit=limit)
            except VoxloopError as error:
                return error


def chunked(*chunks: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(chunks)


BROKEN = {
    "no answer": b"",
    "half a status line": b"HTTP/1.1 2",
    "not HTTP": b"220 mail.example ESMTP\r\n\r\n",
    "status of four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
    "a length that is a word": b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nhello",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "a header without a colon": b"HTTP/1.1 200 OK\r\nNonsense\r\n\r\n",
    "a NUL in a header": b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
    "a head without end": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 2_000_000,
    "a thousand headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1_000 + b"\r\n",
    "a body cut short": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
    "a chunk cut short": chunked(b"10\r\nhalf"),
    "no last chunk": chunked(b"4\r\nwhole\r\n"[:-2] + b"\r\n"),
    "a chunk size that is no number": chunked(b"zz\r\nhello\r\n0\r\n\r\n"),
    "a chunk size beyond 64 bits": chunked(b"fffffffffffffffff\r\nhello\r\n"),
    "a chunk longer than it says": chunked(b"2\r\nhello\r\n0\r\n\r\n"),
    "gzip that is none": (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello"
    ),
    "gzip cut short": (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 15\r\n\r\n"
        + gzip.compress(os.urandom(100))[:15]
    ),
}


@pytest.mark.parametrize("case", BROKEN)
async def test_what_is_not_http_is_a_typed_error(case: str) -> None:
    error = await fetch(BROKEN[case])
    assert isinstance(error, NetworkError)
    assert error.code in {"connection_closed", "protocol", "protocol_error", "too_big"}


async def test_what_is_odd_but_allowed_is_taken() -> None:
    allowed = {
        b"HTTP/1.0 200 OK\r\n\r\nhello": b"hello",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok": b"ok",
        chunked(b"5;name=value\r\nhello\r\n0\r\nTrailer: x\r\n\r\n"): b"hello",
        b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok": b"ok",
        b"HTTP/1.1 204 No Content\r\n\r\n": b"",
    }
    for reply, body in allowed.items():
        assert await fetch(reply) == body


@pytest.mark.parametrize(
    ("reply", "phase"),
    [
        (b"", "first_byte"),
        (b"HTTP/1.1 200 OK\r\nContent-", "first_byte"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", "idle"),
    ],
)
async def test_silence_in_each_phase_is_told_apart(reply: bytes, phase: str) -> None:
    error = await fetch(reply, hold=True)
    assert isinstance(error, net.NetworkTimeout)
    assert error.phase == phase
    assert error.retryable


@pytest.mark.parametrize(
    ("head", "each", "options", "phase"),
    [
        (b"HTTP/1.1 200 OK\r\nX: ", b"a", {"first_byte_timeout": 0.6}, "first_byte"),
        (chunked(), b"1\r\na\r\n", {"total_timeout": 0.8}, "total"),
    ],
    ids=["head", "body"],
)
async def test_a_drip_does_not_outlast_the_deadline(
    head: bytes, each: bytes, options: dict[str, float], phase: str
) -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await read_request(stream)
        try:
            await stream.send_all(head)
            while True:
                await stream.send_all(each)
                await trio.sleep(0.05)
        except trio.BrokenResourceError:
            pass

    async with tcp_server(serve) as port:
        with trio.fail_after(10), pytest.raises(net.NetworkTimeout) as caught:
            url = f"http://localhost:{port}/"
            async with net.request("GET", url, options=net.HttpOptions(**options)) as response:  # type: ignore[arg-type]
                await response.read()
    assert caught.value.phase == phase


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def bomb(inflated: int) -> bytes:
    """Zeros in gzip, a thousandth of their size."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    pieces = [packer.compress(bytes(1 << 20)) for _ in range(inflated >> 20)]
    return b"".join(pieces) + packer.flush()


async def test_a_decompression_bomb_ends_at_the_limit() -> None:
    packed = bomb(256 << 20)
    assert len(packed) < 1 << 20
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    before = resident_bytes()
    error = await fetch(head + packed, limit=8 << 20)
    assert isinstance(error, net.ProtocolError)
    assert error.code == "too_big"
    assert resident_bytes() - before < 64 << 20


async def test_gzip_is_not_asked_for_but_understood() -> None:
    seen: list[bytes] = []
    packed = gzip.compress(b"hello" * 1_000)

    async def serve(stream: trio.SocketStream) -> None:
        seen.append(await read_request(stream))
        head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: "
        await stream.send_all(f"{head}{len(packed)}\r\n\r\n".encode() + packed)

    async with tcp_server(serve) as port:
        async with net.request("GET", f"http://localhost:{port}/") as response:
            assert await response.read() == b"hello" * 1_000
    assert b"accept-encoding: identity" in seen[0].lower()


async def test_an_endless_body_is_bounded_in_memory() -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await read_request(stream)
        await stream.send_all(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                await stream.send_all(bytes(1 << 20))
        except trio.BrokenResourceError:
            pass

    before = resident_bytes()
    async with tcp_server(serve) as port:
        with pytest.raises(net.ProtocolError, match="larger than"):
            async with net.request("GET", f"http://localhost:{port}/") as response:
                await response.read(limit=16 << 20)
        async with net.request("GET", f"http://localhost:{port}/") as response:
            size = 0
            async for piece in response.iter_bytes():
                size += len(piece)
                if size > 64 << 20:
                    break
    assert resident_bytes() - before < 96 << 20


async def test_an_event_without_end_is_refused() -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await read_request(stream)
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: ")
        try:
            while True:
                await stream.send_all(b"x" * 65_536)
        except trio.BrokenResourceError:
            pass

    before = resident_bytes()
    async with tcp_server(serve) as port:
        with pytest.raises(net.ProtocolError) as caught:
            async with net.request("GET", f"http://localhost:{port}/") as response:
                async for _ in response.iter_sse():
                    pass
    assert caught.value.code == "too_big"
    assert resident_bytes() - before < 64 << 20


async def test_a_key_goes_to_no_other_origin() -> None:
    visits: list[bytes] = []

    async def elsewhere(stream: trio.SocketStream) -> None:
        visits.append(await read_request(stream))

    async with tcp_server(elsewhere) as other:

        async def serve(stream: trio.SocketStream) -> None:
            await read_request(stream)
            head = f"HTTP/1.1 307 Moved\r\nLocation: http://localhost:{other}/\r\n"
            await stream.send_all(f"{head}Content-Length: 0\r\n\r\n".encode())

        headers = {"Authorization": net.Secret("Bearer sk-canary-0123456789")}
        async with tcp_server(serve) as port:
            url = f"http://localhost:{port}/"
            async with net.request("POST", url, headers=headers, content=b"body") as response:
                assert response.status == 307
                assert response.headers["location"].endswith(f":{other}/")
    assert visits == []


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n",
        chunked(b"4\r\nhalf"),
    ],
    ids=["nothing", "half a head", "a head", "half a body"],
)
async def test_leaving_drops_the_socket_in_every_phase(reply: bytes) -> None:
    gone = trio.Event()

    async def serve(stream: trio.SocketStream) -> None:
        await read_request(stream)
        await stream.send_all(reply)
        with suppress(trio.BrokenResourceError):
            assert await stream.receive_some(1) == b""
        gone.set()

    async with tcp_server(serve) as port:
        with trio.move_on_after(0.2) as scope:
            async with net.request("GET", f"http://localhost:{port}/") as response:
                await response.read()
        assert scope.cancelled_caught
        with trio.fail_after(5):
            await gone.wait()


def date_in(seconds: float) -> str:
    now = datetime.datetime.now(datetime.UTC)
    return format_datetime(now + datetime.timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after": "7"}, (7, 7)),
        ({"retry-after": "0.5"}, (0.5, 0.5)),
        ({"retry-after-ms": "1500", "retry-after": "7"}, (1.5, 1.5)),
        ({"retry-after-ms": "soon", "retry-after": "7"}, (7, 7)),
        ({"retry-after": "in 60 s"}, (30, 60)),
        ({"retry-after": "in -60 s"}, (0.3, 0.5)),
        ({"retry-after": "in 500 s"}, None),
        ({"retry-after": "120"}, (120, 120)),
        ({"retry-after": "121"}, None),
        ({"retry-after": "1e308"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "-1"}, (0.3, 0.5)),
        ({"retry-after": "nan"}, (0.3, 0.5)),
        ({"retry-after": "0"}, (0.3, 0.5)),
        ({"x-should-retry": "false"}, None),
        ({"x-should-retry": "maybe"}, (0.3, 0.5)),
    ],
)
def test_the_servers_wish_for_a_wait(
    headers: dict[str, str], expected: tuple[float, float] | None
) -> None:
    # Dates are made now: the cases are collected minutes before they run.
    dated = {
        name: date_in(float(value.split()[1])) if value.startswith("in ") else value
        for name, value in headers.items()
    }
    delay = net.retry_delay(1, status=429, headers=dated)
    if expected is None:
        assert delay is None
    else:
        assert delay is not None
        assert expected[0] - 1 <= delay <= expected[1] + 1e-9


@pytest.mark.parametrize(
    ("status", "retried"),
    [
        (s, s in (408, 409, 429) or s >= 500)
        for s in (400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529)
    ],
)
def test_which_statuses_are_tried_again(status: int, retried: bool) -> None:
    assert (net.retry_delay(1, status=status, headers={}) is not None) is retried


@pytest.mark.parametrize(
    "code",
    [
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
    ],
)
def test_a_spent_quota_is_never_tried_again(code: str) -> None:
    for field in ("code", "type"):
        body = f'{{"error": {{"message": "m", "{field}": "{code}"}}}}'
        headers = {"retry-after": "1", "x-should-retry": "true"}
        assert net.retry_delay(1, status=429, headers=headers, body=body) is None


@pytest.mark.parametrize("body", ["", "<html>", '"text"', '{"detail": "x"}', '{"error": "x"}', "["])
def test_a_body_of_any_shape_may_come_with_a_status(body: str) -> None:
    assert net.retry_delay(1, status=429, headers={}, body=body) is not None


def test_a_wait_must_fit_the_budget() -> None:
    headers = {"retry-after": "5"}
    assert net.retry_delay(1, status=429, headers=headers, budget=6.0) == 5.0
    assert net.retry_delay(1, status=429, headers=headers, budget=4.0) is None
    assert net.retry_delay(1, status=500, headers={}, budget=-1.0) is None
    waits = [net.retry_delay(n, status=500, headers={}) for n in (1, 2, 3)]
    assert waits[0] is not None
    assert waits[1] is not None
    assert waits[0] < waits[1] <= 1.0
    assert waits[2] is None


async def test_no_such_name_nobody_there_and_no_way() -> None:
    for url, reason in (
        ("http://no-such-host.invalid/", "dns"),
        ("http://127.0.0.1:9/", "refused"),
    ):
        with pytest.raises(net.ConnectFailed) as caught:
            async with net.request("GET", url):
                pass
        assert caught.value.reason == reason
        assert caught.value.retryable


async def test_every_error_is_one_of_ours() -> None:
    """Random bytes instead of an answer never bring anything but a typed error or a body."""
    for seed in range(40):
        raw = os.urandom(50 + seed * 7)
        reply = raw if seed % 2 else chunked() + raw
        outcome = await fetch(reply)
        assert isinstance(outcome, bytes | NetworkError)
