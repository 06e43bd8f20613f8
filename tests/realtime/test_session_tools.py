"""Tools, approvals and handoffs over real sockets, against the scripted server."""

from __future__ import annotations

import json

import pytest
import trio

from support.sessions import ORDER, only, until
from voxloop import realtime, testing
from voxloop._errors import (
    ConfigError,
)
from voxloop.agents import Agent
from voxloop.testing import script as s
from voxloop.tools import RunContext, tool


async def test_the_application_answers_a_tool() -> None:
    plan = s.conversation(
        s.Call("lookup_order", {"order_id": "7"}, "c7"), s.Write("It is shipped.")
    )
    clerk = Agent("Clerk", "Help.", tools=[ORDER])
    async with testing.RealtimeServer(plan) as server:
        async with realtime.open_session(clerk, provider=server.provider()) as session:
            await session.send_message("Where is my order?")
            events = await until(session, realtime.ToolCallEvent)
            call = only(events, realtime.ToolCallEvent)[0]
            assert not call.handled
            await session.send_tool_result(call.call_id, {"status": "shipped"})
            with pytest.raises(ConfigError):
                await session.send_tool_result(call.call_id, "again")
            await until(session, realtime.AgentEndEvent, 2)
    items = [e["item"] for e in server.received if e["type"] == "conversation.item.create"]
    output = items[-1]
    assert isinstance(output, dict)
    assert json.loads(output["output"]) == {"status": "shipped"}
    assert server.violations == []


async def test_a_handoff_tells_the_server_before_the_model_goes_on() -> None:
    told: list[str] = []
    tech = Agent("Tech", lambda context, agent: f"Solve problems of {context.value}.")
    greeter = Agent("Greeter", "Route.").add_handoff(
        tech, condition="problems", on_handoff=lambda context: told.append(context.value)
    )
    async with testing.RealtimeServer(s.handoff("transfer_to_tech")) as server:
        async with realtime.open_session(
            greeter, provider=server.provider(), context="Ada"
        ) as session:
            await session.send_message("My screen is dark.")
            events = await until(session, realtime.AgentEndEvent, 2)
            assert session.current_agent is tech
    assert told == ["Ada"]
    (event,) = only(events, realtime.HandoffEvent)
    assert (event.from_agent, event.to_agent) == ("Greeter", "Tech")
    assert [e.agent for e in only(events, realtime.AgentEndEvent)] == ["Greeter", "Tech"]
    updates = [e["session"] for e in server.received if e["type"] == "session.update"]
    assert updates[1] == {
        "type": "realtime",
        "instructions": "Solve problems of Ada.",
        "tools": [],
    }
    assert server.types()[-3:] == [
        "session.update",
        "conversation.item.create",
        "response.create",
    ]
    assert server.violations == []


async def test_a_failing_handoff_leaves_the_agent_and_the_session() -> None:
    def refuse(_context: RunContext[object]) -> None:
        raise RuntimeError("secret")

    tech = Agent("Tech", "Solve.")
    greeter = Agent("Greeter", "Route.").add_handoff(tech, on_handoff=refuse)
    async with testing.RealtimeServer(s.handoff("transfer_to_tech")) as server:
        async with realtime.open_session(greeter, provider=server.provider()) as session:
            await session.send_message("Help.")
            events = await until(session, realtime.AgentEndEvent, 2)
            assert session.current_agent is greeter
    assert [e.error.code for e in only(events, realtime.ErrorEvent)] == ["handoff_failed"]
    output = [e for e in server.received if e["type"] == "conversation.item.create"][-1]
    assert "secret" not in json.dumps(output)


async def test_a_failing_tool_does_not_end_the_session() -> None:
    @tool
    def broken() -> str:
        """Breaks."""
        raise RuntimeError("internal detail")

    plan = s.conversation(s.Call("broken"), s.Write("I could not do that."))
    async with (
        testing.RealtimeServer(plan) as server,
        realtime.open_session(Agent("A", tools=[broken]), provider=server.provider()) as session,
    ):
        await session.send_message("Do it.")
        events = await until(session, realtime.AgentEndEvent, 2)
    (result,) = only(events, realtime.ToolResultEvent)
    assert result.status == "error"
    assert "internal detail" not in result.output


async def test_tools_run_side_by_side_up_to_the_bound() -> None:
    running, most = 0, 0

    @tool
    async def slow(number: int) -> str:
        """Takes a while.

        Args:
            number: Any.
        """
        nonlocal running, most
        running += 1
        most = max(most, running)
        await trio.sleep(0.05)
        running -= 1
        return str(number)

    calls = tuple(s.Call("slow", {"number": n}) for n in range(6))
    config = realtime.RunConfig(tool_concurrency=3)
    async with testing.RealtimeServer(s.conversation(calls, s.Write("done"))) as server:
        async with realtime.open_session(
            Agent("A", tools=[slow]), provider=server.provider(), config=config
        ) as session:
            await session.send_message("All.")
            events = await until(session, realtime.AgentEndEvent, 2)
    assert most == 3
    outputs = [e.output for e in only(events, realtime.ToolResultEvent)]
    assert sorted(outputs) == ["0", "1", "2", "3", "4", "5"]
    assert server.types().count("response.create") == 2


async def test_a_slow_tool_holds_nothing_up() -> None:
    release = trio.Event()

    @tool
    async def wait() -> str:
        """Waits."""
        await release.wait()
        return "ok"

    plan = s.conversation(s.Call("wait"), s.Write("Meanwhile."), s.Write("Done."))
    async with (
        testing.RealtimeServer(plan) as server,
        realtime.open_session(Agent("A", tools=[wait]), provider=server.provider()) as session,
    ):
        await session.send_message("Start.")
        await until(session, realtime.AgentEndEvent)
        await session.send_message("Still there?")
        events = await until(session, realtime.AgentEndEvent)
        assert [e.text for e in only(events, realtime.TranscriptEvent) if e.final] == ["Meanwhile."]
        release.set()
        await until(session, realtime.AgentEndEvent)
    assert server.violations == []


async def test_approval_decides_whether_a_tool_runs() -> None:
    ran: list[str] = []

    @tool
    async def delete(name: str) -> str:
        """Delete a file.

        Args:
            name: Which.
        """
        ran.append(name)
        return "gone"

    plan = s.conversation(
        (s.Call("delete", {"name": "a"}, "c1"), s.Call("delete", {"name": "b"}, "c2")),
        s.Write("ok"),
    )
    config = realtime.RunConfig(tools_to_approve=frozenset({"delete"}))
    async with (
        testing.RealtimeServer(plan) as server,
        realtime.open_session(
            Agent("A", tools=[delete]), provider=server.provider(), config=config
        ) as session,
    ):
        await session.send_message("Delete both.")
        events = await until(session, realtime.ToolCallEvent, 2)
        assert all(e.needs_approval for e in only(events, realtime.ToolCallEvent))
        await session.approve_tool_call("c1")
        await session.reject_tool_call("c2", message="Keep b.")
        events = await until(session, realtime.AgentEndEvent, 2)
    assert ran == ["a"]
    statuses = {e.call_id: e.status for e in only(events, realtime.ToolResultEvent)}
    assert statuses == {"c1": "ok", "c2": "rejected"}
