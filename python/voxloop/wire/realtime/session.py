"""The session object: formats, turn detection, transcription, tools."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from voxloop.wire._base import JsonObject, Wire


class AudioFormat(Wire, frozen=True, kw_only=True):
    """Format of raw audio on the wire.

    Attributes:
        type: ``audio/pcm`` (signed 16-bit little-endian mono), ``audio/pcmu`` or ``audio/pcma``.
        rate: Samples per second; 24000 for ``audio/pcm``, absent for the others (8000).
    """

    type: str | None = None
    rate: int | None = None


class TurnDetection(Wire, frozen=True, kw_only=True):
    """When the server takes a turn of the user as over.

    Attributes:
        type: ``server_vad`` or ``semantic_vad``.
        threshold: Speech probability, 0 to 1 (``server_vad``).
        prefix_padding_ms: Audio kept before the speech (``server_vad``).
        silence_duration_ms: Silence that ends the turn (``server_vad``).
        idle_timeout_ms: Silence after which the model speaks by itself (``server_vad``).
        eagerness: ``low``, ``medium``, ``high`` or ``auto`` (``semantic_vad``).
        create_response: Answer by itself at the end of a turn.
        interrupt_response: Cancel a running response when the user speaks.
        model_version: Of one vendor, outside the API's own definitions.
    """

    type: str
    threshold: float | None = None
    prefix_padding_ms: int | None = None
    silence_duration_ms: int | None = None
    idle_timeout_ms: int | None = None
    eagerness: str | None = None
    create_response: bool | None = None
    interrupt_response: bool | None = None
    model_version: str | None = None


class Transcription(Wire, frozen=True, kw_only=True):
    """How the user's speech is written down.

    Attributes:
        delay: ``minimal`` to ``xhigh``, for models that trade delay for accuracy.
    """

    model: str | None = None
    language: str | None = None
    languages: list[str] | None = None
    prompt: str | None = None
    keywords: list[str] | None = None
    delay: str | None = None


class NoiseReduction(Wire, frozen=True, kw_only=True):
    """Noise reduction before turn detection: ``near_field`` or ``far_field``."""

    type: str | None = None
    strength: float | None = None


class AudioInput(Wire, frozen=True, kw_only=True):
    """The user's side. ``None`` switches a part off, ``UNSET`` leaves it as it is."""

    format: AudioFormat | None = None
    noise_reduction: NoiseReduction | UnsetType | None = UNSET
    transcription: Transcription | UnsetType | None = UNSET
    turn_detection: TurnDetection | UnsetType | None = UNSET


class AudioOutput(Wire, frozen=True, kw_only=True):
    """The model's side.

    Attributes:
        voice: Name, or ``{"id": ...}`` of a custom voice; fixed after the first audio.
        speed: 0.25 to 1.5.
    """

    format: AudioFormat | None = None
    voice: str | JsonObject | None = None
    speed: float | None = None


class AudioConfig(Wire, frozen=True, kw_only=True):
    """Both sides of the audio."""

    input: AudioInput | None = None
    output: AudioOutput | None = None


class Session(Wire, frozen=True, kw_only=True):
    """A realtime or a transcription session; in an update only the fields present change.

    Attributes:
        type: ``realtime`` or ``transcription``.
        id: Given by the server.
        object: Given by the server.
        expires_at: Unix seconds at which the server will end the session.
        include: Extra output, such as ``item.input_audio_transcription.logprobs``.
        max_output_tokens: 1 to 4096 or ``"inf"``.
        output_modalities: ``["audio"]`` or ``["text"]``.
        prompt: Reference to a stored prompt.
        tool_choice: ``auto``, ``none``, ``required`` or an object naming one tool.
        tools: Function and MCP tools as JSON objects; ``[]`` removes all.
        tracing: ``"auto"``, an object, or None for off.
        truncation: ``"auto"``, ``"disabled"`` or a retention object.
    """

    type: str
    id: str | None = None
    object: str | None = None
    expires_at: int | None = None
    model: str | None = None
    instructions: str | None = None
    output_modalities: list[str] | None = None
    audio: AudioConfig | None = None
    tools: list[JsonObject] | None = None
    tool_choice: str | JsonObject | None = None
    parallel_tool_calls: bool | None = None
    max_output_tokens: int | str | None = None
    reasoning: JsonObject | None = None
    include: list[str] | UnsetType | None = UNSET
    prompt: JsonObject | UnsetType | None = UNSET
    tracing: str | JsonObject | UnsetType | None = UNSET
    truncation: str | JsonObject | UnsetType | None = UNSET
