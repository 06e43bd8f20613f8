"""voxloop's `Pipeline` with an `AgentWorkflow` over the scripted server."""

from __future__ import annotations

import array
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import trio

import voxloop
from voxloop import Agent, tool, voice


@contextmanager
def runner(orders: dict[str, Any], pcm: bytes) -> Iterator[Callable[[Any], None]]:
    provider = voxloop.OpenAI(api_key="sk-bench", base_url=f"{orders['url']}/v1")
    yield lambda turn: trio.run(_turn, provider, orders, pcm, turn)


async def _turn(provider: voxloop.OpenAI, orders: dict[str, Any], pcm: bytes, turn: Any) -> None:
    @tool
    async def lookup() -> str:
        """Look something up."""
        began = time.monotonic()
        await trio.sleep(orders["tool_s"])
        turn.tool_called(began)
        return "ok"

    workflow = voice.AgentWorkflow(Agent("Bench", "Answer.", tools=[lookup]))
    source = voice.AudioInput(pcm)
    try:
        async with (
            voice.Pipeline(workflow, provider=provider) as pipeline,
            pipeline.run(source) as result,
        ):
            async for event in result:
                if isinstance(event, voice.ErrorEvent):
                    turn.failed = turn.failed or time.monotonic()
                if isinstance(event, voice.AudioEvent):
                    turn.audio(array.array("h", bytes(event.data)))
                    if orders["leave"]:
                        turn.left = time.monotonic()
                        return
    except voxloop.VoxloopError:
        turn.failed = turn.failed or time.monotonic()
