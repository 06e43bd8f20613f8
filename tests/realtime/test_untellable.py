"""What cannot be told as JSON: text with half a pair is made whole, the rest is refused at once."""

from __future__ import annotations

import pytest

from support.sessions import GREETER, only, until
from voxloop import realtime, testing
from voxloop._errors import ConfigError
from voxloop.agents import Agent
from voxloop.testing import script as s
from voxloop.tools import tool
from voxloop.wire import realtime as rt

HALF = "caf\udcc3\udca9"
"""What a file's name may bring, and UTF-8 does not know."""


@tool
async def name_of_a_file() -> str:
    """Name."""
    return HALF


async def test_half_a_surrogate_pair_ends_nothing() -> None:
    plan = s.conversation(s.Call("name_of_a_file"), s.Write("A coffee."))
    agent = Agent("A", f"Be kind. {HALF}", tools=[name_of_a_file])
    async with testing.RealtimeServer(plan) as server:
        async with realtime.open_session(agent, provider=server.provider()) as session:
            await session.send_message(f"Which? {HALF}")
            events = await until(session, realtime.AgentEndEvent, 2)
            await server.drop()
            await until(session, realtime.ReconnectedEvent)
            await server.wait_for("conversation.item.create", 6)
        assert only(events, realtime.ErrorEvent) == []
        assert server.violations == []
    output = next(i for i in server.peers[-1].items if i["type"] == "function_call_output")
    assert output["output"] == "caf\ufffd\ufffd"


async def test_what_is_no_json_is_refused_before_anything_waits_for_it() -> None:
    plan = s.conversation(s.Reply((s.Write("One."),), hold=True), s.Write("Two."))
    async with testing.RealtimeServer(plan) as server:
        async with realtime.open_session(GREETER, provider=server.provider()) as session:
            await session.send_message("Go.")
            await until(session, realtime.AgentStartEvent)
            with pytest.raises(ConfigError, match="JSON"):
                await session.send_raw({"type": "response.create", "response": {"x": object()}})
            with pytest.raises(ConfigError, match="JSON"):
                await session.send_raw({"type": "x", 5: {1j}})  # type: ignore[dict-item]
            with pytest.raises(ConfigError, match="metadata"):
                await session.respond(metadata={"x": object()})  # type: ignore[dict-item]
            event: dict[str, object] = {"type": "response.create", "response": {}}
            await session.send_raw(event)
            event["response"] = object()  # too late to matter
            await session.interrupt()
            events = await until(session, realtime.AgentEndEvent, 2)
    assert only(events, realtime.ErrorEvent) == []
    assert server.violations == []


def test_texts_are_whole_on_the_wire_and_others_are_left_as_they_are() -> None:
    part = rt.ContentPart(type="input_text", text="\ud83d\ude00 \udc00")
    event = rt.ConversationItemCreate(item=rt.Item(type="message", role="user", content=[part]))
    plain = rt.ConversationItemCreate(
        item=rt.Item(
            type="message",
            role="user",
            content=[rt.ContentPart(type="input_text", text="\U0001f600 \ufffd")],
        )
    )
    assert rt.encode(event) == rt.encode(plain)
    assert rt.encode({"a\ud800": ["b", 1, None, {"c": True}]}) == (
        '{"a\ufffd":["b",1,null,{"c":true}]}'
    )
