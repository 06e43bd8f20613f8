"""What a user writes, as the type checkers see it; run by mypy and pyright, not by pytest."""

from __future__ import annotations

from typing import assert_type

import numpy as np
import numpy.typing as npt

from voxloop import (
    Agent,
    Local,
    OpenAI,
    RunContext,
    Tool,
    agents,
    audio,
    realtime,
    tool,
    tools,
    voice,
)
from voxloop.providers import ChatCompletionsModel, Provider


@tool
async def get_weather(location: str) -> str:
    """Current weather for a place."""
    return location


@tool(name="lamp", timeout=5.0)
def set_lamp(*, on: bool) -> bool:
    """Switch the lamp."""
    return on


agent = Agent(name="Greeter", tools=(get_weather, set_lamp)).add_handoff(
    Agent(name="Sales"), condition="Prices"
)
assert_type(agent, Agent)
assert_type(get_weather, Tool)

provider: Provider = Local()
provider = OpenAI(api_key=lambda: "key")

clip = audio.read_wav("in.wav")
assert_type(clip, audio.AudioChunk)
assert_type(clip[10:20], audio.AudioChunk)
samples: npt.NDArray[np.int16] = np.zeros(480, np.int16)
resampler = audio.Resampler(24_000, 16_000)
assert_type(resampler.process(samples), npt.NDArray[np.int16])
assert_type(resampler.process(clip), audio.AudioChunk)
assert_type(resampler.process(b""), audio.AudioChunk)


async def talk() -> str:
    async with realtime.open_session(agent, provider=provider, context={"user": 1}) as session:
        await session.send_audio(samples)
        async for event in session:
            match event:
                case realtime.AudioEvent(audio=chunk):
                    assert_type(chunk, audio.AudioChunk)
                case realtime.ToolCallEvent(call_id=call_id):
                    await session.send_tool_result(call_id, {"status": "shipped"})
                case realtime.AgentEndEvent(status=status):
                    return status
                case _:
                    pass
    return ""


async def answer() -> voice.Reply:
    async with voice.Pipeline(voice.AgentWorkflow(agent), provider=provider) as pipeline:
        return await pipeline.run_to_end(voice.AudioInput(clip))


async def converse(stream: voice.StreamedAudioInput) -> list[str]:
    config = voice.Config(
        turn_detection=voice.TurnDetection(mode="semantic_vad", eagerness="high"),
        queue_policy="interrupt",
        on_slow="One moment.",
        transform=lambda piece: audio.gain(piece, 0.5),
    )
    cut: list[str] = []
    async with (
        voice.Pipeline(voice.AgentWorkflow(agent), provider=provider, config=config) as pipeline,
        pipeline.run_streamed(stream) as result,
    ):
        async for event in result:
            match event:
                case voice.AudioEvent(data=piece, turn_id=turn):
                    result.report_playback(turn, piece.duration * 1000)
                case voice.InterruptedEvent(heard_text=text):
                    cut.append(text)
                case voice.SpeechStartedEvent():
                    assert_type(result.interrupt(), bool)
                case _:
                    pass
    return cut


@tools.tool_input_guardrail
def small_sums(context: RunContext[Shop], subject: Tool, arguments: str) -> tools.GuardrailResult:
    return tools.GuardrailResult.allow()


@agents.input_guardrail(blocking=True)
async def polite(context: RunContext[Shop], agent: Agent, text: str) -> tools.GuardrailResult:
    return tools.GuardrailResult.reject("No.")


@tool(
    needs_approval=lambda context, arguments, call_id: "euros" in arguments,
    on_interrupt="keep",
    input_guardrails=[small_sums],
)
async def pay(context: RunContext[Shop], euros: int) -> str:
    return f"{context.value.name} {euros}"


class Shop:
    name: str


assert_type(small_sums, tools.ToolInputGuardrail)
assert_type(polite, agents.InputGuardrail)
assert_type(pay, Tool)
till = Agent("Till", tools=[pay, tools.LocalFileSearch(".")], input_guardrails=[polite])
assert_type(till.as_tool(timeout=5.0), Tool)


async def remember(model: ChatCompletionsModel) -> None:
    async with agents.SqliteStore("calls.db") as store:
        workflow = voice.AgentWorkflow(till, model=model, store=store, conversation_id="7")
        assert_type(workflow.agent, Agent)
