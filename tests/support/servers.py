"""Real peers for the transport tests: an independent WebSocket server, and TLS of our own."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio
import trustme
from websockets.trio.server import ServerConnection, serve

Handler = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def websocket_server(
    handler: Handler, *, tls: ssl.SSLContext | None = None, **settings: object
) -> AsyncIterator[str]:
    """Serve `handler` on a free port; gives the URL."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        await nursery.start(
            partial(
                serve,
                handler,
                listeners=listeners,
                ssl=tls,
                compression=None,
                close_timeout=0.2,
                max_size=None,
                **settings,
            )
        )
        yield f"{'ws' if tls is None else 'wss'}://localhost:{port}/"
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def tcp_server(handler: Callable[[trio.SocketStream], Awaitable[None]]) -> AsyncIterator[int]:
    """Serve raw bytes on a free port of loopback; gives the port."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, handler, listeners)
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def read_request(stream: trio.SocketStream) -> bytes:
    """The head of an HTTP request and its body by content-length; nothing if it is cut short."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = await stream.receive_some(65_536)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    while len(body) < length:
        piece = await stream.receive_some(65_536)
        if not piece:
            return b""
        body += piece
    return head + b"\r\n\r\n" + body


def authority(folder: Path) -> tuple[ssl.SSLContext, str]:
    """A server context for localhost and the file of the authority that vouches for it."""
    ca = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    file = folder / "ca.pem"
    ca.cert_pem.write_to_path(str(file))
    return context, str(file)
