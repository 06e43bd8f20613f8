"""Text to speech by ``POST /audio/speech``, streamed as raw PCM or as a file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, Literal, Self, TypeAlias, get_args

from voxloop import telemetry
from voxloop._bridge import checkpoint
from voxloop._errors import ConfigError, ConnectionClosed, ProtocolError, TextToSpeechError
from voxloop.audio import AudioChunk, Format
from voxloop.net import HttpOptions, SseEvent
from voxloop.providers.openai.endpoint import Endpoint
from voxloop.providers.openai.errors import error_from_stream
from voxloop.providers.openai.models import (
    MAX_SPEECH_CHARACTERS,
    SPEECH_SAMPLE_RATE,
    TTS_MODEL,
    TTS_VOICE,
    text_to_speech_model,
)
from voxloop.providers.settings import CustomVoice, TTSSettings
from voxloop.wire.audio import (
    CreateSpeech,
    SpeechAudioDelta,
    SpeechAudioDone,
    StreamError,
    decode_stream_event,
)
from voxloop.wire.text import encode_json

_OPTIONS: Final = HttpOptions(first_byte_timeout=10.0, idle_timeout=10.0)
_FORMAT: Final = Format(SPEECH_SAMPLE_RATE)
_SAMPLE_BYTES: Final = 2
_END_MARK: Final = "[DONE]"
_HEAD_BYTES: Final = 4
"""Of raw samples too: by them it is known that they are no file."""
_FILES: Final = {b"RIFF": "a WAV file", b"OggS": "an Ogg file", b"fLaC": "a FLAC file"}

SpeechFormat: TypeAlias = Literal["pcm", "wav", "mp3", "opus", "aac", "flac"]
"""Formats of speech; ``pcm`` is signed 16-bit little-endian mono at 24,000 Hz, no header."""
SPEECH_FORMATS: Final = get_args(SpeechFormat)

_Begun: TypeAlias = tuple[bytes, AsyncIterator[bytes] | None]


class OpenAITextToSpeech:
    """Speaks one text per request."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    @asynccontextmanager
    async def synthesize(
        self, text: str, settings: TTSSettings
    ) -> AsyncIterator[AsyncIterator[AudioChunk]]:
        """Speak ``text``; the block is entered when the first bytes are there.

        A request that fails for a passing reason is sent again, but only before its first byte.
        Blank text gives an empty stream and sends nothing. With ``settings.usage`` the speech comes
        as events, and what it cost is told to ``voice.tts.usage`` listeners.

        Args:
            text: At most 4,096 characters.
            settings: Model, voice, speed, instructions; instructions are left out for a model
                that does not follow them.

        Yields:
            Chunks of PCM16 mono at 24,000 Hz, as they arrive.

        Raises:
            ConfigError: The text is too long, or the model cannot tell its usage.
            AuthenticationError: No key, or the server refused it.
            RateLimited, QuotaExceeded, ApiError: The server refused the request.
            NetworkError: It could not be reached, or the audio was cut short (while iterating).
            TextToSpeechError: The answer holds no audio, or ends within a sample.

        **Cancellation:** leaving the block ends the request.
        """
        async with self._open(text, settings, "pcm") as (first, pieces):
            yield _Chunks(first, pieces)

    @asynccontextmanager
    async def open_file(
        self, text: str, settings: TTSSettings | None = None, *, format: SpeechFormat = "mp3"
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Speak ``text`` as a file of another format, in pieces as they arrive.

        Args:
            text: At most 4,096 characters, not blank.
            settings: As for `synthesize`.
            format: What the bytes are. A streamed WAV does not know its length: its header says
                so, and `voxloop.audio.decode_wav` reads it.

        Yields:
            The bytes of the file.

        Raises:
            VoxloopError: As `synthesize` raises; a cut file is an error while iterating.

        **Cancellation:** leaving the block ends the request.
        """
        if format not in SPEECH_FORMATS:
            raise ConfigError(f"format must be one of {', '.join(SPEECH_FORMATS)}")
        if not text.strip():
            raise ConfigError("there is nothing to speak: the text is blank")
        async with self._open(text, settings or TTSSettings(), format) as (first, pieces):
            yield _Bytes(first, pieces)

    async def speak_file(
        self, text: str, settings: TTSSettings | None = None, *, format: SpeechFormat = "mp3"
    ) -> bytes:
        """Speak ``text`` and give the whole file; see `open_file`.

        Raises:
            VoxloopError: As `open_file` raises; nothing is given of a cut file.

        **Cancellation:** the request is given up; may be called again.
        """
        async with self.open_file(text, settings, format=format) as pieces:
            return b"".join([piece async for piece in pieces])

    @asynccontextmanager
    async def _open(
        self, text: str, settings: TTSSettings, format: SpeechFormat
    ) -> AsyncIterator[_Begun]:
        if len(text) > MAX_SPEECH_CHARACTERS:
            raise ConfigError(
                f"the text to be spoken has {len(text)} characters; "
                f"split it into pieces of at most {MAX_SPEECH_CHARACTERS}"
            )
        async with AsyncExitStack() as stack:
            if not text.strip():
                yield b"", None
                return
            official = self._endpoint.official
            request = speech_request(text, settings, format=format, official=official)
            body = encode_json(request)
            doing = f"speech with {request.model}"

            async def once(key: str) -> _Begun:
                return await self._begin(body, doing, key, stack, format, events=settings.usage)

            yield await self._endpoint.retrying(once, doing=doing)

    async def _begin(
        self,
        body: bytes,
        doing: str,
        key: str,
        stack: AsyncExitStack,
        format: SpeechFormat,
        *,
        events: bool,
    ) -> _Begun:
        """Send the request and wait for the first bytes; ``stack`` then owns the connection."""
        async with AsyncExitStack() as attempt:
            response = await attempt.enter_async_context(
                self._endpoint.post(
                    "/audio/speech",
                    doing=doing,
                    idempotency_key=key,
                    options=_OPTIONS,
                    content=body,
                    accept="text/event-stream" if events else "application/octet-stream",
                )
            )
            kind = response.headers.get("content-type", "").lower()
            wanted = kind.startswith("text/event-stream") == events
            if not wanted or (not events and kind.startswith(("text/", "application/json"))):
                raise ProtocolError(
                    f"{doing}: the server answered with {kind} where audio was expected; "
                    "check the base URL"
                )
            pieces: AsyncIterator[bytes] = response.iter_bytes()
            if events:
                pieces = _Events(response.iter_sse(), doing)
            raw = format == "pcm" and not events
            least = _SAMPLE_BYTES if format == "pcm" else 1
            first = b""
            while len(first) < (_HEAD_BYTES if raw else least):
                piece = await anext(pieces, None)
                if piece is None:
                    break
                first += piece
            if len(first) < least:
                raise TextToSpeechError(f"{doing}: the answer holds no audio", retryable=True)
            if raw:
                _check_raw(first, kind, doing)
            stack.push_async_exit(attempt.pop_all())
            return first, pieces


def speech_request(
    text: str, settings: TTSSettings, *, format: SpeechFormat = "pcm", official: bool = False
) -> CreateSpeech:
    """The request body for ``text``; a model gets only the fields that it takes.

    Raises:
        ConfigError: The model cannot tell its usage.
        ModelRetired: The model is gone.
    """
    name = settings.model or TTS_MODEL
    model = text_to_speech_model(name, official=official)
    if settings.usage and not model.events:
        raise ConfigError(f"{name} cannot tell its usage; leave usage=False")
    voice = settings.voice or TTS_VOICE
    return CreateSpeech(
        model=name,
        input=text,
        voice={"id": voice.id} if isinstance(voice, CustomVoice) else voice,
        response_format=format,
        instructions=settings.instructions if model.instructions else None,
        speed=settings.speed,
        stream_format="sse" if settings.usage else None,
    )


def _check_raw(first: bytes, kind: str, doing: str) -> None:
    """Refuse a file where samples were asked for: it would be played as noise.

    Servers that know one format only may leave out the one that was asked for.
    """
    found = _FILES.get(first[:4])
    frame = kind.startswith("audio/mpeg") and first[0] == 0xFF and first[1] >= 0xE0  # its sync word
    if first[:3] == b"ID3" or frame:
        found = "an MP3 file"
    if found is not None:
        raise ProtocolError(
            f"{doing}: the server answered with {found} where raw samples were asked for "
            "(response_format pcm); it must be told to send those, or be asked for a whole file "
            "by speak_file()"
        )


class _Events:
    """The audio of speech that comes as server-sent events."""

    def __init__(self, stream: AsyncIterator[SseEvent], doing: str) -> None:
        self._stream = stream
        self._doing = doing
        self._done = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """Wait for the next audio.

        **Cancellation:** nothing is lost; may be called again.
        """
        while not self._done:
            event = await anext(self._stream, None)
            if event is None:
                raise ConnectionClosed(f"{self._doing}: the event stream ended before the speech")
            if not event.data or event.data == _END_MARK:
                continue
            match decode_stream_event(event.data):
                case SpeechAudioDelta(audio=data) if data:
                    return data
                case SpeechAudioDone(usage=usage):
                    self._done = True
                    counts = {
                        name: float(count)
                        for name, count in (usage or {}).items()
                        if isinstance(count, int | float)
                    }
                    telemetry.emit("voice.tts.usage", counts, {"doing": self._doing})
                case StreamError() as error:
                    raise error_from_stream(
                        code=error.said.code,
                        message=error.said.message,
                        type=error.said.type,
                        doing=self._doing,
                    )
        raise StopAsyncIteration


class _Bytes:
    """The first piece, then the others."""

    def __init__(self, first: bytes, pieces: AsyncIterator[bytes] | None) -> None:
        self._first: bytes | None = first
        self._pieces = pieces

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """Wait for the next piece.

        **Cancellation:** nothing is lost; may be called again.
        """
        if self._first is not None:
            await checkpoint()
            first, self._first = self._first, None
            return first
        if self._pieces is None:
            raise StopAsyncIteration
        return await anext(self._pieces)


class _Chunks:
    """Whole samples; the half of one at the end of a piece waits for the next."""

    def __init__(self, first: bytes, pieces: AsyncIterator[bytes] | None) -> None:
        self._rest = first
        self._pieces = pieces

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> AudioChunk:
        """Wait for the next samples.

        **Cancellation:** nothing is lost; may be called again.
        """
        if len(self._rest) >= _SAMPLE_BYTES:
            await checkpoint()
        while len(self._rest) < _SAMPLE_BYTES:
            piece = await anext(self._pieces, None) if self._pieces is not None else None
            if piece is None:
                self._pieces = None
                self._end()
                raise StopAsyncIteration
            self._rest += piece
        whole = len(self._rest) - len(self._rest) % _SAMPLE_BYTES
        samples, self._rest = self._rest[:whole], self._rest[whole:]
        return AudioChunk(samples, _FORMAT)

    def _end(self) -> None:
        if self._rest:
            self._rest = b""
            raise TextToSpeechError("the speech ended in the middle of a sample", retryable=True)
