"""What an engine must offer to stand behind an agent: four small protocols and their values.

Anything with these methods will do; nothing has to be subclassed. Audio is PCM16 mono at
24,000 Hz on the way out, and any format on the way in.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:  # the protocols alone load neither the native module nor a socket
    from voxloop.audio import AudioChunk
    from voxloop.net import Frame, MediaLink, Secret, WebSocketOptions
    from voxloop.providers.settings import STTSettings, TTSSettings

JsonObject: TypeAlias = dict[str, object]
"""A decoded JSON object, such as an item, a tool or a schema."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """What was heard.

    Attributes:
        text: The words; empty when there was no speech.
        language: ISO 639-1 code if the engine told it.
        usage: What the call cost, as the engine counted it.
    """

    text: str
    language: str | None = None
    usage: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """One call of a language model.

    Attributes:
        model: Model name; None takes the provider's default.
        instructions: System text.
        items: History in the shape of Responses API input items.
        tools: Tool definitions in the shape of the Responses API.
        tool_choice: ``"auto"``, ``"none"``, ``"required"`` or an object naming one tool.
        parallel_tool_calls: Whether several tools may be called at once; None leaves it to the
            server.
        prompt: Reference to a prompt template of the API.
        include: What the response is to tell beside its output, as the API names it.
    """

    model: str | None = None
    instructions: str = ""
    items: tuple[JsonObject, ...] = ()
    tools: tuple[JsonObject, ...] = ()
    tool_choice: str | JsonObject | None = None
    parallel_tool_calls: bool | None = None
    prompt: JsonObject | None = None
    include: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the text that the model says."""

    text: str


@dataclass(frozen=True, slots=True)
class TextDone:
    """One text part is complete; ``text`` is the whole of it."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """The model asks for a tool.

    Attributes:
        call_id: Ties the output to the call.
        name: Name of the tool.
        arguments: JSON text as the model wrote it, not checked.
        item_id: Id of the item that holds the call.
    """

    call_id: str
    name: str
    arguments: str
    item_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDone:
    """The last event of a response.

    Attributes:
        status: ``"completed"`` or ``"incomplete"`` (what came is valid but cut short).
        usage: What the call cost, as the engine counted it.
        reason: Why it is incomplete, such as ``"max_output_tokens"``.
    """

    status: Literal["completed", "incomplete"] = "completed"
    usage: Mapping[str, object] | None = None
    reason: str | None = None


ModelEvent: TypeAlias = TextDelta | TextDone | ToolCall | ModelDone


@dataclass(frozen=True, slots=True, kw_only=True)
class RealtimeTarget:
    """Where a realtime session connects to.

    Attributes:
        model: Model name; None takes the provider's default.
        url: Whole WebSocket URL instead of the provider's; its query is kept.
        query: Added to the query of the address; the same name replaces what is there.
        headers: Added to the provider's; the same name (any case) replaces it.
        call_id: Attach to this call (SIP or WebRTC) instead of opening a session of one's own.
        transport: Times and sizes of the connection; whom to trust and the proxy are the
            provider's.
    """

    model: str | None = None
    url: str | None = field(default=None, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str | Secret] = field(default_factory=dict, repr=False)
    call_id: str | None = None
    transport: WebSocketOptions | None = None


@runtime_checkable
class SpeechToText(Protocol):
    """Turns one utterance into text."""

    async def transcribe(self, chunk: AudioChunk, settings: STTSettings) -> Transcript:
        """Recognise the speech in ``chunk``; an utterance without speech gives empty text.

        **Cancellation:** the request is given up; nothing is kept; may be called again.
        """
        ...


@runtime_checkable
class TextToSpeech(Protocol):
    """Speaks text."""

    def synthesize(
        self, text: str, settings: TTSSettings
    ) -> AbstractAsyncContextManager[AsyncIterator[AudioChunk]]:
        """Open a stream of PCM16 mono chunks at 24,000 Hz.

        **Cancellation:** leaving the block ends the request.
        """
        ...


@runtime_checkable
class LanguageModel(Protocol):
    """Answers a history with text and tool calls."""

    def respond(
        self, request: ModelRequest
    ) -> AbstractAsyncContextManager[AsyncIterator[ModelEvent]]:
        """Open a stream of events that ends with one ``ModelDone``; a failure raises instead.

        **Cancellation:** leaving the block ends the request.
        """
        ...


@runtime_checkable
class RealtimeTransport(Protocol):
    """Carries the messages of one realtime session."""

    def receive_batch(self) -> Coroutine[Any, Any, list[Frame]]:
        """All messages that have arrived, at least one: a plain ``async def`` will do.

        **Cancellation:** nothing is lost; may be called again.
        """
        ...

    async def send(self, data: str) -> None:
        """Queue one text message.

        **Cancellation:** the message is either queued whole or not at all.
        """
        ...

    async def aclose(self) -> None:
        """Close; a second call does nothing.

        **Cancellation:** the transport is closed all the same.
        """
        ...


@runtime_checkable
class MediaTransport(RealtimeTransport, Protocol):
    """A transport that a source and a sink can be bound to, beside the messages."""

    def bind_media(self, media: MediaLink) -> int:
        """Let media talk over it; samples of the user's audio that are sent again."""
        ...

    def keep_messages(self, wanted: bool) -> None:
        """Whether sound that comes from now on keeps the messages that it came in."""
        ...


@runtime_checkable
class Provider(Protocol):
    """One account or one set of engines: speech in, speech out, language and realtime."""

    def realtime(self, target: RealtimeTarget) -> AbstractAsyncContextManager[RealtimeTransport]:
        """Open a realtime connection; leaving the block closes it."""
        ...

    def speech_to_text(self) -> SpeechToText:
        """The recogniser."""
        ...

    def text_to_speech(self) -> TextToSpeech:
        """The voice."""
        ...

    def language_model(self) -> LanguageModel:
        """The language model."""
        ...

    async def warm_up(self) -> None:
        """Do once what would delay the first turn: load engines, resolve the key.

        **Cancellation:** may be called again.
        """
        ...
