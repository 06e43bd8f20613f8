"""When a tool has its turn: before the frames that came with its call, and by itself."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import trio

from voxloop import realtime, testing
from voxloop.agents import Agent
from voxloop.tools import RunContext, Tool, tool

WHO: ContextVar[str] = ContextVar("who", default="nobody")
STATES = (realtime.AgentStateEvent, realtime.HistoryEvent)


class Room:
    """What the tools of a test share."""

    def __init__(self) -> None:
        self.seen: list[object] = []
        self.session: realtime.Session | None = None
        self.heard = trio.Event()


@asynccontextmanager
async def _opened(
    room: Room, *tools: Tool
) -> AsyncIterator[tuple[realtime.Session, testing.MemoryTransport]]:
    transport = testing.MemoryTransport()
    transport.deliver({"type": "session.created", "session": {"type": "realtime", "id": "s"}})
    agent = Agent("A", "Talk.", tools=tools)
    with trio.fail_after(30):
        async with realtime.open_session(
            agent, provider=transport.provider(), context=room
        ) as session:
            room.session = session
            await transport.wait_sent("session.update")
            yield session, transport


def _calls(response_id: str, *calls: tuple[str, str]) -> list[dict[str, Any]]:
    """All frames of a response that calls functions: (name, call_id)."""
    items = [
        {
            "type": "function_call",
            "id": f"item_{call_id}",
            "call_id": call_id,
            "name": name,
            "arguments": "{}",
            "status": "completed",
        }
        for name, call_id in calls
    ]
    done = [
        {
            "type": "response.output_item.done",
            "response_id": response_id,
            "output_index": index,
            "item": item,
        }
        for index, item in enumerate(items)
    ]
    return [
        {"type": "response.created", "response": {"id": response_id}},
        *done,
        {
            "type": "response.done",
            "response": {
                "id": response_id,
                "status": "completed",
                "output": items,
                "usage": {"total_tokens": 3, "input_tokens": 1, "output_tokens": 2},
            },
        },
    ]


async def _events(session: realtime.Session, count: int) -> list[str]:
    """Names of events, without those of states and of the history."""
    found: list[str] = []
    async for event in session:
        if not isinstance(event, STATES):
            found.append(type(event).__name__)
            if len(found) == count:
                break
    return found


def _outputs(transport: testing.MemoryTransport) -> list[str]:
    told = [event for event in transport.sent if event["type"] == "conversation.item.create"]
    return [json.loads(json.dumps(event))["item"]["call_id"] for event in told]


@tool
async def spent(context: RunContext[Room]) -> str:
    """How many responses have ended."""
    assert context.value.session is not None
    context.value.seen.append(context.value.session.usage.responses)
    return "ok"


@tool
async def wait(context: RunContext[Room]) -> str:
    """Wait until the application has heard of something."""
    await context.value.heard.wait()
    return "ok"


@tool
async def name(context: RunContext[Room]) -> str:
    """Say who calls, and leave a name."""
    context.value.seen.append(WHO.get())
    WHO.set(context.call_id)
    return "ok"


async def test_it_runs_before_the_frames_that_came_after_its_call() -> None:
    room = Room()
    async with _opened(room, spent) as (session, transport):
        for number in (1, 2):  # the second by a task that waited for it
            transport.deliver(*_calls(f"r{number}", ("spent", f"c{number}")))
            assert await _events(session, 4) == [
                "AgentStartEvent",
                "ToolCallEvent",
                "ToolResultEvent",
                "AgentEndEvent",
            ]
            await transport.wait_sent("response.create", number)
            assert session.usage.responses == number
    assert room.seen == [0, 1]
    assert _outputs(transport) == ["c1", "c2"]


async def test_while_it_runs_the_application_is_told_the_rest() -> None:
    room = Room()
    async with _opened(room, wait) as (session, transport):
        transport.deliver(*_calls("r1", ("wait", "c1")))
        told = await _events(session, 3)
        assert told == ["AgentStartEvent", "ToolCallEvent", "AgentEndEvent"]
        assert _outputs(transport) == []
        room.heard.set()
        await transport.wait_sent("response.create")
    assert _outputs(transport) == ["c1"]


async def test_several_calls_of_one_response_each_run_once() -> None:
    room = Room()
    async with _opened(room, spent, wait) as (_session, transport):
        room.heard.set()
        calls = [("spent", "c1"), ("wait", "c2"), ("spent", "c3")]
        transport.deliver(*_calls("r1", *calls))
        await transport.wait_sent("response.create")
    assert sorted(_outputs(transport)) == ["c1", "c2", "c3"]
    assert room.seen == [0, 0]
    assert [event["type"] for event in transport.sent].count("response.create") == 1


async def test_what_one_call_sets_the_next_does_not_see() -> None:
    room = Room()
    WHO.set("opener")
    async with _opened(room, name) as (_session, transport):
        for number in (1, 2, 3):
            transport.deliver(*_calls(f"r{number}", ("name", f"c{number}")))
            await transport.wait_sent("response.create", number)
    assert room.seen == ["opener"] * 3


async def test_an_approved_call_runs_within_what_the_application_has_set() -> None:
    room = Room()
    guarded = Tool("name", handler=name.handler, binding=name.binding, needs_approval=True)
    async with _opened(room, guarded, spent) as (session, transport):
        transport.deliver(*_calls("r1", ("spent", "c1")))  # leaves a task that waits for a call
        await _events(session, 4)
        for number in (2, 3):
            transport.deliver(*_calls(f"r{number}", ("name", f"c{number}")))
            assert "ToolCallEvent" in await _events(session, 3)
            WHO.set(f"person {number}")
            await session.approve_tool_call(f"c{number}")
            await transport.wait_sent("response.create", number)
            await _events(session, 1)
    assert room.seen == [0, "person 2", "person 3"]


async def test_a_channel_that_a_tool_opens_tells_only_what_comes_after() -> None:
    room = Room()

    @tool
    async def listen(context: RunContext[Room]) -> str:
        """Open a channel."""
        session = context.value.session
        assert session is not None
        async with session.subscribe() as events:
            context.value.heard.set()
            async for event in events:
                if not isinstance(event, STATES):
                    context.value.seen.append(type(event).__name__)
                    break
        return "ok"

    async with _opened(room, listen) as (_session, transport):
        transport.deliver(*_calls("r1", ("listen", "c1")))
        await transport.wait_sent("response.create")
    assert room.seen == ["AgentEndEvent"]
