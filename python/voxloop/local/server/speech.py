"""``/v1/audio/transcriptions`` and ``/v1/audio/speech``."""

from __future__ import annotations

import base64
import struct
from typing import Final

import trio
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from voxloop import audio
from voxloop._errors import AudioFormatError
from voxloop.local.server.json_body import read_json
from voxloop.local.server.realtime import checks
from voxloop.local.server.refusal import Refusal
from voxloop.local.server.streamed import BodyWriter, Streamed, sse
from voxloop.local.services import LocalSpeechToText, LocalTextToSpeech
from voxloop.local.tts import FASTEST, SLOWEST, VOICES
from voxloop.providers import STTSettings, Transcript, TTSSettings

__all__ = ["create_speech", "create_transcription"]

_LONGEST_INPUT: Final = 4096
_UNKNOWN_SIZE: Final = 0xFFFFFFFF
_TRANSCRIPTION_FORMATS: Final = ("json", "text", "verbose_json")


async def create_transcription(request: Request) -> Response:
    """Transcribe a WAV file; silence gives an empty text."""
    try:
        form = await request.form(max_files=1, max_fields=32)
    except HTTPException as error:
        raise Refusal(f"the form cannot be read: {error.detail}", code="invalid_form") from None
    try:
        chunk = await _uploaded(form)
        kind = checks.choice(
            _field(form, "response_format") or "json", "response_format", _TRANSCRIPTION_FORMATS
        )
        stream = _field(form, "stream") in ("true", "True", "1")
        settings = STTSettings(language=_field(form, "language") or None)
    finally:
        await form.close()
    engine = LocalSpeechToText()
    if not stream:
        heard = await engine.transcribe(chunk, settings)
        return _transcription(heard, kind, chunk.duration)

    async def produce(writer: BodyWriter) -> None:
        heard = await engine.transcribe(chunk, settings)
        if heard.text:
            await writer.write(sse({"type": "transcript.text.delta", "delta": heard.text}))
        await writer.write(
            sse({"type": "transcript.text.done", "text": heard.text, "usage": heard.usage})
        )

    return Streamed(produce, "text/event-stream")


async def create_speech(request: Request) -> Response:
    """Speak a text; the audio is sent clause by clause, as it is made."""
    body = await read_json(request)
    text = checks.text(body.get("input"), "input")
    if not text.strip() or len(text) > _LONGEST_INPUT:
        raise Refusal(
            f"input must be 1 to {_LONGEST_INPUT} characters, got {len(text)}",
            code="string_above_max_length" if text.strip() else "string_below_min_length",
            param="input",
        )
    kind = body.get("response_format") or "mp3"
    if kind not in ("pcm", "wav"):
        raise Refusal(
            f"response_format '{kind}' is not made here (it is 'mp3' when left out); "
            "ask for 'wav' or 'pcm'",
            code="unsupported_format",
            param="response_format",
        )
    settings = TTSSettings(voice=_voice(body.get("voice")), speed=_speed(body.get("speed")))
    layout = checks.choice(body.get("stream_format") or "audio", "stream_format", ("audio", "sse"))

    async def produce(writer: BodyWriter) -> None:
        async def send(data: bytes) -> None:
            if layout == "sse":
                delta = base64.b64encode(data).decode()
                data = sse({"type": "speech.audio.delta", "audio": delta})
            await writer.write(data)

        first = _wav_header() if kind == "wav" else b""
        async with LocalTextToSpeech().synthesize(text, settings) as chunks:
            async for chunk in chunks:
                data, first = first + bytes(chunk), b""
                await send(data)
        if first:
            await send(first)  # nothing could be spoken: a file without samples, but a file
        if layout == "sse":
            usage = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
            await writer.write(sse({"type": "speech.audio.done", "usage": usage}))

    if layout == "sse":
        return Streamed(produce, "text/event-stream")
    return Streamed(produce, "audio/wav" if kind == "wav" else "audio/pcm")


async def _uploaded(form: FormData) -> audio.AudioChunk:
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise Refusal(
            "the part 'file' with a WAV file is missing",
            code="missing_required_parameter",
            param="file",
        )
    data = await file.read()
    try:
        return await trio.to_thread.run_sync(audio.decode_wav, data, abandon_on_cancel=True)
    except AudioFormatError as error:
        raise Refusal(
            f"'{(file.filename or 'file')[:100]}' is not a WAV file that can be read: {error}",
            code="unsupported_format",
            param="file",
        ) from None


def _transcription(heard: Transcript, kind: str, duration: float) -> Response:
    if kind == "text":
        return PlainTextResponse(heard.text + "\n")
    body: dict[str, object] = {"text": heard.text, "usage": heard.usage}
    if kind == "verbose_json":
        # The engine gives no times inside the text: the whole is one segment.
        whole: dict[str, object] = {"id": 0, "seek": 0, "start": 0.0, "end": duration}
        whole |= {"text": heard.text, "tokens": [], "temperature": 0.0, "avg_logprob": 0.0}
        whole |= {"compression_ratio": 0.0, "no_speech_prob": 0.0}
        body |= {"task": "transcribe", "language": "english", "duration": duration}
        body["segments"] = [whole] if heard.text else []
    return JSONResponse(body)


def _field(form: FormData, name: str) -> str:
    value = form.get(name)
    return value if isinstance(value, str) else ""


def _voice(value: object) -> str | None:
    if value is None:
        return None
    voice = checks.text(value, "voice")
    if voice.lower() not in VOICES:
        raise Refusal(
            f"there is no voice '{voice[:100]}'; use one of {', '.join(VOICES)}", param="voice"
        )
    return voice


def _speed(value: object) -> float | None:
    if value is None:
        return None
    return checks.number(value, "speed", low=SLOWEST, high=FASTEST)


def _wav_header() -> bytes:
    """Header of a WAV whose length is not known yet: PCM16 mono at 24,000 Hz."""
    rate, width = 24_000, 2
    layout = struct.pack("<IHHIIHH", 16, 1, 1, rate, rate * width, width, 8 * width)
    data = b"data" + struct.pack("<I", _UNKNOWN_SIZE)
    return b"RIFF" + struct.pack("<I", _UNKNOWN_SIZE) + b"WAVEfmt " + layout + data
