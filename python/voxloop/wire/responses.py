"""The Responses API: the request, and the server-sent events of its stream.

The class of an event is named after its wire type, as in `voxloop.wire.realtime`. Events that a
voice has no use for (reasoning, hosted tools) come out as ``Unknown``.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

from voxloop._errors import ProtocolError
from voxloop.wire._base import Event, JsonObject, Unknown, Wire, by_tag, raw_streamed
from voxloop.wire.audio import decode_error
from voxloop.wire.text import encode_json

__all__ = [
    "CreateResponse",
    "ErrorEvent",
    "IncompleteDetails",
    "OutputItem",
    "Response",
    "ResponseCompleted",
    "ResponseContentPartAdded",
    "ResponseContentPartDone",
    "ResponseCreated",
    "ResponseError",
    "ResponseFailed",
    "ResponseFunctionCallArgumentsDelta",
    "ResponseFunctionCallArgumentsDone",
    "ResponseInProgress",
    "ResponseIncomplete",
    "ResponseOutputItemAdded",
    "ResponseOutputItemDone",
    "ResponseOutputTextDelta",
    "ResponseOutputTextDone",
    "ResponseQueued",
    "ResponseRefusalDelta",
    "ResponseRefusalDone",
    "StreamEvent",
    "Unknown",
    "decode_event",
    "encode",
]


class CreateResponse(Wire, frozen=True, kw_only=True):
    """The body of ``POST /responses``.

    Attributes:
        input: Items, or one text as a user message.
        store: Whether the server keeps the response; None leaves it to the server.
        reasoning: Such as ``{"effort": "none"}``.
        text: Such as ``{"verbosity": "low"}``.
    """

    model: str
    input: list[JsonObject] | str
    instructions: str | None = None
    tools: list[JsonObject] | None = None
    tool_choice: str | JsonObject | None = None
    parallel_tool_calls: bool | None = None
    stream: bool | None = None
    store: bool | None = None
    reasoning: JsonObject | None = None
    text: JsonObject | None = None
    prompt: JsonObject | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    metadata: dict[str, str] | None = None
    include: list[str] | None = None


class OutputItem(Wire, frozen=True, kw_only=True):
    """One item of the answer: ``message``, ``function_call``, or one of a hosted tool."""

    type: str
    id: str | None = None
    status: str | None = None
    role: str | None = None
    content: list[JsonObject] | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None


class ResponseError(Wire, frozen=True, kw_only=True):
    """Why a response failed."""

    code: str | None = None
    message: str | None = None
    type: str | None = None
    param: str | None = None


class IncompleteDetails(Wire, frozen=True, kw_only=True):
    """Why a response is cut short: ``max_output_tokens``, ``content_filter``..."""

    reason: str | None = None


class Response(Wire, frozen=True, kw_only=True):
    """The response as a whole.

    Attributes:
        status: ``queued``, ``in_progress``, ``completed``, ``incomplete``, ``failed`` or
            ``cancelled``.
        output: Items as JSON objects, in the shape in which they can be sent back as input.
        usage: Tokens as the server counted them.
    """

    id: str | None = None
    object: str | None = None
    created_at: float | None = None
    status: str | None = None
    model: str | None = None
    output: list[JsonObject] | None = None
    usage: JsonObject | None = None
    error: ResponseError | None = None
    incomplete_details: IncompleteDetails | None = None
    metadata: dict[str, str] | None = None
    parallel_tool_calls: bool | None = None
    tool_choice: str | JsonObject | None = None
    tools: list[JsonObject] | None = None


class _Stream(Event, frozen=True, kw_only=True):
    sequence_number: int | None = None


class _OfResponse(_Stream, frozen=True, kw_only=True):
    response: Response


class _OfOutput(_Stream, frozen=True, kw_only=True):
    item_id: str = ""
    # Written even when 0, so not a default that `omit_defaults` would drop.
    output_index: int


class _OfPart(_OfOutput, frozen=True, kw_only=True):
    content_index: int


class ResponseCreated(_OfResponse, frozen=True, kw_only=True, tag="response.created"):
    """The server took the request."""


class ResponseQueued(_OfResponse, frozen=True, kw_only=True, tag="response.queued"):
    """The response waits for its turn."""


class ResponseInProgress(_OfResponse, frozen=True, kw_only=True, tag="response.in_progress"):
    """The model is at work."""


class ResponseCompleted(_OfResponse, frozen=True, kw_only=True, tag="response.completed"):
    """The response is whole."""


class ResponseIncomplete(_OfResponse, frozen=True, kw_only=True, tag="response.incomplete"):
    """The response is cut short; what came is valid."""


class ResponseFailed(_OfResponse, frozen=True, kw_only=True, tag="response.failed"):
    """The response failed."""


class ResponseOutputItemAdded(_Stream, frozen=True, kw_only=True, tag="response.output_item.added"):
    """The model begins an item."""

    output_index: int
    item: OutputItem


class ResponseOutputItemDone(_Stream, frozen=True, kw_only=True, tag="response.output_item.done"):
    """The model has finished an item."""

    output_index: int
    item: OutputItem


class ResponseContentPartAdded(
    _OfPart, frozen=True, kw_only=True, tag="response.content_part.added"
):
    """The model begins a part of a message."""

    part: JsonObject


class ResponseContentPartDone(_OfPart, frozen=True, kw_only=True, tag="response.content_part.done"):
    """The model has finished a part of a message."""

    part: JsonObject


class ResponseOutputTextDelta(_OfPart, frozen=True, kw_only=True, tag="response.output_text.delta"):
    """More text."""

    delta: str
    logprobs: list[JsonObject] | None = None


class ResponseOutputTextDone(_OfPart, frozen=True, kw_only=True, tag="response.output_text.done"):
    """The whole text of a part."""

    text: str
    logprobs: list[JsonObject] | None = None


class ResponseRefusalDelta(_OfPart, frozen=True, kw_only=True, tag="response.refusal.delta"):
    """More of a refusal."""

    delta: str


class ResponseRefusalDone(_OfPart, frozen=True, kw_only=True, tag="response.refusal.done"):
    """The whole refusal."""

    refusal: str


class ResponseFunctionCallArgumentsDelta(
    _OfOutput, frozen=True, kw_only=True, tag="response.function_call_arguments.delta"
):
    """More of the JSON text of a call's arguments."""

    delta: str


class ResponseFunctionCallArgumentsDone(
    _OfOutput, frozen=True, kw_only=True, tag="response.function_call_arguments.done"
):
    """The whole JSON text of a call's arguments."""

    arguments: str
    name: str | None = None


class ErrorEvent(_Stream, frozen=True, kw_only=True, tag="error"):
    """The stream ends with an error."""

    message: str = ""
    code: str | None = None
    param: str | None = None


StreamEvent: TypeAlias = (
    ResponseCreated
    | ResponseQueued
    | ResponseInProgress
    | ResponseCompleted
    | ResponseIncomplete
    | ResponseFailed
    | ResponseOutputItemAdded
    | ResponseOutputItemDone
    | ResponseContentPartAdded
    | ResponseContentPartDone
    | ResponseOutputTextDelta
    | ResponseOutputTextDone
    | ResponseRefusalDelta
    | ResponseRefusalDone
    | ResponseFunctionCallArgumentsDelta
    | ResponseFunctionCallArgumentsDone
    | ErrorEvent
)

_TYPES: Final = by_tag(StreamEvent)
_DECODER: Final[msgspec.json.Decoder[StreamEvent]] = msgspec.json.Decoder(StreamEvent)
# What an event still makes sense with when a server leaves it out.
_FILL: Final[JsonObject] = {
    "output_index": 0,
    "content_index": 0,
    "delta": "",
    "text": "",
    "refusal": "",
    "arguments": "",
}


def decode_event(data: str | bytes) -> StreamEvent | Unknown:
    """Decode the data of one server-sent event.

    Returns:
        The event, or ``Unknown`` for a type that is not needed here. Missing indexes become 0, and
        missing texts empty.

    Raises:
        ProtocolError: Not JSON, not an object, no ``type``, or a known type that cannot be used.
    """
    try:
        event = _DECODER.decode(data)
        if not isinstance(event, ErrorEvent) or event.message:
            return event
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass
    name, raw = raw_streamed(data)
    if name == "error":  # nested, without a type, with a number for a code: there are all kinds
        said = decode_error(msgspec.json.encode(raw))
        kind = None if said.type == name else said.type
        return ErrorEvent(message=said.message, code=said.code or kind, param=said.param)
    if name not in _TYPES:
        return Unknown(name, raw)
    filled = {**_FILL, **{key: value for key, value in raw.items() if value is not None}}
    try:
        return msgspec.convert(filled, _TYPES[name], strict=False)  # type: ignore[return-value]
    except msgspec.ValidationError as error:
        raise ProtocolError(f"the response stream holds an unusable {name}: {error}") from None


def encode(value: CreateResponse | StreamEvent) -> bytes:
    """JSON text of a request or of an event; fields that are None are left out."""
    return encode_json(value)
