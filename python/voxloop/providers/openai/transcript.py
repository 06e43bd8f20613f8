"""Options and results of transcribing a whole file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from voxloop._errors import ConfigError
from voxloop.net import Part
from voxloop.providers.openai.models import speech_to_text_model
from voxloop.providers.settings import STTSettings
from voxloop.wire.audio import Transcription, encode_chunking

ResponseFormat: TypeAlias = Literal["json", "text", "srt", "verbose_json", "vtt", "diarized_json"]

_NAMES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOptions:
    """What else may be asked of the transcription of a file.

    Attributes:
        response_format: Shape of the answer; None takes plain JSON, or what the other options need.
        timestamps: ``"word"``, ``"segment"`` or both; needs ``"verbose_json"``.
        chunking: ``"auto"``, or an object such as ``{"type": "server_vad", "threshold": 0.6}``:
            how long audio is cut. ``"auto"`` is taken for diarization when nothing is said.
        logprobs: Tell the log probability of each token.
        speakers: Up to four names of known speakers, each with a data URL of 2 to 10 s of speech.

    Raises:
        ConfigError: Options that exclude each other.
    """

    response_format: ResponseFormat | None = None
    timestamps: tuple[Literal["word", "segment"], ...] = ()
    chunking: Literal["auto"] | Mapping[str, object] | None = None
    logprobs: bool = False
    speakers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.timestamps, str) or set(self.timestamps) - {"word", "segment"}:
            raise ConfigError('timestamps must be a tuple of "word" and "segment"')
        if self.timestamps and self.response_format not in (None, "verbose_json"):
            raise ConfigError('timestamps need response_format="verbose_json"')
        if self.logprobs and self.response_format not in (None, "json"):
            raise ConfigError('logprobs need response_format="json"')
        if len(self.speakers) > _NAMES:
            raise ConfigError(f"at most {_NAMES} known speakers can be named")
        if not isinstance(self.chunking, (str, Mapping, type(None))) or (
            isinstance(self.chunking, str) and self.chunking != "auto"
        ):
            raise ConfigError('chunking must be "auto" or an object')

    @property
    def format(self) -> ResponseFormat:
        """The shape of the answer, all things considered."""
        if self.response_format is not None:
            return self.response_format
        if self.timestamps:
            return "verbose_json"
        return "diarized_json" if self.speakers else "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptDelta:
    """More of the words of a file."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptSegment:
    """What one speaker said.

    Attributes:
        text: The words.
        speaker: Name of the speaker, or a letter.
        start, end: Seconds from the begin of the file.
    """

    text: str
    speaker: str | None
    start: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FileTranscript:
    """All that was heard in a file.

    Attributes:
        text: The words; the body itself for ``text``, ``srt`` and ``vtt``.
        language: Code of the first language that was told.
        duration: Seconds, if told.
        segments, words, logprobs: As the server wrote them; empty if they were not asked for.
        usage: What the call cost, as the server counted it.
    """

    text: str
    language: str | None = None
    duration: float | None = None
    segments: tuple[Mapping[str, object], ...] = ()
    words: tuple[Mapping[str, object], ...] = ()
    logprobs: tuple[Mapping[str, object], ...] = ()
    usage: Mapping[str, object] | None = None


FileEvent: TypeAlias = TranscriptDelta | TranscriptSegment | FileTranscript


def file_transcript(answer: Transcription) -> FileTranscript:
    """The result that a JSON answer holds."""
    return FileTranscript(
        text=answer.text.strip(),
        language=answer.detected,
        duration=answer.duration,
        segments=tuple(answer.segments or ()),
        words=tuple(answer.words or ()),
        logprobs=tuple(answer.logprobs or ()),
        usage=answer.usage,
    )


def form(
    file: Part,
    settings: STTSettings,
    options: FileOptions,
    *,
    name: str,
    official: bool,
    stream: bool,
) -> list[Part]:
    """The multipart form of a transcription.

    Settings that the model does not take are left out; options that it does not have are errors,
    as the answer would not be what was asked for.

    Raises:
        ConfigError: The model has no such option.
        ModelRetired: The model is gone.
    """
    model = speech_to_text_model(name, official=official)
    if options.format not in model.formats:
        known = ", ".join(sorted(model.formats))
        raise ConfigError(f"{name} does not answer in {options.format!r}; it has: {known}")
    if stream and not model.streams_files:
        raise ConfigError(f"{name} does not answer in pieces; ask for the whole transcript")
    if options.logprobs and not model.logprobs:
        raise ConfigError(f"{name} does not tell log probabilities")
    parts = [file, Part("model", name), Part("response_format", options.format)]
    spoken = settings.spoken
    if model.language_list:
        parts += [Part("languages[]", code) for code in spoken]
    elif spoken:
        parts.append(Part("language", spoken[0]))
    if settings.prompt and model.prompt:
        parts.append(Part("prompt", settings.prompt))
    if model.keywords:
        parts += [Part("keywords[]", word) for word in settings.keywords]
    if settings.temperature is not None and model.temperature:
        parts.append(Part("temperature", f"{settings.temperature:g}"))
    if stream:
        parts.append(Part("stream", "true"))
    if options.logprobs:
        parts.append(Part("include[]", "logprobs"))
    parts += [Part("timestamp_granularities[]", kind) for kind in options.timestamps]
    chunking = options.chunking or ("auto" if options.format == "diarized_json" else None)
    if chunking is not None:
        parts.append(Part("chunking_strategy", encode_chunking(chunking)))
    parts += [Part("known_speaker_names[]", speaker) for speaker in options.speakers]
    parts += [Part("known_speaker_references[]", url) for url in options.speakers.values()]
    return parts
