"""The engines behind the provider protocols: what blocks runs in worker threads."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Final

from voxloop import audio, telemetry
from voxloop._errors import ConfigError
from voxloop.local.engines import ROUTER, SPEECH_TO_TEXT, TEXT_TO_SPEECH, run_inference
from voxloop.local.router import CallTool, Decision, Say
from voxloop.local.stt import Samples
from voxloop.local.tts import Pcm16
from voxloop.providers import (
    CustomVoice,
    JsonObject,
    ModelDone,
    ModelEvent,
    ModelRequest,
    STTSettings,
    TextDelta,
    TextDone,
    ToolCall,
    Transcript,
    TTSSettings,
)

__all__ = ["LocalLanguageModel", "LocalSpeechToText", "LocalTextToSpeech", "speech_segments"]

_RATE: Final = 16_000
_SEGMENT_SILENCE_MS: Final = 600
# More before than after: the detector is late at a soft onset, and a word's end rings out inside.
_SEGMENT_BEFORE_S: Final = 0.3
_SEGMENT_AFTER_S: Final = 0.2


class LocalSpeechToText:
    """Recognition of English speech, behind a voice activity detector."""

    async def transcribe(self, chunk: audio.AudioChunk, settings: STTSettings) -> Transcript:
        """Recognise the speech in ``chunk``; only what the detector passes is transcribed.

        Args:
            chunk: Audio of any format and length.
            settings: ``language`` must be English; model, prompt and temperature mean nothing here.

        Returns:
            The text, empty when no speech was found.

        Raises:
            ConfigError: Another language than English.
            MissingExtra: The extra ``local`` is not installed.
            ModelFileError: A model file is absent or altered.

        **Cancellation:** the piece under way is finished in its thread and dropped.
        """
        require_english(settings.language)
        segments = await run_inference(lambda: speech_segments(chunk))
        return await self._transcribe(segments, chunk.duration)

    async def transcribe_speech(self, chunk: audio.AudioChunk) -> Transcript:
        """As `transcribe`, for audio that a voice activity detector has passed already."""
        samples = await run_inference(lambda: _samples(chunk))
        return await self._transcribe([samples], chunk.duration)

    async def _transcribe(self, segments: Sequence[Samples], duration: float) -> Transcript:
        texts: list[str] = []
        done = 0
        # One at a time, so that a long recording does not hold up a short one.
        for samples in segments:
            engine = await SPEECH_TO_TEXT.load()
            transcribe = partial(engine.transcribe_samples, samples)
            if text := await run_inference(transcribe):
                texts.append(text)
            done += len(samples)
            telemetry.emit(
                "local.stt.progress", {"speech_s": done / _RATE, "audio_s": duration}, {}
            )
        usage = {"type": "duration", "seconds": round(duration, 3)}
        return Transcript(text=" ".join(texts), language="en", usage=usage)


class LocalTextToSpeech:
    """English speech from one voice."""

    @asynccontextmanager
    async def synthesize(
        self, text: str, settings: TTSSettings
    ) -> AsyncIterator[AsyncIterator[audio.AudioChunk]]:
        """Speak ``text``, clause by clause: PCM16 mono at 24,000 Hz.

        The next clause is made while the caller asks for it; nothing is made ahead, so leaving the
        block early wastes at most one clause.

        Raises:
            ConfigError: Unknown voice or a speed that the voice does not have.
            MissingExtra: The extra ``local`` is not installed.
            ModelFileError: A model file is absent or altered.
            TextToSpeechError: The synthesizer failed; raised by the iteration.

        **Cancellation:** leaving the block ends the synthesis.
        """
        engine = await TEXT_TO_SPEECH.load()
        voice = settings.voice
        if isinstance(voice, CustomVoice):
            raise ConfigError(
                "the local voices have names; a voice of an account is not among them"
            )
        segments = engine.segments(text, voice=voice, speed=settings.speed)
        async with aclosing(_chunks(segments)) as chunks:
            yield chunks


async def _chunks(segments: Iterator[Pcm16]) -> AsyncGenerator[audio.AudioChunk, None]:
    while True:
        pcm = await run_inference(lambda: next(segments, None))
        if pcm is None:
            return
        yield audio.as_chunk(pcm, format=audio.PCM24K)


class LocalLanguageModel:
    """The router agent behind the protocol of a language model."""

    async def prepare(self, tools: Sequence[JsonObject]) -> None:
        """Compute what the tools need ahead of the first request.

        **Cancellation:** may be called again.
        """
        router = await ROUTER.load()
        await run_inference(lambda: router.prepare(tools))

    @asynccontextmanager
    async def respond(self, request: ModelRequest) -> AsyncIterator[AsyncIterator[ModelEvent]]:
        """Decide what to say or which tool to call.

        Raises:
            MissingExtra: The extra ``local`` is not installed.
            ModelFileError: A model file is absent or altered.

        **Cancellation:** leaving the block ends the request.
        """
        router = await ROUTER.load()
        decision = await run_inference(
            lambda: router.decide(
                items=request.items,
                tools=request.tools,
                instructions=request.instructions,
                tool_choice=request.tool_choice or "auto",
            )
        )
        async with aclosing(_events(decision)) as events:
            yield events


async def _events(decision: Decision) -> AsyncGenerator[ModelEvent, None]:
    match decision:
        case Say(text=text):
            yield TextDelta(text)
            yield TextDone(text)
        case CallTool(name=name, arguments=arguments):
            yield ToolCall(
                call_id=f"call_{secrets.token_hex(12)}",
                name=name,
                arguments=arguments,
                item_id=f"fc_{secrets.token_hex(12)}",
            )
    yield ModelDone()


def require_english(language: str | None) -> None:
    """Refuse another language than English.

    Raises:
        ConfigError: ``language`` is given and is not English.
    """
    if language is not None and language.lower().partition("-")[0] not in ("en", "english"):
        raise ConfigError(
            f"the local recogniser knows English only, got language {language!r}; "
            "leave it out or give 'en'",
            code="unsupported_language",
        )


def speech_segments(chunk: audio.AudioChunk) -> list[Samples]:
    """The stretches of ``chunk`` in which the voice activity detector found speech.

    Args:
        chunk: Audio of any format.

    Returns:
        float32 mono at 16,000 Hz, each with up to 0.3 s before and 0.2 s after; none for silence.
    """
    mono = audio.resample(audio.to_mono(chunk), _RATE)
    vad = audio.Vad(sample_rate=_RATE, silence_ms=_SEGMENT_SILENCE_MS)
    events = [*vad.process(mono), *vad.flush()]
    before, after = int(_SEGMENT_BEFORE_S * _RATE), int(_SEGMENT_AFTER_S * _RATE)
    samples = mono.float32()
    found: list[Samples] = []
    start = 0
    for event in events:
        if event.kind == "speech_start":
            start = max(event.frame - before, 0)
        else:
            found.append(samples[start : event.frame + after])
    return found


def _samples(chunk: audio.AudioChunk) -> Samples:
    return audio.resample(audio.to_mono(chunk), _RATE).float32()
