"""`voxloop.realtime.open_session`, its events iterated in Python."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import voxloop
from peers import Sink
from voxloop import realtime
from voxloop.realtime import AudioEvent, ErrorEvent, SpeechEvent, ToolResultEvent

LOOP = "trio"
NEEDS = ("voxloop",)
CONFIG = realtime.RunConfig(
    model_settings=realtime.SessionModelSettings(
        transcription=None, turn_detection=realtime.TurnDetection(interrupt_response=True)
    )
)


@voxloop.tool
async def lookup(key: str) -> str:
    """Look something up.

    Args:
        key: What.
    """
    return "ok" if key else "nothing"


AGENT = voxloop.Agent(name="Bench", instructions="Answer.", tools=[lookup])


@asynccontextmanager
async def open_session(url: str) -> AsyncIterator[realtime.Session]:
    model = realtime.ModelConfig(url=url)
    provider = voxloop.OpenAI(api_key="sk-bench")
    async with realtime.open_session(
        AGENT, config=CONFIG, provider=provider, model_config=model
    ) as session:
        yield session


class _Link:
    def __init__(self, session: realtime.Session, sink: Sink) -> None:
        self._session = session
        self._sink = sink

    async def append(self, pcm: bytes) -> None:
        await self._session.send_audio(pcm)

    async def listen(self) -> None:
        await listen(self._session, self._sink)


async def listen(session: realtime.Session, sink: Sink) -> None:
    async for event in session:
        match event:
            case AudioEvent(audio=chunk):
                sink.audio(memoryview(chunk))
            case SpeechEvent(kind="started"):
                sink.barges += 1
            case ToolResultEvent():
                sink.tools += 1
            case ErrorEvent(error=error):
                raise error


@asynccontextmanager
async def open_link(url: str, sink: Sink) -> AsyncIterator[_Link]:
    async with open_session(url) as session:
        yield _Link(session, sink)
