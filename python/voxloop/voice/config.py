"""Settings of a pipeline, checked when they are made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar, get_args

from voxloop._errors import ConfigError
from voxloop.providers import STTSettings, TTSSettings
from voxloop.voice.splitter import SentenceSplitter, TextSplitter

if TYPE_CHECKING:
    from voxloop.audio import AudioChunk

QueuePolicy: TypeAlias = Literal["interrupt", "queue", "latest"]
"""What becomes of speech while an answer is under way: ``"interrupt"`` breaks the answer off,
``"queue"`` answers every turn in order, ``"latest"`` answers the newest of those that wait."""

TurnMode: TypeAlias = Literal["local", "server_vad", "semantic_vad", "manual"]
"""Who says where a turn ends: voice activity detection here, the recogniser's server by silence
or by what was said, or the application with `StreamedAudioInput.commit`."""

ShortSpeech: TypeAlias = Literal["answer", "drop"]
"""What becomes of speech during an answer that is too short to break it off."""

Eagerness: TypeAlias = Literal["low", "medium", "high", "auto"]
"""How soon semantic turn detection takes a turn for ended."""

Encoding: TypeAlias = Literal["pcm16", "float32"]
"""Samples of the answer's sound."""

Transform: TypeAlias = "Callable[[AudioChunk], AudioChunk | Awaitable[AudioChunk]]"
"""Changes each piece of sound before it leaves the pipeline."""

Settings = TypeVar("Settings")

Speech: TypeAlias = "str | Callable[[], object]"
"""Text, or a function of any kind that a workflow's ``run`` may be, called without arguments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnDetection:
    """When a turn of a stream begins and ends.

    A recording (`AudioInput`) is one turn; of these settings, those of the local detection say
    what of it counts as speech.

    Attributes:
        mode: Who finds the turns; the server's modes need a recogniser of streams.
        threshold: Speech probability from which a frame counts as speech, above 0 and below 1.
        prefix_padding_ms: Audio kept before the first speech frame.
        silence_duration_ms: Quiet time after which the turn has ended.
        min_speech_ms: Speech time from which a turn has begun; local detection only.
        max_turn_seconds: Length at which a turn is ended although speech goes on; bounds memory.
        eagerness: For ``"semantic_vad"``; None leaves it to the server.

    Raises:
        ConfigError: A value cannot be used.
    """

    mode: TurnMode = "local"
    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 500
    min_speech_ms: int = 96
    max_turn_seconds: float = 300.0
    eagerness: Eagerness | None = None

    def __post_init__(self) -> None:
        _check_choice("mode", self.mode, get_args(TurnMode))
        if self.eagerness is not None:
            _check_choice("eagerness", self.eagerness, get_args(Eagerness))
        if not _is_number(self.threshold) or not 0.0 < self.threshold < 1.0:
            raise ConfigError(f"threshold is {self.threshold!r}; give a value between 0 and 1")
        for name in ("prefix_padding_ms", "silence_duration_ms", "min_speech_ms"):
            _check_range(name, getattr(self, name), 0, 10_000, "milliseconds")
        _check_range("max_turn_seconds", self.max_turn_seconds, 1, 3600, "seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """How a pipeline listens and speaks.

    The settings of a part may be given as a mapping, as they come from a file:
    ``Config(stt={"language": "en"})``. Type checkers know the classes only.

    Attributes:
        workflow_name: Name in telemetry.
        group_id: Ties runs together in telemetry.
        metadata: Added to the metadata of every telemetry event.
        stt: Settings for speech recognition.
        tts: Settings for synthesis; an agent with a voice of its own keeps that.
        turn_detection: When a turn ends; also what is cut off a static input.
        stream_stt: Whether the recogniser gets a stream. None does so where the server finds the
            turns, or where the recogniser knows nothing else.
        splitter: Makes what cuts an answer's text into segments, one for each turn: a class or a
            function without arguments; see `SentenceSplitter` for its own settings.
        prefetch: Segments of text that are in synthesis at once, the one that plays included.
        queue_policy: What becomes of speech while an answer is under way. With ``"interrupt"``
            an answer lasts until it has been played, so a recording that is pushed faster than
            it was spoken breaks its own answers off; take ``"queue"`` for that.
        interrupt_after_ms: Speech from which it breaks an answer off, where the turns are found
            here; a server's word that speech has begun counts at once.
        short_speech: What becomes of a turn that was spoken during an answer and was too short to
            break it off: ``"answer"`` answers it afterwards, ``"drop"`` ends it unanswered (an
            "mhm" asks for nothing). Only with ``queue_policy="interrupt"``.
        on_silence: Said once when the user has been silent for `silence_seconds` after an
            answer has been played; None asks the workflow's ``on_silence``, if it has one.
        silence_seconds: See `on_silence`.
        on_slow: Said once in a turn in which nothing has been heard for `slow_seconds`, as when a
            tool or a model is slow; None asks the workflow's ``on_slow``, if it has one. It does
            not become part of an agent's memory.
        slow_seconds: See `on_slow`.
        on_error: What becomes of a turn that fails before synthesis: ``"raise"`` ends the run
            (in a stream, only if ``error.retryable`` is false), ``"speak"`` says `error_text` and
            goes on. A voice that fails always raises.
        error_text: See `on_error`.
        encoding: Samples of the audio events.
        buffer_ms: Length of an audio event once sound flows; the first ones are shorter.
        transform: Called with each piece of sound before it leaves; may be a coroutine function.
        telemetry_text: Whether telemetry events carry what was said.
        telemetry_audio: Whether telemetry events carry the sound; nothing is kept for them
            otherwise.

    Raises:
        ConfigError: A value cannot be used.
    """

    workflow_name: str = "voice"
    group_id: str | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)
    stt: STTSettings = field(default_factory=STTSettings)
    tts: TTSSettings = field(default_factory=TTSSettings)
    turn_detection: TurnDetection = field(default_factory=TurnDetection)
    stream_stt: bool | None = None
    splitter: Callable[[], TextSplitter] = SentenceSplitter
    prefetch: int = 2
    queue_policy: QueuePolicy = "interrupt"
    interrupt_after_ms: int = 250
    short_speech: ShortSpeech = "answer"
    on_silence: Speech | None = None
    silence_seconds: float = 10.0
    on_slow: Speech | None = None
    slow_seconds: float = 3.0
    on_error: Literal["raise", "speak"] = "raise"
    error_text: str = "Sorry, something went wrong. Please try again."
    encoding: Encoding = "pcm16"
    buffer_ms: int = 100
    transform: Transform | None = None
    telemetry_text: bool = False
    telemetry_audio: bool = False

    def __post_init__(self) -> None:
        for name, kind in (
            ("stt", STTSettings),
            ("tts", TTSSettings),
            ("turn_detection", TurnDetection),
        ):
            # One that a subclass makes by default may be of a subclass of its own.
            made = self.__dataclass_fields__[name].default_factory
            chosen = made if isinstance(made, type) and issubclass(made, kind) else kind
            object.__setattr__(self, name, as_settings(name, getattr(self, name), chosen))
        self._check_texts()
        if not callable(self.splitter):
            raise ConfigError(f"splitter is {self.splitter!r}; give a class or a function")
        _check_range("prefetch", self.prefetch, 1, 16, "segments")
        if not isinstance(self.prefetch, int):
            raise ConfigError(f"prefetch is {self.prefetch!r}; give a whole number of segments")
        _check_choice("queue_policy", self.queue_policy, get_args(QueuePolicy))
        _check_range("interrupt_after_ms", self.interrupt_after_ms, 0, 10_000, "milliseconds")
        _check_choice("short_speech", self.short_speech, get_args(ShortSpeech))
        _check_range("silence_seconds", self.silence_seconds, 0.1, 3600, "seconds")
        _check_range("slow_seconds", self.slow_seconds, 0.1, 3600, "seconds")
        _check_choice("on_error", self.on_error, ("raise", "speak"))
        _check_choice("encoding", self.encoding, get_args(Encoding))
        _check_range("buffer_ms", self.buffer_ms, 20, 10_000, "milliseconds")
        for name in ("on_silence", "on_slow"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str) and not callable(value):
                raise ConfigError(f"{name} is {value!r}; give text or a function without arguments")
        if self.transform is not None and not callable(self.transform):
            raise ConfigError(f"transform is {self.transform!r}; give a function of a chunk")

    def _check_texts(self) -> None:
        for name in ("workflow_name", "error_text"):
            if not isinstance(getattr(self, name), str):
                raise ConfigError(f"{name} is {getattr(self, name)!r}; give a text")
        if self.group_id is not None and not isinstance(self.group_id, str):
            raise ConfigError(f"group_id is {self.group_id!r}; give a text, or None")
        if not isinstance(self.metadata, Mapping):
            raise ConfigError(f"metadata is {self.metadata!r}; give a mapping")


def as_settings(name: str, value: object, kind: type[Settings]) -> Settings:
    """The settings of a part as their class, whether they came as that or as a mapping.

    Raises:
        ConfigError: They are neither, or a name or a value in them cannot be used; the message
            says where.
    """
    if isinstance(value, kind):
        return value
    if not isinstance(value, Mapping):
        raise ConfigError(
            f"{name} must be {kind.__name__} or a mapping, not {type(value).__name__}"
        )
    known = [entry.name for entry in fields(kind)]  # type: ignore[arg-type]
    for key in value:
        if key not in known:
            raise ConfigError(f"{name} has no setting {key!r}; there are {', '.join(known)}")
    try:
        return kind(**value)
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from error
    except TypeError as error:
        raise ConfigError(f"{name} has a value of a wrong type: {error}") from error


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        known = ", ".join(repr(choice) for choice in choices)
        raise ConfigError(f"{name} is {value!r}; give one of {known}")


def _check_range(name: str, value: object, least: float, most: float, unit: str) -> None:
    if not _is_number(value) or not least <= value <= most:  # type: ignore[operator]
        raise ConfigError(f"{name} is {value!r}; give {least:g} to {most:g} {unit}")
