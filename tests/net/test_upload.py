"""Request bodies sent while they are made: back-pressure, lengths, files, early answers."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from support.servers import read_request, tcp_server
from voxloop import net
from voxloop._errors import ConfigError

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def read_chunked(stream: trio.SocketStream) -> tuple[bytes, list[bytes]]:
    """The head, and the chunks up to the last."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += await stream.receive_some(65_536)
    head, _, data = data.partition(b"\r\n\r\n")
    chunks: list[bytes] = []
    while True:
        while b"\r\n" not in data:
            data += await stream.receive_some(65_536)
        size, _, data = data.partition(b"\r\n")
        while len(data) < int(size, 16) + 2:
            data += await stream.receive_some(65_536)
        if int(size, 16) == 0:
            return head, chunks
        chunks.append(data[: int(size, 16)])
        data = data[int(size, 16) + 2 :]


async def test_a_body_without_a_length_goes_out_as_it_is_made() -> None:
    arrived = trio.Event()
    seen: list[bytes] = []

    async def serve(stream: trio.SocketStream) -> None:
        data = b""
        while b"first" not in data:
            data += await stream.receive_some(65_536)
        arrived.set()
        while b"0\r\n\r\n" not in data:
            data += await stream.receive_some(65_536)
        seen.append(data)
        await stream.send_all(OK)

    async def body() -> AsyncIterator[bytes]:
        yield b"first"
        await arrived.wait()  # the server has it before the rest is made
        yield b""
        yield b"second"

    async with tcp_server(serve) as port:
        with trio.fail_after(10):
            url = f"http://localhost:{port}/"
            async with net.request("POST", url, content=body()) as response:
                assert await response.read() == b"ok"
    assert b"transfer-encoding: chunked" in seen[0].lower()
    assert b"5\r\nfirst\r\n" in seen[0]
    assert b"6\r\nsecond\r\n" in seen[0]


async def test_a_body_with_a_length_has_it_in_the_head() -> None:
    seen: list[bytes] = []

    async def serve(stream: trio.SocketStream) -> None:
        seen.append(await read_request(stream))
        await stream.send_all(OK)

    async def body() -> AsyncIterator[bytes]:
        for index in range(1_000):
            yield b"%05d" % index

    async with tcp_server(serve) as port:
        url = f"http://localhost:{port}/"
        async with net.request("POST", url, content=body(), content_length=5_000) as response:
            assert await response.read() == b"ok"
    head, _, sent = seen[0].partition(b"\r\n\r\n")
    assert b"content-length: 5000" in head.lower()
    assert b"transfer-encoding" not in head.lower()
    assert sent == b"".join(b"%05d" % index for index in range(1_000))


async def test_a_server_that_reads_slowly_holds_the_body_back() -> None:
    made = 0
    go_on = trio.Event()

    async def serve(stream: trio.SocketStream) -> None:
        await go_on.wait()
        _, chunks = await read_chunked(stream)
        assert sum(map(len, chunks)) == made
        await stream.send_all(OK)

    async def body() -> AsyncIterator[bytes]:
        nonlocal made
        for _ in range(512):
            made += 65_536
            yield bytes(65_536)

    async with tcp_server(serve) as port, trio.open_nursery() as nursery:

        async def send() -> None:
            url = f"http://localhost:{port}/"
            async with net.request("POST", url, content=body()) as response:
                assert await response.read() == b"ok"

        nursery.start_soon(send)
        before = -1
        with trio.fail_after(20):
            while made == 0 or made != before:
                before = made
                await trio.sleep(0.3)
        # The queue, the sockets' buffers, and no more: of 32 MiB most is not made yet.
        assert made < 16 << 20
        go_on.set()
    assert made == 32 << 20


@pytest.mark.parametrize(("length", "words"), [(3, "more than"), (9, "missing")])
async def test_a_body_of_another_length_than_promised(length: int, words: str) -> None:
    complete = False

    async def serve(stream: trio.SocketStream) -> None:
        nonlocal complete
        data = await read_request_or_eof(stream)
        complete = data.endswith(b"fiver")
        await stream.send_all(OK)

    async def body() -> AsyncIterator[bytes]:
        yield b"fiver"

    async with tcp_server(serve) as port:
        with pytest.raises(ConfigError, match=words) as caught:
            url = f"http://localhost:{port}/"
            async with net.request("POST", url, content=body(), content_length=length):
                pass
    assert caught.value.code == "invalid_config"


async def read_request_or_eof(stream: trio.SocketStream) -> bytes:
    data = b""
    try:
        while piece := await stream.receive_some(65_536):
            data += piece
    except trio.BrokenResourceError:
        pass
    return data


async def test_what_the_body_raises_the_request_raises() -> None:
    ends: list[bytes] = []
    told = trio.Event()

    async def serve(stream: trio.SocketStream) -> None:
        ends.append(await read_request_or_eof(stream))
        if b"half" in ends[-1]:
            told.set()

    class Mine(Exception):
        pass

    async def body() -> AsyncIterator[bytes]:
        yield b"half"
        await trio.sleep(0.1)
        raise Mine("no more")

    async def text() -> AsyncIterator[bytes]:
        yield "text"  # type: ignore[misc]

    async with tcp_server(serve) as port:
        url = f"http://localhost:{port}/"
        with pytest.raises(Mine, match="no more"):
            async with net.request("POST", url, content=body()):
                pass
        with pytest.raises(ConfigError, match="wanted bytes"):
            async with net.request("POST", url, content=text()):
                pass
        with trio.fail_after(5):
            await told.wait()
    # Half a body is never ended as if it were a whole one.
    assert not any(end.endswith(b"0\r\n\r\n") for end in ends)


async def test_an_early_answer_ends_the_sending() -> None:
    closed = False

    async def serve(stream: trio.SocketStream) -> None:
        await stream.receive_some(1_000)
        await stream.send_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
        await read_request_or_eof(stream)

    async def body() -> AsyncIterator[bytes]:
        nonlocal closed
        try:
            while True:
                yield bytes(1_000)
                await trio.sleep(0.001)
        finally:
            closed = True

    async with tcp_server(serve) as port:
        with trio.fail_after(10):
            async with net.request("POST", f"http://localhost:{port}/", content=body()) as answer:
                assert (answer.status, await answer.read()) == (413, b"big")
                assert closed


async def test_a_cancelled_upload_drops_its_socket_and_closes_its_source() -> None:
    ends: list[bytes] = []
    gone = trio.Event()
    closed = False

    async def serve(stream: trio.SocketStream) -> None:
        ends.append(await read_request_or_eof(stream))
        gone.set()

    async def body() -> AsyncIterator[bytes]:
        nonlocal closed
        try:
            yield b"half"
            await trio.sleep_forever()
        finally:
            closed = True

    async with tcp_server(serve) as port:
        with trio.move_on_after(0.3) as scope:
            async with net.request("POST", f"http://localhost:{port}/", content=body()):
                pass
        assert scope.cancelled_caught
        assert closed
        with trio.fail_after(5):
            await gone.wait()
    assert not ends[0].endswith(b"0\r\n\r\n")


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def test_a_large_file_is_sent_without_being_held(tmp_path: Path) -> None:
    size = 192 << 20
    file = tmp_path / "long.wav"
    with file.open("wb") as sink:
        sink.truncate(size)
        sink.seek(size - 4)
        sink.write(b"tail")
    received = 0
    tail = b""

    async def serve(stream: trio.SocketStream) -> None:
        nonlocal received, tail
        data = await stream.receive_some(65_536)
        head, _, data = data.partition(b"\r\n\r\n")
        (length,) = (
            int(line.split(b":")[1])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length:")
        )
        received = len(data)
        while received < length:
            data = await stream.receive_some(1 << 20)
            received += len(data)
            tail = (tail + data)[-200:]
        await stream.send_all(OK)

    before = resident_bytes()
    highest = before
    parts = [net.Part("model", "m"), net.Part("file", file, "long.wav", "audio/wav")]
    async with tcp_server(serve) as port, trio.open_nursery() as nursery:

        async def watch() -> None:
            nonlocal highest
            while True:
                highest = max(highest, resident_bytes())
                await trio.sleep(0.01)

        nursery.start_soon(watch)
        url = f"http://localhost:{port}/"
        async with net.request("POST", url, multipart=parts) as response:
            assert await response.read() == b"ok"
        nursery.cancel_scope.cancel()
    assert received > size
    assert b"tail\r\n--" in tail
    assert highest - before < 32 << 20


@pytest.mark.parametrize("name", ["missing.wav", "."])
async def test_a_file_that_cannot_be_sent_is_named(name: str, tmp_path: Path) -> None:
    async with tcp_server(trio.aclose_forcefully) as port:
        with pytest.raises(ConfigError, match="cannot send the file"):
            parts = [net.Part("file", tmp_path / name, "a.wav")]
            async with net.request("POST", f"http://localhost:{port}/", multipart=parts):
                pass


async def test_bodies_that_cannot_be_meant() -> None:
    for content, length, words in (
        (b"bytes", 5, "content_length"),
        ("text", None, "wanted bytes"),
        ([b"list"], None, "async iterable"),
    ):
        with pytest.raises(ConfigError, match=words):
            url = "http://localhost:1/"
            async with net.request("POST", url, content=content, content_length=length):  # type: ignore[arg-type]
                pass
