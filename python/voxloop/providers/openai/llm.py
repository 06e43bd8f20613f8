"""The language model by ``POST /responses``, streamed as server-sent events."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, Self

import msgspec

from voxloop._errors import ConnectionClosed, ProtocolError
from voxloop.net import HttpOptions
from voxloop.providers.openai.endpoint import Endpoint
from voxloop.providers.openai.errors import error_from_stream
from voxloop.providers.openai.events import END_MARK, EventStream, begin_events
from voxloop.providers.openai.models import LANGUAGE_MODEL, text_model
from voxloop.providers.protocols import (
    JsonObject,
    ModelDone,
    ModelEvent,
    ModelRequest,
    TextDelta,
    TextDone,
    ToolCall,
)
from voxloop.wire import responses as rs

_OPTIONS: Final = HttpOptions(first_byte_timeout=30.0, idle_timeout=30.0)


class OpenAILanguageModel:
    """Answers with text and tool calls; the history is sent whole with each request."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    @asynccontextmanager
    async def respond(self, request: ModelRequest) -> AsyncIterator[AsyncIterator[ModelEvent]]:
        """Send the history; the block is entered when the server has begun to answer.

        A request that fails for a passing reason is sent again, but only before its first event.
        A refusal is text like any other. Tool calls come as soon as each is complete.

        Yields:
            Events; the last one is `ModelDone`.

        Raises:
            AuthenticationError: No key, or the server refused it.
            RateLimited, QuotaExceeded, ApiError: The server refused the request, or the response
                failed (while iterating).
            NetworkError: It could not be reached, or the stream was cut short (while iterating).

        **Cancellation:** leaving the block ends the request.
        """
        model = request.model or LANGUAGE_MODEL
        doing = f"response of {model}"
        body = rs.encode(response_request(request))

        async with AsyncExitStack() as stack:

            async def once(key: str) -> _Events:
                events = await begin_events(
                    self._endpoint,
                    "/responses",
                    stack=stack,
                    doing=doing,
                    key=key,
                    options=_OPTIONS,
                    content=body,
                )
                return _Events(events, doing)

            yield await self._endpoint.retrying(once, doing=doing)


def response_request(request: ModelRequest) -> rs.CreateResponse:
    """The request body: shortest wait the model offers, nothing kept by the server."""
    name = request.model or LANGUAGE_MODEL
    model = text_model(name)
    return rs.CreateResponse(
        model=name,
        input=list(request.items),
        instructions=request.instructions or None,
        tools=list(request.tools) or None,
        tool_choice=request.tool_choice if request.tools else None,
        parallel_tool_calls=request.parallel_tool_calls if request.tools else None,
        prompt=request.prompt,
        include=list(request.include) or None,
        stream=True,
        store=False,
        reasoning={"effort": model.effort} if model.effort else None,
        text={"verbosity": "low"} if model.verbosity else None,
    )


class _Events:
    """What the stream means to the caller, until the response is done."""

    def __init__(self, events: EventStream, doing: str) -> None:
        self._events = events
        self._doing = doing
        self._reading = Reading(doing)
        self._ready: deque[ModelEvent] = deque()
        self._done = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ModelEvent:
        """Wait for the next event.

        **Cancellation:** nothing is lost; may be called again.
        """
        while not self._ready:
            if self._done:
                raise StopAsyncIteration
            data = await self._events.next_data()
            if data is None:
                raise ConnectionClosed(
                    f"{self._doing}: the event stream ended before the response did"
                )
            if data == END_MARK:
                continue
            self._ready += self._reading.take(rs.decode_event(data))
            self._done = bool(self._ready) and isinstance(self._ready[-1], ModelDone)
        return self._ready.popleft()


class Reading:
    """What the events of one response come to: pure, no I/O.

    OpenAI's own server gives a text piece by piece, then as a whole, then as part of its item, and
    at last as part of the response. Others leave some of these out: each text is taken from the
    first place in which it stands, and two messages never run into each other.
    """

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._place: tuple[str, int, int] | None = None  # whose text has begun and not ended
        self._said = False  # since the last message ended
        self._any = False  # in all of the response

    def take(self, event: rs.StreamEvent | rs.Unknown) -> list[ModelEvent]:
        """What an event means to the caller; nothing for those that say nothing new.

        Raises:
            ApiError: The event says that the response failed.
            ProtocolError: A tool call without its id or its name.
        """
        match event:
            case rs.ResponseOutputTextDelta(delta=text) | rs.ResponseRefusalDelta(delta=text):
                return [*self._moved(event), TextDelta(text)] if text else []
            case rs.ResponseOutputTextDone(text=text) | rs.ResponseRefusalDone(refusal=text):
                moved = self._moved(event)
                self._place = None
                return [*moved, TextDone(text)]
            case rs.ResponseOutputItemDone(item=item):
                return self._item(item)
            case rs.ResponseCompleted(response=response):
                return [*self._missed(response), ModelDone(usage=response.usage)]
            case rs.ResponseIncomplete(response=response):
                details = response.incomplete_details
                reason = details.reason if details else None
                done = ModelDone(status="incomplete", usage=response.usage, reason=reason)
                return [*self._missed(response), done]
            case rs.ResponseFailed(response=response):
                error = response.error or rs.ResponseError()
                raise error_from_stream(
                    code=error.code,
                    message=error.message,
                    type=error.type,
                    param=error.param,
                    doing=self._doing,
                )
            case rs.ErrorEvent():
                raise error_from_stream(
                    code=event.code, message=event.message, param=event.param, doing=self._doing
                )
        return []

    def _moved(
        self,
        event: rs.ResponseOutputTextDelta
        | rs.ResponseOutputTextDone
        | rs.ResponseRefusalDelta
        | rs.ResponseRefusalDone,
    ) -> list[ModelEvent]:
        """The end of the text before, if this one belongs to another part."""
        place = (event.item_id, event.output_index, event.content_index)
        before, self._place = self._place, place
        self._said = self._any = True
        return [] if before in (None, place) else [TextDone("")]

    def _item(self, item: rs.OutputItem) -> list[ModelEvent]:
        out: list[ModelEvent] = []
        if item.type == "function_call":
            call = _tool_call(item, self._doing)
            out = [] if call is None else [call]
            self._any = True
        elif item.type == "message":
            if self._place is not None:
                out = [TextDone("")]
            elif not self._said:
                text = _text(item.content)
                out = [TextDone(text)] if text else []
                self._any = self._any or bool(text)
            self._place, self._said = None, False
        return out

    def _missed(self, response: rs.Response) -> list[ModelEvent]:
        """All of a response that came in one piece."""
        out: list[ModelEvent] = []
        if not self._any:
            for raw in response.output or ():
                try:
                    out += self._item(msgspec.convert(raw, rs.OutputItem))
                except msgspec.ValidationError:
                    continue  # an item of a kind that we do not know
        return out


def _text(content: list[JsonObject] | None) -> str:
    texts = [part.get("text") or part.get("refusal") for part in content or ()]
    return "".join(text for text in texts if isinstance(text, str))


def _tool_call(item: rs.OutputItem, doing: str) -> ToolCall | None:
    if item.status == "incomplete":
        return None  # cut off by a limit: its arguments are not whole
    if not item.call_id or not item.name:
        raise ProtocolError(f"{doing}: a tool call came without its id or its name")
    return ToolCall(
        call_id=item.call_id,
        name=item.name,
        arguments=item.arguments or "{}",
        item_id=item.id,
    )
