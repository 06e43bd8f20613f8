"""Rules of a conversation that were found by trying what an application would try."""

from __future__ import annotations

from typing import Any

from support.realtime_driver import Driver
from support.sessions import only, until
from voxloop import realtime, testing
from voxloop.agents import Agent
from voxloop.realtime import inputs
from voxloop.testing import script as s
from voxloop.tools import tool
from voxloop.wire import realtime as rt


def states(d: Driver) -> list[str]:
    return [event.state for event in d.of(realtime.AgentStateEvent)]


def test_the_agent_speaks_until_its_sound_is_over_though_it_comes_slowly() -> None:
    d = Driver().start()
    d.respond()
    d.created()
    d.clear()
    for _ in range(5):
        d.audio(100.0)
        d.tick(0.15)  # it has been played, and the next piece has not come yet
    assert states(d) == ["speaking"]
    d.audio(100.0)
    d.part("response.output_audio.done")
    d.done()
    assert states(d) == ["speaking"]
    d.tick(0.11)
    assert states(d) == ["speaking", "listening"]


def test_a_pause_in_the_sound_is_no_reason_to_wake_up() -> None:
    from voxloop.realtime import reducer

    d = Driver().start()
    d.respond()
    d.created()
    d.audio(100.0)
    d.tick(5.0)
    assert reducer.deadline(d.state) is None
    d.part("response.output_audio.done")
    assert states(d)[-1] == "thinking"


async def test_of_two_handoffs_that_come_one_after_the_other_the_second_is_told_so() -> None:
    agent = Agent("A", handoffs=[Agent("B"), Agent("C")])
    calls = (s.Call("transfer_to_b", {}, "c1"), s.Call("transfer_to_c", {}, "c2"))
    async with (
        testing.RealtimeServer(s.conversation(calls, s.Write("I am B."))) as server,
        realtime.open_session(agent, provider=server.provider()) as session,
    ):
        await session.send_message("Go.")
        events = await until(session, realtime.AgentEndEvent, 2)
        outputs = {e.call_id: e.output for e in session.history if e.type == "function_call"}
        assert session.current_agent.name == "B"
    assert outputs["c2"] == "The conversation was already transferred."
    assert only(events, realtime.ErrorEvent) == []
    assert len(only(events, realtime.HandoffEvent)) == 1


def test_a_call_goes_to_the_tools_that_its_response_was_given() -> None:
    @tool
    async def look() -> str:
        """Look."""
        return "x"

    d = Driver(Agent("A", tools=[look])).start()
    d.respond()
    d.created()
    other = Driver(Agent("B")).state.agent.current
    d.feed(inputs.AgentReady(other, None, "", d.at))
    d.server("session.updated", session={"type": "realtime"})
    assert d.state.agent.current.agent.name == "B"
    d.call("look")
    (call,) = d.of(realtime.ToolCallEvent)
    assert call.handled
    d.finish()
    d.done()
    d.created("r2")
    d.call("look", call_id="c2", response="r2")
    assert len(d.of(realtime.ToolCallEvent)) == 1


async def test_a_response_beside_the_conversation_is_known_by_what_it_was_asked_for_with() -> None:
    async with (
        testing.RealtimeServer(s.conversation(s.Write("Billing."))) as server,
        realtime.open_session(Agent("A"), provider=server.provider()) as session,
    ):
        await session.respond(
            conversation="none",
            output_modalities=["text"],
            instructions="What is this about?",
            metadata={"topic": "subject"},
        )
        events = await until(session, realtime.AgentEndEvent)
        assert session.history == ()
    starts: list[Any] = [*only(events, realtime.AgentStartEvent)]
    for event in [*starts, *only(events, realtime.AgentEndEvent)]:
        assert not event.in_conversation
        assert event.metadata == {"topic": "subject"}


def test_so_is_one_within_the_conversation() -> None:
    d = Driver().start()
    d.respond(rt.ResponseParams(metadata={"a": "b"}))
    d.created(metadata={"a": "b"})
    (start,) = d.of(realtime.AgentStartEvent)
    assert start.in_conversation
    assert start.metadata == {"a": "b"}
