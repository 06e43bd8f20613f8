"""The forty-six events that a server sends. Offsets in the input buffer are in milliseconds."""

from __future__ import annotations

from typing import TypeAlias

from voxloop.wire._base import Event, JsonObject
from voxloop.wire.realtime.items import (
    ContentPart,
    Conversation,
    ErrorDetail,
    Item,
    LogProb,
    RateLimit,
    Response,
    TranscriptionUsage,
)
from voxloop.wire.realtime.session import Session


class _OfItem(Event, frozen=True, kw_only=True):
    item_id: str


class _OfPart(_OfItem, frozen=True, kw_only=True):
    content_index: int


class _OfOutput(_OfItem, frozen=True, kw_only=True):
    response_id: str
    output_index: int


class _OfOutputPart(_OfOutput, frozen=True, kw_only=True):
    content_index: int


class _WithItem(Event, frozen=True, kw_only=True):
    item: Item
    previous_item_id: str | None = None


class _WithOutputItem(Event, frozen=True, kw_only=True):
    response_id: str
    output_index: int
    item: Item


class ErrorEvent(Event, frozen=True, kw_only=True, tag="error"):
    """Something went wrong; most errors leave the session usable."""

    error: ErrorDetail


class SessionCreated(Event, frozen=True, kw_only=True, tag="session.created"):
    """The first event of a session."""

    session: Session


class SessionUpdated(Event, frozen=True, kw_only=True, tag="session.updated"):
    """Settings were changed; the whole session as it is now."""

    session: Session


class ConversationCreated(Event, frozen=True, kw_only=True, tag="conversation.created"):
    """The conversation exists; not every server sends it."""

    conversation: Conversation


class ConversationItemCreated(
    _WithItem, frozen=True, kw_only=True, tag="conversation.item.created"
):
    """An item exists (older servers; newer ones send ``added`` and ``done``)."""


class ConversationItemAdded(_WithItem, frozen=True, kw_only=True, tag="conversation.item.added"):
    """An item exists; its content may still come."""


class ConversationItemDone(_WithItem, frozen=True, kw_only=True, tag="conversation.item.done"):
    """An item is final: its whole content but for the audio."""


class ConversationItemRetrieved(
    Event, frozen=True, kw_only=True, tag="conversation.item.retrieved"
):
    """The answer to ``conversation.item.retrieve``."""

    item: Item


class ConversationItemDeleted(_OfItem, frozen=True, kw_only=True, tag="conversation.item.deleted"):
    """An item is gone."""


class ConversationItemTruncated(
    _OfPart, frozen=True, kw_only=True, tag="conversation.item.truncated"
):
    """An assistant message was cut; its transcript is gone."""

    audio_end_ms: int


class ConversationItemInputAudioTranscriptionDelta(
    _OfItem, frozen=True, kw_only=True, tag="conversation.item.input_audio_transcription.delta"
):
    """More of what the user said."""

    content_index: int | None = None
    delta: str = ""
    logprobs: list[LogProb] | None = None


class ConversationItemInputAudioTranscriptionCompleted(
    _OfPart, frozen=True, kw_only=True, tag="conversation.item.input_audio_transcription.completed"
):
    """All of what the user said; may come after the response."""

    transcript: str
    usage: TranscriptionUsage | None = None
    languages: list[JsonObject] | None = None
    logprobs: list[LogProb] | None = None


class ConversationItemInputAudioTranscriptionSegment(
    _OfPart, frozen=True, kw_only=True, tag="conversation.item.input_audio_transcription.segment"
):
    """What one speaker said, from ``start`` to ``end`` seconds."""

    id: str
    speaker: str
    text: str
    start: float
    end: float


class ConversationItemInputAudioTranscriptionFailed(
    _OfPart, frozen=True, kw_only=True, tag="conversation.item.input_audio_transcription.failed"
):
    """What the user said could not be written down."""

    error: ErrorDetail


class InputAudioBufferSpeechStarted(
    _OfItem, frozen=True, kw_only=True, tag="input_audio_buffer.speech_started"
):
    """The user began to speak at this offset of the input buffer."""

    audio_start_ms: int


class InputAudioBufferSpeechStopped(
    _OfItem, frozen=True, kw_only=True, tag="input_audio_buffer.speech_stopped"
):
    """The user stopped speaking at this offset of the input buffer."""

    audio_end_ms: int


class InputAudioBufferCommitted(
    _OfItem, frozen=True, kw_only=True, tag="input_audio_buffer.committed"
):
    """The buffer became the user message ``item_id``."""

    previous_item_id: str | None = None


class InputAudioBufferCleared(Event, frozen=True, kw_only=True, tag="input_audio_buffer.cleared"):
    """The input buffer is empty."""


class InputAudioBufferTimeoutTriggered(
    _OfItem, frozen=True, kw_only=True, tag="input_audio_buffer.timeout_triggered"
):
    """The user said nothing for the idle time."""

    audio_start_ms: int
    audio_end_ms: int


class InputAudioBufferDtmfEventReceived(
    Event, frozen=True, kw_only=True, tag="input_audio_buffer.dtmf_event_received"
):
    """A key was pressed on the telephone (SIP); ``received_at`` is in Unix seconds."""

    event: str
    received_at: int


class OutputAudioBufferStarted(Event, frozen=True, kw_only=True, tag="output_audio_buffer.started"):
    """The server began to play (WebRTC and SIP)."""

    response_id: str


class OutputAudioBufferStopped(Event, frozen=True, kw_only=True, tag="output_audio_buffer.stopped"):
    """The server played all (WebRTC and SIP)."""

    response_id: str


class OutputAudioBufferCleared(Event, frozen=True, kw_only=True, tag="output_audio_buffer.cleared"):
    """The server stopped playing (WebRTC and SIP)."""

    response_id: str


class RateLimitsUpdated(Event, frozen=True, kw_only=True, tag="rate_limits.updated"):
    """The limits after a response has reserved its share."""

    rate_limits: list[RateLimit]


class ResponseCreated(Event, frozen=True, kw_only=True, tag="response.created"):
    """A response has begun."""

    response: Response


class ResponseDone(Event, frozen=True, kw_only=True, tag="response.done"):
    """A response has ended; its status tells how."""

    response: Response


class ResponseOutputItemAdded(
    _WithOutputItem, frozen=True, kw_only=True, tag="response.output_item.added"
):
    """The model begins an item."""


class ResponseOutputItemDone(
    _WithOutputItem, frozen=True, kw_only=True, tag="response.output_item.done"
):
    """The model has finished an item; its status tells whether it is whole."""


class ResponseContentPartAdded(
    _OfOutputPart, frozen=True, kw_only=True, tag="response.content_part.added"
):
    """The model begins a part of a message."""

    part: ContentPart


class ResponseContentPartDone(
    _OfOutputPart, frozen=True, kw_only=True, tag="response.content_part.done"
):
    """The model has finished a part of a message."""

    part: ContentPart


class ResponseOutputTextDelta(
    _OfOutputPart, frozen=True, kw_only=True, tag="response.output_text.delta"
):
    """More text."""

    delta: str


class ResponseOutputTextDone(
    _OfOutputPart, frozen=True, kw_only=True, tag="response.output_text.done"
):
    """The whole text of a part."""

    text: str


class ResponseOutputAudioDelta(
    _OfOutputPart, frozen=True, kw_only=True, tag="response.output_audio.delta"
):
    """More audio, decoded, in the session's output format."""

    delta: bytes


class ResponseOutputAudioDone(
    _OfOutputPart, frozen=True, kw_only=True, tag="response.output_audio.done"
):
    """The audio of a part is complete."""


class ResponseOutputAudioTranscriptDelta(
    _OfOutputPart, frozen=True, kw_only=True, tag="response.output_audio_transcript.delta"
):
    """More of what the audio says."""

    delta: str


class ResponseOutputAudioTranscriptDone(
    _OfOutputPart, frozen=True, kw_only=True, tag="response.output_audio_transcript.done"
):
    """All that the audio says."""

    transcript: str


class ResponseFunctionCallArgumentsDelta(
    _OfOutput, frozen=True, kw_only=True, tag="response.function_call_arguments.delta"
):
    """More of the JSON text of a call's arguments."""

    call_id: str
    delta: str


class ResponseFunctionCallArgumentsDone(
    _OfOutput, frozen=True, kw_only=True, tag="response.function_call_arguments.done"
):
    """The whole JSON text of a call's arguments."""

    call_id: str
    arguments: str
    name: str | None = None


class ResponseMcpCallArgumentsDelta(
    _OfOutput, frozen=True, kw_only=True, tag="response.mcp_call_arguments.delta"
):
    """More of the arguments of an MCP call."""

    delta: str
    obfuscation: str | None = None


class ResponseMcpCallArgumentsDone(
    _OfOutput, frozen=True, kw_only=True, tag="response.mcp_call_arguments.done"
):
    """The whole arguments of an MCP call."""

    arguments: str


class ResponseMcpCallInProgress(
    _OfItem, frozen=True, kw_only=True, tag="response.mcp_call.in_progress"
):
    """An MCP call runs."""

    output_index: int


class ResponseMcpCallCompleted(
    _OfItem, frozen=True, kw_only=True, tag="response.mcp_call.completed"
):
    """An MCP call succeeded."""

    output_index: int


class ResponseMcpCallFailed(_OfItem, frozen=True, kw_only=True, tag="response.mcp_call.failed"):
    """An MCP call failed."""

    output_index: int


class McpListToolsInProgress(_OfItem, frozen=True, kw_only=True, tag="mcp_list_tools.in_progress"):
    """The tools of an MCP server are being listed."""


class McpListToolsCompleted(_OfItem, frozen=True, kw_only=True, tag="mcp_list_tools.completed"):
    """The tools of an MCP server were listed."""


class McpListToolsFailed(_OfItem, frozen=True, kw_only=True, tag="mcp_list_tools.failed"):
    """The tools of an MCP server could not be listed."""


ServerEvent: TypeAlias = (
    ErrorEvent
    | SessionCreated
    | SessionUpdated
    | ConversationCreated
    | ConversationItemCreated
    | ConversationItemAdded
    | ConversationItemDone
    | ConversationItemRetrieved
    | ConversationItemDeleted
    | ConversationItemTruncated
    | ConversationItemInputAudioTranscriptionDelta
    | ConversationItemInputAudioTranscriptionCompleted
    | ConversationItemInputAudioTranscriptionSegment
    | ConversationItemInputAudioTranscriptionFailed
    | InputAudioBufferSpeechStarted
    | InputAudioBufferSpeechStopped
    | InputAudioBufferCommitted
    | InputAudioBufferCleared
    | InputAudioBufferTimeoutTriggered
    | InputAudioBufferDtmfEventReceived
    | OutputAudioBufferStarted
    | OutputAudioBufferStopped
    | OutputAudioBufferCleared
    | RateLimitsUpdated
    | ResponseCreated
    | ResponseDone
    | ResponseOutputItemAdded
    | ResponseOutputItemDone
    | ResponseContentPartAdded
    | ResponseContentPartDone
    | ResponseOutputTextDelta
    | ResponseOutputTextDone
    | ResponseOutputAudioDelta
    | ResponseOutputAudioDone
    | ResponseOutputAudioTranscriptDelta
    | ResponseOutputAudioTranscriptDone
    | ResponseFunctionCallArgumentsDelta
    | ResponseFunctionCallArgumentsDone
    | ResponseMcpCallArgumentsDelta
    | ResponseMcpCallArgumentsDone
    | ResponseMcpCallInProgress
    | ResponseMcpCallCompleted
    | ResponseMcpCallFailed
    | McpListToolsInProgress
    | McpListToolsCompleted
    | McpListToolsFailed
)
