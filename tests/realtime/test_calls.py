"""Calls of the telephone are answered over HTTP."""

from __future__ import annotations

import json

import pytest
import trio

from voxloop import realtime, testing
from voxloop._errors import ApiError, CallNotFound, ConfigError, ConnectionClosed
from voxloop.agents import Agent
from voxloop.testing import http_script as h
from voxloop.testing import script as s
from voxloop.tools import tool


@tool
async def look() -> str:
    """Look."""
    return ""


@tool(is_enabled=False)
async def hidden() -> str:
    """Not offered."""
    return ""


AGENT = Agent("Desk", "Be kind.", tools=[look, hidden], voice="cedar")


def calls(server: testing.HttpServer) -> realtime.Calls:
    return realtime.Calls("sk-test-not-a-key", base_url=server.base_url)


async def test_a_call_is_accepted_with_the_agents_settings_and_no_formats() -> None:
    async with testing.HttpServer(h.json_answer({})) as server:
        await calls(server).accept("rtc_1", AGENT, model="gpt-realtime-mini")
    (request,) = server.requests
    assert (request.method, request.target) == ("POST", "/v1/realtime/calls/rtc_1/accept")
    assert request.headers["authorization"] == "Bearer sk-test-not-a-key"
    body = json.loads(request.body)
    assert (body["type"], body["model"]) == ("realtime", "gpt-realtime-mini")
    assert body["instructions"] == "Be kind."
    assert [entry["name"] for entry in body["tools"]] == ["look"]
    assert body["audio"]["output"] == {"voice": "cedar"}
    assert "format" not in body["audio"]["input"]


async def test_a_webhook_that_is_told_twice_changes_nothing() -> None:
    again = h.refusal(409, "already_accepted")
    async with testing.HttpServer(h.json_answer({}), again) as server:
        for _ in range(2):
            await calls(server).accept("rtc_1", AGENT)
    assert len(server.requests) == 2


async def test_a_call_that_is_gone_is_an_error_of_its_own_kind() -> None:
    gone = h.refusal(404, "not_found")
    async with testing.HttpServer(gone, gone, gone) as server:
        with pytest.raises(CallNotFound) as caught:
            await calls(server).accept("rtc_1", AGENT)
        assert caught.value.status == 404
        with pytest.raises(CallNotFound):
            await calls(server).refer("rtc_1", "tel:+14155550123")
        await calls(server).hangup("rtc_1")


async def test_calls_are_rejected_referred_and_hung_up() -> None:
    async with testing.HttpServer(*[h.json_answer({})] * 3) as server:
        await calls(server).reject("rtc/1", status_code=486)
        await calls(server).refer("rtc_1", "sip:desk@example.com")
        await calls(server).hangup("rtc_1")
    paths = [request.target.removeprefix("/v1/realtime/calls/") for request in server.requests]
    assert paths == ["rtc%2F1/reject", "rtc_1/refer", "rtc_1/hangup"]
    assert [json.loads(r.body) for r in server.requests[:2]] == [
        {"status_code": 486},
        {"target_uri": "sip:desk@example.com"},
    ]


async def test_what_cannot_be_asked_is_refused_here_and_the_rest_is_typed() -> None:
    async with testing.HttpServer(h.refusal(400, "bad_request")) as server:
        with pytest.raises(ConfigError):
            await calls(server).reject("rtc_1", status_code=200)
        with pytest.raises(ConfigError):
            await calls(server).refer("rtc_1", "http://example.com")
        with pytest.raises(ConfigError):
            await calls(server).hangup("")
        with pytest.raises(ApiError) as caught:
            await calls(server).reject("rtc_1")
    assert "sk-test" not in str(caught.value)


@pytest.mark.parametrize("step", [s.Drop(), s.Close(1000), s.Close(1001)], ids=repr)
async def test_an_attached_session_ends_with_its_call(step: s.Step) -> None:
    async with testing.RealtimeServer(s.conversation(steps=(step,))) as server:
        async with realtime.open_session(
            Agent("Clerk"),
            provider=server.provider(),
            model_config=realtime.ModelConfig(call_id="rtc_1"),
        ) as session:
            with trio.fail_after(10):
                events = [event async for event in session]
        assert isinstance(events[-1], realtime.AgentStateEvent)
        assert events[-1].state == "closed"
        assert len(server.peers) == 1


async def test_an_attached_session_that_the_server_breaks_off_is_an_error() -> None:
    async with testing.RealtimeServer(s.conversation(steps=(s.Close(1011),))) as server:
        async with realtime.open_session(
            Agent("Clerk"),
            provider=server.provider(),
            model_config=realtime.ModelConfig(call_id="rtc_1"),
        ) as session:
            with pytest.raises(ConnectionClosed), trio.fail_after(10):
                async for _event in session:
                    pass
        assert len(server.peers) == 1
