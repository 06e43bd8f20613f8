"""Conversation items, their content parts, responses and what they cost."""

from __future__ import annotations

from voxloop.wire._base import JsonObject, Wire
from voxloop.wire.realtime.session import AudioConfig


class ContentPart(Wire, frozen=True, kw_only=True):
    """One part of a message.

    Attributes:
        type: ``input_text``, ``input_audio``, ``input_image``, ``output_text``, ``output_audio``,
            and in ``response.content_part.*`` also ``text`` and ``audio``.
        text: Text of a text part.
        audio: Decoded audio bytes in the session's format (base64 in the JSON).
        transcript: What an audio part says.
        image_url: ``data:`` or ``https:`` URL of an image part.
        detail: ``auto``, ``low`` or ``high``.
    """

    type: str = ""
    text: str | None = None
    audio: bytes | None = None
    transcript: str | None = None
    image_url: str | None = None
    detail: str | None = None


class Item(Wire, frozen=True, kw_only=True):
    """One entry of the conversation; which fields are used depends on ``type``.

    Attributes:
        type: ``message``, ``function_call``, ``function_call_output``, ``mcp_list_tools``,
            ``mcp_call``, ``mcp_approval_request``, ``mcp_approval_response``, ``item_reference``.
        id: Chosen by the client or by the server.
        object: ``realtime.item``.
        status: ``in_progress``, ``completed`` or ``incomplete``.
        role: ``system``, ``user`` or ``assistant``, for a message.
        content: Parts of a message.
        name: Function of a call.
        call_id: Ties a call and its output together.
        arguments: JSON text as the model wrote it.
        output: Result of a call.
        server_label: MCP server.
        tools: Tools that an MCP server listed.
        approval_request_id: Id of the request that an approval answers.
        approve: The answer to an approval request.
        reason: Why it was approved or not.
        error: Error object of an MCP call.
    """

    type: str
    id: str | None = None
    object: str | None = None
    status: str | None = None
    role: str | None = None
    content: list[ContentPart] | None = None
    name: str | None = None
    call_id: str | None = None
    arguments: str | None = None
    output: str | None = None
    server_label: str | None = None
    tools: list[JsonObject] | None = None
    approval_request_id: str | None = None
    approve: bool | None = None
    reason: str | None = None
    error: JsonObject | None = None


class CachedTokens(Wire, frozen=True, kw_only=True):
    """Cached input tokens by kind."""

    text_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


class InputTokens(Wire, frozen=True, kw_only=True):
    """Input tokens by kind; the cached ones are part of them."""

    text_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None
    cached_tokens: int | None = None
    cached_tokens_details: CachedTokens | None = None


class OutputTokens(Wire, frozen=True, kw_only=True):
    """Output tokens by kind."""

    text_tokens: int | None = None
    audio_tokens: int | None = None


class Usage(Wire, frozen=True, kw_only=True):
    """What a response cost."""

    total_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_token_details: InputTokens | None = None
    output_token_details: OutputTokens | None = None


class TranscriptionUsage(Wire, frozen=True, kw_only=True):
    """What a transcription cost.

    Attributes:
        type: ``tokens`` or ``duration``.
        seconds: Length of the audio, for ``duration``.
    """

    type: str = ""
    seconds: float | None = None
    total_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_token_details: InputTokens | None = None


class LogProb(Wire, frozen=True, kw_only=True):
    """Log probability of one token."""

    token: str
    logprob: float
    bytes: list[int] | None = None


class ErrorDetail(Wire, frozen=True, kw_only=True):
    """An error object.

    Attributes:
        type: Class of the error, such as ``invalid_request_error``.
        message: Text for people.
        code: Text for programs.
        param: The field at fault.
        event_id: The client event at fault.
    """

    type: str = ""
    message: str = ""
    code: str | None = None
    param: str | None = None
    event_id: str | None = None


class StatusDetails(Wire, frozen=True, kw_only=True):
    """Why a response ended as it did.

    Attributes:
        type: The same as the status.
        reason: ``turn_detected``, ``client_cancelled``, ``max_output_tokens``, ``content_filter``.
        error: Of a failed response.
    """

    type: str | None = None
    reason: str | None = None
    error: ErrorDetail | None = None


class Response(Wire, frozen=True, kw_only=True):
    """One response of the model.

    Attributes:
        status: ``in_progress``, ``completed``, ``cancelled``, ``failed`` or ``incomplete``.
        conversation_id: None for a response outside the conversation.
    """

    id: str | None = None
    object: str | None = None
    status: str | None = None
    status_details: StatusDetails | None = None
    output: list[Item] | None = None
    usage: Usage | None = None
    conversation_id: str | None = None
    metadata: dict[str, str] | None = None
    output_modalities: list[str] | None = None
    max_output_tokens: int | str | None = None
    audio: AudioConfig | None = None


class ResponseParams(Wire, frozen=True, kw_only=True):
    """Settings of one response; they override the session's for this response only.

    Attributes:
        conversation: ``auto``, or ``none`` for a response outside the conversation.
        input: Items to answer instead of the conversation; references are allowed here.
    """

    conversation: str | None = None
    input: list[Item] | None = None
    instructions: str | None = None
    output_modalities: list[str] | None = None
    audio: AudioConfig | None = None
    tools: list[JsonObject] | None = None
    tool_choice: str | JsonObject | None = None
    parallel_tool_calls: bool | None = None
    max_output_tokens: int | str | None = None
    metadata: dict[str, str] | None = None
    prompt: JsonObject | None = None
    reasoning: JsonObject | None = None


class Conversation(Wire, frozen=True, kw_only=True):
    """The conversation that a session holds."""

    id: str | None = None
    object: str | None = None


class RateLimit(Wire, frozen=True, kw_only=True):
    """One rate limit.

    Attributes:
        name: ``requests`` or ``tokens``.
        reset_seconds: Seconds until it is full again.
    """

    name: str | None = None
    limit: int | None = None
    remaining: int | None = None
    reset_seconds: float | None = None
