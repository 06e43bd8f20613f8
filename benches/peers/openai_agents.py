"""`openai-agents`: a RealtimeSession whose model is told the generator's URL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agents import function_tool, set_tracing_disabled
from agents.realtime import RealtimeAgent, RealtimeRunner, RealtimeSession

from peers import Sink

LOOP = "asyncio"
NEEDS = ("openai-agents",)
set_tracing_disabled(True)


@function_tool
async def lookup(key: str) -> str:
    """Look something up."""
    return "ok" if key else "nothing"


AGENT = RealtimeAgent(name="Bench", instructions="Answer.", tools=[lookup])


class _Link:
    def __init__(self, session: RealtimeSession, sink: Sink) -> None:
        self._session = session
        self._sink = sink

    async def append(self, pcm: bytes) -> None:
        await self._session.send_audio(pcm)

    async def listen(self) -> None:
        async for event in self._session:
            match event.type:
                case "audio":
                    self._sink.audio(event.audio.data)
                case "raw_model_event":
                    data = event.data
                    if data.type == "raw_server_event" and (
                        data.data["type"] == "input_audio_buffer.speech_started"
                    ):
                        self._sink.barges += 1
                case "tool_end":
                    self._sink.tools += 1
                case "error":
                    raise RuntimeError(str(event.error))


@asynccontextmanager
async def open_link(url: str, sink: Sink) -> AsyncIterator[_Link]:
    runner = RealtimeRunner(AGENT)
    async with await runner.run(model_config={"url": url, "api_key": "sk-bench"}) as session:
        yield _Link(session, sink)
