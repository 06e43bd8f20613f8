"""Pipelines that are cancelled, interrupted or broken at random points."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import trio

from support.scripted_stream import ScriptedStreamingSTT
from support.voice_runs import assert_balanced, cancel_after
from voxloop import Agent, tool, voice
from voxloop._errors import ApiError, RateLimited, TextToSpeechError
from voxloop.agents import open_nursery
from voxloop.testing import (
    Pause,
    ScriptedLLM,
    ScriptedProvider,
    ScriptedSTT,
    ScriptedTTS,
    call,
    utterance,
)

CLIP = utterance(0.3, before=0.1, after=0.6)
ENDINGS = ("steps", "steps", "steps", "cancel", "cancel", "leave", "leave", "raise", "end")


class Mine(Exception):
    """The reader's own failure."""


@dataclass
class Case:
    """One random pipeline and the engines whose books must balance after it."""

    seed: int
    random: random.Random = field(init=False)
    tts: ScriptedTTS = field(init=False)
    llm: ScriptedLLM = field(init=False)
    streaming: ScriptedStreamingSTT | None = None
    workflow: voice.AgentWorkflow = field(init=False)
    tools_open: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        chance = self.random.random
        failures = {"It is sunny.": OSError("gone")} if chance() < 0.1 else {}
        self.tts = ScriptedTTS(
            seconds_per_char=self.random.choice((0.001, 0.01, 0.05)),
            delay=self.random.choice((0.0, 0.001)),
            chunk_delay=self.random.choice((0.0, 0.001)),
            failures=failures,
        )
        weather = [call("get_weather", location="Oslo")]
        bad: list[Any] = ["So ", RateLimited("wait") if chance() < 0.5 else ApiError("no")]
        answers: list[Any] = [
            ["Let me see. ", *weather],
            "It is sunny.",
            ["One moment.", call("transfer_to_sales")],
            ["What ", Pause(0.002), "do you need? I have lamps, and I have chairs."],
            bad if chance() < 0.2 else "That is ten euros.",
            *["And so on, and so on."] * 12,
        ]
        self.llm = ScriptedLLM(*answers)

        @tool
        async def get_weather(location: str) -> str:
            """Weather."""
            self.tools_open += 1
            try:
                await trio.sleep(0.001)
            finally:
                self.tools_open -= 1
            return "Sunny."

        agent = Agent("Greeter", tools=[get_weather]).add_handoff(Agent("Sales"))
        greeting = "Hello!" if chance() < 0.5 else None
        self.workflow = voice.AgentWorkflow(agent, greeting=greeting)

    def pipeline(self) -> voice.Pipeline:
        words = ["weather", "prices", "", "lamp", "bye", "end"] * 3
        mode: Any = self.random.choice(("local", "local", "manual"))
        if self.random.random() < 0.4:
            self.streaming = ScriptedStreamingSTT(*words)
        stt: Any = self.streaming or ScriptedSTT(*words, delay=self.random.choice((0.0, 0.001)))
        config = voice.Config(
            queue_policy=self.random.choice(("interrupt", "queue", "latest")),
            turn_detection=voice.TurnDetection(mode=mode),
            prefetch=self.random.choice((1, 2, 3)),
            on_slow=self.random.choice((None, "Wait.")),
            slow_seconds=0.1,
            on_silence=self.random.choice((None, "Hello?")),
            silence_seconds=0.1,
            on_error=self.random.choice(("raise", "speak")),
        )
        provider = ScriptedProvider(stt=stt, tts=self.tts, llm=self.llm)
        return voice.Pipeline(self.workflow, provider=provider, config=config)

    def check(self) -> None:
        """Nothing is open, and the conversation can go on."""
        assert self.tts.in_flight == 0
        assert self.llm.open_streams == 0
        assert self.tools_open == 0
        assert self.streaming is None or self.streaming.open_sessions == 0
        with self.workflow._conversation.exclusive():
            history = self.workflow._conversation.items()
            calls = [item["call_id"] for item in history if item["type"] == "function_call"]
            outputs = [i["call_id"] for i in history if i["type"] == "function_call_output"]
            assert sorted(calls) == sorted(outputs)  # type: ignore[type-var]


async def run_case(seed: int) -> str:
    """Run one case; how it ended."""
    case = Case(seed)
    ending = case.random.choice(ENDINGS)
    # Where little has happened, more can be cut: early points come more often than late ones.
    steps = round(10 ** case.random.uniform(0, 2.7)) if ending == "steps" else sys.maxsize
    tasks = trio.lowlevel.current_statistics().tasks_living
    outcome = "completed"
    with trio.CancelScope() as scope, cancel_after(scope, steps=steps):
        try:
            with trio.fail_after(100):  # nothing may hang, wherever it was cut
                outcome = await _run(case, ending)
        except Mine:
            outcome = "raised"
        except (ApiError, TextToSpeechError) as error:
            outcome = type(error).__name__
    case.check()
    assert trio.lowlevel.current_statistics().tasks_living == tasks, seed
    return "cancelled by steps" if scope.cancelled_caught else outcome


async def _run(case: Case, ending: str) -> str:
    line = case.pipeline()
    single = case.streaming is None and case.random.random() < 0.2
    stream = voice.StreamedAudioInput()
    return await drive(
        line,
        case.random,
        ending,
        source=voice.AudioInput(CLIP) if single else stream,
        feed=partial(_feed, stream),
    )


async def drive(
    line: voice.Pipeline,
    dice: random.Random,
    ending: str,
    *,
    source: voice.AudioInput | voice.StreamedAudioInput,
    feed: Callable[[random.Random], Awaitable[None]],
) -> str:
    """Run `source` through the pipeline until `ending` comes; interrupt it now and then.

    Returns:
        How it ended.

    Raises:
        Mine: The reader has failed, as `ending` says.
    """
    stop_at = dice.randint(1, 40)
    interrupt_every = dice.choice((3, 7, 1000))
    seen: list[voice.Event] = []
    async with line:
        single = isinstance(source, voice.AudioInput)
        opened: Any = line.run(source) if single else line.run_streamed(source)  # type: ignore[arg-type]
        async with opened as result:
            act: dict[str, Callable[[], None]] = {"cancel": result.cancel, "raise": _fail}
            async with open_nursery() as nursery:
                if not single:
                    nursery.start_soon(feed, dice)
                try:
                    async for event in result:
                        seen.append(event)
                        if len(seen) % interrupt_every == 0:
                            result.interrupt()
                        if len(seen) == stop_at:
                            if ending == "leave":
                                return "left"
                            act.get(ending, lambda: None)()
                finally:
                    nursery.cancel_scope.cancel()
                    if seen and getattr(seen[-1], "event", "") in (
                        "completed",
                        "failed",
                        "cancelled",
                    ):
                        assert_balanced(seen)
    return "cancelled by the run" if seen[-1].event == "cancelled" else "completed"  # type: ignore[union-attr]


def _fail() -> None:
    raise Mine


async def _feed(stream: voice.StreamedAudioInput, dice: random.Random) -> None:
    for _ in range(dice.randint(1, 5)):
        for first in range(0, CLIP.frames, 1600):
            await stream.push(CLIP[first : first + 1600])
        if dice.random() < 0.5:
            stream.commit()
        await trio.sleep(dice.choice((0.0, 0.005, 0.02)))
    stream.close()


def open_files() -> int:
    """Descriptors of this process."""
    return len(os.listdir("/proc/self/fd"))
