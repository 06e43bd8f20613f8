"""Text to speech by ``POST /audio/speech``, streamed as raw PCM."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, Self

import msgspec

from voxloop._bridge import checkpoint
from voxloop._errors import ConfigError, ProtocolError, TextToSpeechError
from voxloop.audio import AudioChunk, Format
from voxloop.net import HttpOptions
from voxloop.providers.openai.endpoint import Endpoint
from voxloop.providers.openai.models import (
    MAX_SPEECH_CHARACTERS,
    SPEECH_SAMPLE_RATE,
    TTS_MODEL,
    TTS_VOICE,
    text_to_speech_model,
)
from voxloop.providers.settings import TTSSettings
from voxloop.wire.audio import CreateSpeech

_OPTIONS: Final = HttpOptions(first_byte_timeout=10.0, idle_timeout=10.0)
_FORMAT: Final = Format(SPEECH_SAMPLE_RATE)
_SAMPLE_BYTES: Final = 2


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
        Blank text gives an empty stream and sends nothing.

        Args:
            text: At most 4,096 characters.
            settings: Model, voice, speed, instructions; instructions are left out for a model
                that does not follow them.

        Yields:
            Chunks of PCM16 mono at 24,000 Hz, as they arrive.

        Raises:
            ConfigError: The text is too long.
            AuthenticationError: No key, or the server refused it.
            RateLimited, QuotaExceeded, ApiError: The server refused the request.
            NetworkError: It could not be reached, or the audio was cut short (while iterating).
            TextToSpeechError: The answer holds no audio, or ends within a sample.

        **Cancellation:** leaving the block ends the request.
        """
        if len(text) > MAX_SPEECH_CHARACTERS:
            raise ConfigError(
                f"the text to be spoken has {len(text)} characters; "
                f"split it into pieces of at most {MAX_SPEECH_CHARACTERS}"
            )
        async with AsyncExitStack() as stack:
            if not text.strip():
                yield _Chunks(b"", None)
                return
            body = msgspec.json.encode(speech_request(text, settings))
            doing = f"speech with {settings.model or TTS_MODEL}"

            async def once() -> _Chunks:
                return await self._begin(body, doing, stack)

            yield await self._endpoint.retrying(once, doing=doing)

    async def _begin(self, body: bytes, doing: str, stack: AsyncExitStack) -> _Chunks:
        """Send the request and wait for the first bytes; ``stack`` then owns the connection."""
        async with AsyncExitStack() as attempt:
            response = await attempt.enter_async_context(
                self._endpoint.post(
                    "/audio/speech",
                    doing=doing,
                    options=_OPTIONS,
                    content=body,
                    accept="application/octet-stream",
                )
            )
            kind = response.headers.get("content-type", "")
            if kind.startswith(("text/", "application/json")):
                raise ProtocolError(
                    f"{doing}: the server answered with {kind} where audio was expected; "
                    "check the base URL"
                )
            pieces = response.iter_bytes()
            first = b""
            while len(first) < _SAMPLE_BYTES:
                piece = await anext(pieces, None)
                if piece is None:
                    raise TextToSpeechError(f"{doing}: the answer holds no audio", retryable=True)
                first += piece
            stack.push_async_exit(attempt.pop_all())
            return _Chunks(first, pieces)


def speech_request(text: str, settings: TTSSettings) -> CreateSpeech:
    """The request body for ``text``; a model gets only the fields that it takes."""
    name = settings.model or TTS_MODEL
    model = text_to_speech_model(name)
    return CreateSpeech(
        model=name,
        input=text,
        voice=settings.voice or TTS_VOICE,
        response_format="pcm",
        instructions=settings.instructions if model.instructions else None,
        speed=settings.speed,
    )


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
