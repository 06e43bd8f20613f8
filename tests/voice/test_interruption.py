from __future__ import annotations

import time
from typing import Any

import pytest
import trio
import trio.testing

from support.voice_runs import SPEECH, assert_balanced, outline, pipeline, talk
from voxloop import Agent, tool, voice
from voxloop.testing import Pause, ScriptedLLM, ScriptedSTT, ScriptedTTS, call, utterance, vowels

STORY = (
    "Once upon a time there was a king. He had three daughters and a very old horse. "
    "One day the horse began to speak of other lands and other times."
)


def spoken(turn: int, least_ms: float) -> Any:
    """Whether so much sound of a turn has been read."""
    total = 0.0
    seen: set[int] = set()

    def test(event: voice.Event) -> bool:
        nonlocal total
        if isinstance(event, voice.AudioEvent) and event.turn_id == turn and id(event) not in seen:
            seen.add(id(event))
            total += event.data.duration * 1000
        return total >= least_ms

    return test


def storyteller(*after: Any) -> tuple[voice.AgentWorkflow, ScriptedLLM]:
    llm = ScriptedLLM(STORY, *(after or ("Yes?",)))
    return voice.AgentWorkflow(Agent("A")), llm


def assistant_texts(workflow: voice.AgentWorkflow) -> list[str]:
    return [
        item["content"][0]["text"]  # type: ignore[index]
        for item in workflow.history
        if item.get("role") == "assistant"
    ]


async def test_speech_breaks_an_answer_off_and_memory_keeps_what_was_heard() -> None:
    workflow, llm = storyteller()
    tts = ScriptedTTS(seconds_per_char=0.06)
    line = pipeline(
        workflow, stt=ScriptedSTT("a story", "stop"), tts=tts, llm=llm, queue_policy="interrupt"
    )
    async with talk(line) as talking:
        await talking.say()
        await talking.until(spoken(1, 3000))
        # Half of the second segment is over.
        first = tts.frames(tts.texts[0]) / 24.0
        second = tts.frames(tts.texts[1]) / 24.0
        talking.result.report_playback(1, first + second / 2)
        await talking.say()
        stop = await talking.until(voice.InterruptedEvent)
        await talking.until(lambda e: isinstance(e, voice.TextEvent) and e.turn_id == 2)
    assert talking.ended(1) == "interrupted"
    assert talking.ended(2) == "ok"
    assert stop.turn_id == 1
    assert stop.heard_ms == pytest.approx(min(first + second / 2, stop.heard_ms))
    heard, rest = stop.heard_text, stop.unspoken_text
    assert heard.startswith(tts.texts[0])
    assert STORY.startswith(heard)
    assert heard + " " + rest.lstrip() == STORY
    assert STORY[len(heard)] == " ", "whole words only"
    assert assistant_texts(workflow)[0].strip() == heard
    last = [e for e in talking.events if isinstance(e, voice.AudioEvent) and e.turn_id == 1][-1]
    assert talking.events.index(last) < talking.events.index(stop), "no sound after that"
    items = llm.requests[1].items
    assert [item["role"] for item in items] == ["user", "assistant", "user"]


async def test_the_clock_counts_where_nothing_is_reported() -> None:
    workflow, llm = storyteller()
    line = pipeline(
        workflow,
        stt=ScriptedSTT("a story", "stop"),
        tts=ScriptedTTS(seconds_per_char=0.06),
        llm=llm,
        queue_policy="interrupt",
    )
    async with talk(line) as talking:
        await talking.say()
        first = await talking.until(voice.AudioEvent)
        began = time.monotonic()
        await trio.sleep(1.0)
        assert talking.result.interrupt()
        ended = time.monotonic()
        stop = await talking.until(voice.InterruptedEvent)
        assert not talking.result.interrupt(), "once is enough"
    assert (ended - began) * 1000 - 250 <= stop.heard_ms <= (ended - first.at) * 1000
    words = int(stop.heard_ms / 60)
    assert abs(len(stop.heard_text) - words) <= 12
    assert talking.ended(1) == "interrupted"


async def test_sound_that_was_not_read_was_not_heard() -> None:
    workflow, llm = storyteller()
    line = pipeline(
        workflow, tts=ScriptedTTS(seconds_per_char=0.1), llm=llm, queue_policy="interrupt"
    )
    stream = voice.StreamedAudioInput()
    seen: list[voice.Event] = []
    async with line, line.run_streamed(stream) as result:
        await stream.push(SPEECH)
        async for event in result:
            seen.append(event)
            if isinstance(event, voice.AudioEvent):
                break
        await trio.sleep(0.5)  # more sound waits by now, unread
        assert result.interrupt()
        stream.close()
        seen += [event async for event in result]
    assert outline(seen)[-4:] == ["interrupted", "metrics", "turn_ended:1:interrupted", "completed"]
    assert sum(isinstance(event, voice.AudioEvent) for event in seen) == 1
    assert assistant_texts(workflow) == []
    assert [item["role"] for item in workflow.history] == ["user"]


async def test_an_interruption_closes_requests_and_tools() -> None:
    ended: list[str] = []

    @tool
    async def slow() -> str:
        """Slow."""
        try:
            await trio.sleep_forever()
        finally:
            ended.append("tool")
        return ""

    llm = ScriptedLLM(["Let me look that up for you.", call("slow")])
    tts = ScriptedTTS(seconds_per_char=0.2, chunk_delay=0.005)
    workflow = voice.AgentWorkflow(Agent("A", tools=[slow]))
    line = pipeline(workflow, tts=tts, llm=llm, queue_policy="interrupt")
    async with talk(line) as talking:
        await talking.say()
        await talking.until(voice.AudioEvent)
        await talking.until(voice.ToolEvent)
        assert talking.result.interrupt()
        await talking.until(voice.MetricsEvent)
        assert tts.in_flight == 0
        assert llm.open_streams == 0
        assert ended == ["tool"]
    # A call without an output would be refused by the API.
    kinds = [item["type"] for item in workflow.history]
    assert kinds.count("function_call") == kinds.count("function_call_output") == 1


async def test_words_of_a_turn_that_was_cut_short_are_answered_with_the_next() -> None:
    heard: list[str] = []

    async def answer(text: str) -> str:
        heard.append(text)
        return "Sunny."

    line = pipeline(
        voice.SimpleWorkflow(answer),
        stt=ScriptedSTT("what is the weather", "in Oslo", delay=0.3),
        queue_policy="interrupt",
    )
    async with talk(line) as talking:
        await talking.say()
        await talking.until(voice.LifecycleEvent)  # the first half is being transcribed
        await talking.say()
        await talking.until(voice.TextEvent)
    assert heard == ["what is the weather in Oslo"]
    assert (talking.ended(1), talking.ended(2)) == ("interrupted", "ok")


async def test_noise_over_a_question_does_not_lose_it() -> None:
    line = pipeline(
        voice.SimpleWorkflow(lambda text: f"You said {text}."),
        stt=ScriptedSTT("what is the weather", "", delay=0.3),
        queue_policy="interrupt",
    )
    async with talk(line) as talking:
        await talking.say()
        await talking.until(voice.LifecycleEvent)
        await talking.say()
        told = await talking.until(voice.TextEvent)
    assert told.text.strip() == "You said what is the weather."


async def test_short_speech_waits_instead_of_breaking_off() -> None:
    workflow, llm = storyteller()
    line = pipeline(
        workflow,
        stt=ScriptedSTT("a story", "aha"),
        tts=ScriptedTTS(seconds_per_char=0.02),
        llm=llm,
        queue_policy="interrupt",
        interrupt_after_ms=2000,
    )
    async with talk(line) as talking:
        await talking.say()
        await talking.until(voice.AudioEvent)
        await talking.say()
        await talking.until(lambda e: isinstance(e, voice.LifecycleEvent) and e.turn_id == 2)
    assert talking.ended(1) == "ok"
    assert talking.of(voice.InterruptedEvent) == []
    assert len(talking.of(voice.SpeechStartedEvent)) == 2


@pytest.mark.parametrize("streamed", [False, True])
async def test_short_speech_during_an_answer_is_dropped_on_request(streamed: bool) -> None:
    heard: list[str] = []

    def tells(text: str) -> str:
        heard.append(text)
        return STORY

    words = ["a story"] + (["mhm"] if streamed else []) + ["stop", "another"]
    stt = ScriptedSTT(*words)
    line = pipeline(
        voice.SimpleWorkflow(tells),
        stt=stt,
        tts=ScriptedTTS(seconds_per_char=0.06),
        queue_policy="interrupt",
        interrupt_after_ms=600,
        short_speech="drop",
        stream_stt=streamed,
    )
    async with talk(line) as talking:
        await talking.say(utterance(1.0))
        await talking.until(lambda e: isinstance(e, voice.AudioEvent) and e.turn_id == 1)
        await talking.say(utterance(0.3))
        await talking.until(lambda e: isinstance(e, voice.SpeechStoppedEvent) and e.turn_id == 2)
        assert talking.of(voice.InterruptedEvent) == []
        await talking.say(utterance(1.0))
        await talking.until(lambda e: isinstance(e, voice.TextEvent) and e.turn_id == 3)
        assert talking.result.interrupt()
        await talking.until(lambda e: getattr(e, "status", None) and e.turn_id == 3)
        await talking.say(utterance(0.3))  # now nobody else speaks: it is a turn
        await talking.until(lambda e: isinstance(e, voice.TextEvent) and e.turn_id == 4)
        assert talking.result.interrupt()
    assert [talking.ended(n) for n in (1, 2, 3)] == ["interrupted", "dropped", "interrupted"]
    assert heard == ["a story", "stop", "another"]
    assert stt.remaining == 0, "an aside is not even transcribed, where turns are found here"


async def test_a_greeting_can_be_broken_off_too() -> None:
    workflow = voice.SimpleWorkflow(lambda text: "Yes?", greeting=STORY)
    line = pipeline(workflow, tts=ScriptedTTS(seconds_per_char=0.06), queue_policy="interrupt")
    async with talk(line) as talking:
        await talking.until(voice.AudioEvent)
        await talking.say()
        await talking.until(lambda e: isinstance(e, voice.TextEvent) and e.turn_id == 1)
    assert talking.ended(0) == "interrupted"
    assert talking.ended(1) == "ok"


async def test_an_answer_lasts_until_it_has_been_played() -> None:
    line = pipeline(
        voice.SimpleWorkflow(lambda text: "Hello there."),
        tts=ScriptedTTS(seconds_per_char=0.1),
        queue_policy="interrupt",
    )
    async with talk(line) as talking:
        await talking.say()
        first = await talking.until(voice.AudioEvent)
        ended = await talking.until(lambda e: getattr(e, "event", "") == "turn_ended")
        assert ended.at - first.at >= 1.15, "twelve characters of 0.1 s"
        assert not talking.result.interrupt(), "it was heard to its end"
    assert talking.of(voice.InterruptedEvent) == []


async def test_an_answer_is_not_waited_for_once_the_stream_is_closed() -> None:
    line = pipeline(
        voice.SimpleWorkflow(lambda text: "Hello there."),
        tts=ScriptedTTS(seconds_per_char=10.0),
        queue_policy="interrupt",
    )
    with trio.fail_after(15):  # it would take two minutes
        async with talk(line) as talking:
            await talking.say()
            await talking.until(voice.AudioEvent)
    assert talking.ended(1) == "ok"


async def test_reports_that_stop_do_not_keep_a_turn_open_for_ever() -> None:
    line = pipeline(
        voice.SimpleWorkflow(lambda text: "Hello."),
        tts=ScriptedTTS(seconds_per_char=0.02),
        queue_policy="interrupt",
    )
    async with talk(line) as talking:
        await talking.say()
        await talking.until(voice.AudioEvent)
        talking.result.report_playback(1, 30.0)
        talking.result.report_playback(7, 30.0)  # another turn's means nothing
        await talking.until(lambda e: getattr(e, "event", "") == "turn_ended")
    assert talking.ended(1) == "ok"


async def test_a_custom_workflow_is_told_what_was_heard() -> None:
    told: list[str] = []

    class Items:
        def __init__(self) -> None:
            self.words = iter(STORY.split(" "))

        def __aiter__(self) -> Items:
            return self

        async def __anext__(self) -> str:
            try:
                return next(self.words) + " "
            except StopIteration:
                raise StopAsyncIteration from None

        def interrupt(self, *, heard: str) -> None:
            told.append(heard)

    class Custom:
        def run(self, text: str) -> Items:
            return Items()

    line = pipeline(Custom(), tts=ScriptedTTS(seconds_per_char=0.06), queue_policy="interrupt")
    async with talk(line) as talking:
        await talking.say()
        await talking.until(spoken(1, 4000))
        talking.result.report_playback(1, 3000)
        assert talking.result.interrupt()
    (stop,) = talking.of(voice.InterruptedEvent)
    assert told[0].strip() == stop.heard_text
    assert 20 <= len(stop.heard_text) <= 60
    assert STORY.startswith(stop.heard_text)


async def test_queue_answers_everything_in_order_and_latest_only_the_newest() -> None:
    for policy, statuses in (
        ("queue", ["ok", "ok", "ok", "ok"]),
        ("latest", ["ok", "dropped", "dropped", "ok"]),
    ):
        release = trio.Event()

        async def answer(text: str, release: trio.Event = release) -> str:
            await release.wait()
            return f"You said {text}."

        stt = ScriptedSTT("one", "two", "three", "four")
        line = pipeline(voice.SimpleWorkflow(answer), stt=stt, queue_policy=policy)
        async with talk(line) as talking:
            await talking.say()
            await talking.until(voice.TranscriptEvent)
            for _ in range(3):
                await talking.say()
            await talking.until(
                lambda e: isinstance(e, voice.SpeechStoppedEvent) and e.turn_id == 4
            )
            await trio.testing.wait_all_tasks_blocked()
            release.set()
        assert [talking.ended(n) for n in (1, 2, 3, 4)] == statuses
        assert talking.of(voice.InterruptedEvent) == []
        if policy == "latest":
            assert len(stt.heard) == 2, "what is dropped is not transcribed"


async def test_interrupt_in_a_single_turn() -> None:
    workflow, llm = storyteller()
    line = pipeline(workflow, tts=ScriptedTTS(seconds_per_char=0.06), llm=llm)
    seen: list[voice.Event] = []
    async with line, line.run(voice.AudioInput(SPEECH)) as result:
        assert not result.interrupt()
        async for event in result:
            seen.append(event)
            if isinstance(event, voice.AudioEvent):
                result.report_playback(1, 20.0)
                result.interrupt()
    assert_balanced(seen)
    assert outline(seen)[-4:] == ["interrupted", "metrics", "turn_ended:1:interrupted", "completed"]
    assert [item["role"] for item in workflow.history] == ["user"]


async def test_interrupting_while_a_turn_is_transcribed_gives_it_up() -> None:
    line = pipeline(voice.SimpleWorkflow(lambda text: "No."), stt=ScriptedSTT("a", delay=60))
    seen: list[voice.Event] = []
    async with line, line.run(voice.AudioInput(SPEECH)) as result:
        async for event in result:
            seen.append(event)
            if len(seen) == 1:
                await trio.testing.wait_all_tasks_blocked(0.2)
                result.interrupt()
    assert outline(seen) == [
        "turn_started:1",
        "interrupted",
        "metrics",
        "turn_ended:1:interrupted",
        "completed",
    ]


async def test_leaving_while_an_answer_plays_keeps_what_was_heard() -> None:
    workflow, llm = storyteller()
    line = pipeline(
        workflow, tts=ScriptedTTS(seconds_per_char=0.03), llm=llm, queue_policy="interrupt"
    )
    total = 0.0
    async with line:
        stream = voice.StreamedAudioInput()
        async with line.run_streamed(stream) as result:
            await stream.push(SPEECH)
            async for event in result:
                if isinstance(event, voice.AudioEvent):
                    total += event.data.duration
                    if total > 0.97 * len(STORY) * 0.03:
                        result.report_playback(1, 2000)
                        break
            with trio.move_on_after(0.5):
                async for _ in result:
                    pass
    (heard,) = assistant_texts(workflow)
    assert 40 <= len(heard) <= 80
    assert STORY.startswith(heard)


async def test_speech_while_the_model_thinks_breaks_the_turn_off() -> None:
    llm = ScriptedLLM([Pause(30), "Too late."], "Sunny in Oslo.")
    workflow = voice.AgentWorkflow(Agent("A"))
    stt = ScriptedSTT("the weather", "in Oslo I mean")
    line = pipeline(workflow, stt=stt, llm=llm, queue_policy="interrupt")
    async with talk(line) as talking:
        await talking.say()
        await talking.until(voice.TranscriptEvent)
        await trio.testing.wait_all_tasks_blocked(0.1)
        await talking.say()
        await talking.until(voice.TextEvent)
    assert talking.ended(1) == "interrupted"
    roles = [item["role"] for item in workflow.history]
    assert roles == ["user", "user", "assistant"], "both parts of the question are remembered"


async def test_speech_that_goes_on_breaks_off_before_it_ends() -> None:
    workflow, llm = storyteller()
    line = pipeline(
        workflow,
        stt=ScriptedSTT("a story", "stop"),
        tts=ScriptedTTS(seconds_per_char=0.2),
        llm=llm,
        queue_policy="interrupt",
    )
    async with talk(line) as talking:
        await talking.say()
        await talking.until(voice.AudioEvent)
        await talking.say(vowels(0.6))  # and no silence yet
        await talking.until(voice.InterruptedEvent)
        assert len(talking.of(voice.SpeechStoppedEvent)) == 1
