"""A language model behind any endpoint that speaks OpenAI's chat completions."""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final, Self

import msgspec

from voxloop._errors import ConfigError, ConnectionClosed, ProtocolError
from voxloop.net import ApiKey, ConnectOptions, HttpOptions, Secret
from voxloop.providers.chat_items import chat_choice, chat_messages, chat_tool
from voxloop.providers.openai.endpoint import Endpoint
from voxloop.providers.openai.errors import error_from_stream
from voxloop.providers.openai.events import END_MARK, EventStream, begin_events
from voxloop.providers.protocols import (
    JsonObject,
    ModelDone,
    ModelEvent,
    ModelRequest,
    TextDelta,
    TextDone,
    ToolCall,
)
from voxloop.wire.chat import Failure, ToolDelta, decode_chunk
from voxloop.wire.text import encode_json

_INCOMPLETE: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}
_COUNTS: Final = {
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "prompt_tokens_details": "input_tokens_details",
    "completion_tokens_details": "output_tokens_details",
}


class ChatCompletionsModel:
    """A language model by ``POST /chat/completions``, streamed as server-sent events.

    For servers of one's own (vLLM, llama.cpp, Ollama...) and for services that follow the same
    protocol. The object is light and holds no connection.

    Args:
        base_url: With its path prefix, such as ``http://localhost:8000/v1``.
        model: Model name, unless the agent names one.
        api_key: The key, or a function (sync or async) that gives one; None sends none. The
            environment is not asked: a key of OpenAI's is no business of another server.
        extra: Further fields of the request, such as ``{"temperature": 0.2}``.
        usage: Whether the server is asked to count tokens; some do not know the field.
        first_byte_timeout: Seconds until the answer begins.
        idle_timeout: Seconds without a byte.
        connect: Whom to trust, our certificate, the proxy.

    Raises:
        ConfigError: The base URL, the model or a limit cannot be used.

    Example::

        model = ChatCompletionsModel(base_url="http://localhost:8000/v1", model="qwen3")
        workflow = voice.AgentWorkflow(agent, model=model)
    """

    def __init__(
        self,
        *,
        base_url: str,
        model: str,
        api_key: ApiKey | None = None,
        extra: Mapping[str, object] | None = None,
        usage: bool = True,
        first_byte_timeout: float = 30.0,
        idle_timeout: float = 30.0,
        connect: ConnectOptions | None = None,
    ) -> None:
        if not isinstance(model, str) or not model:
            raise ConfigError("ChatCompletionsModel needs the name of a model")
        if not isinstance(base_url, str) or not base_url:
            raise ConfigError("ChatCompletionsModel needs base_url=")
        endpoint = Endpoint.resolve(
            api_key=api_key,
            base_url=base_url,
            organization=None,
            project=None,
            connect=connect,
        )
        self._endpoint = replace(endpoint, organization=None, project=None)
        if api_key is None:
            self._endpoint = _WithoutKey(
                base_url=endpoint.base_url, api_key=Secret("none"), way=endpoint.way
            )
        self._model = model
        self._extra = dict(extra or {})
        self._usage = usage
        self._options = HttpOptions(
            first_byte_timeout=first_byte_timeout, idle_timeout=idle_timeout
        )

    @asynccontextmanager
    async def respond(self, request: ModelRequest) -> AsyncIterator[AsyncIterator[ModelEvent]]:
        """Send the history; the block is entered when the server has begun to answer.

        A request that fails for a passing reason is sent again, but only before its first event.
        A refusal is text like any other. Tool calls come when the server says that they are
        complete: its pieces may belong to several calls in turn.

        Yields:
            Events; the last one is `ModelDone`, its usage named as by the Responses API.

        Raises:
            ConfigError: The request has what only the Responses API knows: hosted tools, a prompt
                template.
            AuthenticationError: The server wants a key, or another one.
            RateLimited, QuotaExceeded, ApiError: The server refused the request, or the response
                failed (while iterating).
            NetworkError: It could not be reached, or the stream was cut short (while iterating).

        **Cancellation:** leaving the block ends the request.
        """
        body = self._body(request)
        doing = f"chat completion of {body['model']}"
        content = encode_json(body)

        async with AsyncExitStack() as stack:

            async def once(key: str) -> _Events:
                events = await begin_events(
                    self._endpoint,
                    "/chat/completions",
                    stack=stack,
                    doing=doing,
                    key=key,
                    options=self._options,
                    content=content,
                )
                return _Events(events, doing)

            yield await self._endpoint.retrying(once, doing=doing)

    def _body(self, request: ModelRequest) -> JsonObject:
        if request.prompt is not None:
            raise ConfigError("a chat endpoint has no prompt templates; give instructions")
        body: JsonObject = {
            "model": request.model or self._model,
            "messages": chat_messages(request.instructions, request.items),
            "stream": True,
        }
        if self._usage:
            body["stream_options"] = {"include_usage": True}
        if request.tools:
            body["tools"] = [chat_tool(tool) for tool in request.tools]
            if request.tool_choice is not None:
                body["tool_choice"] = chat_choice(request.tool_choice)
            if request.parallel_tool_calls is not None:
                body["parallel_tool_calls"] = request.parallel_tool_calls
        return {**body, **self._extra}


@dataclass(frozen=True, slots=True, kw_only=True)
class _WithoutKey(Endpoint):
    """An endpoint that wants no key."""

    def headers(self, key: Secret | None) -> dict[str, str | Secret]:
        return Endpoint.headers(self, None)


@dataclass(slots=True)
class _Call:
    id: str = ""
    name: str = ""
    arguments: str = ""


class ChatAnswer:
    """What the pieces of one answer add up to; pure.

    Args:
        doing: Named in errors.
    """

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._text = ""
        self._calls: dict[int, _Call] = {}
        self._last = 0
        self._usage: JsonObject | None = None
        self.reason: str | None = None

    def take(self, data: str) -> list[ModelEvent]:
        """The events that one chunk leads to.

        Raises:
            ApiError: The chunk says that the response failed.
            ProtocolError: The chunk cannot be used.
        """
        chunk = decode_chunk(data)
        if chunk.error is not None:
            failure = Failure(chunk.error) if isinstance(chunk.error, str) else chunk.error
            code = None if failure.code is None else str(failure.code)
            raise error_from_stream(
                code=code,
                message=failure.message,
                type=failure.type,
                param=failure.param,
                doing=self._doing,
            )
        if chunk.usage:
            self._usage = {_COUNTS.get(key, key): value for key, value in chunk.usage.items()}
        events: list[ModelEvent] = []
        for choice in chunk.choices or []:
            if choice.index != 0 or self.reason is not None:
                continue
            if choice.delta is not None:
                text = (choice.delta.content or "") + (choice.delta.refusal or "")
                if text:
                    self._text += text
                    events.append(TextDelta(text))
                for piece in choice.delta.tool_calls or []:
                    self._add(piece)
            if choice.finish_reason:
                self.reason = choice.finish_reason
                events += self._complete()
        return events

    def done(self) -> ModelDone:
        """The last event.

        Raises:
            ConnectionClosed: The answer is not over.
        """
        if self.reason is None:
            raise ConnectionClosed(f"{self._doing}: the event stream ended before the answer did")
        cut = _INCOMPLETE.get(self.reason)
        return ModelDone(status="incomplete" if cut else "completed", usage=self._usage, reason=cut)

    def _add(self, piece: ToolDelta) -> None:
        index = piece.index
        if index is None:  # some servers count by the id alone
            known = next((i for i, c in self._calls.items() if piece.id and c.id == piece.id), None)
            fresh = len(self._calls) if piece.id else self._last
            index = fresh if known is None else known
        call = self._calls.setdefault(index, _Call())
        self._last = index
        call.id = call.id or piece.id or ""
        if piece.function is not None:
            call.name = call.name or piece.function.name or ""
            call.arguments += piece.function.arguments or ""

    def _complete(self) -> list[ModelEvent]:
        events: list[ModelEvent] = [TextDone(self._text)] if self._text else []
        for _, call in sorted(self._calls.items()):
            arguments = call.arguments or "{}"
            if self.reason in _INCOMPLETE and not _is_json(arguments):
                continue  # cut off by a limit: its arguments are not whole
            if not call.name:
                raise ProtocolError(f"{self._doing}: a tool call came without its name")
            call_id = call.id or f"call_{uuid.uuid4().hex}"
            events.append(ToolCall(call_id=call_id, name=call.name, arguments=arguments))
        return events


class _Events:
    """The events of one response."""

    def __init__(self, events: EventStream, doing: str) -> None:
        self._events = events
        self._answer = ChatAnswer(doing)
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
            if data is None or data == END_MARK:
                self._end()
            else:
                self._ready.extend(self._answer.take(data))
        return self._ready.popleft()

    def _end(self) -> None:
        self._ready.append(self._answer.done())
        self._done = True


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True
