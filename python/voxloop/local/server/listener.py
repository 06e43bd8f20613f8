"""Opens the port, serves connections, stops in bounded time."""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, cast

import trio
from hypercorn.config import Config
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper, ConnectionState, Framework
from hypercorn.utils import wrap_app

from voxloop._errors import ConfigError, ConnectFailed
from voxloop.local.engines import load_engines
from voxloop.local.server.app import make_app
from voxloop.local.server.connection import Connection
from voxloop.local.server.guard import Guard

__all__ = ["Server", "serve"]

_log = logging.getLogger("voxloop.local.server")

HOST: Final = "127.0.0.1"
_MOST_CONNECTIONS: Final = 256
_BACKLOG: Final = 128
_HEADER_S: Final = 10
_STOP_S: Final = 0.7
_MESSAGE_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Server:
    """A running local server.

    Attributes:
        port: Port on 127.0.0.1.
    """

    port: int

    @property
    def url(self) -> str:
        """Base URL of the API, such as ``http://127.0.0.1:8123/v1``."""
        return f"http://{HOST}:{self.port}/v1"

    @property
    def websocket_url(self) -> str:
        """Base URL of the API for WebSockets."""
        return f"ws://{HOST}:{self.port}/v1"


@asynccontextmanager
async def serve(
    *, port: int = 0, api_key: str | None = None, origins: Iterable[str] = ()
) -> AsyncIterator[Server]:
    """Serve the OpenAI-compatible API on the loopback interface while the block runs.

    Args:
        port: Port to listen on; 0 takes a free one.
        api_key: Wanted from every client as bearer token; None lets every local program in.
        origins: Origins of web pages that may connect, besides the server's own.

    Raises:
        ConnectFailed: The port is in use or not allowed.
        ConfigError: ``port`` is not 0 to 65535, or ``api_key`` is blank.
        MissingExtra: The extra ``local`` is not installed.
        ModelFileError: A model file is absent or altered.

    **Cancellation:** open sessions are closed; the block is left within a second.

    Example:
        >>> async with serve() as server:          # doctest: +SKIP
        ...     print(server.url)
    """
    if api_key is not None and not api_key.strip():
        raise ConfigError("api_key is blank; give a key, or None to let every local program in")
    listener = _listen(port)
    async with listener:
        await load_engines()
        server = Server(port=listener.socket.getsockname()[1])
        async with _running(listener, server, api_key, origins):
            yield server


@asynccontextmanager
async def _running(
    listener: trio.SocketListener, server: Server, api_key: str | None, origins: Iterable[str]
) -> AsyncIterator[None]:
    stop = trio.Event()
    names = [f"{name}:{server.port}" for name in (HOST, "localhost", "[::1]")]
    guard = Guard(
        make_app(stop),
        hosts=frozenset(names),
        origins=frozenset(
            [*(f"http://{name}" for name in names), *(one.lower() for one in origins)]
        ),
        api_key=api_key,
    )
    connections = _Connections(wrap_app(cast("Framework", guard), 0, "asgi"))
    failure: BaseException | None = None
    async with trio.open_nursery() as nursery:
        accepting = trio.CancelScope()
        nursery.start_soon(_accept, listener, connections, nursery, accepting)
        try:
            yield
        except (Exception, KeyboardInterrupt) as error:
            failure = error
        finally:
            accepting.cancel()
            stop.set()
            await connections.drain()
            nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def _accept(
    listener: trio.SocketListener,
    connections: _Connections,
    nursery: trio.Nursery,
    scope: trio.CancelScope,
) -> None:
    with scope:
        await trio.serve_listeners(connections.serve, [listener], handler_nursery=nursery)


class _Connections:
    """The open connections. What goes wrong in one stays in it."""

    def __init__(self, app: AppWrapper) -> None:
        self._app = app
        self._config = _config()
        self._context = WorkerContext(None)
        self._open: set[Connection] = set()
        self._all_ended: trio.Event | None = None

    async def serve(self, stream: trio.SocketStream) -> None:
        """Serve one connection until it ends."""
        if len(self._open) >= _MOST_CONNECTIONS:
            _log.warning("refused a connection: %d are open", len(self._open))
            await trio.aclose_forcefully(stream)
            return
        connection = Connection(stream)
        self._open.add(connection)
        try:
            with connection.scope:
                await self._protocol(connection)
        except BaseExceptionGroup as group:
            ours, rest = group.split(Exception)
            _log.warning("a connection failed", exc_info=ours)
            if rest is not None:
                raise rest from None
        except Exception:
            _log.warning("a connection failed", exc_info=True)
        finally:
            self._open.discard(connection)
            if not self._open and self._all_ended is not None:
                self._all_ended.set()
            connection.stream.close()

    async def drain(self) -> None:
        """Let the connections end by themselves for a moment, then close them.

        **Cancellation:** shielded; takes at most 0.7 s.
        """
        with trio.CancelScope(shield=True, deadline=trio.current_time() + _STOP_S):
            await self._context.terminated.set()
            if self._open:
                self._all_ended = trio.Event()
                await self._all_ended.wait()
        for connection in list(self._open):
            connection.abort()

    async def _protocol(self, connection: Connection) -> None:
        state = ConnectionState({"connection": connection})
        # LimitedStream has what the protocol uses of a stream; only TLS would need more.
        stream = cast("trio.SSLStream[trio.SocketStream]", connection.stream)
        await TCPServer(self._app, self._config, self._context, state, stream).run()


def _config() -> Config:
    config = Config()
    config.errorlog = _log
    config.accesslog = None
    config.keep_alive_timeout = _HEADER_S  # also the time for the first request's header
    config.websocket_max_message_size = _MESSAGE_BYTES
    config.include_server_header = False
    return config


def _listen(port: int) -> trio.SocketListener:
    if not 0 <= port <= 65_535:
        raise ConfigError(f"port must be 0 to 65535, got {port}")
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((HOST, port))
        opened.listen(_BACKLOG)
    except OSError as error:
        opened.close()
        reason = error.strerror or str(error)
        if error.errno == errno.EADDRINUSE:
            reason = "it is in use by another program"
        raise ConnectFailed(
            f"cannot listen on port {port} of {HOST}: {reason}; "
            "choose another port, or 0 for a free one",
            host=f"{HOST}:{port}",
            retryable=False,
        ) from error
    return trio.SocketListener(trio.socket.from_stdlib_socket(opened))
