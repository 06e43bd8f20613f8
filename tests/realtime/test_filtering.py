"""Filters of handoffs: what the next agent sees of a conversation that the server holds."""

from __future__ import annotations

from typing import Any

import pytest

from support.realtime_driver import Driver
from support.sessions import get_weather, only, until
from voxloop import realtime, testing
from voxloop._errors import ConfigError
from voxloop.agents import Agent, Handoff
from voxloop.realtime.machine import inputs
from voxloop.realtime.machine.filtering import rewrite
from voxloop.testing import script as s
from voxloop.tools import JsonObject
from voxloop.wire import realtime as rt


def message(item_id: str, text: str, role: str = "user") -> JsonObject:
    kind = "output_text" if role == "assistant" else "input_text"
    content = [{"type": kind, "text": text}]
    return {"type": "message", "id": item_id, "role": role, "content": content}


A, B, C, D = (message(name, name) for name in "abcd")
CALL: JsonObject = {"type": "function_call", "id": "f", "call_id": "c1", "name": "look"}
OUTPUT: JsonObject = {"type": "function_call_output", "id": "o", "call_id": "c1", "output": "x"}


def test_what_is_kept_is_not_touched() -> None:
    assert rewrite((A, B, CALL, OUTPUT), (A, B, CALL, OUTPUT)) == rewrite((), ())
    assert rewrite((A, B, C, D), (B, D)).deleted == ("a", "c")
    assert rewrite((A, B, C, D), (B, D)).created == ()
    assert rewrite((A, B), ()).deleted == ("a", "b")


def test_what_is_new_stands_where_it_was_put() -> None:
    note: JsonObject = {"role": "system", "content": "Mind the step."}
    made = rewrite((A, B), (note, A, {**note, "id": "own"}, B, note))
    assert made.deleted == ()
    first, second, third = made.created
    assert (first[1], second[1], third[1]) == ("root", "a", "b")
    assert second[0].id == "own"
    assert first[0].id != third[0].id


def test_what_was_changed_or_moved_is_made_anew() -> None:
    made = rewrite((A, B, C), (A, message("b", "shorter"), C))
    assert made.deleted == ("b",)
    ((item, previous),) = made.created
    assert previous == "a"
    assert item.id not in ("a", "b", "c")
    # One that is moved to the front is one item made anew, not all that it was moved before.
    made = rewrite((A, B, C, D), (D, A, B, C))
    assert made.deleted == ("d",)
    assert [previous for _, previous in made.created] == ["root"]


def test_an_output_goes_with_its_call() -> None:
    for left in ((A, CALL), (A, OUTPUT)):
        made = rewrite((A, CALL, OUTPUT), left)
        assert made.deleted == ("f", "o")
        assert made.created == ()
    own = [{**CALL, "id": "f2", "call_id": "c2"}, {**OUTPUT, "id": "o2", "call_id": "c2"}]
    assert [item.id for item, _ in rewrite((A,), (A, *own)).created] == ["f2", "o2"]


@pytest.mark.parametrize(
    "wrong", [{"role": "user"}, {"type": 3}, {"type": "message", "content": 1}]
)
def test_what_is_no_item_is_refused(wrong: JsonObject) -> None:
    with pytest.raises(ConfigError, match="item"):
        rewrite((A,), (A, wrong))


def say_again(items: tuple[JsonObject, ...]) -> list[JsonObject]:
    """Leaves out calls and their outputs, and puts a summary before the last message."""
    said = [item for item in items if item["type"] == "message"]
    return [{"role": "system", "content": f"{len(items)} items so far."}, said[-1]]


async def handed_over(
    chosen: Any,
) -> tuple[list[realtime.Event], testing.RealtimeServer, realtime.Session]:
    tech = Agent("Tech", "Mend things.")
    agent = Agent(
        "Desk", "Welcome.", tools=[get_weather], handoffs=[Handoff(agent=tech, input_filter=chosen)]
    )
    plan = s.conversation(
        s.Call("get_weather", {"location": "Rome"}, "c1"),
        s.Say("Sunny."),
        s.Call("transfer_to_tech", {}, "c2"),
        s.Say("Here I am."),
    )
    async with (
        testing.RealtimeServer(plan) as server,
        realtime.open_session(agent, provider=server.provider()) as session,
    ):
        await session.send_message("How is Rome?")
        await until(session, realtime.AgentEndEvent, 2)
        await session.send_message("My oven is broken.")
        events = await until(session, realtime.AgentEndEvent, 2)
    assert server.violations == []
    return events, server, session


async def test_the_next_agent_sees_what_the_filter_chose() -> None:
    seen: list[tuple[JsonObject, ...]] = []

    async def choose(items: tuple[JsonObject, ...]) -> list[JsonObject]:
        seen.append(items)
        return say_again(items)

    events, server, session = await handed_over(choose)
    (items,) = seen
    kinds = ["message", "function_call", "function_call_output", "message", "message"]
    assert [item["type"] for item in items] == kinds
    assert [item.get("role") for item in items] == ["user", None, None, "assistant", "user"]
    held = [(item["type"], item.get("role")) for item in server.peers[0].items]
    assert held == [
        ("message", "system"),
        ("message", "user"),
        ("function_call", None),
        ("function_call_output", None),
        ("message", "assistant"),
    ]
    # It is settled before the next agent answers.
    order = server.types()
    last = len(order) - 1 - order[::-1].index("response.create")
    assert "conversation.item.delete" in order
    assert "conversation.item.delete" not in order[last:]
    assert [entry.text for entry in session.history if entry.type == "message"] == [
        "5 items so far.",
        "My oven is broken.",
        "Here I am.",
    ]
    assert len(only(events, realtime.HandoffEvent)) == 1


async def test_a_filter_that_fails_leaves_everything_as_it_was() -> None:
    def fail(_items: object) -> list[JsonObject]:
        raise KeyError("secret")

    events, server, session = await handed_over(fail)
    assert only(events, realtime.HandoffEvent) == []
    assert session.current_agent.name == "Desk"
    assert "conversation.item.delete" not in server.types()
    (error,) = only(events, realtime.ErrorEvent)
    assert error.error.code == "handoff_failed"
    assert "secret" not in str(error.error)
    outputs = [item for item in server.peers[0].items if item["type"] == "function_call_output"]
    assert outputs[-1]["output"] == "The handoff to Tech failed."


async def test_a_filter_that_gives_no_items_is_told_so() -> None:
    events, _, session = await handed_over(lambda _items: ["hello"])
    (error,) = only(events, realtime.ErrorEvent)
    assert isinstance(error.error, ConfigError)
    assert session.current_agent.name == "Desk"


async def test_a_filter_cannot_change_what_it_was_shown() -> None:
    def empty(items: tuple[JsonObject, ...]) -> tuple[JsonObject, ...]:
        for item in items:
            item.clear()
        return ()

    events, server, _ = await handed_over(empty)
    assert len(only(events, realtime.HandoffEvent)) == 1
    kinds = [item["type"] for item in server.peers[0].items]
    assert kinds == ["function_call", "function_call_output", "message"]


def test_what_was_filtered_is_not_told_to_the_next_connection() -> None:
    d = Driver(Agent("Desk", handoffs=[Handoff(agent=Agent("Tech"), input_filter=list)])).start()
    for name in ("old", "new"):
        item = {"id": name, "type": "message", "role": "user", "status": "completed"}
        part = {"type": "input_text", "text": name}
        d.server("conversation.item.added", item={**item, "content": [part]}, previous_item_id=None)
    d.respond()
    d.created()
    d.call("transfer_to_tech")
    ready = [call for call in d.state.tools.calls.values() if call.kind == "handoff"]
    agent = d.state.agent.current
    kept = rt.Item(type="message", id="sum", role="system", content=[])
    kept.content.append(rt.ContentPart(type="input_text", text="summary"))  # type: ignore[union-attr]
    change = rewrite((message("old", "old"), message("new", "new")), (message("new", "new"),))
    change = type(change)(change.deleted, ((kept, "root"),))
    d.lose()
    d.feed(inputs.AgentReady(agent, ready[0].call_id, "{}", d.at, change))
    d.clear()
    d.tick(1.0)
    d.open()
    told = [e["item"] for e in d.sent if e["type"] == "conversation.item.create"]
    texts = [item["content"][0]["text"] for item in told if item["type"] == "message"]
    assert sorted(texts) == ["new", "summary"]
