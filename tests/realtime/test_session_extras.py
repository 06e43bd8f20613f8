"""What was said before, costs, silence, keys, limits, MCP, and tools beside the conversation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from support.realtime_driver import Driver
from support.sessions import only, until
from voxloop import realtime, testing
from voxloop._errors import ConfigError
from voxloop.agents import Agent, Prompt
from voxloop.realtime import Prices, RunConfig, Usage
from voxloop.realtime.machine import inputs
from voxloop.testing import script as s
from voxloop.tools import tool
from voxloop.wire import realtime as rt


@tool
async def look(place: str) -> str:
    """Look."""
    return f"blue {place}"


AGENT = Agent("A", tools=[look])


async def test_a_conversation_is_taken_along_into_the_next_session() -> None:
    plan = s.conversation(s.Call("look", {"place": "sea"}, "c1"), s.Write("It is blue."))
    async with (
        testing.RealtimeServer(plan) as server,
        realtime.open_session(AGENT, provider=server.provider()) as session,
    ):
        await session.send_message("How is the sea?")
        await until(session, realtime.AgentEndEvent, 2)
        kept = session.export()
    # Both servers of this test count from one: ids of the API are unique.
    kept = [{**item, "id": f"before_{item['id']}"} for item in kept]
    kinds = ["message", "function_call", "function_call_output", "message"]
    assert [item["type"] for item in kept] == kinds
    async with (
        testing.RealtimeServer(s.conversation(s.Write("Yes."))) as server,
        realtime.open_session(AGENT, provider=server.provider(), initial_items=kept) as session,
    ):
        await session.send_message("Really?")
        await until(session, realtime.AgentEndEvent)
        texts = [entry.text for entry in session.history if entry.type == "message"]
        outputs = [entry.output for entry in session.history if entry.type == "function_call"]
    assert texts == ["How is the sea?", "It is blue.", "Really?", "Yes."]
    assert outputs == ["blue sea"]
    assert server.types().count("response.create") == 1
    assert server.violations == []


async def test_what_is_no_item_is_refused_before_anything_is_connected() -> None:
    async with testing.RealtimeServer() as server:
        with pytest.raises(ConfigError):
            async with realtime.open_session(
                AGENT, provider=server.provider(), initial_items=[{"role": "user"}]
            ):
                pass
        assert server.peers == []


async def test_a_tool_beside_the_conversation_is_answered_beside_it() -> None:
    plan = s.conversation(s.Call("look", {"place": "sky"}, "c1"), s.Write("Blue."))
    async with (
        testing.RealtimeServer(plan) as server,
        realtime.open_session(AGENT, provider=server.provider()) as session,
    ):
        await session.respond(
            conversation="none",
            instructions="Look.",
            input=[rt.Item(type="item_reference", id="x")],
        )
        events = await until(session, realtime.AgentEndEvent, 2)
        assert session.history == ()
    assert [e.output for e in only(events, realtime.ToolResultEvent)] == ["blue sky"]
    asked: list[Any] = [e["response"] for e in server.received if e["type"] == "response.create"]
    assert [request["conversation"] for request in asked] == ["none", "none"]
    told = asked[1]["input"]
    assert [item["type"] for item in told] == [
        "item_reference",
        "function_call",
        "function_call_output",
    ]
    assert told[2]["output"] == "blue sky"
    assert "conversation.item.create" not in server.types()
    assert server.violations == []


def test_what_each_agent_has_cost_is_known() -> None:
    d = Driver().start()
    usage = {
        "total_tokens": 30,
        "input_tokens": 20,
        "output_tokens": 10,
        "input_token_details": {
            "text_tokens": 12,
            "audio_tokens": 8,
            "cached_tokens": 6,
            "cached_tokens_details": {"text_tokens": 4, "audio_tokens": 2},
        },
        "output_token_details": {"text_tokens": 3, "audio_tokens": 7},
    }
    for name in ("r1", "r2"):
        d.created(name)
        d.done(name, usage=usage)
    kind = "conversation.item.input_audio_transcription.completed"
    spent = {"type": "duration", "seconds": 30.0}
    d.server(kind, item_id="u1", content_index=0, transcript="Hi.", usage=spent)
    assert d.state.spent["Greeter"].total_tokens == 60
    assert d.state.usage.cached_audio_tokens == 4
    prices = Prices(
        text_in=4.0,
        audio_in=32.0,
        cached_text=0.4,
        cached_audio=0.4,
        text_out=16.0,
        audio_out=64.0,
        transcription_minute=0.006,
    )
    millionths = 2 * (8 * 4 + 6 * 32 + 4 * 0.4 + 2 * 0.4 + 3 * 16 + 7 * 64)
    assert prices.cost(d.state.usage) == pytest.approx(millionths / 1e6 + 0.003)
    assert Prices(cached_text=1.0).cost(Usage(cached_tokens=5, input_text_tokens=5)) == 5e-6


def test_silence_is_told_once_and_anew_after_something_happened() -> None:
    d = Driver(config=RunConfig(silence_timeout=5.0)).start()
    d.tick(4.9)
    assert d.of(realtime.SilenceEvent) == []
    d.tick(0.2)
    assert [round(e.seconds, 1) for e in d.of(realtime.SilenceEvent)] == [5.1]
    d.tick(60.0)
    assert len(d.of(realtime.SilenceEvent)) == 1
    d.respond()
    d.created()
    d.tick(10.0)
    d.done()
    d.tick(5.0)
    assert len(d.of(realtime.SilenceEvent)) == 2


def test_keys_of_the_telephone_limits_and_the_idle_time_are_told() -> None:
    d = Driver().start()
    d.server("input_audio_buffer.dtmf_event_received", event="#", received_at=17)
    limits = [
        {"name": "requests", "limit": 100, "remaining": 50, "reset_seconds": 1.0},
        {"name": "tokens", "limit": 1000, "remaining": 99, "reset_seconds": 1.0},
    ]
    d.server("rate_limits.updated", rate_limits=limits)
    kind = "input_audio_buffer.timeout_triggered"
    d.server(kind, item_id="u1", audio_start_ms=100, audio_end_ms=700)
    assert [(e.key, e.received_at) for e in d.of(realtime.DtmfEvent)] == [("#", 17)]
    assert [e.low for e in d.of(realtime.RateLimitEvent)] == [("tokens",)]
    (idle,) = d.of(realtime.SpeechEvent)
    assert (idle.kind, idle.start_ms, idle.audio_ms) == ("idle", 100, 700)


async def test_a_tool_of_an_mcp_server_waits_for_an_answer() -> None:
    item = {
        "id": "mcpr_1",
        "type": "mcp_approval_request",
        "server_label": "files",
        "name": "delete",
        "arguments": "{}",
    }
    added = s.Emit({"type": "conversation.item.added", "item": item, "previous_item_id": None})
    async with (
        testing.RealtimeServer(s.Script(steps=(added,))) as server,
        realtime.open_session(AGENT, provider=server.provider()) as session,
    ):
        events = await until(session, realtime.McpApprovalEvent)
        (event,) = only(events, realtime.McpApprovalEvent)
        assert (event.server_label, event.name) == ("files", "delete")
        await session.answer_mcp_approval(event.request_id, approve=True)
        await until(session, realtime.HistoryEvent, 2)
    (made,) = [e["item"] for e in server.received if e["type"] == "conversation.item.create"]
    assert isinstance(made, dict)
    assert (made["type"], made["approval_request_id"], made["approve"]) == (
        "mcp_approval_response",
        "mcpr_1",
        True,
    )


def test_the_agents_prompt_and_tool_choice_come_before_the_settings() -> None:
    settings = realtime.SessionModelSettings(prompt={"id": "base"}, tool_choice="auto")
    agent = Agent(
        "A",
        tools=[look],
        prompt=Prompt("own", variables={"x": "y"}),
        tool_choice="look",
        parallel_tool_calls=True,
    )
    d = Driver(agent, RunConfig(model_settings=settings))
    d.feed(inputs.Start(d.at, None))
    told = d.last("session.update")["session"]
    assert told["prompt"] == {"id": "own", "variables": {"x": "y"}}
    assert told["tool_choice"] == {"type": "function", "name": "look"}
    assert told["parallel_tool_calls"] is True


@pytest.mark.parametrize("other", [None, {"workflow_name": "calls"}])
def test_tracing_is_told_once_and_cannot_change_once_it_is_on(other: Any) -> None:
    d = Driver(config=RunConfig(model_settings=realtime.SessionModelSettings(tracing="auto")))
    d.feed(inputs.Start(d.at, None))
    assert d.last("session.update")["session"]["tracing"] == "auto"
    d.server("session.updated", session={"type": "realtime"})
    d.clear()
    d.feed(inputs.ChangeSettings(replace(d.state.settings, tracing=other), d.at))
    assert "tracing cannot change" in str(d.refusal())
    assert d.types() == []
    assert d.state.settings.tracing == "auto"
    d.feed(inputs.ChangeSettings(replace(d.state.settings, speed=1.2), d.at))
    assert d.last("session.update")["session"] == {
        "type": "realtime",
        "audio": {"output": {"speed": 1.2}},
    }


def test_tracing_may_be_switched_on_later() -> None:
    d = Driver().start()
    d.feed(inputs.ChangeSettings(replace(d.state.settings, tracing="auto"), d.at))
    assert d.last("session.update")["session"] == {"type": "realtime", "tracing": "auto"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"prompt": {"version": "1"}},
        {"prompt": {"id": "p", "variable": {}}},
        {"tracing": "on"},
        {"tracing": {"workflow": "x"}},
        {"truncation": "sometimes"},
        {"truncation": {"type": "retention_ratio", "retention_ratio": 2}},
        {"include": "logprobs"},
        {"tool_choice": {"type": "function"}},
        {"tool_choice": {"type": "mcp"}},
        {"voice": {"name": "x"}},
        {"input_format": "g711"},
    ],
    ids=str,
)
def test_every_object_of_the_settings_is_checked_when_it_is_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        realtime.SessionModelSettings(**wrong)


def test_what_was_cleared_is_forgotten() -> None:
    settings = realtime.SessionModelSettings(turn_detection=None)
    d = Driver(config=RunConfig(model_settings=settings)).start()
    d.append(bytes(4800))
    d.feed(inputs.ClearAudio(d.at))
    assert d.types() == ["input_audio_buffer.append", "input_audio_buffer.clear"]
    d.feed(inputs.CommitAudio(None, d.at))
    assert isinstance(d.refusal(), ConfigError)
    assert d.state.ring.nbytes == 0
