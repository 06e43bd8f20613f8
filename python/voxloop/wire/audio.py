"""The audio endpoints: the answer of a transcription, the request for speech, error bodies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from voxloop._errors import ProtocolError
from voxloop.wire._base import JsonObject, Wire

__all__ = ["CreateSpeech", "ErrorBody", "Transcription", "decode_error", "decode_transcription"]

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
        usage: ``{"type": "tokens" | "duration", ...}``.
    """

    text: str
    language: str | None = None
    languages: list[JsonObject] | None = None
    duration: float | None = None
    usage: JsonObject | None = None

    @property
    def detected(self) -> str | None:
        """The code of the first language, if any was told."""
        for language in self.languages or ():
            code = language.get("code")
            if isinstance(code, str) and code:
                return code
        return self.language


class ErrorBody(Wire, frozen=True, kw_only=True):
    """What an error body says, however it says it."""

    message: str = ""
    type: str | None = None
    code: str | None = None
    param: str | None = None


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
