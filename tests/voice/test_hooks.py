from __future__ import annotations

import array
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio

from support.voice_runs import (
    SPEECH,
    assert_balanced,
    events_of,
    events_of_stream,
    outline,
    pipeline,
    talk,
)
from voxloop import Agent, audio, tool, voice
from voxloop._errors import ApiError, ConfigError, RateLimited, TextToSpeechError
from voxloop.testing import Pause, ScriptedLLM, ScriptedSTT, ScriptedTTS, call, vowels


def says(text: object, greeting: str | None = None) -> voice.SimpleWorkflow:
    return voice.SimpleWorkflow(lambda heard: text, greeting=greeting)


def texts(events: list[voice.Event]) -> list[str]:
    return [event.text.strip() for event in events if isinstance(event, voice.TextEvent)]


def ended(turn: int) -> Any:
    return lambda e: getattr(e, "event", "") == "turn_ended" and e.turn_id == turn


async def test_a_silent_user_is_spoken_to_once() -> None:
    for policy in ("interrupt", "queue"):
        line = pipeline(
            says("Hello."),
            stt=ScriptedSTT("hi", "yes"),
            on_silence="Are you there?",
            silence_seconds=0.4,
            queue_policy=policy,
        )
        async with talk(line) as talking:
            await talking.say()
            first = await talking.until(ended(1))
            second = await talking.until(ended(2))
            assert second.at - first.at >= 0.3
            await trio.sleep(1.0)
            assert talking.of(voice.LifecycleEvent)[-1] is second, "once, not again and again"
            await talking.say()
            await talking.until(ended(3))
            await talking.until(ended(4))
        assert texts(talking.events) == ["Hello.", "Are you there?", "Hello.", "Are you there?"]


async def test_nobody_is_asked_before_the_first_answer_or_while_speaking() -> None:
    line = pipeline(
        says("Hello."), stt=ScriptedSTT("hi", "yes"), on_silence="Well?", silence_seconds=1.5
    )
    async with talk(line) as talking:
        await trio.sleep(2.0)
        assert talking.events == []
        await talking.say()
        await talking.until(ended(1))
        await talking.say(vowels(0.5))  # and goes on
        await talking.until(lambda e: isinstance(e, voice.SpeechStartedEvent) and e.turn_id == 2)
        await trio.sleep(2.0)
        assert texts(talking.events) == ["Hello."]


async def test_silence_may_be_answered_by_the_workflow() -> None:
    class Patient:
        asked = 0

        async def run(self, text: str) -> str:
            return "Hello."

        async def on_silence(self) -> AsyncIterator[str]:
            Patient.asked += 1
            if Patient.asked == 1:
                raise KeyError("mine")
            yield "Still there?"

    line = pipeline(Patient(), stt=ScriptedSTT("a", "b"), silence_seconds=0.2)
    async with talk(line) as talking:
        await talking.say()
        await talking.until(ended(2))
        await talking.say()
        await talking.until(ended(4))
    assert talking.ended(2) == "failed", "the user's own failure ends nothing"
    assert talking.ended(4) == "ok"
    assert texts(talking.events) == ["Hello.", "Hello.", "Still there?"]


@pytest.mark.parametrize("kind", ["text", "function", "workflow"])
async def test_a_slow_tool_is_bridged_once(kind: str) -> None:
    @tool
    async def slow() -> str:
        """Slow."""
        await trio.sleep(1.5)
        return "done"

    class Own(voice.AgentWorkflow):
        def on_slow(self) -> str:
            return "One moment please."

    async def filler() -> str:
        return "One moment please."

    agent = Agent("A", tools=[slow])
    workflow = Own(agent) if kind == "workflow" else voice.AgentWorkflow(agent)
    hook: Any = {"text": "One moment please.", "function": filler, "workflow": None}[kind]
    llm = ScriptedLLM([call("slow")], "It is done.")
    line = pipeline(workflow, llm=llm, on_slow=hook, slow_seconds=0.4)
    seen, error = await events_of(line)
    assert error is None
    assert texts(seen) == ["One moment please.", "It is done."]
    assert "One moment" not in str(workflow.history)


async def test_a_quick_answer_needs_no_filler() -> None:
    llm = ScriptedLLM(["Well. ", Pause(0.1), "It is done."])
    line = pipeline(voice.AgentWorkflow(Agent("A")), llm=llm, on_slow="Wait.", slow_seconds=5.0)
    seen, _ = await events_of(line)
    assert " ".join(texts(seen)) == "Well. It is done."


async def test_no_filler_into_sound_that_still_plays() -> None:
    llm = ScriptedLLM(["This takes a while to say. ", Pause(0.8), "It is done."])
    line = pipeline(
        voice.AgentWorkflow(Agent("A")),
        llm=llm,
        on_slow="Wait.",
        slow_seconds=0.5,
        tts=ScriptedTTS(seconds_per_char=0.1),
    )
    seen, _ = await events_of(line)
    assert texts(seen) == ["This takes a while to say.", "It is done."]


async def test_a_filler_takes_no_room_in_what_was_heard() -> None:
    llm = ScriptedLLM([Pause(0.8), "One two three four five six seven eight nine ten."])
    workflow = voice.AgentWorkflow(Agent("A"))
    tts = ScriptedTTS(seconds_per_char=0.1)
    line = pipeline(workflow, llm=llm, on_slow="Hold on.", slow_seconds=0.2, tts=tts)
    async with line, line.run(voice.AudioInput(SPEECH)) as result:
        sound = 0.0
        async for event in result:
            if isinstance(event, voice.AudioEvent):
                sound += event.data.duration
                if sound > 2.6:
                    result.report_playback(1, 800 + 1500)  # the filler and 15 characters
                    result.interrupt()
            if isinstance(event, voice.InterruptedEvent):
                assert event.heard_text == "Hold on. One two three"
    assert tts.texts[0] == "Hold on."
    assert workflow.history[1]["content"][0]["text"].strip() == "One two three"  # type: ignore[index]


async def test_a_failed_turn_may_apologise_and_go_on() -> None:
    turns = iter([KeyError("mine"), RateLimited("wait"), ApiError("no"), "Fine."])

    async def answer(text: str) -> str:
        result = next(turns)
        if isinstance(result, Exception):
            raise result
        return result

    line = pipeline(
        voice.SimpleWorkflow(answer),
        stt=ScriptedSTT("a", "b", "c", "d"),
        on_error="speak",
        error_text="Sorry about that.",
    )
    seen, error = await events_of_stream(line, 4)
    assert error is None
    assert_balanced(seen)
    assert texts(seen) == ["Sorry about that."] * 3 + ["Fine."]
    words = outline(seen)
    assert [word for word in words if word.startswith("turn_ended")] == [
        "turn_ended:1:failed",
        "turn_ended:2:failed",
        "turn_ended:3:failed",
        "turn_ended:4:ok",
    ]
    assert words.index("error KeyError") < words.index("text Sorry about that. ")


async def test_an_apology_works_in_a_single_turn_and_for_speech_recognition() -> None:
    line = pipeline(says("Yes."), stt=ScriptedSTT(ApiError("no")), on_error="speak")
    seen, error = await events_of(line)
    assert error is None
    assert " ".join(texts(seen)) == voice.Config().error_text
    assert outline(seen)[-1] == "completed"


async def test_a_voice_that_fails_cannot_apologise() -> None:
    tts = ScriptedTTS(failures={"Yes.": OSError("gone")})
    seen, error = await events_of(pipeline(says("Yes."), tts=tts, on_error="speak"))
    assert isinstance(error, TextToSpeechError)
    assert tts.texts == ["Yes."]
    assert_balanced(seen)


async def test_a_single_turn_greets_on_request() -> None:
    line = pipeline(says("Yes.", greeting="Welcome."))
    async with line, line.run(voice.AudioInput(SPEECH), greet=True) as result:
        seen = [event async for event in result]
    assert texts(seen) == ["Welcome.", "Yes."]
    assert_balanced(seen)


async def test_sound_as_the_application_wants_it() -> None:
    def louder(piece: audio.AudioChunk) -> audio.AudioChunk:
        return audio.gain(piece, 2.0)

    async def slower(piece: audio.AudioChunk) -> audio.AudioChunk:
        await trio.sleep(0)
        return audio.gain(piece, 2.0)

    plain, _ = await events_of(pipeline(says("Yes it is.")))
    wanted = [e.data for e in plain if isinstance(e, voice.AudioEvent)]
    for transform in (louder, slower):
        seen, _ = await events_of(pipeline(says("Yes it is."), transform=transform))
        got = [e.data for e in seen if isinstance(e, voice.AudioEvent)]
        assert [bytes(x) for x in got] == [bytes(audio.gain(x, 2.0)) for x in wanted]
    seen, _ = await events_of(pipeline(says("Yes it is."), encoding="float32"))
    floats = [e.data for e in seen if isinstance(e, voice.AudioEvent)]
    assert {x.format for x in floats} == {audio.Format(24_000, 1, "float32")}
    assert array.array("f", bytes(floats[0]))[0] == 100 / 32768
    seen, _ = await events_of(pipeline(says("Yes it is, and more of it."), buffer_ms=60))
    sizes = [e.data.frames for e in seen if isinstance(e, voice.AudioEvent)]
    assert sizes[:4] == [480, 960, 1440, 1440]
    _, error = await events_of(pipeline(says("Yes."), transform=bytes))
    assert isinstance(error, ConfigError)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"encoding": "float64"}, "encoding"),
        ({"transform": 7}, "transform"),
        ({"buffer_ms": 0}, "buffer_ms"),
        ({"on_error": "ignore"}, "on_error"),
        ({"on_slow": 7}, "on_slow"),
        ({"on_silence": b"x"}, "on_silence"),
        ({"silence_seconds": 0}, "silence_seconds"),
        ({"slow_seconds": "x"}, "slow_seconds"),
        ({"interrupt_after_ms": -1}, "interrupt_after_ms"),
        ({"interrupt_after_ms": float("nan")}, "interrupt_after_ms"),
        ({"prefetch": 1.5}, "whole number"),
    ],
)
def test_settings_are_checked_when_they_are_made(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        voice.Config(**settings)


@pytest.mark.parametrize("settings", [{"mode": "auto"}, {"eagerness": "very"}])
def test_turn_settings_are_checked_too(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="give one of"):
        voice.TurnDetection(**settings)
