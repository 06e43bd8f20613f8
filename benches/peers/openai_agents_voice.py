"""openai-agents' `VoicePipeline` with a `SingleAgentVoiceWorkflow` over the scripted server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from agents import (
    Agent,
    ModelSettings,
    OpenAIResponsesModel,
    function_tool,
    set_tracing_disabled,
)
from agents.voice import (
    AudioInput,
    OpenAIVoiceModelProvider,
    SingleAgentVoiceWorkflow,
    VoicePipeline,
    VoicePipelineConfig,
)
from openai import AsyncOpenAI

set_tracing_disabled(True)


@contextmanager
def runner(orders: dict[str, Any], pcm: bytes) -> Iterator[Callable[[Any], None]]:
    with asyncio.Runner() as loop:
        client = AsyncOpenAI(api_key="sk-bench", base_url=f"{orders['url']}/v1")
        yield lambda turn: loop.run(_turn(client, orders, pcm, turn))
        loop.run(client.close())


async def _turn(client: AsyncOpenAI, orders: dict[str, Any], pcm: bytes, turn: Any) -> None:
    @function_tool
    async def lookup() -> str:
        """Look something up."""
        began = time.monotonic()
        await asyncio.sleep(orders["tool_s"])
        turn.tool_called(began)
        return "ok"

    model = OpenAIResponsesModel(model="m", openai_client=client)
    agent = Agent(
        name="Bench",
        instructions="Answer.",
        model=model,
        model_settings=ModelSettings(),
        tools=[lookup],
    )
    config = VoicePipelineConfig(
        model_provider=OpenAIVoiceModelProvider(openai_client=client), tracing_disabled=True
    )
    pipeline = VoicePipeline(workflow=SingleAgentVoiceWorkflow(agent), config=config)
    result = await pipeline.run(AudioInput(buffer=np.frombuffer(pcm, np.int16)))
    stream = result.stream()
    try:
        async for event in stream:
            if event.type == "voice_stream_event_audio" and event.data is not None:
                turn.audio(event.data.reshape(-1))
                if orders["leave"]:
                    turn.left = time.monotonic()
                    return
    except Exception:
        turn.failed = time.monotonic()
    finally:
        await stream.aclose()
