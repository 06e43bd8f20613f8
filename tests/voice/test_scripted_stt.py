"""The scripted recogniser's streams, and recordings for a recogniser of streams."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from support.voice_runs import events_of, events_of_stream, outline, pipeline, question, talk
from voxloop import voice
from voxloop._errors import ApiError, ConnectionClosed, SpeechToTextError
from voxloop.providers import ServerTurns, StreamingSpeechToText, STTSettings, TurnHeard
from voxloop.testing import ScriptedSTT, ScriptExhausted, utterance, vowels


class OnlyStreams:
    """Knows no whole recordings."""

    def __init__(self, *answers: Any, **settings: Any) -> None:
        self.stt = ScriptedSTT(*answers, **settings)

    def open_transcription(self, *arguments: Any, **named: Any) -> Any:
        return self.stt.open_transcription(*arguments, **named)


def echo() -> voice.SimpleWorkflow:
    return voice.SimpleWorkflow(lambda text: f"You said {text}.")


@pytest.mark.parametrize("mode", ["server_vad", "semantic_vad", "local", "manual"])
async def test_turns_of_every_kind(mode: str) -> None:
    stt = ScriptedSTT("one", ApiError("no"), "number three", delay=0.05)
    assert isinstance(stt, StreamingSpeechToText)
    detection = voice.TurnDetection(mode=mode)  # type: ignore[arg-type]
    line = pipeline(echo(), stt=stt, turn_detection=detection, stream_stt=True)
    async with talk(line) as talking:
        for turn in (1, 2, 3):
            await talking.say()
            if mode == "manual":
                talking.stream.commit()
            await talking.until(
                lambda e, turn=turn: getattr(e, "event", "") == "turn_ended" and e.turn_id == turn
            )
        assert stt.open_streams == 1
    assert [talking.ended(n) for n in (1, 2, 3)] == ["ok", "failed", "ok"]
    assert [e.text for e in talking.of(voice.TranscriptEvent)] == ["one", "number ", "number three"]
    found_there = mode in ("server_vad", "semantic_vad")
    assert [turns is not None for turns in stt.turns] == [found_there]
    assert len(talking.of(voice.SpeechStartedEvent)) == (0 if mode == "manual" else 3)
    assert len(stt.heard) == 3
    assert all(chunk.duration > 0.6 for chunk in stt.heard)
    assert (stt.remaining, stt.open_streams) == (0, 0)


async def test_a_stream_that_is_lost() -> None:
    stt = ScriptedSTT("one", OSError("gone"))
    line = pipeline(echo(), stt=stt, stream_stt=True)
    seen, error = await events_of_stream(line, 2)
    assert isinstance(error, SpeechToTextError)
    assert isinstance(error.__cause__, OSError)
    assert "turn_ended:1:ok" in outline(seen)
    assert stt.open_streams == 0


async def test_what_is_left_and_what_is_forgotten() -> None:
    voice_only = vowels(0.5)
    for turns in (None, ServerTurns(type="server_vad")):
        stt = ScriptedSTT("left")
        async with stt.open_transcription(STTSettings(), turns=turns) as session:
            await session.send(voice_only)
            await session.clear()
            await session.end_input()
            assert not [event async for event in session if isinstance(event, TurnHeard)]
        async with stt.open_transcription(STTSettings(), turns=turns) as session:
            await session.send(utterance(0.5, after=0.1))
            await session.end_input()
            words = [getattr(event, "text", "") async for event in session]
        assert words[-1] == "left"
    async with stt.open_transcription(STTSettings(), turns=None) as session:
        await session.send(voice_only)
        with pytest.raises(ScriptExhausted):
            await session.commit()


async def test_a_cancelled_read_loses_nothing() -> None:
    stt = ScriptedSTT("one two", delay=0.05)
    async with stt.open_transcription(STTSettings(), turns=None) as session:
        await session.send(vowels(0.5))
        await session.commit()
        with trio.move_on_after(0.01) as scope:
            await session.__anext__()
        assert scope.cancelled_caught
        await session.end_input()
        assert [getattr(event, "text", "") async for event in session] == ["one ", "one two"]


async def test_a_recogniser_of_streams_takes_a_recording() -> None:
    stt = OnlyStreams("hello")
    seen, error = await events_of(pipeline(echo(), stt=stt), question())
    assert error is None
    assert "heard hello" in outline(seen)
    assert stt.stt.turns == [None]
    (heard,) = stt.stt.heard
    assert 0.9 <= heard.duration <= 1.3, "only its speech"
    assert stt.stt.open_streams == 0


@pytest.mark.parametrize(
    ("failure", "kind"), [(ApiError("no"), ApiError), (ConnectionClosed("gone"), ConnectionClosed)]
)
async def test_a_recording_whose_stream_fails(failure: Exception, kind: type[Exception]) -> None:
    stt = OnlyStreams(failure)
    seen, error = await events_of(pipeline(echo(), stt=stt), question())
    assert isinstance(error, kind)
    assert outline(seen)[-1] == "failed"
    assert stt.stt.open_streams == 0
