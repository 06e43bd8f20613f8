"""What is too large for a message is refused, or cut: it does not end the session."""

from __future__ import annotations

import pytest
import trio

from voxloop import Agent, realtime, testing, tool
from voxloop._errors import ConfigError
from voxloop.testing import script as s

HUGE = "x" * 20_000_000


@tool
async def dump() -> str:
    """Everything."""
    return HUGE


async def test_what_is_too_large_is_refused_and_the_session_goes_on() -> None:
    async with (
        testing.RealtimeServer() as server,
        realtime.open_session(Agent("A", "Be brief."), provider=server.provider()) as session,
    ):
        with pytest.raises(ConfigError, match="parts"):
            await session.send_message(HUGE)
        with pytest.raises(ConfigError, match="parts"):
            await session.send_raw({"type": "vendor.event", "text": HUGE})
        await session.send_message("Hello", respond=False)
        with trio.fail_after(10.0):
            await server.wait_for("conversation.item.create")
    assert server.types().count("conversation.item.create") == 1
    assert len(server.peers) == 1


async def test_an_output_that_is_too_large_is_cut() -> None:
    plan = s.Script(replies=(s.Reply((s.Call("dump", {}),)), s.Reply((s.Write("Done."),))))
    async with testing.RealtimeServer(plan) as server:
        agent = Agent("A", "Be brief.", tools=(dump,))
        async with realtime.open_session(agent, provider=server.provider()) as session:
            await session.respond()
            with trio.fail_after(20.0):
                async for event in session:
                    if isinstance(event, realtime.ToolResultEvent):
                        assert event.output.endswith("characters were left out]")
                    if isinstance(event, realtime.TranscriptEvent) and event.final:
                        break
    (output,) = (
        event["item"]["output"]  # type: ignore[index]
        for event in server.received
        if event["type"] == "conversation.item.create"
    )
    assert len(output) <= 2_000_000
    assert len(server.peers) == 1
