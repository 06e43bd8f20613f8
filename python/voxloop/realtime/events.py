"""What a session tells the application: frozen classes to `match` on.

Every event has ``at``: ``time.monotonic()`` seconds at which the frame behind it reached this
machine, or at which the session acted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from msgspec import Struct, field

from voxloop._errors import VoxloopError
from voxloop.audio import AudioChunk
from voxloop.realtime.machine.history import Change, HistoryItem
from voxloop.realtime.usage import Usage
from voxloop.wire.realtime import LogProb, RateLimit

AgentState: TypeAlias = Literal[
    "listening", "user_speaking", "thinking", "tool_running", "speaking", "reconnecting", "closed"
]
GuardrailAction: TypeAlias = Literal["cancel", "say", "event"]
InterruptionCause: TypeAlias = Literal["speech", "application", "guardrail"]
SpeechKind: TypeAlias = Literal["started", "stopped", "idle"]


def _without(event: Struct, hidden: str) -> str:
    """How an event is shown whose content is not."""
    shown = (name for name in event.__struct_fields__ if name != hidden)
    fields = ", ".join(f"{name}={getattr(event, name)!r}" for name in shown)
    return f"{type(event).__name__}({fields})"


class AgentStartEvent(Struct, frozen=True, kw_only=True):
    """A response began.

    Attributes:
        response_id: Id of the response.
        agent: Name of the agent that answers.
        in_conversation: False for one beside the conversation (`Session.respond`).
        metadata: What the response was asked for with.
    """

    response_id: str
    agent: str
    in_conversation: bool = True
    metadata: Mapping[str, str] = field(default_factory=dict)
    at: float = 0.0

    def __hash__(self) -> int:
        return hash((self.response_id, self.at))


class AgentEndEvent(Struct, frozen=True, kw_only=True):
    """A response ended; there is one for each `AgentStartEvent`.

    Attributes:
        response_id: Id of the response.
        agent: Name of the agent that began the response.
        status: ``"completed"``, ``"cancelled"``, ``"failed"`` or ``"incomplete"``.
        reason: Why, such as ``"turn_detected"``, ``"max_output_tokens"``, ``"connection_lost"``.
        usage: What the response cost, if the server said so.
        in_conversation: False for one beside the conversation (`Session.respond`).
        metadata: What the response was asked for with.
    """

    response_id: str
    agent: str
    status: str
    reason: str | None = None
    usage: Usage | None = None
    in_conversation: bool = True
    metadata: Mapping[str, str] = field(default_factory=dict)
    at: float = 0.0

    def __hash__(self) -> int:
        return hash((self.response_id, self.at))


class AgentStateEvent(Struct, frozen=True, kw_only=True):
    """What the session is doing now."""

    state: AgentState
    at: float = 0.0


class AudioEvent(Struct, frozen=True, kw_only=True, gc=False):
    """Sound to play, in order; never sound of a response that was interrupted.

    Attributes:
        audio: The sound.
        item_id: The message that says it.
        response_id: Its response.
        content_index: Index of the part of the message.
    """

    audio: AudioChunk
    item_id: str
    response_id: str
    content_index: int = 0
    at: float = 0.0

    def __repr__(self) -> str:
        return _without(self, "audio")


class AudioInterruptedEvent(Struct, frozen=True, kw_only=True):
    """Stop playing and forget what is queued.

    Attributes:
        item_id: The message that was playing.
        heard_ms: How much of it was played.
        content_index: Index of the part of the message.
        received_ms: How much of it had come.
        cause: ``"speech"`` of the user, the ``"application"``, or a ``"guardrail"``.
    """

    item_id: str
    heard_ms: int
    content_index: int = 0
    received_ms: float = 0.0
    cause: InterruptionCause = "application"
    at: float = 0.0


class TranscriptEvent(Struct, frozen=True, kw_only=True, gc=False):
    """Words, of the user or of the agent.

    Attributes:
        role: Who said them.
        delta: What is new; empty when ``final``.
        item_id: The message they belong to.
        final: The message is complete, and ``text`` is the whole of it.
        text: The whole text when ``final``, else None.
        response_id: The agent's response; empty for words of the user.
        logprobs: Log probabilities of the user's words, where ``include`` of the settings asks for
            them.
        languages: Codes of the languages that were heard, where the model tells them.
    """

    role: Literal["user", "assistant"]
    delta: str
    item_id: str
    final: bool = False
    text: str | None = None
    response_id: str = ""
    logprobs: tuple[LogProb, ...] = ()
    languages: tuple[str, ...] = ()
    at: float = 0.0


class TranscriptSegmentEvent(Struct, frozen=True, kw_only=True):
    """What one speaker said, where the transcription model tells speakers apart.

    Attributes:
        item_id: The message of the user.
        segment_id: Id of the segment.
        speaker: Name of the speaker, such as ``"A"``.
        text: What was said.
        start: Seconds from the beginning of the message's sound.
        end: Likewise.
    """

    item_id: str
    segment_id: str
    speaker: str
    text: str
    start: float
    end: float
    at: float = 0.0


class ToolCallEvent(Struct, frozen=True, kw_only=True):
    """The model calls a tool.

    Attributes:
        name: Name of the tool.
        args: Decoded arguments; empty if they are not a JSON object.
        call_id: Id to answer with.
        handled: A function of the agent answers. False: the application answers with
            `Session.send_tool_result`.
        needs_approval: It waits for `Session.approve_tool_call` or `reject_tool_call`.
    """

    name: str
    args: Mapping[str, object]
    call_id: str
    handled: bool
    needs_approval: bool = False
    at: float = 0.0


class ToolResultEvent(Struct, frozen=True, kw_only=True):
    """A call was answered.

    Attributes:
        output: What the model was told.
        status: ``"ok"``, ``"error"``, ``"timeout"``, ``"rejected"`` or, when the user interrupted,
            ``"cancelled"``.
        duration: Seconds between call and answer.
    """

    name: str
    call_id: str
    output: str
    status: str
    duration: float
    at: float = 0.0


class HandoffEvent(Struct, frozen=True, kw_only=True):
    """Another agent has taken over.

    Attributes:
        from_agent: Name of the agent before.
        to_agent: Name of the agent from now on.
        reason: ``"handoff"`` by the model, ``"application"`` by `Session.update_agent`.
    """

    from_agent: str
    to_agent: str
    reason: Literal["handoff", "application"] = "handoff"
    at: float = 0.0


class HistoryEvent(Struct, frozen=True, kw_only=True):
    """An entry of `Session.history` came, changed or went."""

    item: HistoryItem
    kind: Change
    at: float = 0.0


class SpeechEvent(Struct, frozen=True, kw_only=True):
    """The server heard the user begin or stop.

    Attributes:
        kind: ``"idle"`` tells that the idle time ran out without speech.
        audio_ms: Offset in the audio sent so far, as the server counts it.
        item_id: The user message to come.
        start_ms: Where the silence of an ``"idle"`` began; ``audio_ms`` is its end.
    """

    kind: SpeechKind
    audio_ms: int
    item_id: str
    start_ms: int | None = None
    at: float = 0.0


class SilenceEvent(Struct, frozen=True, kw_only=True):
    """Nothing has happened for ``RunConfig.silence_timeout``; told once for each silence.

    Attributes:
        seconds: How long it has been quiet.
    """

    seconds: float
    at: float = 0.0


class DtmfEvent(Struct, frozen=True, kw_only=True):
    """The caller pressed a key of the telephone.

    Attributes:
        key: ``"0"`` to ``"9"``, ``"*"``, ``"#"`` or ``"A"`` to ``"D"``.
        received_at: Unix seconds, by the server.
    """

    key: str
    received_at: int
    at: float = 0.0


class RateLimitEvent(Struct, frozen=True, kw_only=True):
    """What is left of the account's limits.

    Attributes:
        limits: All of them.
        low: Names of those of which less is left than ``RunConfig.rate_limit_warning``.
    """

    limits: tuple[RateLimit, ...]
    low: tuple[str, ...] = ()
    at: float = 0.0


class McpApprovalEvent(Struct, frozen=True, kw_only=True):
    """A tool of an MCP server waits for `Session.answer_mcp_approval`.

    Attributes:
        request_id: Id to answer with.
        server_label: The server.
        name: Its tool.
        arguments: JSON text as the model wrote it.
    """

    request_id: str
    server_label: str
    name: str
    arguments: str
    at: float = 0.0


class GuardrailTrippedEvent(Struct, frozen=True, kw_only=True):
    """A guardrail has stopped an answer of the agent, or a turn of the user.

    There is one for each response at most.

    Attributes:
        stage: ``"output"`` for what the agent says, ``"input"`` for what the user said.
        guardrails: Names of all that did not let it pass.
        text: What they looked at.
        message: What stands in its place.
        item_id: The message.
        response_id: The response; empty for a turn of the user.
        action: What is done: the answer is cancelled, cancelled and the message said, or nothing.
    """

    stage: Literal["input", "output"]
    guardrails: tuple[str, ...]
    text: str
    message: str
    item_id: str
    response_id: str = ""
    action: GuardrailAction = "say"
    at: float = 0.0

    def __repr__(self) -> str:
        return _without(self, "text")


class ReconnectingEvent(Struct, frozen=True, kw_only=True):
    """The connection is lost, and another attempt to make it follows.

    Attributes:
        attempt: Number of the attempt, from 1.
        delay: Seconds until it is made.
        cause: What went wrong before it.
    """

    attempt: int
    delay: float
    cause: VoxloopError
    at: float = 0.0


class ReconnectedEvent(Struct, frozen=True, kw_only=True):
    """Another connection is in use, and the server was told the conversation again.

    Attributes:
        downtime: Seconds without a connection; 0 when it was changed before the server ended it.
        planned: It was changed because the server was about to end the session.
        replayed_items: Items of the conversation that were sent again.
        lost_items: Messages whose content could not be sent again, or not all of it: sound without
            a transcript that is not kept any more, images given as bytes beyond
            ``Reconnect.image_bytes``.
        replayed_audio_ms: Uncommitted audio of the user that was sent again.
        dropped_audio_ms: Uncommitted audio of the user that is lost, since more came than is kept.
        dropped_audio_bytes: The same in bytes, exactly.
    """

    downtime: float
    planned: bool = False
    replayed_items: int = 0
    lost_items: int = 0
    replayed_audio_ms: float = 0.0
    dropped_audio_ms: float = 0.0
    dropped_audio_bytes: int = 0
    at: float = 0.0


class ErrorEvent(Struct, frozen=True, kw_only=True):
    """Something went wrong and the session goes on; what ends it is raised by the iteration.

    Attributes:
        error: What went wrong; ``error.code`` is for programs.
    """

    error: VoxloopError
    at: float = 0.0


Event: TypeAlias = (
    AgentStartEvent
    | AgentEndEvent
    | AgentStateEvent
    | AudioEvent
    | AudioInterruptedEvent
    | TranscriptEvent
    | TranscriptSegmentEvent
    | ToolCallEvent
    | ToolResultEvent
    | HandoffEvent
    | HistoryEvent
    | SpeechEvent
    | GuardrailTrippedEvent
    | SilenceEvent
    | DtmfEvent
    | RateLimitEvent
    | McpApprovalEvent
    | ReconnectingEvent
    | ReconnectedEvent
    | ErrorEvent
)
