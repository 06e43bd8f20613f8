"""A peer that is there no more and says nothing: it is noticed, and it holds up no one who leaves.

All of it over a TCP line that goes dead: nothing is passed on, and neither side is told.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import trio
import trio.testing

from support.lines import Line
from support.realtime_live import QUICK, counted, eventually, only, until
from voxloop import net, realtime, testing
from voxloop._errors import NetworkTimeout
from voxloop.agents import Agent
from voxloop.providers import OpenAI
from voxloop.testing import script as s
from voxloop.tools import Tool, tool

LEFT_WITHIN = 5.0
MANUAL = realtime.RunConfig(model_settings=realtime.SessionModelSettings(turn_detection=None))


class Call:
    """A session over a line, and what it has told."""

    def __init__(self, server: testing.RealtimeServer, line: Line) -> None:
        self.server = server
        self.line = line
        self.events: list[realtime.Event] = []
        self.session: realtime.Session
        self.left_at = 0.0
        """Set when the block is left."""

    async def collect(self, session: realtime.Session) -> None:
        async with session.subscribe() as subscription:
            async for event in subscription:
                self.events.append(event)


@asynccontextmanager
async def called(
    agent: Agent,
    plan: s.Script | None = None,
    *,
    config: realtime.RunConfig = MANUAL,
    policy: realtime.Reconnect = QUICK,
    connect: net.ConnectOptions | None = None,
) -> AsyncIterator[Call]:
    """Leaving the block checks that it did not take long."""
    async with testing.RealtimeServer(plan) as server, Line().to(server.port) as line:
        call = Call(server, line)
        provider = OpenAI(
            api_key="sk-test", base_url=f"http://127.0.0.1:{line.port}/v1", connect=connect
        )
        with trio.fail_after(60):
            async with AsyncExitStack() as stack:
                call.session = await stack.enter_async_context(
                    realtime.open_session(
                        agent,
                        provider=provider,
                        config=config,
                        model_config=realtime.ModelConfig(reconnect=policy),
                    )
                )
                nursery = await stack.enter_async_context(trio.open_nursery())
                nursery.start_soon(call.collect, call.session)
                await trio.testing.wait_all_tasks_blocked()
                yield call
                nursery.cancel_scope.cancel()
                call.left_at = time.monotonic()
        assert time.monotonic() - call.left_at < LEFT_WITHIN


@tool
async def slow() -> str:
    """Never ends."""
    await trio.sleep_forever()
    return ""


@tool
def stubborn() -> str:
    """Does not end when it is told to."""
    time.sleep(8.0)
    return ""


@tool(needs_approval=True)
async def careful() -> str:
    """Waits to be let."""
    return ""


@pytest.mark.parametrize("kind", [slow, stubborn, careful], ids=lambda kind: kind.name)
async def test_it_is_left_in_time_while_a_tool_runs_or_waits(kind: Tool) -> None:
    agent = Agent("A", tools=[kind])
    async with called(agent, s.conversation(s.Call(kind.name))) as call:
        await call.session.send_message("Go.")
        event = await until(call.events, realtime.ToolCallEvent)
        assert event.needs_approval is (kind is careful)
        await trio.sleep(0.1)
        call.line.dead = True
    assert "function_call_output" not in str(call.server.received)


async def test_it_is_left_in_time_while_the_queue_is_full() -> None:
    sent = 0

    async def flood(session: realtime.Session) -> None:
        nonlocal sent
        while True:
            await session.send_audio(bytes(48_000))
            sent += 1

    async with called(Agent("A")) as call:
        call.line.dead = True
        async with trio.open_nursery() as nursery:
            nursery.start_soon(flood, call.session)
            before = -1
            while sent != before:
                before = sent
                await trio.sleep(0.5)
            nursery.cancel_scope.cancel()
    assert 10 < sent < 1_000, "a bounded queue was full"


async def test_it_is_left_in_time_while_it_reconnects() -> None:
    async with called(Agent("A")) as call:
        call.line.dead = True  # the next connection is taken, and its upgrade not answered
        await call.line.drop()
        await until(call.events, realtime.ReconnectingEvent)
        await eventually(lambda: call.session._runner.state.line.coming is not None)
        await trio.sleep(0.2)
        assert call.session.state == "reconnecting"
    assert len(call.server.peers) == 1


async def test_it_is_left_in_time_between_two_attempts() -> None:
    policy = realtime.Reconnect(base=30.0, max_delay=30.0)
    async with called(Agent("A"), policy=policy) as call:
        await call.line.drop()
        await until(call.events, realtime.ReconnectingEvent)


async def test_it_is_left_in_time_while_it_connects() -> None:
    async with testing.RealtimeServer() as server, Line().to(server.port) as line:
        line.dead = True
        provider = OpenAI(api_key="sk-test", base_url=f"http://127.0.0.1:{line.port}/v1")
        with trio.move_on_after(0.3) as scope:
            async with realtime.open_session(Agent("A"), provider=provider):
                raise AssertionError("entered")
        assert scope.cancelled_caught
        assert trio.current_time() - scope.deadline < LEFT_WITHIN
        assert server.peers == []


async def test_a_line_that_goes_dead_is_noticed_and_made_good() -> None:
    """The client's pings are not answered any more: it is a lost connection like any other."""
    pings = net.WebSocketOptions(ping_interval=0.4, ping_timeout=0.6)
    plan = s.conversation(s.Write("One."), s.Write("Two."))
    async with called(Agent("A"), plan, connect=pings) as call:
        session = call.session
        await session.send_message("First.")
        await until(call.events, realtime.AgentEndEvent)
        await session.send_audio(counted(0, 2_400))
        call.line.stall()
        await session.send_audio(counted(2_400, 2_400))
        lost = await until(call.events, realtime.ReconnectingEvent)
        assert isinstance(lost.cause, NetworkTimeout)
        assert lost.cause.phase == "ping"
        made = await until(call.events, realtime.ReconnectedEvent)
        assert (made.dropped_audio_bytes, made.lost_items, made.replayed_items) == (0, 0, 2)
        await session.send_message("Second.")
        await until(call.events, realtime.AgentEndEvent, 2)
        await eventually(lambda: len(call.server.peers[1].audio) == 19_200)
        assert [entry.text for entry in session.history] == ["First.", "One.", "Second.", "Two."]
    assert call.server.violations == []
    assert bytes(call.server.peers[1].audio) == counted(0, 4_800)
    assert only(call.events, realtime.ErrorEvent) == []


def test_by_default_a_dead_line_is_noticed_within_half_a_minute() -> None:
    """What a session's connection is opened with, without a word about it."""
    for provider in (OpenAI(api_key="k"), OpenAI(api_key="k", connect=net.ConnectOptions())):
        options = provider._endpoint.websocket_options
        assert options.ping_interval is not None
        assert options.ping_timeout is not None
        assert options.ping_interval + options.ping_timeout <= 30.0
    assert options.close_timeout + realtime.RunConfig().close_timeout <= LEFT_WITHIN
