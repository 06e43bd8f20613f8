"""Speech to text by ``POST /audio/transcriptions``."""

from __future__ import annotations

from typing import Final

from voxloop import audio
from voxloop.audio import AudioChunk
from voxloop.net import HttpOptions, Part
from voxloop.providers.openai.endpoint import Endpoint
from voxloop.providers.openai.models import STT_MODEL, speech_to_text_model
from voxloop.providers.protocols import Transcript
from voxloop.providers.settings import STTSettings
from voxloop.wire.audio import decode_transcription

_OPTIONS: Final = HttpOptions(first_byte_timeout=60.0, idle_timeout=30.0, total_timeout=60.0)
_ANSWER_LIMIT: Final = 8 * 1024 * 1024


class OpenAISpeechToText:
    """Transcribes one utterance per request."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    async def transcribe(self, chunk: AudioChunk, settings: STTSettings) -> Transcript:
        """Send ``chunk`` as a WAV file and return its words.

        A request that fails for a passing reason is sent again, after the delay that the server
        asks for. An empty chunk gives empty text and sends nothing.

        Args:
            chunk: PCM16 audio of any rate and number of channels.
            settings: Model, language, prompt; what the model does not take is left out.

        Raises:
            AuthenticationError: No key, or the server refused it.
            RateLimited, QuotaExceeded, ApiError: The server refused the request.
            NetworkError: It could not be reached, or the answer was cut short.

        **Cancellation:** the request is given up; may be called again.
        """
        if not chunk.frames:
            return Transcript(text="")
        parts = transcription_parts(audio.encode_wav(chunk), settings)
        doing = f"transcription with {settings.model or STT_MODEL}"

        async def once() -> Transcript:
            async with self._endpoint.post(
                "/audio/transcriptions",
                doing=doing,
                options=_OPTIONS,
                multipart=parts,
            ) as response:
                answer = decode_transcription(await response.read(limit=_ANSWER_LIMIT))
            return Transcript(
                text=answer.text.strip(), language=answer.detected, usage=answer.usage
            )

        return await self._endpoint.retrying(once, doing=doing)


def transcription_parts(wav: bytes, settings: STTSettings) -> list[Part]:
    """The multipart form for ``wav``; a model gets only the fields that it takes."""
    name = settings.model or STT_MODEL
    model = speech_to_text_model(name)
    parts = [
        Part("file", wav, "audio.wav", "audio/wav"),
        Part("model", name),
        Part("response_format", "json"),
    ]
    if settings.language:
        parts.append(Part("languages[]" if model.language_list else "language", settings.language))
    if settings.prompt and model.prompt:
        parts.append(Part("prompt", settings.prompt))
    if settings.temperature is not None and model.temperature:
        parts.append(Part("temperature", f"{settings.temperature:g}"))
    return parts
