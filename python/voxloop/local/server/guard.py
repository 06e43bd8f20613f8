"""Who may talk to the server: a loopback Host, an allowed Origin, the key, a body of fair size.

A page in a browser can reach a server on the loopback interface: by a WebSocket (browsers do not
hold those to the same-origin rule), by a simple form post, or through a name that is made to point
at 127.0.0.1. The checks of Origin, content type and Host stop one each.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Final, Protocol

import trio
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voxloop.local.server.refusal import Refusal

__all__ = ["JSON_LIMIT", "UPLOAD_LIMIT", "Abortable", "Guard"]

JSON_LIMIT: Final = 4 * 1024 * 1024
UPLOAD_LIMIT: Final = 64 * 1024 * 1024
_UPLOAD_PATH: Final = "/v1/audio/transcriptions"
_BODY_IDLE_S: Final = 30.0
_DRAIN_BYTES: Final = 1024 * 1024
_DRAIN_S: Final = 0.5
_LAST_WORDS_S: Final = 1.0


class Abortable(Protocol):
    """A connection that can be given up."""

    def abort(self) -> None:
        """Close it at once."""
        ...


class Guard:
    """ASGI middleware around the whole application.

    Args:
        app: The application.
        hosts: Accepted Host headers, with the port.
        origins: Accepted Origin headers; a request without one is not from a browser's page.
        api_key: Wanted as bearer token, None for no check.
    """

    def __init__(
        self, app: ASGIApp, *, hosts: frozenset[str], origins: frozenset[str], api_key: str | None
    ) -> None:
        self._app = app
        self._hosts = hosts
        self._origins = origins
        self._api_key = None if api_key is None else api_key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it in the API's error shape."""
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        body = _Body(scope, receive, send)
        try:
            self._check(scope, headers)
            body.check_length(headers.get(b"content-length"))
            if scope["type"] == "http":
                await self._app(scope, body.receive, body.send)
            else:
                await self._app(scope, receive, send)
        except Refusal as refusal:
            response = JSONResponse(refusal.body(), refusal.status, headers=_headers(refusal))
            if scope["type"] == "http":
                await response(scope, body.receive, body.send)
            else:
                await _deny(response, scope, receive, send)
        finally:
            body.let_go()

    def _check(self, scope: Scope, headers: Mapping[bytes, str]) -> None:
        host = headers.get(b"host", "").lower()
        if host not in self._hosts:
            raise Refusal(
                f"Host {host[:100]!r} is not this server; use {' or '.join(sorted(self._hosts))}",
                code="host_not_allowed",
                status=403,
            )
        origin = headers.get(b"origin")
        if origin is not None and origin.lower() not in self._origins:
            raise Refusal(
                f"Origin {origin[:100]!r} is not allowed; name it when the server is started",
                code="origin_not_allowed",
                status=403,
            )
        if self._api_key is not None:
            kind, _, token = headers.get(b"authorization", "").partition(" ")
            given = token.strip().encode("latin-1", "replace")
            if kind.lower() != "bearer" or not hmac.compare_digest(given, self._api_key):
                raise Refusal(
                    "Incorrect API key provided; send the key the server was started with as "
                    "'Authorization: Bearer ...'",
                    code="invalid_api_key",
                    status=401,
                )
        if scope["type"] == "http" and scope["method"] in ("POST", "PUT", "PATCH"):
            _check_content_type(scope["path"], headers.get(b"content-type", ""))


class _Body:
    """Counts a request's body, and leaves none of it in the pipe when the answer goes out.

    The HTTP server under this application waits for room in the request's queue even after the
    application has answered; a body that nobody reads would hold the connection for ever.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._limit = UPLOAD_LIMIT if scope["path"] == _UPLOAD_PATH else JSON_LIMIT
        self._receive = receive
        self._send = send
        self._connection: Abortable | None = scope.get("state", {}).get("connection")
        self._size = 0
        self._ended = scope["type"] != "http"
        self._answered = False
        self._stuck = False

    def check_length(self, announced: str | None) -> None:
        """Refuse a body that says beforehand that it is too large."""
        if announced is not None and announced.isdigit() and int(announced) > self._limit:
            raise self._too_large()

    async def receive(self) -> Message:
        """The next message of the request."""
        if self._ended:
            return await self._receive()
        try:
            with trio.fail_after(_BODY_IDLE_S):
                message = await self._receive()
        except trio.TooSlowError:
            raise Refusal(
                f"no more of the body came for {_BODY_IDLE_S:g} s",
                code="request_timeout",
                status=408,
            ) from None
        self._note(message)
        if self._size > self._limit and not self._answered:
            raise self._too_large()
        return message

    async def send(self, message: Message) -> None:
        """Send a message of the answer; before the first, what is left of the body is read."""
        if message["type"] == "http.response.start":
            self._answered = True
            await self._drain()
        if not self._stuck:
            await self._send(message)
            return
        with trio.move_on_after(_LAST_WORDS_S):
            await self._send(message)

    def let_go(self) -> None:
        """Give up a connection whose client still sends."""
        if self._stuck and self._connection is not None:
            self._connection.abort()

    async def _drain(self) -> None:
        limit = self._size + _DRAIN_BYTES
        with trio.move_on_after(_DRAIN_S):
            while not self._ended and self._size < limit:
                self._note(await self._receive())
        self._stuck = not self._ended

    def _note(self, message: Message) -> None:
        self._size += len(message.get("body", b""))
        self._ended = message["type"] != "http.request" or not message.get("more_body", False)

    def _too_large(self) -> Refusal:
        return Refusal(
            f"the body is larger than {self._limit // (1024 * 1024)} MiB; send less at once",
            code="request_too_large",
            status=413,
        )


def _check_content_type(path: str, given: str) -> None:
    wanted = "multipart/form-data" if path == _UPLOAD_PATH else "application/json"
    if given.partition(";")[0].strip().lower() != wanted:
        raise Refusal(
            f"Content-Type must be {wanted} for {path[:100]}, got {given[:100]!r}",
            code="unsupported_media_type",
            status=415,
        )


def _headers(refusal: Refusal) -> dict[str, str]:
    return {"www-authenticate": "Bearer"} if refusal.status == 401 else {}


async def _deny(response: JSONResponse, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a WebSocket upgrade with an HTTP response."""
    await receive()  # websocket.connect
    await send(
        {
            "type": "websocket.http.response.start",
            "status": response.status_code,
            "headers": response.raw_headers,
        }
    )
    await send({"type": "websocket.http.response.body", "body": bytes(response.body)})
