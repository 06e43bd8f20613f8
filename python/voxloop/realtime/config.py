"""Settings of a realtime session, checked when they are made.

A setting that is ``None`` by default is left to the server. For turn detection, transcription and
noise reduction ``None`` means *off*.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from voxloop._errors import ConfigError
from voxloop.agents import Hooks, InputGuardrail, OutputGuardrail
from voxloop.net import ApiKey, Secret, WebSocketOptions
from voxloop.providers import RealtimeTarget
from voxloop.providers.openai.azure import KEY_HEADER, azure_base_url, azure_key
from voxloop.realtime.checks import check_fields
from voxloop.realtime.events import GuardrailAction, GuardrailTrippedEvent
from voxloop.realtime.objects import check_objects, check_voice
from voxloop.realtime.reconnect import Reconnect
from voxloop.realtime.telephone import FORMATS
from voxloop.tools import FailureFormatter
from voxloop.tools.guardrail import as_guardrails

DEFAULT_MODEL = "gpt-realtime"
DEFAULT_VOICE = "marin"
DEFAULT_TRANSCRIPTION_MODEL = "gpt-4o-mini-transcribe"
MIN_SPEED, MAX_SPEED = 0.25, 1.5
MAX_OUTPUT_TOKENS = 4096
BEARER = "Authorization"
"""The header that carries a key as a bearer token."""

Level: TypeAlias = Literal["minimal", "low", "medium", "high", "xhigh"]
Format: TypeAlias = Literal["pcm16", "pcmu", "pcma"]
Modality: TypeAlias = Literal["audio", "text"]
ToolChoice: TypeAlias = str | Mapping[str, object]
JsonMapping: TypeAlias = Mapping[str, object]

_OLDER = ("languages", "keywords", "delay")
_NOT_TAKEN: dict[str, tuple[str, ...]] = {
    "whisper-1": _OLDER,
    "gpt-4o-transcribe": _OLDER,
    "gpt-4o-mini-transcribe": _OLDER,
    "gpt-4o-transcribe-diarize": _OLDER,
    "gpt-transcribe": ("delay",),
    "gpt-live-transcribe": ("delay",),
    "gpt-realtime-whisper": ("prompt", "languages", "keywords"),
}
"""What models of the API are known not to take; any other model is believed to take everything."""
NO_TRANSCRIPTS = (
    "input guardrails look at the transcript of what the user said: "
    "give SessionModelSettings.transcription"
)
_POSITIVE = (
    "tool_concurrency",
    "approval_timeout",
    "update_timeout",
    "close_timeout",
    "transcript_timeout",
    "max_handoffs",
)
_SERVER_ONLY = ("threshold", "prefix_padding_ms", "silence_duration_ms", "idle_timeout_ms")


def wire_format(name: str) -> dict[str, object]:
    """The JSON object of an audio format."""
    return FORMATS[name].to_json()


def _one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigError(f"{name} is {value!r}; give one of {', '.join(map(repr, allowed))}")


def _in_range(name: str, value: float | None, low: float, high: float) -> None:
    if value is not None and not low <= value <= high:
        raise ConfigError(f"{name} is {value}; give a value from {low:g} to {high:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnDetection:
    """When the server takes the user's turn as over. GA path: ``audio.input.turn_detection``.

    Attributes:
        type: ``"server_vad"`` goes by silence, ``"semantic_vad"`` by what was said.
        threshold: Speech probability, 0 to 1 (``server_vad``).
        prefix_padding_ms: Audio kept from before the speech (``server_vad``).
        silence_duration_ms: Silence that ends the turn (``server_vad``).
        idle_timeout_ms: Silence after which the model speaks by itself (``server_vad``).
        eagerness: How soon a pause ends the turn (``semantic_vad``).
        create_response: The server answers by itself at the end of a turn.
        interrupt_response: The server cancels its response when the user speaks.
        model_version: Version of the model that detects turns, for servers that have several; the
            API itself knows none.

    Raises:
        ConfigError: A value is out of range or belongs to the other type.
    """

    type: Literal["server_vad", "semantic_vad"] = "semantic_vad"
    threshold: float | None = None
    prefix_padding_ms: int | None = None
    silence_duration_ms: int | None = None
    idle_timeout_ms: int | None = None
    eagerness: Literal["low", "medium", "high", "auto"] | None = None
    create_response: bool | None = None
    interrupt_response: bool | None = None
    model_version: str | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        _in_range("TurnDetection.threshold", self.threshold, 0.0, 1.0)
        for name in _SERVER_ONLY:
            value = getattr(self, name)
            if value is None:
                continue
            if self.type != "server_vad":
                raise ConfigError(
                    f"TurnDetection.{name} needs type='server_vad', not {self.type!r}"
                )
            if value < 0:
                raise ConfigError(f"TurnDetection.{name} is {value}; it cannot be negative")
        if self.eagerness is not None and self.type != "semantic_vad":
            raise ConfigError("TurnDetection.eagerness needs type='semantic_vad'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcription:
    """How the user's speech is written down. GA path: ``audio.input.transcription``.

    Attributes:
        model: Transcription model.
        language: ISO 639-1 code; None detects it.
        languages: Several codes, for models that take them; not together with ``language``.
        prompt: Text that guides the spelling.
        keywords: Words to expect, for models that take them.
        delay: ``"minimal"`` to ``"xhigh"``, for models that trade delay for accuracy.

    Raises:
        ConfigError: Both ``language`` and ``languages`` are given, or the model is known not to
            take a field.
    """

    model: str = DEFAULT_TRANSCRIPTION_MODEL
    language: str | None = None
    languages: tuple[str, ...] = ()
    prompt: str | None = None
    keywords: tuple[str, ...] = ()
    delay: Level | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        if self.language is not None and self.languages:
            raise ConfigError("Transcription takes language or languages, not both")
        for name in _NOT_TAKEN.get(self.model, ()):
            if getattr(self, name):
                takers = ", ".join(m for m, absent in _NOT_TAKEN.items() if name not in absent)
                raise ConfigError(
                    f"{self.model!r} takes no {name}; leave it out, or give one of {takers}"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseReduction:
    """Noise reduction before turn detection. GA path: ``audio.input.noise_reduction``.

    Attributes:
        type: ``"near_field"`` for a headset, ``"far_field"`` for a microphone in the room.
        strength: Strength where the server takes one.
    """

    type: Literal["near_field", "far_field"] = "near_field"
    strength: float | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        _in_range("NoiseReduction.strength", self.strength, 0.0, 1e6)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionModelSettings:
    """What the server is told about the session; the agent adds instructions and tools.

    Attributes:
        output_modalities: ``("audio",)`` or ``("text",)``, never both.
        voice: Voice name, or ``{"id": ...}`` of a custom voice; an agent's own voice comes first.
        speed: Rate of speech, 0.25 to 1.5.
        input_format: Format of the audio sent: ``"pcm16"`` at 24,000 Hz, or ``"pcmu"`` and
            ``"pcma"``, the G.711 of telephones at 8,000 Hz. Any audio is converted by the session.
        output_format: Format of the audio received. G.711 is decoded: an `AudioEvent` then has
            PCM16 at 8,000 Hz.
        turn_detection: None switches it off: the application commits and asks for responses.
        transcription: None switches it off.
        noise_reduction: None is off.
        tool_choice: ``"auto"``, ``"none"``, ``"required"`` or an object naming one tool.
        parallel_tool_calls: Whether the model may call several tools at once.
        max_output_tokens: 1 to 4096 or ``"inf"``, for one response.
        reasoning_effort: ``"minimal"`` to ``"xhigh"``, for models that reason.
        prompt: Reference to a stored prompt: ``{"id", "version", "variables"}``.
        tracing: Traces that the server keeps: ``"auto"``, an object with ``workflow_name``,
            ``group_id``, ``metadata``, or None for none. It is told once, with the first settings,
            and cannot be changed once it is on.
        truncation: ``"auto"``, ``"disabled"`` or a retention object.
        include: Extra output, such as ``"item.input_audio_transcription.logprobs"``.

    Raises:
        ConfigError: A value is unknown or out of range.
    """

    output_modalities: tuple[Modality, ...] = ("audio",)
    voice: str | JsonMapping = DEFAULT_VOICE
    speed: float | None = None
    input_format: Format = "pcm16"
    output_format: Format = "pcm16"
    turn_detection: TurnDetection | None = field(
        default_factory=lambda: TurnDetection(interrupt_response=True)
    )
    transcription: Transcription | None = field(default_factory=Transcription)
    noise_reduction: NoiseReduction | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_output_tokens: int | Literal["inf"] | None = None
    reasoning_effort: Level | None = None
    prompt: JsonMapping | None = None
    tracing: str | JsonMapping | None = None
    truncation: str | JsonMapping | None = None
    include: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self, skip=("prompt", "tracing", "truncation", "include", "tool_choice"))
        if self.output_modalities not in (("audio",), ("text",)):
            raise ConfigError(
                f"output_modalities is {self.output_modalities!r}; give ('audio',) or ('text',)"
            )
        _in_range("speed", self.speed, MIN_SPEED, MAX_SPEED)
        check_objects(self.prompt, self.tracing, self.truncation, self.include, self.tool_choice)
        check_voice(self.voice)
        if isinstance(self.tool_choice, str):
            _one_of("tool_choice", self.tool_choice, ("auto", "none", "required"))
        tokens = self.max_output_tokens
        if tokens is not None and tokens != "inf":
            _in_range("max_output_tokens", tokens, 1, MAX_OUTPUT_TOKENS)

    @property
    def server_answers(self) -> bool:
        """Whether the server starts a response by itself when a turn is over."""
        vad = self.turn_detection
        return vad is not None and vad.create_response is not False

    @property
    def server_interrupts(self) -> bool:
        """Whether the server cancels its response by itself when the user speaks."""
        vad = self.turn_detection
        return vad is not None and vad.interrupt_response is not False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """How the session behaves on this side of the wire.

    Attributes:
        model_settings: What the server is told.
        barge_in: Speech of the user stops the answer: late audio is muted and the conversation is
            cut to what was heard. With False speech is only reported.
        tool_concurrency: Tools that may run at the same time; more wait.
        tools_to_approve: Names of tools that wait for `Session.approve_tool_call`, beside those
            whose ``needs_approval`` says so.
        approval_timeout: Seconds after which a call that nobody approved is rejected.
        update_timeout: Seconds to wait for the server to accept changed settings before a handoff
            goes on without the answer.
        close_timeout: Seconds that leaving the session's block may take.
        failure: Words what the model reads about calls that came to nothing, where the tool has
            no formatter of its own.
        hooks: Called for whichever agent has the word.
        input_guardrails: Look at what the user says, beside those of the agent. While there are
            any, the server does not answer a turn by itself: its transcript is looked at first.
        output_guardrails: Look at what the agent says, beside those of the agent.
        guardrail_action: What becomes of an answer that a guardrail rejects: ``"cancel"`` stops
            it, ``"say"`` stops it and lets the model say the guardrail's message, ``"event"``
            only tells the application; or a function from `GuardrailTrippedEvent` to one of them.
        hold_audio: Hand sound out only once the output guardrails have let its words pass, as
            their ``release`` says: with ``"sentence"`` a check is made at the end of each sentence
            and every ``every`` characters, and sound waits for the first check that reaches beyond
            the words that had come with it; with ``"turn"`` it waits for the whole message. The
            answer begins later by the time in which those words come, plus one check; words
            themselves (`TranscriptEvent`) are not held. Without output guardrails nothing is.
        transcript_timeout: Seconds that a turn may wait for its transcript; then it counts as one
            that no guardrail could look at.
        silence_timeout: Seconds of silence of both sides after which a `SilenceEvent` comes, also
            without turn detection; None never.
        rate_limit_warning: Share of a rate limit below which a `RateLimitEvent` calls it low.
        max_handoffs: Handoffs between two turns of the user; the next one is refused, and the
            model is told to answer.

    Raises:
        ConfigError: A count or a time is not positive.
    """

    model_settings: SessionModelSettings = field(default_factory=SessionModelSettings)
    barge_in: bool = True
    tool_concurrency: int = 8
    tools_to_approve: frozenset[str] = frozenset()
    approval_timeout: float = 300.0
    update_timeout: float = 2.0
    close_timeout: float = 2.0
    failure: FailureFormatter | None = None
    hooks: Hooks | None = field(default=None, hash=False)
    input_guardrails: tuple[InputGuardrail, ...] = ()
    output_guardrails: tuple[OutputGuardrail, ...] = ()
    guardrail_action: GuardrailAction | Callable[[GuardrailTrippedEvent], GuardrailAction] = "say"
    hold_audio: bool = False
    transcript_timeout: float = 10.0
    silence_timeout: float | None = None
    rate_limit_warning: float = 0.1
    max_handoffs: int = 8

    def __post_init__(self) -> None:
        check_fields(self, skip=("failure", "hooks", "input_guardrails", "output_guardrails"))
        if self.failure is not None and not callable(self.failure):
            raise ConfigError(f"RunConfig.failure is {self.failure!r}; give a function")
        steps = [name for name in vars(Hooks) if name.startswith("on_")]
        if self.hooks is not None and not any(hasattr(self.hooks, name) for name in steps):
            raise ConfigError(f"RunConfig.hooks has none of {', '.join(steps)}; give RunHooks")
        for field_name, kind in (
            ("input_guardrails", InputGuardrail),
            ("output_guardrails", OutputGuardrail),
        ):
            given = as_guardrails(getattr(self, field_name), kind, owner="the session")
            object.__setattr__(self, field_name, given)
        if self.input_guardrails and self.model_settings.transcription is None:
            raise ConfigError(NO_TRANSCRIPTS)
        if self.silence_timeout is not None and not self.silence_timeout > 0:
            raise ConfigError(f"silence_timeout is {self.silence_timeout}; give seconds above 0")
        _in_range("rate_limit_warning", self.rate_limit_warning, 0.0, 1.0)
        for name in _POSITIVE:
            if getattr(self, name) <= 0:
                raise ConfigError(f"RunConfig.{name} is {getattr(self, name)}; it must be positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """Which model is reached, and how.

    Attributes:
        model: Model name, or that of a deployment; it cannot change within a session.
        url: Whole WebSocket URL instead of the provider's; its query is kept.
        query: Added to the query of the address; the same name replaces what is there.
        api_key: Key, or a function (plain or async) that gives one; only without ``provider``.
        key_header: The header that carries ``api_key``: ``"Authorization"`` (as a bearer token),
            or such as ``"api-key"``, bare.
        headers: Added to the provider's; the same name, in any case, replaces it.
        call_id: Attach to this call instead of opening a session; not together with ``model``.
        transport: Times and sizes of the connection, such as how often it is pinged; whom to trust
            and the proxy are the provider's.
        reconnect: What happens when the connection is lost. One that is attached to a call is
            never made again: its end is the end of the call.

    Raises:
        ConfigError: Both ``model`` and ``call_id`` are given, or a value is of a wrong kind.
    """

    model: str | None = None
    url: str | None = field(default=None, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    api_key: ApiKey | None = field(default=None, repr=False)
    key_header: str = BEARER
    headers: Mapping[str, str | Secret] = field(default_factory=dict, repr=False)
    call_id: str | None = None
    transport: WebSocketOptions | None = None
    reconnect: Reconnect = field(default_factory=Reconnect)

    @classmethod
    def azure(
        cls,
        endpoint: str,
        deployment: str,
        *,
        api_key: ApiKey | None = None,
        api_version: str | None = None,
        key_header: str = KEY_HEADER,
        headers: Mapping[str, str | Secret] | None = None,
        transport: WebSocketOptions | None = None,
        reconnect: Reconnect | None = None,
    ) -> ModelConfig:
        """A deployment on Azure, by the current API (``/openai/v1/realtime``).

        Args:
            endpoint: Of the resource, such as ``https://NAME.openai.azure.com``.
            deployment: Name of the deployment; it takes the place of the model.
            api_key: Key of the resource, or a function that gives one; default
                ``AZURE_OPENAI_API_KEY``. Keys of OpenAI's own accounts are never sent there.
            api_version: Sent as ``api-version``, where the resource wants one.
            key_header: ``"Authorization"`` for tokens of a directory, which ``api_key`` then gives.
            headers: See `ModelConfig`, as for the rest.
            transport: See there.
            reconnect: See there.

        Raises:
            ConfigError: The endpoint or the deployment cannot be used.

        Example::

            target = realtime.ModelConfig.azure("https://NAME.openai.azure.com", "my-deployment")
            async with realtime.open_session(agent, model_config=target) as session: ...
        """
        if not deployment or not deployment.strip():
            raise ConfigError("deployment is empty; give the name of a deployment of the resource")
        return cls(
            model=deployment,
            url=azure_base_url(endpoint) + "/realtime",
            query={} if api_version is None else {"api-version": api_version},
            api_key=azure_key if api_key is None else api_key,
            key_header=key_header,
            headers=headers or {},
            transport=transport,
            reconnect=reconnect or Reconnect(),
        )

    def target(self, model: str | None = None) -> RealtimeTarget:
        """Where a provider is to connect to; ``model`` where none is named here."""
        return RealtimeTarget(
            model=self.model if self.model is not None or self.call_id is not None else model,
            url=self.url,
            query=self.query,
            headers=self.headers,
            call_id=self.call_id,
            transport=self.transport,
        )

    def __post_init__(self) -> None:
        check_fields(self)
        for name in ("model", "url", "call_id", "key_header"):
            given = getattr(self, name)
            if given is not None and not given.strip():
                raise ConfigError(f"ModelConfig.{name} is blank; leave it out, or give one")
        for name in ("query", "headers"):
            given = getattr(self, name)
            if not all(isinstance(x, str) for x in given):
                raise ConfigError(f"ModelConfig.{name} must map names to texts")
            if not all(isinstance(x, str | Secret) for x in given.values()):
                raise ConfigError(f"ModelConfig.{name} must map names to texts")
        if self.model is not None and self.call_id is not None:
            raise ConfigError("ModelConfig takes model or call_id: a call has its model already")
