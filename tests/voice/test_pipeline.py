from __future__ import annotations

import array
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from support.voice_runs import assert_balanced, cancel_after, events_of, outline, pipeline, question
from voxloop import audio, voice
from voxloop._errors import (
    ConfigError,
    RateLimited,
    SpeechToTextError,
    TextToSpeechError,
    UseAfterClose,
)
from voxloop.testing import ScriptedProvider, ScriptedSTT, ScriptedTTS

LONG = (
    "This is the first sentence of a longer answer. And here is the second sentence of it, which "
    "is longer. The third sentence of this answer comes after that. The fourth is the last one "
    "of them all, and it ends the answer here. "
)


def answers(text: object) -> voice.SimpleWorkflow:
    return voice.SimpleWorkflow(lambda heard: text)


async def test_one_turn_from_speech_to_speech() -> None:
    stt, tts = ScriptedSTT("hello"), ScriptedTTS()
    seen, error = await events_of(pipeline(answers("Hello to you too. Bye."), stt=stt, tts=tts))
    assert error is None
    assert outline(seen) == [
        "turn_started:1",
        "heard hello",
        "text Hello to you too. ",
        "audio",
        "text Bye. ",
        "audio",
        "metrics",
        "turn_ended:1:ok",
        "completed",
    ]
    assert tts.texts == ["Hello to you too.", "Bye."]
    assert [event.at for event in seen if not isinstance(event, voice.MetricsEvent)] == sorted(
        event.at for event in seen if not isinstance(event, voice.MetricsEvent)
    )


async def test_only_the_speech_is_transcribed() -> None:
    stt = ScriptedSTT("hello")
    await events_of(pipeline(answers("Yes."), stt=stt))
    (heard,) = stt.heard
    # 0.6 s of voice, 0.3 s before it and 0.2 s after it, of 2.1 s in all.
    assert 0.95 <= heard.duration <= 1.25


@pytest.mark.parametrize("seconds", [0.0, 0.05, 2.0, 40.0])
async def test_silence_is_not_transcribed_and_not_answered(seconds: float) -> None:
    stt, tts = ScriptedSTT(), ScriptedTTS()
    silent = voice.AudioInput(audio.silence(audio.PCM16K, seconds))
    seen, error = await events_of(pipeline(answers("No."), stt=stt, tts=tts), silent)
    assert error is None
    assert outline(seen) == ["turn_started:1", "metrics", "turn_ended:1:no_speech", "completed"]
    assert stt.heard == []
    assert tts.texts == []


async def test_words_that_are_none_are_not_answered() -> None:
    called: list[str] = []
    seen, _ = await events_of(pipeline(voice.SimpleWorkflow(called.append), stt=ScriptedSTT("  ")))
    assert outline(seen)[1:] == ["heard ", "metrics", "turn_ended:1:no_speech", "completed"]
    assert called == []


async def test_every_sample_of_every_segment_arrives_in_order() -> None:
    tts = ScriptedTTS(delay=lambda text: 0.05 if text.startswith("This") else 0.0)
    seen, _ = await events_of(pipeline(answers(LONG), tts=tts))
    heard = array.array("h", b"".join(e.data for e in seen if isinstance(e, voice.AudioEvent)))
    levels: list[list[int]] = []
    for sample in heard:
        if levels and levels[-1][0] == abs(sample):
            levels[-1][1] += 1
        else:
            levels.append([abs(sample), 1])
    assert levels == [[100 * (n + 1), tts.frames(text)] for n, text in enumerate(tts.texts)]
    assert len(tts.texts) == 3


async def test_the_first_piece_is_short_and_all_are_whole_frames() -> None:
    seen, _ = await events_of(pipeline(answers(LONG), tts=ScriptedTTS(chunk_ms=7)))
    pieces = [event.data for event in seen if isinstance(event, voice.AudioEvent)]
    assert [piece.frames for piece in pieces[:4]] == [480, 960, 1920, 2400]
    assert {piece.format for piece in pieces} == {audio.PCM24K}


async def test_no_more_segments_than_the_window_are_in_synthesis() -> None:
    tts = ScriptedTTS(delay=0.002, seconds_per_char=0.001)
    text = " ".join(f"This is sentence number {n} of a rather long answer." for n in range(40))
    seen, _ = await events_of(pipeline(answers(text), tts=tts))
    assert tts.most_in_flight == 2
    assert len(tts.texts) >= 20
    assert "".join(e.text for e in seen if isinstance(e, voice.TextEvent)).strip() == text


async def test_a_reader_that_does_not_read_holds_synthesis_back() -> None:
    tts = ScriptedTTS(seconds_per_char=0.2)
    line = pipeline(answers(LONG), tts=tts)
    async with line, line.run(question()) as result:
        await trio.sleep(0.3)
        assert len(tts.texts) <= 2
        assert tts.in_flight == len(tts.texts)
        reply = await result.collect()
    assert reply.text == LONG.strip()


async def test_reply_in_one_line() -> None:
    line = pipeline(answers(["Hello to you too.", "How are you?"]))
    async with line:
        reply = await line.run_to_end(question())
    assert (reply.transcript, reply.text) == ("hello", "Hello to you too. How are you?")
    assert reply.audio.format == audio.PCM24K
    assert reply.audio.duration == pytest.approx(len("Hello to you too.How are you?") * 0.01)
    assert (reply.tool_calls, reply.handoffs, reply.agent) == ((), (), None)
    assert reply.metrics is not None
    assert reply.metrics.turn_id == 1


async def test_parts_of_the_time_add_up() -> None:
    async def slow(text: str) -> str:
        await trio.sleep(0.03)
        return "Here is the answer."

    line = pipeline(
        voice.SimpleWorkflow(slow), stt=ScriptedSTT("x", delay=0.02), tts=ScriptedTTS(delay=0.04)
    )
    async with line:
        metrics = (await line.run_to_end(question())).metrics
    assert metrics is not None
    parts = metrics.parts_ms
    assert list(parts) == ["end_of_turn", "transcript", "first_text", "first_audio", "last_audio"]
    assert parts["transcript"] >= 20
    assert parts["first_text"] >= 30
    assert parts["first_audio"] >= 40
    assert metrics.last_audio is not None
    assert metrics.end_of_speech is not None
    whole = (metrics.last_audio - metrics.end_of_speech) * 1000
    assert sum(parts.values()) == metrics.total_ms == pytest.approx(whole)
    assert metrics.turn_latency_ms == pytest.approx(whole - parts["last_audio"])


class Custom:
    async def run(self, text: str) -> AsyncIterator[str]:
        for word in ("You ", "said ", text, "."):
            yield word


class Opened:
    closed = False

    @asynccontextmanager
    async def run(self, text: str) -> AsyncIterator[AsyncIterator[str]]:
        async def words() -> AsyncIterator[str]:
            yield f"You said {text}."

        try:
            yield words()
        finally:
            Opened.closed = True


async def coroutine(text: str) -> list[str]:
    return [f"You said {text}."]


def generator(text: str) -> Iterator[str]:
    yield "You said "
    yield f"{text}."


async def async_generator(text: str) -> AsyncIterator[str]:
    yield f"You said {text}."


@pytest.mark.parametrize(
    "workflow",
    [
        Custom(),
        Opened(),
        voice.SimpleWorkflow(coroutine),
        voice.SimpleWorkflow(generator),
        voice.SimpleWorkflow(async_generator),
        voice.SimpleWorkflow(lambda text: f"You said {text}."),
        voice.SimpleWorkflow(lambda text: iter(["You said ", text, "."])),
        voice.SimpleWorkflow(lambda text: coroutine(text.lower())),
        voice.SimpleWorkflow(lambda text: async_generator(text.lower())),
    ],
    ids=lambda workflow: type(workflow).__name__,
)
async def test_workflows_of_every_kind(workflow: object) -> None:
    line = pipeline(workflow)
    async with line:
        assert (await line.run_to_end(question())).text == "You said hello."


async def test_a_workflow_that_says_nothing_is_a_turn_all_the_same() -> None:
    for nothing in (None, "", [], [" ", "...", "\n"]):
        tts = ScriptedTTS()
        seen, _ = await events_of(pipeline(answers(nothing), tts=tts))
        assert outline(seen)[2:] == ["metrics", "turn_ended:1:ok", "completed"]
        assert tts.texts == []


async def test_a_plain_generator_blocks_nobody_and_is_closed() -> None:
    closed: list[bool] = []

    def slow(text: str) -> Iterator[str]:
        try:
            time.sleep(0.1)
            yield "This is the first part. "
            time.sleep(0.1)
            yield "And this is the second one."
        finally:
            closed.append(True)

    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await trio.sleep(0.01)
            ticks += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(tick)
        line = pipeline(voice.SimpleWorkflow(slow))
        async with line, line.run(question()) as result:
            async for event in result:
                if isinstance(event, voice.TextEvent):
                    break
        nursery.cancel_scope.cancel()
    assert ticks >= 5


class FailsAfter:
    def __init__(self, error: Exception) -> None:
        self.error = error

    async def run(self, text: str) -> AsyncIterator[str]:
        yield "Here is a first sentence. "
        await trio.sleep(0.02)
        raise self.error


class BrokenSTT:
    async def transcribe(self, chunk: object, settings: object) -> Any:
        raise KeyError("x")


class BrokenTTS:
    @asynccontextmanager
    async def synthesize(self, text: str, settings: object) -> AsyncIterator[Any]:
        raise KeyError("x")
        yield


MINE = ZeroDivisionError("mine")
FAILURES = {
    "stt": (lambda: pipeline(answers("Yes."), stt=BrokenSTT()), SpeechToTextError),
    "stt own": (
        lambda: pipeline(answers("Yes."), stt=ScriptedSTT(RateLimited("wait"))),
        RateLimited,
    ),
    "workflow": (lambda: pipeline(FailsAfter(MINE)), ZeroDivisionError),
    "workflow call": (
        lambda: pipeline(voice.SimpleWorkflow(lambda text: 1 / 0)),
        ZeroDivisionError,
    ),
    "workflow kind": (lambda: pipeline(answers(7)), ConfigError),
    "workflow item": (lambda: pipeline(answers([b"bytes"])), ConfigError),
    "tts": (lambda: pipeline(answers("Yes."), tts=BrokenTTS()), TextToSpeechError),
    "tts midway": (
        lambda: pipeline(answers("Yes."), tts=ScriptedTTS(failures={"Yes.": OSError("gone")})),
        TextToSpeechError,
    ),
}


@pytest.mark.parametrize("stage", FAILURES)
async def test_a_failure_at_any_stage_ends_the_run_in_order(stage: str) -> None:
    make, kind = FAILURES[stage]
    seen, error = await events_of(make())
    assert type(error) is kind
    assert_balanced(seen)
    assert outline(seen)[-4:] == [
        f"error {kind.__name__}",
        "metrics",
        "turn_ended:1:failed",
        "failed",
    ]
    reported = next(event.error for event in seen if isinstance(event, voice.ErrorEvent))
    assert reported is error


async def test_the_users_own_exception_comes_as_it_is_and_an_engines_keeps_its_cause() -> None:
    _, error = await events_of(pipeline(FailsAfter(MINE)))
    assert error is MINE
    _, error = await events_of(pipeline(answers("Yes."), tts=BrokenTTS()))
    assert isinstance(error, TextToSpeechError)
    assert isinstance(error.__cause__, KeyError)


async def test_a_failing_voice_is_seen_at_once_and_nothing_more_is_asked_of_it() -> None:
    class Talks:
        async def run(self, text: str) -> AsyncIterator[str]:
            for n in range(100):
                yield f"This is sentence number {n} of a rather long answer. "
                await trio.sleep(0.02)

    tts = ScriptedTTS(
        failures={"This is sentence number 0 of a rather long answer.": OSError("gone")},
        seconds_per_char=0.1,
    )
    started = time.monotonic()
    seen, error = await events_of(pipeline(Talks(), tts=tts))
    assert isinstance(error, TextToSpeechError)
    assert time.monotonic() - started < 1.5  # the workflow alone takes two seconds
    assert len(tts.texts) <= 3
    assert tts.in_flight == 0
    assert_balanced(seen)


async def test_leaving_the_block_early_ends_everything() -> None:
    tts = ScriptedTTS(chunk_delay=0.01)
    line = pipeline(answers(LONG), tts=tts)
    tasks = trio.lowlevel.current_statistics().tasks_living
    async with line:
        started = time.monotonic()
        async with line.run(question()) as result:
            async for event in result:
                if isinstance(event, voice.AudioEvent):
                    break
            left = time.monotonic()
        assert time.monotonic() - left < 1.0
        assert tts.in_flight == 0
        assert trio.lowlevel.current_statistics().tasks_living == tasks
        assert time.monotonic() - started < 5


async def test_cancel_ends_the_run_with_balanced_events() -> None:
    seen = []
    line = pipeline(answers(LONG), tts=ScriptedTTS(chunk_delay=0.01))
    async with line, line.run(question()) as result:
        async for event in result:
            seen.append(event)
            if isinstance(event, voice.AudioEvent):
                result.cancel()
    assert_balanced(seen)
    assert outline(seen)[-3:] == ["metrics", "turn_ended:1:cancelled", "cancelled"]


async def test_cancel_at_every_event_is_balanced() -> None:
    for step in range(1, 30):
        seen = []
        line = pipeline(answers("Hello to you too. Bye."))
        async with line, line.run(question()) as result:
            async for event in result:
                seen.append(event)
                if len(seen) == step:
                    result.cancel()
        assert_balanced(seen)


async def test_a_cancel_at_every_step_leaves_nothing_behind() -> None:
    for steps in itertools.count(1):
        tts = ScriptedTTS()
        tasks = trio.lowlevel.current_statistics().tasks_living
        with trio.CancelScope() as scope, cancel_after(scope, steps=steps):
            line = pipeline(answers("Hello to you too. Bye."), tts=tts)
            async with line:
                await line.run_to_end(question())
        assert trio.lowlevel.current_statistics().tasks_living == tasks
        assert tts.in_flight == 0
        if not scope.cancelled_caught:
            break
    assert steps > 40


async def test_the_readers_own_exception_comes_out_alone() -> None:
    line = pipeline(answers(LONG))
    with pytest.raises(ZeroDivisionError):
        await _fail_while_reading(line)


async def _fail_while_reading(line: voice.Pipeline) -> None:
    async with line, line.run(question()) as result:
        async for _ in result:
            raise ZeroDivisionError


async def test_settings_reach_the_engines() -> None:
    stt, tts = ScriptedSTT("hello"), ScriptedTTS()
    hearing = voice.STTSettings(model="m1", language="en")
    speaking = voice.TTSSettings(model="m2", voice="nova", speed=1.5)
    config = voice.Config(stt=hearing, tts=speaking)
    provider = ScriptedProvider(stt=stt, tts=tts)
    await events_of(voice.Pipeline(answers("Yes."), provider=provider, config=config))
    assert stt.settings == [hearing]
    assert tts.settings == [speaking]


async def test_a_pipeline_is_used_inside_its_block() -> None:
    provider = ScriptedProvider(stt=ScriptedSTT("a", "b"))
    line = voice.Pipeline(answers("Yes."), provider=provider)
    with pytest.raises(UseAfterClose):
        line.run(question())
    async with line:
        assert provider.warmed_up == 1
        assert (await line.run_to_end(question())).transcript == "a"
        assert (await line.run_to_end(question())).transcript == "b"
        with pytest.raises(ConfigError, match="run_streamed"):
            line.run(voice.StreamedAudioInput())  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match="takes a StreamedAudioInput"):
            line.run_streamed(question())  # type: ignore[arg-type]
    with pytest.raises(UseAfterClose):
        line.run(question())


async def test_engines_of_ones_own_need_no_provider() -> None:
    line = voice.Pipeline(answers("Yes."), stt=ScriptedSTT("hi"), tts=ScriptedTTS())
    async with line:
        assert (await line.run_to_end(question())).transcript == "hi"


def test_what_is_no_workflow_is_refused() -> None:
    for wrong in (lambda text: text, object(), Custom):
        with pytest.raises(ConfigError, match="has no run"):
            voice.Pipeline(wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="needs a function"):
        voice.SimpleWorkflow("hello")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: voice.Config(prefetch=0), "prefetch"),
        (lambda: voice.Config(queue_policy="newest"), "queue_policy"),  # type: ignore[arg-type]
        (lambda: voice.Config(stt="x"), "stt must be STTSettings"),  # type: ignore[arg-type]
        (lambda: voice.TurnDetection(threshold=1.0), "threshold"),
        (lambda: voice.TurnDetection(silence_duration_ms=-1), "silence_duration_ms"),
        (lambda: voice.TurnDetection(max_turn_seconds=0.0), "max_turn_seconds"),
    ],
)
def test_settings_are_checked_when_they_are_made(make: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make()
