"""Telemetry of a session: every name, and nothing when no one listens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from voxloop import realtime, telemetry, testing
from voxloop.agents import Agent
from voxloop.realtime.skin import observe
from voxloop.testing import script as s
from voxloop.tools import tool

Record = tuple[str, Mapping[str, float], Mapping[str, object]]


@pytest.fixture
def records() -> Iterator[list[Record]]:
    seen: list[Record] = []
    telemetry.attach_many("test", ["realtime.*"], lambda *event: seen.append(event))
    yield seen
    telemetry.detach("test")


@tool
async def get_weather(location: str) -> str:
    """Weather.

    Args:
        location: City.
    """
    return f"Sunny in {location}."


async def converse() -> None:
    agent = Agent("Greeter", "Hi.", tools=[get_weather])
    plan = s.weather_call()
    async with testing.RealtimeServer(plan) as server:
        async with realtime.open_session(agent, provider=server.provider()) as session:
            await session.send_audio(bytes(9_600))
            await session.commit_audio()
            ends = 0
            async for event in session:
                ends += isinstance(event, realtime.AgentEndEvent)
                if ends == 2:
                    break
            await session.send_raw({"type": "no.such.event"})
            async for event in session:
                if isinstance(event, realtime.ErrorEvent):
                    break


def of(records: list[Record], name: str) -> list[tuple[Mapping[str, float], Mapping[str, object]]]:
    return [(values, data) for kind, values, data in records if kind == name]


async def test_every_name_is_told_with_what_it_measures(records: list[Record]) -> None:
    await converse()
    ((values, data),) = of(records, "realtime.session.start")
    assert values["connect_ms"] > 0
    assert data["agent"] == "Greeter"
    sent = of(records, "realtime.audio.sent")
    assert sum(values["bytes"] for values, _ in sent) == 9_600
    assert sum(values["duration_ms"] for values, _ in sent) == 200
    received = of(records, "realtime.audio.received")
    assert [values["first"] for values, _ in received] == [1] + [0] * (len(received) - 1)
    ((_, call),) = of(records, "realtime.tool.call")
    assert (call["tool"], call["call_id"], call["agent"]) == (
        "get_weather",
        "call_weather",
        "Greeter",
    )
    ((values, result),) = of(records, "realtime.tool.result")
    assert values["output_bytes"] == len("Sunny in Paris.")
    assert result["outcome"] == "ok"
    assert len(of(records, "realtime.response.start")) == 2
    stops = of(records, "realtime.response.stop")
    assert [data["status"] for _, data in stops] == ["completed", "completed"]
    assert "ttfa_ms" not in stops[0][0]
    assert 0 <= stops[1][0]["ttfa_ms"] <= stops[1][0]["duration_ms"] + stops[1][0]["queue_ms"]
    ((values, data),) = of(records, "realtime.turn.latency")
    parts = [value for name, value in values.items() if name.startswith("to_")]
    assert sum(parts) == pytest.approx(values["total_ms"])
    assert data["turn"] == 1
    ((values, data),) = of(records, "realtime.session.error")
    assert (data["code"], data["fatal"]) == ("invalid_event", False)
    ((values, data),) = of(records, "realtime.session.stop")
    assert values["audio_in_ms"] == 200
    assert values["audio_out_ms"] == pytest.approx(sum(v["duration_ms"] for v, _ in received))
    assert values["responses"] == 2
    assert values["tokens"] == 60
    assert records[0][0] == "realtime.session.start"
    assert records[-1][0] == "realtime.session.stop"


async def test_nothing_is_measured_when_no_one_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_arguments: object) -> None:
        raise AssertionError("measured for no one")

    monkeypatch.setattr(observe.telemetry, "emit", never)
    await converse()
