from __future__ import annotations

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
    question,
)
from voxloop import Agent, audio, tool, voice
from voxloop._errors import ApiError, ConfigError, RateLimited, TextToSpeechError, UseAfterClose
from voxloop.agents import RunContext
from voxloop.testing import ScriptedLLM, ScriptedSTT, ScriptedTTS, call


@tool
async def get_weather(location: str) -> str:
    """Weather."""
    return f"Sunny in {location}."


def echo() -> voice.SimpleWorkflow:
    return voice.SimpleWorkflow(lambda text: f"You said {text}.")


async def test_turn_after_turn() -> None:
    stt = ScriptedSTT("one", "two", "three")
    seen, error = await events_of_stream(pipeline(echo(), stt=stt), 3)
    assert error is None
    assert outline(seen) == [
        word
        for n, text in enumerate(("one", "two", "three"), 1)
        for word in (
            f"turn_started:{n}",
            f"heard {text}",
            f"text You said {text}. ",
            "audio",
            "metrics",
            f"turn_ended:{n}:ok",
        )
    ] + ["completed"]
    assert all(0.9 <= chunk.duration <= 1.3 for chunk in stt.heard)


async def test_a_stream_without_speech_just_ends() -> None:
    seen, error = await events_of_stream(pipeline(echo()), 0)
    assert (outline(seen), error) == (["completed"], None)


async def test_a_greeting_comes_first() -> None:
    workflow = voice.SimpleWorkflow(lambda text: "Bye.", greeting="Hello! I am listening.")
    seen, _ = await events_of_stream(pipeline(workflow), 1)
    assert outline(seen)[:5] == [
        "turn_started:0",
        "text Hello! I am listening. ",
        "audio",
        "metrics",
        "turn_ended:0:ok",
    ]
    assert_balanced(seen)
    single, _ = await events_of(pipeline(workflow))
    assert "text Hello! I am listening. " not in outline(single)


async def test_speech_is_heard_while_the_greeting_plays() -> None:
    workflow = voice.SimpleWorkflow(lambda text: "Bye.", greeting="Hello there, who is it?")
    stream = voice.StreamedAudioInput()
    line = pipeline(workflow, tts=ScriptedTTS(delay=1.0))
    async with line, line.run_streamed(stream) as result:
        await stream.push(SPEECH)
        with trio.fail_after(0.8):  # less than the greeting takes
            while stream.buffered_seconds:  # noqa: ASYNC110 - there is no event for it
                await trio.sleep(0.01)
        stream.close()
        words = outline([event async for event in result])
    assert words.index("turn_ended:0:ok") < words.index("heard hello")


class Starts:
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    async def on_start(self) -> AsyncIterator[str]:
        yield "Welcome to this house. "
        if self.error is not None:
            raise self.error

    async def run(self, text: str) -> AsyncIterator[str]:
        yield f"You said {text}."


async def test_on_start_speaks_and_its_failure_keeps_nobody_from_being_heard() -> None:
    seen, error = await events_of_stream(pipeline(Starts()), 1)
    assert (outline(seen)[1], error) == ("text Welcome to this house. ", None)
    seen, error = await events_of_stream(pipeline(Starts(KeyError("x"))), 1)
    assert error is None
    words = outline(seen)
    assert "error KeyError" in words
    assert "turn_ended:0:failed" in words
    assert words[-1] == "completed"
    assert "text You said hello. " in words
    assert_balanced(seen)


async def test_a_failure_that_may_pass_costs_one_turn() -> None:
    stt = ScriptedSTT(RateLimited("wait"), "two")
    seen, error = await events_of_stream(pipeline(echo(), stt=stt), 2)
    assert error is None
    words = outline(seen)
    assert words[:4] == ["turn_started:1", "error RateLimited", "metrics", "turn_ended:1:failed"]
    assert words[-2:] == ["turn_ended:2:ok", "completed"]
    assert_balanced(seen)


@pytest.mark.parametrize(
    "make",
    [
        lambda: pipeline(echo(), stt=ScriptedSTT("a", ApiError("no"))),
        lambda: pipeline(
            echo(),
            stt=ScriptedSTT("a", "b"),
            tts=ScriptedTTS(failures={"You said b.": OSError("gone")}),
        ),
    ],
)
async def test_any_other_failure_ends_the_run(make: Any) -> None:
    seen, error = await events_of_stream(make(), 3)
    assert isinstance(error, (ApiError, TextToSpeechError))
    assert_balanced(seen)
    assert outline(seen)[-2:] == ["turn_ended:2:failed", "failed"]


async def test_figures_of_a_streamed_turn_stand_in_order() -> None:
    stream = voice.StreamedAudioInput()
    line = pipeline(echo())
    metrics = None
    async with line, line.run_streamed(stream) as result, trio.open_nursery() as nursery:

        async def feed() -> None:
            for first in range(0, SPEECH.frames, 320):
                await stream.push(SPEECH[first : first + 320])
                await trio.sleep(0.02)
            stream.close()

        nursery.start_soon(feed)
        async for event in result:
            if isinstance(event, voice.MetricsEvent):
                metrics = event.metrics
    assert metrics is not None
    parts = metrics.parts_ms
    assert all(part >= 0 for part in parts.values())
    # The VAD waits 500 ms of silence, counted from where the speech ended.
    assert 400 <= parts["end_of_turn"] <= 900
    assert sum(parts.values()) == metrics.total_ms


async def test_a_slow_answer_holds_the_input_back() -> None:
    stream = voice.StreamedAudioInput(buffer_seconds=1.0)
    line = pipeline(echo(), stt=ScriptedSTT(*["x"] * 40, delay=60))
    pushed = 0
    async with line, line.run_streamed(stream):
        with trio.move_on_after(2.0):
            for _ in range(40):
                await stream.push(SPEECH)
                pushed += 1
    # One turn is answered, eight wait, one waits to be queued, and a second of audio.
    assert 9 <= pushed <= 13


async def test_leaving_a_streamed_run_leaves_no_task() -> None:
    tasks = trio.lowlevel.current_statistics().tasks_living
    line = pipeline(echo(), stt=ScriptedSTT("x", delay=60))
    async with line:
        stream = voice.StreamedAudioInput()
        async with line.run_streamed(stream) as result:
            await stream.push(SPEECH)
            async for _ in result:
                break
        assert trio.lowlevel.current_statistics().tasks_living == tasks


async def test_memory_a_tool_and_a_handoff_over_turns() -> None:
    sales = Agent("Sales", "Sell.", voice="nova")
    agent = Agent("Greeter", "Greet.", tools=[get_weather], voice="ash").add_handoff(sales)
    llm = ScriptedLLM(
        ["Let me see.", call("get_weather", location="Oslo")],
        ["It is sunny."],
        ["One moment.", call("transfer_to_sales")],
        ["What do you need?"],
        ["That is ten euros."],
    )
    tts = ScriptedTTS()
    workflow = voice.AgentWorkflow(agent)
    stt = ScriptedSTT("weather", "prices", "lamp")
    seen, error = await events_of_stream(pipeline(workflow, stt=stt, tts=tts, llm=llm), 3)
    assert error is None
    words = [word for word in outline(seen) if word not in ("audio", "metrics")]
    # Tools and sound go their own ways: only the order of each is certain.
    first, second = words[2:6], words[9:12]
    assert [word for word in first if word.startswith("text")] == [
        "text Let me see. ",
        "text It is sunny. ",
    ]
    assert [word for word in first if word.startswith("tool")] == [
        "tool call get_weather",
        "tool result get_weather",
    ]
    assert set(second) == {"text One moment. ", "handoff Sales", "text What do you need? "}
    assert words[:2] + words[6:9] + words[12:] == [
        "turn_started:1",
        "heard weather",
        "turn_ended:1:ok",
        "turn_started:2",
        "heard prices",
        "turn_ended:2:ok",
        "turn_started:3",
        "heard lamp",
        "text That is ten euros. ",
        "turn_ended:3:ok",
        "completed",
    ]
    assert [settings.voice for settings in tts.settings] == ["ash", "ash", "ash", "nova", "nova"]
    assert workflow.agent is sales
    assert len(workflow.history) == 12
    assert llm.requests[4].instructions == "Sell."
    assert len(llm.requests[4].items) == 11


async def test_what_is_said_before_a_tool_is_spoken_while_it_runs() -> None:
    spoken = trio.Event()

    @tool
    async def wait_for_speech() -> str:
        """Wait."""
        with trio.fail_after(2):
            await spoken.wait()
        return "done"

    llm = ScriptedLLM(["Let me check that.", call("wait_for_speech")], "It is done.")
    workflow = voice.AgentWorkflow(Agent("A", tools=[wait_for_speech]))
    line = pipeline(workflow, llm=llm)
    texts = []
    async with line, line.run(voice.AudioInput(SPEECH)) as result:
        async for event in result:
            if isinstance(event, voice.TextEvent):
                texts.append(event.text)
            if isinstance(event, voice.AudioEvent):
                spoken.set()
    assert texts == ["Let me check that. ", "It is done. "]


async def test_a_reply_names_tools_handoffs_and_the_agent() -> None:
    agent = Agent("Greeter", tools=[get_weather]).add_handoff(Agent("Sales"))
    llm = ScriptedLLM(
        [call("get_weather", location="Oslo"), call("transfer_to_sales")], "Sunny, says sales."
    )
    line = pipeline(voice.AgentWorkflow(agent), llm=llm)
    async with line:
        reply = await line.run_to_end(voice.AudioInput(SPEECH))
    assert reply.tool_calls == (
        voice.ToolRecord(
            name="get_weather", arguments='{"location": "Oslo"}', output="Sunny in Oslo."
        ),
    )
    assert (reply.handoffs, reply.agent, reply.text) == (("Sales",), "Sales", "Sunny, says sales.")


async def test_the_context_reaches_tools_and_a_failed_turn_leaves_no_trace() -> None:
    @tool
    async def who(context: RunContext[dict[str, str]]) -> str:
        """Who."""
        return context.value["user"]

    llm = ScriptedLLM([call("who")], ["Hel", RateLimited("wait")], [call("who")], "Hello Ann.")
    workflow = voice.AgentWorkflow(Agent("A", tools=[who]), context={"user": "Ann"})
    seen, error = await events_of_stream(pipeline(workflow, stt=ScriptedSTT("a", "b"), llm=llm), 2)
    assert error is None
    assert "turn_ended:1:failed" in outline(seen)
    outputs = [e.output for e in seen if isinstance(e, voice.ToolEvent) and e.kind == "result"]
    assert outputs == ["Ann", "Ann"]
    assert len(workflow.history) == 4


async def test_an_agent_workflow_needs_a_model() -> None:
    with pytest.raises(ConfigError, match="no language model"):
        voice.AgentWorkflow(Agent("A")).run("hello")


async def test_other_rates_are_heard_too() -> None:
    stt = ScriptedSTT("one")
    speech = audio.resample(SPEECH, 48_000)
    stream = voice.StreamedAudioInput(sample_rate=48_000)
    line = pipeline(echo(), stt=stt)
    async with line, line.run_streamed(stream) as result:
        await stream.push(speech)
        stream.close()
        assert "heard one" in outline([event async for event in result])
    assert stt.heard[0].sample_rate == 48_000


class Greeter:
    def run(self, text: str) -> str:
        return "Yes."


def greeting_of(value: object) -> Greeter:
    workflow = Greeter()
    workflow.greeting = value  # type: ignore[attr-defined]
    return workflow


@pytest.mark.parametrize(
    ("greeting", "said"),
    [
        ("Hello.", ["text Hello. "]),
        (["Hello.", "Who is it?"], ["text Hello. ", "text Who is it? "]),
        (lambda: ["Hello."], ["text Hello. "]),
        (None, []),
        ("", []),
    ],
)
async def test_a_greeting_may_be_a_text_several_or_a_method(
    greeting: object, said: list[str]
) -> None:
    seen, error = await events_of_stream(pipeline(greeting_of(greeting)), turns=0)
    assert error is None
    assert [word for word in outline(seen) if word.startswith("text")] == said


async def test_a_pipeline_may_be_entered_within_itself() -> None:
    async with pipeline(Greeter(), stt=ScriptedSTT("a", "b")) as line:
        async with line:
            assert (await line.run_to_end(question())).text == "Yes."
        assert (await line.run_to_end(question())).text == "Yes.", "the outer block is open"
    with pytest.raises(UseAfterClose):
        line.run(question())


@pytest.mark.parametrize("position", ["1", None, float("nan")])
async def test_a_position_of_playback_is_a_number(position: object) -> None:
    async with pipeline(Greeter()) as line, line.run(question()) as result:
        with pytest.raises(ConfigError, match="played_ms is"):
            result.report_playback(1, position)  # type: ignore[arg-type]
        await result.collect()
