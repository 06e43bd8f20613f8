"""A response whose body is made while it is sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import msgspec
import trio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

__all__ = ["BodyWriter", "Streamed", "sse"]


class BodyWriter:
    """Sends the pieces of a body; the headers go out with the first."""

    def __init__(self, response: Response, send: Send) -> None:
        self._response = response
        self._send = send
        self._started = False

    async def write(self, data: bytes) -> None:
        """Send a piece."""
        await self._start()
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def finish(self) -> None:
        """End the body."""
        await self._start()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _start(self) -> None:
        if not self._started:
            self._started = True
            await self._send(
                {
                    "type": "http.response.start",
                    "status": self._response.status_code,
                    "headers": self._response.raw_headers,
                }
            )


class Streamed(Response):
    """Runs ``produce`` with a writer; an error before the first piece becomes an error answer.

    When the client goes away the producer is cancelled.
    """

    def __init__(self, produce: Callable[[BodyWriter], Awaitable[None]], media_type: str) -> None:
        self.status_code = 200
        self.media_type = media_type
        self.background = None
        self.body = b""
        self._produce = produce
        self.init_headers({"cache-control": "no-store"})
        self.raw_headers = [pair for pair in self.raw_headers if pair[0] != b"content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        writer = BodyWriter(self, send)
        failure: Exception | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_cancel_on_disconnect, receive, nursery.cancel_scope)
            try:
                await self._produce(writer)
            except Exception as error:
                failure = error
            nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure
        # Nobody listens for the disconnect any more: it comes with the end of the answer itself.
        await writer.finish()


async def _cancel_on_disconnect(receive: Receive, scope: trio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


def sse(event: Mapping[str, object]) -> bytes:
    """One server-sent event, named after its ``type``."""
    data = msgspec.json.encode(event)
    return b"event: " + str(event["type"]).encode() + b"\ndata: " + data + b"\n\n"
