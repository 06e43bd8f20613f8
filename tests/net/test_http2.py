"""HTTP/2 and pooled connections, against an independent server that says what it saw."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme
from hypercorn.config import Config
from hypercorn.trio import serve

from voxloop import net

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class App:
    """Echoes bodies; counts connections by the client's port.

    Attributes:
        versions: HTTP version of each request.
        clients: Address and port each request came from.
    """

    def __init__(self) -> None:
        self.versions: list[str] = []
        self.clients: list[tuple[str, int]] = []
        self.together = 0
        self.most = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for step in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{step}.complete"})
            return
        self.versions.append(scope["http_version"])
        self.clients.append(tuple(scope["client"]))
        body = b""
        while True:
            event = await receive()
            body += event.get("body", b"")
            if not event.get("more_body"):
                break
        self.together += 1
        self.most = max(self.most, self.together)
        await trio.sleep(0.05)
        self.together -= 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for begin in range(0, len(body), 16_384):
            piece = body[begin : begin + 16_384]
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def hypercorn(app: App, folder: Path, *protocols: str) -> AsyncIterator[tuple[str, str]]:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    ca.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        str(folder / "server.pem")
    )
    config = Config()
    config.bind = ["localhost:0"]
    config.certfile = config.keyfile = str(folder / "server.pem")
    config.alpn_protocols = list(protocols)
    config.graceful_timeout = 0.2
    config.errorlog = None
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        start = partial(serve, app, config, shutdown_trigger=stop.wait, mode="asgi")  # type: ignore[arg-type]
        bound = await nursery.start(start)
        yield bound[0], str(folder / "ca.pem")
        stop.set()


@pytest.mark.parametrize(
    ("protocols", "version"), [(("h2", "http/1.1"), "2"), (("http/1.1",), "1.1")]
)
async def test_the_version_is_negotiated(
    protocols: tuple[str, ...], version: str, tmp_path: Path
) -> None:
    app = App()
    body = bytes(range(256)) * 1_024
    async with hypercorn(app, tmp_path, *protocols) as (url, ca):
        options = net.HttpOptions(ca_file=ca)
        async with net.request("POST", url, content=body, options=options) as response:
            assert response.http_version == version
            assert await response.read() == body
    assert app.versions == [version]


async def test_one_http2_connection_carries_requests_side_by_side(tmp_path: Path) -> None:
    app = App()
    async with hypercorn(app, tmp_path, "h2") as (url, ca):
        options = net.HttpOptions(ca_file=ca)

        async def ask(index: int) -> None:
            body = b"%d" % index * 20_000
            async with net.request("POST", url, content=body, options=options) as response:
                assert response.http_version == "2"
                assert await response.read() == body

        await ask(0)
        async with trio.open_nursery() as nursery:
            for index in range(1, 9):
                nursery.start_soon(ask, index)
    assert len(set(app.clients)) == 1
    assert app.most > 1


async def test_a_streamed_body_and_a_file_over_http2(tmp_path: Path) -> None:
    app = App()

    async def body() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield bytes(30_000)

    async with hypercorn(app, tmp_path, "h2") as (url, ca):
        options = net.HttpOptions(ca_file=ca)
        async with net.request("POST", url, content=body(), options=options) as response:
            assert len(await response.read()) == 600_000
    assert app.versions == ["2"]


async def test_a_request_left_early_does_not_end_its_neighbours(tmp_path: Path) -> None:
    app = App()
    async with hypercorn(app, tmp_path, "h2") as (url, ca):
        options = net.HttpOptions(ca_file=ca)
        big = bytes(4 << 20)
        async with net.request("POST", url, content=big, options=options) as long:
            pieces = long.iter_bytes()
            size = len(await anext(pieces))
            async with net.request("POST", url, content=big, options=options) as short:
                await anext(short.iter_bytes())
            async for piece in pieces:
                size += len(piece)
            assert size == len(big)
    assert len(set(app.clients)) == 1


async def test_a_pooled_connection_serves_again(tmp_path: Path) -> None:
    app = App()
    async with hypercorn(app, tmp_path, "http/1.1") as (url, ca):
        options = net.HttpOptions(ca_file=ca)
        for _ in range(5):
            async with net.request("POST", url, content=b"x", options=options) as response:
                assert await response.read() == b"x"
    assert len(app.clients) == 5
    assert len(set(app.clients)) == 1
