"""Answers that come as server-sent events: begun, and read one by one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Final

from voxloop._bridge import checkpoint
from voxloop._errors import ConnectionClosed, ProtocolError
from voxloop.net import HttpOptions, Part, SseEvent
from voxloop.providers.openai.endpoint import Endpoint

END_MARK: Final = "[DONE]"
"""The data of an event that only says that no more will come."""


class EventStream:
    """The events of one answer, the first of which has come already."""

    def __init__(self, first: SseEvent, stream: AsyncIterator[SseEvent]) -> None:
        self._first: SseEvent | None = first
        self._stream = stream

    async def next_data(self) -> str | None:
        """Wait for the data of the next event that has any; None when the stream has ended.

        **Cancellation:** nothing is lost; may be called again.
        """
        while True:
            if self._first is not None:
                await checkpoint()
                event, self._first = self._first, None
            else:
                found = await anext(self._stream, None)
                if found is None:
                    return None
                event = found
            if event.data:
                return event.data


async def begin_events(
    endpoint: Endpoint,
    path: str,
    *,
    stack: AsyncExitStack,
    doing: str,
    key: str,
    options: HttpOptions,
    content: bytes | None = None,
    multipart: list[Part] | None = None,
) -> EventStream:
    """Send a request and wait for the first event; ``stack`` then owns the connection.

    Args:
        endpoint: Where it goes.
        path: Below the base URL.
        stack: Closing it ends the request.
        doing: Named in errors.
        key: Idempotency key, the same for each attempt.
        options: Limits and times.
        content: JSON body.
        multipart: Form instead.

    Raises:
        ProtocolError: The answer is no event stream.
        ConnectionClosed: There was no event in it.
        Refused: The server refused the request; for `Endpoint.retrying` alone.
        NetworkError: It could not be reached.

    **Cancellation:** the request is ended.
    """
    async with AsyncExitStack() as attempt:
        response = await attempt.enter_async_context(
            endpoint.post(
                path,
                doing=doing,
                idempotency_key=key,
                options=options,
                content=content,
                multipart=multipart,
                accept="text/event-stream",
            )
        )
        kind = response.headers.get("content-type", "").lower()
        if not kind.startswith("text/event-stream"):
            raise ProtocolError(
                f"{doing}: the server answered with {kind or 'no content type'} where an "
                "event stream was expected; check the base URL"
            )
        stream = response.iter_sse()
        first = await anext(stream, None)
        if first is None:
            raise ConnectionClosed(f"{doing}: the event stream is empty")
        stack.push_async_exit(attempt.pop_all())
        return EventStream(first, stream)
