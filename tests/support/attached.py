"""Sessions over a real socket to attach media to, and ways to wait for network threads."""

from __future__ import annotations

import array
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio

from support.sessions import GREETER
from voxloop import realtime, testing
from voxloop.testing import script as s


def counter(seconds: float, start: int = 1) -> bytes:
    """Samples that count, never zero: what is lost, doubled or moved shows."""
    frames = round(seconds * 24_000)
    return array.array("h", ((start + n) % 30_000 + 1 for n in range(frames))).tobytes()


def sent_audio(server: testing.RealtimeServer) -> bytes:
    """All that the server was sent of the user."""
    appends = [e for e in server.received if e["type"] == "input_audio_buffer.append"]
    return b"".join(base64.b64decode(str(e["audio"]), validate=True) for e in appends)


async def reached(check: Callable[[], bool]) -> None:
    """Wait for something that happens on the network threads."""
    while not check():  # noqa: ASYNC110 - they do not set trio's events
        await trio.sleep(0.01)


@asynccontextmanager
async def session_with(
    plan: s.Script, config: realtime.RunConfig | None = None
) -> AsyncIterator[tuple[testing.RealtimeServer, realtime.Session]]:
    """A server with a script, and a session with it."""
    with trio.fail_after(60):
        async with testing.RealtimeServer(plan) as server:
            async with realtime.open_session(
                GREETER, provider=server.provider(), config=config
            ) as session:
                yield server, session


async def listening(session: realtime.Session) -> list[realtime.Event]:
    """Events until the answer has been heard."""
    events: list[realtime.Event] = []
    spoken = False
    async for event in session:
        events.append(event)
        if isinstance(event, realtime.AgentStateEvent):
            spoken = spoken or event.state == "speaking"
            if spoken and event.state == "listening":
                return events
    raise AssertionError("the session ended")
