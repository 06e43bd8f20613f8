"""Engines of the application's own: what they may give, and what is said about the rest."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from support.voice_runs import assert_balanced, events_of, outline, pipeline
from voxloop import audio, voice
from voxloop._errors import ConfigError, SpeechToTextError, TextToSpeechError
from voxloop.providers import Transcript
from voxloop.voice.workflow import open_items

SOUND = audio.AudioChunk(b"\x01\x00" * 2400, audio.PCM24K)


class Ears:
    def __init__(self, heard: object) -> None:
        self.heard = heard

    async def transcribe(self, chunk: audio.AudioChunk, settings: voice.STTSettings) -> Any:
        return self.heard


class Voice:
    """Speaks by an async context manager, or by a plain async generator."""

    def __init__(self, sound: object, *, plain: bool = False) -> None:
        self.sound = sound
        self.plain = plain
        self.open = 0

    def synthesize(self, text: str, settings: voice.TTSSettings) -> Any:
        return self._pieces() if self.plain else self._opened()

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[AsyncIterator[Any]]:
        yield self._pieces()

    async def _pieces(self) -> AsyncIterator[Any]:
        self.open += 1
        try:
            yield self.sound
        finally:
            self.open -= 1


def echo() -> voice.SimpleWorkflow:
    return voice.SimpleWorkflow(lambda text: f"You said {text}.")


@pytest.mark.parametrize("heard", ["  hi ", Transcript(text="hi")])
async def test_a_recogniser_may_give_text(heard: object) -> None:
    seen, error = await events_of(pipeline(echo(), stt=Ears(heard)))
    assert error is None
    assert "heard hi" in outline(seen)


@pytest.mark.parametrize("heard", [None, b"hi", 7])
async def test_a_recogniser_that_gives_no_transcript_is_told_so(heard: object) -> None:
    seen, error = await events_of(pipeline(echo(), stt=Ears(heard)))
    assert isinstance(error, SpeechToTextError)
    assert f"Ears.transcribe() gave {type(heard).__name__}; give a Transcript" in str(error)
    assert_balanced(seen)


@pytest.mark.parametrize("plain", [True, False])
async def test_a_voice_may_be_a_plain_generator(plain: bool) -> None:
    speaker = Voice(SOUND, plain=plain)
    seen, error = await events_of(pipeline(echo(), tts=speaker))
    assert error is None
    sound = audio.concat([e.data for e in seen if isinstance(e, voice.AudioEvent)])
    assert bytes(sound) == bytes(SOUND)
    assert speaker.open == 0


@pytest.mark.parametrize("sound", [b"\0\0", None, "la la la"])
async def test_a_voice_that_gives_no_sound_is_told_so(sound: object) -> None:
    seen, error = await events_of(pipeline(echo(), tts=Voice(sound)))
    assert isinstance(error, TextToSpeechError)
    assert f"gave {type(sound).__name__} as sound; give AudioChunks" in str(error)
    assert_balanced(seen)


async def test_a_voice_that_opens_nothing_is_told_so() -> None:
    class Coroutine:
        async def synthesize(self, text: str, settings: voice.TTSSettings) -> bytes:
            return b""

    seen, error = await events_of(pipeline(echo(), tts=Coroutine()))
    assert isinstance(error, TextToSpeechError)
    assert "Coroutine.synthesize() gave coroutine; give an async context manager" in str(error)
    assert_balanced(seen)


@pytest.mark.parametrize("given", [{"text": "Hello."}, b"Hello.", bytearray(b"Hello.")])
async def test_what_can_be_iterated_but_not_said_is_refused(given: object) -> None:
    seen, error = await events_of(pipeline(voice.SimpleWorkflow(lambda _: given)))
    assert isinstance(error, ConfigError)
    assert f"a workflow gave {type(given).__name__}; give text" in str(error)
    assert_balanced(seen)


async def test_what_an_iterable_opens_is_closed_with_it() -> None:
    closed: list[str] = []

    class Words:
        async def __aiter__(self) -> AsyncIterator[str]:
            try:
                yield "One."
                yield "Two."
            finally:
                await trio.sleep(0)
                closed.append("closed")

    async with open_items(Words) as items:
        assert await anext(items) == "One."
    assert closed == ["closed"]
