"""The HTTP client: one request is one block, and its body arrives in batches."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple, Self

import msgspec

from voxloop import _native
from voxloop._bridge import Inbox, checkpoint, notify_closing
from voxloop._errors import ConfigError, ProtocolError, UseAfterClose
from voxloop.net._auth import Secret
from voxloop.net._options import ConnectOptions, check_seconds
from voxloop.net._upload import send_body
from voxloop.net._websocket import plain_headers


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpOptions(ConnectOptions):
    """Times and limits of one request, and those of `ConnectOptions`.

    Attributes:
        connect_timeout: Seconds for name, TCP and TLS.
        first_byte_timeout: Seconds from the request, or from the last piece of a streamed body,
            to the response's head.
        idle_timeout: Seconds without a byte of the body.
        total_timeout: Seconds for everything; None sets no such limit.
    """

    connect_timeout: float = 5.0
    first_byte_timeout: float = 60.0
    idle_timeout: float = 30.0
    total_timeout: float | None = None

    def __post_init__(self) -> None:
        ConnectOptions.__post_init__(self)
        check_seconds(
            self, "connect_timeout", "first_byte_timeout", "idle_timeout", "total_timeout"
        )


class Part(NamedTuple):
    """One part of a ``multipart/form-data`` body.

    Attributes:
        name: Field name.
        content: The value; a path stands for what is in that file, which is read while it is
            sent and never held whole.
        filename: Set for a file.
        content_type: MIME type of a file.
    """

    name: str
    content: str | bytes | os.PathLike[str]
    filename: str | None = None
    content_type: str | None = None


class SseEvent(NamedTuple):
    """One server-sent event.

    Attributes:
        event: Its ``event`` field, ``"message"`` when absent.
        data: Its ``data`` lines, joined by newlines.
        id: The last ``id`` seen.
    """

    event: str
    data: str
    id: str


class ByteStream:
    """The body of a response as it arrives, in pieces of any size.

    An iterator rather than a generator: it holds nothing that would have to be closed.
    """

    def __init__(self, inbox: Inbox[_native.HttpItem], ready: list[_native.HttpItem]) -> None:
        self._inbox = inbox
        self._ready = deque(ready)
        self._ended = False
        self._left = False

    def leave(self) -> None:
        """The request's block is left: nothing more can come."""
        self._left = True
        self._ready.clear()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """Wait for the next piece.

        Raises:
            UseAfterClose: The request's block was left before the end of the body.

        **Cancellation:** nothing is lost; may be called again.
        """
        if self._ended:
            raise StopAsyncIteration
        if self._left:
            raise UseAfterClose("the response is read outside its block, which has ended it")
        if self._ready:
            await checkpoint()
        else:
            self._ready.extend(await self._inbox.receive_batch())
        item = self._ready.popleft()
        if isinstance(item, bytes):
            return item
        self._ended = True
        raise StopAsyncIteration


class SseStream:
    """The body of a response as server-sent events, by the WHATWG HTML standard."""

    def __init__(self, source: ByteStream) -> None:
        self._source = source
        self._parser = _native.SseParser()
        self._ready: deque[SseEvent] = deque()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SseEvent:
        """Wait for the next event.

        **Cancellation:** nothing is lost; may be called again.
        """
        if self._ready:
            await checkpoint()
        while not self._ready:
            piece = await anext(self._source)
            self._ready.extend(map(SseEvent._make, self._parser.feed(piece)))
        return self._ready.popleft()


class HttpResponse:
    """The answer to a request, inside its block. Its body is read once, in one way."""

    def __init__(self, inbox: Inbox[_native.HttpItem], opening: list[_native.HttpItem]) -> None:
        head = opening[0]
        assert isinstance(head, _native.HttpHead)  # noqa: S101 - the transport's first item
        self.status: int = head.status
        """HTTP status."""
        self.http_version: str = head.version
        """``"1.1"`` or ``"2"``, as it was negotiated."""
        self.headers: Mapping[str, str] = dict(head.headers)
        """Response headers, lower-case names; repeated ones joined by a comma."""
        self._body = ByteStream(inbox, opening[1:])

    def iter_bytes(self) -> ByteStream:
        """The body as it arrives.

        Iterating raises `ConnectionClosed` when the body is cut short and `NetworkTimeout` when
        nothing comes for ``idle_timeout``.
        """
        return self._body

    def iter_sse(self) -> SseStream:
        """The body as server-sent events.

        Iterating raises as `iter_bytes` does, and `ProtocolError` for an event beyond 16 MiB.
        """
        return SseStream(self._body)

    async def read(self, *, limit: int = 64 * 1024 * 1024) -> bytes:
        """The whole body.

        Args:
            limit: Bytes to accept at most, once decompressed.

        Raises:
            ProtocolError: The body is larger than `limit`.
            ConnectionClosed: The body was cut short.

        **Cancellation:** what was read is lost.
        """
        body = bytearray()
        async for piece in self._body:
            body += piece
            if len(body) > limit:
                raise ProtocolError(
                    f"the response body is larger than {limit} bytes", code="too_big"
                )
        return bytes(body)


@asynccontextmanager
async def request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str | Secret] | None = None,
    json: object | None = None,
    content: bytes | AsyncIterable[bytes] | None = None,
    content_length: int | None = None,
    multipart: Sequence[Part] | None = None,
    options: HttpOptions | None = None,
) -> AsyncIterator[HttpResponse]:
    """Send one request; leaving the block drops what is left of its answer.

    Redirects are not followed and no status is raised: both are the caller's to judge.

    Args:
        method: HTTP method.
        url: ``http://`` or ``https://``.
        headers: Request headers. A `Secret` never appears in an error.
        json: Encoded as the body, with its content type. At most one body may be given.
        content: The body as it is. One that is streamed is asked for its next piece when there is
            room for it; what it raises, this raises. It cannot be sent a second time.
        content_length: How many bytes a streamed body will have; without it the body goes out in
            chunks of unknown number, which not every server takes.
        multipart: The parts of a ``multipart/form-data`` body.
        options: Times and limits.

    Raises:
        ConnectFailed: Name, route or listener.
        TlsFailed: The certificate or the handshake was refused.
        NetworkTimeout: A phase took longer than its limit.
        ConfigError: The arguments cannot be used, or a streamed body is not as long as promised.

    **Cancellation:** the request is given up and its socket dropped.
    """
    options = options or HttpOptions()
    if sum(body is not None for body in (json, content, multipart)) > 1:
        raise ConfigError("give at most one of json, content and multipart")
    lines = plain_headers(headers)
    if json is not None:
        content = msgspec.json.encode(json)
        lines.append(("content-type", "application/json", False))
    native = _native.HttpCall.start(
        method,
        url,
        headers=lines,
        body=_plain_body(content, content_length, multipart),
        connect_timeout=options.connect_timeout,
        first_byte_timeout=options.first_byte_timeout,
        idle_timeout=options.idle_timeout,
        total_timeout=options.total_timeout,
        way=options.way(),
    )
    inbox: Inbox[_native.HttpItem] = Inbox(native)
    streamed = None if content is None or isinstance(content, bytes) else content
    response: HttpResponse | None = None
    try:
        if streamed is None:
            opening = await inbox.receive_batch()
        else:
            opening = await send_body(native, inbox, streamed)
        response = HttpResponse(inbox, opening)
        yield response
    finally:
        if response is not None:
            response.iter_bytes().leave()
        notify_closing(native.fileno())
        if streamed is not None:
            notify_closing(native.send_fileno())
        native.abort()


def _plain_part(part: Part) -> tuple[str, str | bytes, str | None, str | None]:
    """As Rust takes it: content as bytes, or the path of a file as a string."""
    content: str | bytes
    if isinstance(part.content, str):
        content = part.content.encode("utf-8", "replace")
    elif isinstance(part.content, bytes):
        content = part.content
    else:
        content = os.fspath(part.content)
    return part.name, content, part.filename, part.content_type


def _plain_body(
    content: bytes | AsyncIterable[bytes] | None,
    content_length: int | None,
    multipart: Sequence[Part] | None,
) -> bytes | list[_native.Part] | tuple[int | None] | None:
    if multipart is not None:
        return [_plain_part(part) for part in multipart]
    if content is None or isinstance(content, bytes):
        if content_length is not None:
            raise ConfigError("content_length is for a body that is streamed; leave it out")
        return content
    if not isinstance(content, AsyncIterable):
        raise ConfigError(f"content is {type(content).__name__}; wanted bytes or an async iterable")
    if content_length is not None and content_length < 0:
        raise ConfigError(f"content_length must not be negative, as {content_length} is")
    return (content_length,)
