"""What a recogniser's server complains of while it goes on: told, and nothing else happens."""

from __future__ import annotations

from typing import Any

import pytest

import voxloop
from support.transcription_server import speech, transcription_server
from support.voice_runs import outline, talk
from voxloop import voice
from voxloop.testing import ScriptedTTS


def line(server: Any, mode: str, **config: Any) -> voice.Pipeline:
    return voice.Pipeline(
        voice.SimpleWorkflow(lambda text: f"You said {text}, and that is a long story to tell."),
        stt=voxloop.OpenAI(api_key="sk-test", base_url=server.url).speech_to_text(),
        tts=ScriptedTTS(seconds_per_char=0.02),
        config=voice.Config(
            turn_detection=voice.TurnDetection(mode=mode),  # type: ignore[arg-type]
            stream_stt=True,
            **config,
        ),
    )


@pytest.mark.parametrize("mode", ["server_vad", "manual"])
@pytest.mark.parametrize("on_error", ["raise", "speak"])
async def test_a_complaint_before_the_words_costs_no_turn(mode: str, on_error: str) -> None:
    async with transcription_server() as server:

        async def complain(session: Any, item: str, text: str) -> None:
            await session.error("rate_limit_exceeded")
            await server.say(session, item, text)

        server.transcribe = complain
        async with talk(line(server, mode, on_error=on_error), sample_rate=24_000) as talking:
            await talking.stream.push(speech(1))
            if mode == "manual":
                talking.stream.commit()
            await talking.until(lambda e: getattr(e, "event", "") == "turn_ended")
        words = outline(talking.events)
        assert "heard w1x4800" in words
        assert talking.ended(1) == "ok"
        assert sum(word.startswith("turn_started") for word in words) == 1
        told = talking.of(voice.ErrorEvent)
        assert {event.error.code for event in told} == {"rate_limit_exceeded"}
        assert {event.turn_id for event in told} == {None}


@pytest.mark.parametrize("mode", ["server_vad", "manual"])
async def test_a_complaint_during_an_answer_does_not_break_it_off(mode: str) -> None:
    async with transcription_server() as server:
        async with talk(line(server, mode), sample_rate=24_000) as talking:
            await talking.stream.push(speech(1))
            if mode == "manual":
                talking.stream.commit()
            await talking.until(voice.AudioEvent)
            (session,) = server.sessions
            await session.error("something_odd")
            await session.socket.send("{not json")
            await talking.until(lambda e: getattr(e, "event", "") == "turn_ended")
        assert talking.ended(1) == "ok"
        assert not talking.of(voice.InterruptedEvent)
        codes = {event.error.code for event in talking.of(voice.ErrorEvent)}
        assert codes == {"something_odd", "protocol"}
