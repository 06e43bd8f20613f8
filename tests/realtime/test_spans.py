"""Telemetry of a session in detail: what each event measures, and which span it belongs to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import trio

from support.realtime_driver import Driver
from support.sessions import MANUAL, until
from voxloop import net, realtime, telemetry, testing
from voxloop._errors import VoxloopError
from voxloop.agents import Agent
from voxloop.realtime.machine import effects, inputs
from voxloop.realtime.skin import measures
from voxloop.testing import script as s
from voxloop.tools import tool

Record = tuple[str, Mapping[str, float], Mapping[str, Any]]


@pytest.fixture
def records() -> Iterator[list[Record]]:
    seen: list[Record] = []
    telemetry.attach_many("test", ["realtime.*", "shop.*"], lambda *event: seen.append(event))
    yield seen
    telemetry.detach("test")


def of(records: list[Record], name: str) -> list[tuple[Mapping[str, float], Mapping[str, Any]]]:
    return [(values, data) for kind, values, data in records if kind == name]


@tool
def look(place: str) -> str:
    """Look."""
    with telemetry.span("shop.look"):
        return place


AGENT = Agent("A", tools=[look])


async def test_a_call_lies_within_its_response_and_that_within_the_session(
    records: list[Record],
) -> None:
    plan = s.conversation(s.Call("look", {"place": "sea"}, "c1"), s.Write("Blue."))
    trace = "0af7651916cd43dd8448eb211c80319c"
    async with testing.RealtimeServer(plan) as server:
        with telemetry.span("shop.day", trace_id=trace) as day:
            async with realtime.open_session(AGENT, provider=server.provider()) as session:
                await session.send_message("How is the sea?")
                await until(session, realtime.AgentEndEvent, 2)
                assert session.span.parent_id == day.span_id
    ((_, start),) = of(records, "realtime.session.start")
    ((_, stop),) = of(records, "realtime.session.stop")
    begun = of(records, "realtime.response.start")
    ended = of(records, "realtime.response.stop")
    ((_, call),) = of(records, "realtime.tool.call")
    ((_, result),) = of(records, "realtime.tool.result")
    ((_, inner),) = of(records, "shop.look.start")
    assert {data["trace_id"] for _, _, data in records} == {trace}
    assert start["span_id"] == stop["span_id"] == session.span.span_id
    assert [data["span_id"] for _, data in begun] == [data["span_id"] for _, data in ended]
    assert {data["parent_id"] for _, data in begun} == {session.span.span_id}
    assert call["span_id"] == result["span_id"]
    assert call["parent_id"] == begun[0][1]["span_id"]
    assert inner["parent_id"] == call["span_id"]


async def test_the_beginning_and_the_end_of_a_session(records: list[Record]) -> None:
    async with testing.RealtimeServer(s.conversation(s.Say("Hi."))) as server:
        async with realtime.open_session(
            AGENT, provider=server.provider(), config=MANUAL
        ) as session:
            await session.send_message("Hello.")
            await until(session, realtime.AgentEndEvent)
    ((values, data),) = of(records, "realtime.session.start")
    assert values["system_time"] > 1e9
    assert 0 < values["handshake_ms"] <= values["connect_ms"]
    assert (data["session_id"], data["transport"], data["attempt"]) == ("sess_1", "websocket", 1)
    assert data["agent"] == "A"
    assert records[0][0] == "realtime.session.start"
    ((values, data),) = of(records, "realtime.response.stop")
    assert (values["total_tokens"], values["cached_tokens"]) == (30, 4)
    assert (values["input_text_tokens"], values["output_audio_tokens"]) == (12, 7)
    heard = of(records, "realtime.audio.received")
    assert heard[0][0]["ttfa_ms"] == pytest.approx(values["ttfa_ms"])
    # How many pieces there are is chance: those that come together are one.
    assert all("ttfa_ms" not in later for later, _ in heard[1:])
    assert heard[0][1]["content_index"] == 0
    ((_, data),) = of(records, "realtime.session.stop")
    assert (data["reason"], data["code"], data["close_code"]) == ("client", None, None)
    assert data["session_id"] == "sess_1"


@pytest.mark.parametrize(
    ("steps", "reason", "close_code"),
    [
        ((s.Close(1000),), "server", None),
        ((s.Close(4000, "why"),), "error", 4000),
        (
            (
                s.Emit(
                    {
                        "type": "error",
                        "error": {"type": "x", "code": "session_expired", "message": "over"},
                    }
                ),
                s.Close(1001),
            ),
            "expired",
            None,
        ),
    ],
)
async def test_why_a_session_ended(
    records: list[Record], steps: tuple[s.Step, ...], reason: str, close_code: int | None
) -> None:
    target = realtime.ModelConfig(reconnect=realtime.Reconnect(enabled=False))
    async with testing.RealtimeServer(s.Script(steps=steps)) as server:
        try:
            async with realtime.open_session(
                AGENT, provider=server.provider(), model_config=target
            ) as session:
                async for _ in session:
                    pass
        except VoxloopError:
            assert reason != "server"
    ((_, data),) = of(records, "realtime.session.stop")
    assert (data["reason"], data["close_code"]) == (reason, close_code)


async def test_the_round_trip_of_pings_is_told_when_someone_looks(records: list[Record]) -> None:
    often = net.WebSocketOptions(ping_interval=0.05)
    target = realtime.ModelConfig(transport=often)
    async with testing.RealtimeServer() as server:
        async with realtime.open_session(
            AGENT, provider=server.provider(), model_config=target
        ) as session:
            with trio.fail_after(10):
                while session.rtt is None:  # noqa: ASYNC110 - Python is not told of a ping
                    await trio.sleep(0.02)
            assert of(records, "realtime.rtt") == []
            session.metrics()
            ((values, data),) = of(records, "realtime.rtt")
            assert 0 < values["ping_ms"] < 10_000
            assert data["span_id"] == session.span.span_id
    # At the end the last one is told, and none twice.
    assert 1 <= len(of(records, "realtime.rtt")) <= 2


def test_a_turn_measures_what_people_ask_for() -> None:
    d = Driver().start()
    d.speech("started")
    d.at += 1.0
    d.speech("stopped")
    d.at += 0.1
    d.committed()
    d.at += 0.2
    d.created()
    d.at += 0.3
    kind = "conversation.item.input_audio_transcription.completed"
    d.server(kind, item_id="u1", content_index=0, transcript="Hi.")
    d.at += 0.4
    d.audio(10.0)
    d.done()
    (over,) = d.did(effects.TurnOver)
    measured = measures.turn(over.metrics)
    assert measured["speech_stop_to_first_audio_ms"] == pytest.approx(1000.0)
    assert measured["commit_to_created_ms"] == pytest.approx(200.0)
    assert measured["transcript_delay_ms"] == pytest.approx(600.0)
    assert measured["total_ms"] == pytest.approx(
        sum(value for name, value in measured.items() if name.startswith("to_"))
    )


@pytest.mark.parametrize("cause", ["speech", "application"])
def test_an_interruption_tells_how_far_it_had_come_and_why(cause: str) -> None:
    d = Driver().start()
    d.respond()
    d.created()
    d.audio(1000.0)
    d.at += 0.25
    d.feed(inputs.Interrupt(d.at)) if cause == "application" else d.speech("started")
    (event,) = d.of(realtime.AudioInterruptedEvent)
    assert event.cause == cause
    measured = measures.interruption(event)
    assert measured == pytest.approx(
        {"played_ms": 250, "truncate_ms": 250, "received_ms": 1000.0}, abs=1
    )
