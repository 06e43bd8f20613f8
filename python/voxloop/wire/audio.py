"""The audio endpoints: the answer of a transcription, the request for speech, error bodies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, TypeAlias

import msgspec

from voxloop._errors import ProtocolError
from voxloop.wire._base import Event, JsonObject, Unknown, Wire, by_tag, raw_streamed

__all__ = [
    "CreateSpeech",
    "ErrorBody",
    "SpeechAudioDelta",
    "SpeechAudioDone",
    "StreamError",
    "StreamEvent",
    "TranscriptTextDelta",
    "TranscriptTextDone",
    "TranscriptTextSegment",
    "Transcription",
    "Unknown",
    "decode_error",
    "decode_plain",
    "decode_stream_event",
    "decode_transcription",
    "encode_chunking",
]

_MESSAGE_LIMIT: Final = 500
_TAG: Final = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)
_BLANKS: Final = re.compile(r"\s+")


class CreateSpeech(Wire, frozen=True, kw_only=True):
    """The body of ``POST /audio/speech``.

    Attributes:
        input: At most 4,096 characters.
        voice: Name, or ``{"id": ...}`` of a custom voice.
        response_format: ``pcm`` is signed 16-bit little-endian mono at 24,000 Hz, no header.
    """

    model: str
    input: str
    voice: str | JsonObject
    response_format: str | None = None
    instructions: str | None = None
    speed: float | None = None
    stream_format: str | None = None


class Transcription(Wire, frozen=True, kw_only=True):
    """The JSON answer of ``POST /audio/transcriptions``.

    Attributes:
        language: As given by verbose answers.
        languages: ``{"code": ...}`` objects; empty when none was detected.
        duration: Seconds, as given by verbose and diarized answers.
        segments, words, logprobs: Objects as the server wrote them.
        usage: ``{"type": "tokens" | "duration", ...}``.
    """

    text: str
    language: str | None = None
    languages: list[JsonObject] | None = None
    duration: float | None = None
    segments: list[JsonObject] | None = None
    words: list[JsonObject] | None = None
    logprobs: list[JsonObject] | None = None
    usage: JsonObject | None = None

    @property
    def detected(self) -> str | None:
        """The code of the first language, if any was told."""
        for language in self.languages or ():
            code = language.get("code")
            if isinstance(code, str) and code:
                return code
        return self.language


class TranscriptTextDelta(Event, frozen=True, kw_only=True, tag="transcript.text.delta"):
    """More of the words of a file."""

    delta: str = ""
    segment_id: str | None = None


class TranscriptTextSegment(Event, frozen=True, kw_only=True, tag="transcript.text.segment"):
    """What one speaker said, from ``start`` to ``end`` seconds."""

    id: str | int | None = None
    text: str = ""
    speaker: str | None = None
    start: float = 0.0
    end: float = 0.0


class TranscriptTextDone(Event, frozen=True, kw_only=True, tag="transcript.text.done"):
    """The end of a transcript, with all of its words."""

    text: str
    languages: list[JsonObject] | None = None
    logprobs: list[JsonObject] | None = None
    usage: JsonObject | None = None

    def whole(self) -> Transcription:
        """The same as an answer in one piece has it."""
        return Transcription(
            text=self.text, languages=self.languages, logprobs=self.logprobs, usage=self.usage
        )


class SpeechAudioDelta(Event, frozen=True, kw_only=True, tag="speech.audio.delta"):
    """The next audio; strictly base64."""

    audio: bytes


class SpeechAudioDone(Event, frozen=True, kw_only=True, tag="speech.audio.done"):
    """The end of the audio."""

    usage: JsonObject | None = None


class StreamError(Event, frozen=True, kw_only=True, tag="error"):
    """The server gives up in the middle of a stream."""

    error: JsonObject | str | None = None
    message: str | None = None
    code: str | None = None

    @property
    def said(self) -> ErrorBody:
        """What the error says, wherever it says it."""
        return decode_error(msgspec.json.encode(self))


StreamEvent: TypeAlias = (
    TranscriptTextDelta
    | TranscriptTextSegment
    | TranscriptTextDone
    | SpeechAudioDelta
    | SpeechAudioDone
    | StreamError
)
_STREAM: Final[msgspec.json.Decoder[StreamEvent]] = msgspec.json.Decoder(StreamEvent)


class ErrorBody(Wire, frozen=True, kw_only=True):
    """What an error body says, however it says it."""

    message: str = ""
    type: str | None = None
    code: str | None = None
    param: str | None = None


def decode_stream_event(data: str) -> StreamEvent | Unknown:
    """Decode one event of a streamed transcription or of streamed speech.

    Raises:
        ProtocolError: Not JSON, no ``type``, or an event whose content cannot be used.
    """
    try:
        return _STREAM.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        name, raw = raw_streamed(data)
    if name == "error":
        inner = raw.get("error")
        return StreamError(error=inner if isinstance(inner, str | dict) else raw)
    if name in _STREAM_TYPES:
        raise ProtocolError(f"the server sent an event {name} whose content cannot be used")
    return Unknown(name, raw)


_STREAM_TYPES: Final = by_tag(StreamEvent)


def decode_plain(body: bytes, content_type: str) -> str:
    """Decode an answer that is text: plain, or as subtitles.

    Raises:
        ProtocolError: It is a web page, or no UTF-8.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise ProtocolError("the transcription endpoint answered with no text") from None
    if content_type.startswith("text/html") or text.lstrip()[:9].lower().startswith("<!doctype"):
        raise ProtocolError(
            "the transcription endpoint answered with a web page; check the base URL"
        )
    return text


def encode_chunking(strategy: str | Mapping[str, object]) -> str:
    """The form field ``chunking_strategy``: ``auto``, or an object as JSON."""
    return strategy if isinstance(strategy, str) else msgspec.json.encode(strategy).decode()


def decode_transcription(body: bytes) -> Transcription:
    """Decode the JSON answer of a transcription; parts that cannot be read are left out.

    Raises:
        ProtocolError: Not JSON, or without a text.
    """
    try:
        return msgspec.json.decode(body, type=Transcription)
    except msgspec.ValidationError:
        pass
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise ProtocolError(
            "the transcription endpoint answered with something that is not JSON; "
            "check the base URL"
        ) from None
    try:
        raw = msgspec.json.decode(body)
    except RecursionError:
        raw = None
    text = raw.get("text") if isinstance(raw, dict) else None
    if not isinstance(text, str):
        raise ProtocolError("the transcription endpoint answered without a text")
    usage = raw.get("usage") if isinstance(raw, dict) else None
    return Transcription(text=text, usage=usage if isinstance(usage, dict) else None)


def decode_error(body: bytes | str) -> ErrorBody:
    """Read an error body: the API's object, ``{"detail": ...}``, plain text, or a proxy's HTML.

    Never fails; a body that says nothing gives an empty message. At most 500 characters are kept.
    """
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    try:
        raw = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ErrorBody(message=_plain(text))
    if isinstance(raw, list) and raw:
        raw = raw[0]  # some gateways wrap the object in a list
    if not isinstance(raw, dict):
        return ErrorBody(message=_plain(raw if isinstance(raw, str) else ""))
    inner = raw.get("error")
    if isinstance(inner, dict):
        raw = inner
    elif isinstance(inner, str):
        return ErrorBody(message=_plain(inner), code=_text(raw, "code"))
    message = _text(raw, "message", "detail", "error_description", "title")
    return ErrorBody(
        message=_plain(message or ""),
        type=_text(raw, "type"),
        code=_text(raw, "code"),
        param=_text(raw, "param"),
    )


def _text(raw: Mapping[str, object], *names: str) -> str | None:
    for name in names:
        value = raw.get(name)
        if isinstance(value, str) and value:
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if isinstance(value, (list, dict)) and value:
            return msgspec.json.encode(value).decode()
    return None


def _plain(text: str) -> str:
    head = text[: 32 * _MESSAGE_LIMIT]
    if head.lstrip().startswith("<"):
        head = _TAG.sub(" ", head)
    head = _BLANKS.sub(" ", head).strip()
    return head if len(head) <= _MESSAGE_LIMIT else head[: _MESSAGE_LIMIT - 3] + "..."
