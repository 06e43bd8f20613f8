"""What fails, what is cancelled, and which of several errors comes out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from support.scripted_stream import ScriptedStream, ScriptedStreamingSTT
from support.voice_runs import (
    SPEECH,
    assert_balanced,
    events_of,
    events_of_stream,
    outline,
    pipeline,
    talk,
)
from voxloop import Agent, voice
from voxloop._errors import ApiError, NetworkTimeout, SpeechToTextError
from voxloop.testing import ScriptedLLM, ScriptedSTT, ScriptedTTS
from voxloop.voice.conversation import Conversation
from voxloop.voice.turnwork import HeardTurn


def says(text: object) -> voice.SimpleWorkflow:
    return voice.SimpleWorkflow(lambda heard: text)


class ClosesBadly(ScriptedStreamingSTT):
    """A recogniser whose session fails when it is closed."""

    @asynccontextmanager
    async def open_transcription(
        self, *arguments: Any, **named: Any
    ) -> AsyncIterator[ScriptedStream]:
        async with super().open_transcription(*arguments, **named) as session:
            try:
                yield session
            finally:
                raise OSError("close failed")


class Falsy(Exception):
    def __bool__(self) -> bool:
        return False


async def run_stream(line: voice.Pipeline) -> tuple[list[voice.Event], Exception | None]:
    seen, error = await events_of_stream(line, 1)
    assert_balanced(seen)
    return seen, error


async def test_a_close_that_fails_after_a_clean_run_is_raised() -> None:
    stt = ClosesBadly("hello")
    seen, error = await run_stream(pipeline(says("Yes."), stt=stt))
    assert isinstance(error, SpeechToTextError)
    assert isinstance(error.__cause__, OSError)
    words = outline(seen)
    assert "turn_ended:1:ok" in words
    assert words[-2:] == ["error SpeechToTextError", "failed"]
    assert stt.open_sessions == 0


async def test_a_turns_error_is_kept_when_the_close_fails_too() -> None:
    mine = KeyError("mine")

    async def fails(text: str) -> str:
        raise mine

    stt = ClosesBadly("hello")
    seen, error = await run_stream(pipeline(voice.SimpleWorkflow(fails), stt=stt))
    assert error is mine
    lost = error.__context__
    assert isinstance(lost, SpeechToTextError), "how the session closed is not forgotten"
    assert isinstance(lost.__cause__, OSError)
    assert outline(seen)[-2:] == ["turn_ended:1:failed", "failed"]
    assert stt.open_sessions == 0


async def test_an_exception_that_is_false_is_raised_all_the_same() -> None:
    error = Falsy("x")

    async def fails(text: str) -> str:
        raise error

    for on_error in ("raise", "speak"):
        seen, raised = await events_of(pipeline(voice.SimpleWorkflow(fails), on_error=on_error))
        assert_balanced(seen)
        assert raised is (error if on_error == "raise" else None)
        reported = next(event.error for event in seen if isinstance(event, voice.ErrorEvent))
        assert reported is error


async def test_cancellation_beats_an_error_of_the_run() -> None:
    async def fails(text: str) -> str:
        try:
            await trio.sleep_forever()
        finally:
            raise KeyError("mine")

    line = pipeline(voice.SimpleWorkflow(fails))
    with trio.CancelScope() as scope:
        async with line, line.run(voice.AudioInput(SPEECH)) as result:
            async for event in result:
                if isinstance(event, voice.TranscriptEvent):
                    scope.cancel()
    assert scope.cancelled_caught


async def test_the_readers_error_beats_an_error_of_the_run() -> None:
    async def fails(text: str) -> str:
        raise KeyError("the run's")

    line = pipeline(voice.SimpleWorkflow(fails))
    with pytest.raises(ZeroDivisionError):
        async with line, line.run(voice.AudioInput(SPEECH)) as result:
            async for event in result:
                if isinstance(event, voice.ErrorEvent):
                    raise ZeroDivisionError


async def test_a_cancelled_run_is_cancelled_even_if_its_clean_up_fails() -> None:
    class BadTTS(ScriptedTTS):
        @asynccontextmanager
        async def synthesize(self, *arguments: Any) -> AsyncIterator[Any]:
            async with super().synthesize(*arguments) as chunks:
                try:
                    yield chunks
                finally:
                    raise OSError("close failed")

    line = pipeline(says("Yes."), tts=BadTTS(seconds_per_char=1.0, chunk_delay=0.05))
    seen: list[voice.Event] = []
    async with line, line.run(voice.AudioInput(SPEECH)) as result:
        async for event in result:
            seen.append(event)
            if isinstance(event, voice.AudioEvent):
                result.cancel()
    assert_balanced(seen)
    assert outline(seen)[-2:] == ["turn_ended:1:cancelled", "cancelled"]


async def test_second_turn_fails_after_a_first_that_is_complete() -> None:
    stt = ScriptedSTT("one", ApiError("no"))
    seen, error = await events_of_stream(pipeline(says("Yes."), stt=stt), 2)
    assert isinstance(error, ApiError)
    words = outline(seen)
    assert words[:6] == [
        "turn_started:1",
        "heard one",
        "text Yes. ",
        "audio",
        "metrics",
        "turn_ended:1:ok",
    ]
    assert words[6:] == [
        "turn_started:2",
        "error ApiError",
        "metrics",
        "turn_ended:2:failed",
        "failed",
    ]


async def test_a_result_that_is_never_read_leaves_nothing() -> None:
    tts = ScriptedTTS(seconds_per_char=0.2)
    tasks = trio.lowlevel.current_statistics().tasks_living
    line = pipeline(says("A long answer. " * 50), tts=tts)
    async with line, line.run(voice.AudioInput(SPEECH)):
        await trio.sleep(0.2)
        assert len(tts.texts) <= 2, "synthesis is held back"
    assert tts.in_flight == 0
    assert trio.lowlevel.current_statistics().tasks_living == tasks


@pytest.mark.parametrize("on_error", ["raise", "speak"])
@pytest.mark.parametrize("kind", [ApiError, NetworkTimeout])
async def test_a_model_that_is_lost_in_a_speech_is_heard_as_far_as_it_came(
    on_error: Any, kind: Any
) -> None:
    lost = kind("gone")
    llm = ScriptedLLM(["It is sunny in Oslo. ", "And in Ber", lost])
    workflow = voice.AgentWorkflow(Agent("A"))
    line = pipeline(workflow, llm=llm, on_error=on_error, error_text="Sorry.")
    seen, error = await events_of(line)
    assert_balanced(seen)
    spoken = [event.text for event in seen if isinstance(event, voice.TextEvent)]
    assert spoken[:2] == ["It is sunny in Oslo. ", "And in Ber "]
    assert spoken[2:] == ([] if on_error == "raise" else ["Sorry. "])
    (told,) = [event for event in seen if isinstance(event, voice.ErrorEvent)]
    assert told.error is lost
    assert error is (lost if on_error == "raise" else None)
    assert workflow.history == (), "a failed turn leaves no trace"
    order = [type(event).__name__ for event in seen]
    assert order.index("ErrorEvent") > order.index("AudioEvent")


async def test_a_model_that_is_lost_before_a_word_fails_at_once() -> None:
    lost = ApiError("gone")
    line = pipeline(voice.AgentWorkflow(Agent("A")), llm=ScriptedLLM([lost]))
    seen, error = await events_of(line)
    assert error is lost
    assert not [event for event in seen if isinstance(event, voice.TextEvent)]


async def test_speech_breaks_the_rest_of_a_lost_model_off() -> None:
    llm = ScriptedLLM(["It is sunny in Oslo, and so on. ", ApiError("gone")], "Yes.")
    workflow = voice.AgentWorkflow(Agent("A"))
    tts = ScriptedTTS(seconds_per_char=0.5)
    async with talk(pipeline(workflow, llm=llm, tts=tts, queue_policy="interrupt")) as talking:
        await talking.say()
        await talking.until(voice.AudioEvent)
        assert talking.result.interrupt()
        await talking.until(lambda e: getattr(e, "event", "") == "turn_ended")
        assert talking.ended(1) == "interrupted"
    assert not talking.of(voice.ErrorEvent)
    assert [item["role"] for item in workflow.history] == ["user"]


class Hearing(Conversation):
    """Hears one turn."""

    async def _hear(self, deliver: Any) -> None:
        await deliver(HeardTurn(turn_id=2, text="word", end_of_speech=0.0))


async def test_a_turn_that_nobody_takes_any_more_is_no_error_of_its_own() -> None:
    """Answering has failed, and the queue is closed: that error is on its way, not another."""
    run = SimpleNamespace(floor=SimpleNamespace(input_ended=lambda: None))
    engines: Any = SimpleNamespace(config=voice.Config())
    hearing = Hearing(engines, run, voice.StreamedAudioInput())  # type: ignore[arg-type]
    send, turns = trio.open_memory_channel[Any](1)
    turns.close()
    with trio.move_on_after(0.2) as scope:
        await hearing._listen(send)
    assert scope.cancelled_caught, "it waits to be cancelled"
    assert hearing._lost is None
