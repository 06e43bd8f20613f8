"""A connection that is lost is made again, over real sockets."""

from __future__ import annotations

import time

import pytest
import trio

from support.realtime_live import QUICK, counted, eventually, only, opened, until
from voxloop import net, realtime, telemetry, testing
from voxloop._errors import (
    AuthenticationError,
    ConnectionClosed,
    HandshakeRejected,
    NetworkError,
    VoxloopError,
)
from voxloop.agents import Agent
from voxloop.realtime.reconnect import recoverable, retry_after
from voxloop.testing import script as s
from voxloop.tools import tool

AGENT = Agent("A", "Talk.")


async def test_a_drop_while_idle_is_made_good() -> None:
    async with testing.RealtimeServer(s.conversation(s.Say("Hello."))) as server:
        async with opened(server) as (session, events):
            await session.send_message("One", respond=False)
            await server.wait_for("conversation.item.create")
            await server.drop()
            event = await until(events, realtime.ReconnectedEvent)
            assert event.replayed_items == 1
            assert event.lost_items == 0
            assert not event.planned
            assert 0.0 < event.downtime < 5.0
            await session.send_message("Two")
            await until(events, realtime.AgentEndEvent)
            assert [item.text for item in session.history][:2] == ["One", "Two"]
        assert server.violations == []
        first, second = server.peers
        assert second.received[0]["type"] == "session.update"
        ours = ("tools", "instructions", "audio", "output_modalities")
        assert [second.received[0]["session"].get(k) for k in ours] == [  # type: ignore[attr-defined]
            first.received[0]["session"].get(k)
            for k in ours  # type: ignore[attr-defined]
        ]
        assert [item["id"] for item in second.items][:2] == [item.id for item in session.history][
            :2
        ]
    states = [event.state for event in only(events, realtime.AgentStateEvent)]
    assert "reconnecting" in states
    assert states.index("reconnecting") < len(states) - 1
    (trying,) = only(events, realtime.ReconnectingEvent)
    assert trying.attempt == 1
    assert isinstance(trying.cause, NetworkError)


async def test_a_reconnection_is_told_to_telemetry() -> None:
    told: list[tuple[dict[str, float], dict[str, object]]] = []
    telemetry.attach(
        "test", ["realtime.reconnect"], lambda _name, m, d: told.append((dict(m), dict(d)))
    )
    try:
        async with testing.RealtimeServer() as server:
            async with opened(server) as (_session, events):
                await server.drop()
                await until(events, realtime.ReconnectedEvent)
    finally:
        telemetry.detach("test")
    ((measured, described),) = told
    assert measured["attempt"] == 1
    assert measured["downtime_ms"] > 0
    assert measured["dropped_audio_ms"] == 0
    assert described["planned"] is False


async def test_a_drop_within_a_response_leaves_what_was_said_as_text() -> None:
    plan = s.conversation(
        s.Reply((s.Say("one two three four", pace=0.0),), hold=True), s.Say("And on.")
    )
    async with testing.RealtimeServer(plan) as server:
        async with opened(server) as (session, events):
            await session.send_message("Count.")
            await until(events, realtime.AudioEvent, 4)
            await eventually(lambda: any(e.final for e in only(events, realtime.TranscriptEvent)))
            heard = len(only(events, realtime.AudioEvent))
            await server.drop()
            await until(events, realtime.ReconnectedEvent)
            end = await until(events, realtime.AgentEndEvent)
            assert (end.status, end.reason) == ("incomplete", "connection_lost")
            assert len(only(events, realtime.AudioEvent)) == heard
            await server.wait_for("conversation.item.create", 3)
            assert server.peers[1].count(server.peers[1].received, "response.create") == 0
            await session.send_message("Go on.")
            await until(events, realtime.AgentEndEvent, 2)
        assert server.violations == []
        said = [(i["role"], i["content"][0]) for i in server.peers[1].items]  # type: ignore[index]
        assert said[1] == ("assistant", {"type": "output_text", "text": "one two three four"})


async def test_a_request_without_an_answer_is_made_again() -> None:
    plan = s.conversation(s.Reply((s.Say("Late."),), delay=30.0), s.Say("Here."))
    async with testing.RealtimeServer(plan) as server:
        async with opened(server) as (session, events):
            await session.send_message("Hello?")
            await server.wait_for("response.create")
            await until(events, realtime.AgentStartEvent)
            await server.drop()
            await until(events, realtime.AgentEndEvent, 2)
        assert server.violations == []
    assert [e.status for e in only(events, realtime.AgentEndEvent)] == ["incomplete", "completed"]
    assert server.peers[1].count(server.peers[1].received, "response.create") == 1


async def test_a_tool_that_runs_through_the_gap_answers_on_the_new_connection() -> None:
    go = trio.Event()

    @tool
    async def slow() -> str:
        """Slow."""
        await go.wait()
        return "found it"

    plan = s.conversation(s.Call("slow", {}, "call_1"), s.Say("There."))
    async with testing.RealtimeServer(plan) as server:
        async with opened(server, Agent("A", tools=[slow])) as (session, events):
            await session.send_message("Look.")
            await until(events, realtime.ToolCallEvent)
            await until(events, realtime.AgentEndEvent)
            await server.drop()
            await until(events, realtime.ReconnectedEvent)
            await server.wait_for("session.update", 2)
            go.set()
            await until(events, realtime.AgentEndEvent, 2)
        assert server.violations == []
    kinds = [item["type"] for item in server.peers[1].items]
    assert kinds[:3] == ["message", "function_call", "function_call_output"]
    assert server.peers[1].items[2]["output"] == "found it"
    assert server.peers[0].count(server.peers[0].received, "conversation.item.create") == 1


async def test_a_tool_that_ends_within_the_gap_is_told_with_its_call() -> None:
    go = trio.Event()

    @tool
    async def slow() -> str:
        """Slow."""
        await go.wait()
        return "found it"

    plan = s.Script(
        replies=s.conversation(s.Call("slow", {}, "call_1"), s.Say("There.")).replies,
        upgrades=(None, s.Refusal(status=503), s.Refusal(status=503)),
    )
    async with testing.RealtimeServer(plan) as server:
        policy = realtime.Reconnect(base=0.1, stable_after=0.0)
        async with opened(server, Agent("A", tools=[slow]), policy=policy) as (session, events):
            await session.send_message("Look.")
            await until(events, realtime.ToolCallEvent)
            await until(events, realtime.AgentEndEvent)
            await server.drop()
            await until(events, realtime.ReconnectingEvent)
            go.set()
            await until(events, realtime.ToolResultEvent)
            await until(events, realtime.AgentEndEvent, 2)
        assert server.violations == []
    assert [i["type"] for i in server.peers[1].items][:3] == [
        "message",
        "function_call",
        "function_call_output",
    ]
    assert len(only(events, realtime.ReconnectingEvent)) == 3


async def test_a_call_waits_for_approval_through_a_reconnection() -> None:
    @tool
    async def pay() -> str:
        """Pay."""
        return "paid"

    plan = s.conversation(s.Call("pay", {}, "call_1"), s.Say("Done."))
    config = realtime.RunConfig(tools_to_approve=frozenset({"pay"}))
    async with testing.RealtimeServer(plan) as server:
        async with realtime.open_session(
            Agent("A", tools=[pay]),
            provider=server.provider(),
            config=config,
            model_config=realtime.ModelConfig(reconnect=QUICK),
        ) as session:
            await session.send_message("Pay.")
            outputs: list[str] = []
            with trio.fail_after(10):
                async for event in session:
                    match event:
                        case realtime.AgentEndEvent(status="completed") if not outputs:
                            await server.drop()
                        case realtime.ReconnectedEvent():
                            await session.approve_tool_call("call_1")
                        case realtime.ToolResultEvent(output=output):
                            outputs.append(output)
                        case realtime.AgentEndEvent():
                            break
        assert outputs == ["paid"]
        assert server.violations == []


async def test_audio_that_was_not_committed_is_sent_again_exactly() -> None:
    sound = counted(0, 30_000)  # 2.5 s
    async with testing.RealtimeServer() as server:
        async with opened(server, turn_detection=None) as (session, events):
            for start in range(0, 57_600, 9_600):
                await session.send_audio(sound[start : start + 9_600])
            await eventually(lambda: len(server.peers[0].audio) >= 30_000)
            await server.drop()
            for start in range(57_600, len(sound), 9_600):
                await session.send_audio(sound[start : min(start + 9_600, len(sound))])
            event = await until(events, realtime.ReconnectedEvent)
            await eventually(lambda: len(server.peers[1].audio) >= len(sound))
            await session.commit_audio(respond=False)
            await server.wait_for("input_audio_buffer.commit")
            assert event.dropped_audio_bytes == 0
        assert server.peers[1].audio == sound
        assert server.peers[1].commits == [len(sound)]


async def test_a_commit_without_an_answer_is_made_again() -> None:
    plan = s.Script(replies=(s.Reply((s.Say("Yes."),)),), upgrades=(None, s.Refusal(status=503)))
    async with testing.RealtimeServer(plan) as server:
        async with opened(server, turn_detection=None) as (session, events):
            await session.send_audio(counted(0, 2_400))
            await server.wait_for("input_audio_buffer.append")
            await server.drop()
            await until(events, realtime.ReconnectingEvent)
            await session.send_audio(counted(2_400, 2_400))
            await session.commit_audio()
            await session.send_audio(counted(4_800, 1_200))
            await until(events, realtime.AgentEndEvent)
            await eventually(lambda: len(server.peers[1].audio) >= 24_000)
        assert server.violations == []
        assert server.peers[1].audio == counted(0, 6_000)
        assert server.peers[1].commits == [19_200]


async def test_what_does_not_fit_is_lost_and_told_to_the_byte() -> None:
    plan = s.Script(upgrades=(None, s.Refusal(status=503), s.Refusal(status=503)))
    policy = realtime.Reconnect(base=0.2, audio_seconds=0.5, stable_after=0.0)
    async with testing.RealtimeServer(plan) as server:
        async with opened(server, policy=policy, turn_detection=None) as (session, events):
            await server.drop()
            await until(events, realtime.ReconnectingEvent)
            await session.send_audio(counted(0, 10_000))  # 40,000 bytes of 24,000 that are kept
            event = await until(events, realtime.ReconnectedEvent)
            assert event.dropped_audio_bytes == 16_000
            assert event.dropped_audio_ms == pytest.approx(16_000 / 48)
            assert event.replayed_audio_ms == pytest.approx(500)
            await eventually(lambda: len(server.peers[1].audio) >= 24_000)
        assert server.peers[1].audio == counted(4_000, 6_000)


async def test_speech_without_a_transcript_is_sent_again_as_sound() -> None:
    sound = counted(0, 12_000)
    plan = s.Script(
        steps=(s.Until("input_audio_buffer.append", 10), s.Hears(None)),
        later=(),
        replies=(s.Reply((s.Say("I see."),)),),
    )
    async with testing.RealtimeServer(plan) as server:
        async with opened(server) as (session, events):
            await session.send_audio(sound)
            await until(events, realtime.AgentEndEvent)
            await server.drop()
            event = await until(events, realtime.ReconnectedEvent)
            assert (event.replayed_items, event.lost_items) == (2, 0)
            await server.wait_for("conversation.item.create", 2)
        said, answer = server.peers[1].items
        assert said["content"][0]["type"] == "input_audio"  # type: ignore[index]
        assert answer["content"] == [{"type": "output_text", "text": "I see."}]
        assert [item["id"] for item in server.peers[1].items] == [i.id for i in session.history]


async def test_what_is_asked_for_in_the_gap_is_done_after_it() -> None:
    plan = s.Script(
        replies=(s.Reply((s.Write("Both."),)), s.Reply((s.Write("Aside."),))),
        upgrades=(None, s.Refusal(status=500)),
    )
    async with testing.RealtimeServer(plan) as server:
        async with opened(server) as (session, events):
            first = await session.send_message("First", respond=False)
            await server.wait_for("conversation.item.create")
            await eventually(lambda: bool(session.history))
            await server.drop()
            await until(events, realtime.ReconnectingEvent)
            assert session.state == "reconnecting"
            await session.delete_item(first)
            second = await session.send_message("Second")
            third = await session.send_message("Third")
            await session.send_raw({"type": "conversation.item.retrieve", "item_id": "x"})
            await session.update_agent(Agent("B", "Other."))
            await until(events, realtime.AgentEndEvent)
        received = [e["type"] for e in server.peers[1].received]
        assert received == [
            "session.update",
            "conversation.item.create",
            "conversation.item.create",
            "conversation.item.retrieve",
            "response.create",
        ]
        assert server.peers[1].received[0]["session"]["instructions"] == "Other."  # type: ignore[index]
        assert [i["id"] for i in server.peers[1].items][:2] == [second, third]
    assert session.current_agent.name == "B"


async def test_a_refused_key_ends_it_and_a_busy_server_is_waited_for() -> None:
    busy = s.Refusal(status=429, headers={"Retry-After": "0.3"}, body="{}")
    plan = s.Script(upgrades=(None, busy))
    async with testing.RealtimeServer(plan) as server:
        async with opened(server) as (_session, events):
            await server.drop()
            event = await until(events, realtime.ReconnectedEvent)
            assert event.downtime >= 0.3
    plan = s.Script(upgrades=(None, s.Refusal(status=401), None))
    async with testing.RealtimeServer(plan) as server:
        async with opened(server) as (session, events):
            await server.drop()
            await eventually(lambda: session.state == "closed")
            with pytest.raises(AuthenticationError):
                await session.send_message("Hello?")
        assert len(server.peers) == 1
        assert len(server.paths) == 2


async def test_the_key_is_asked_for_again() -> None:
    keys = iter(["one", "two", "three"])
    async with testing.RealtimeServer() as server:
        config = realtime.ModelConfig(
            api_key=lambda: next(keys),
            url=f"ws://127.0.0.1:{server.port}/v1/realtime",
            reconnect=QUICK,
        )
        async with realtime.open_session(AGENT, model_config=config) as session:
            await server.wait_for("session.update")
            await server.drop()
            with trio.fail_after(10):
                async for event in session:
                    if isinstance(event, realtime.ReconnectedEvent):
                        break
    assert [h["authorization"] for h in server.headers] == ["Bearer one", "Bearer two"]


async def test_a_server_that_accepts_and_closes_at_once_ends_it() -> None:
    plan = s.Script(steps=(s.Close(1011, "no"),))
    policy = realtime.Reconnect(base=0.01)
    async with testing.RealtimeServer(plan) as server:
        async with realtime.open_session(
            AGENT,
            provider=server.provider(),
            model_config=realtime.ModelConfig(reconnect=policy),
        ) as session:
            with pytest.raises(ConnectionClosed), trio.fail_after(10):
                async for _event in session:
                    pass
        assert len(server.peers) == policy.quick_failures


async def test_attempts_come_to_an_end() -> None:
    plan = s.Script(upgrades=(None, *[s.Refusal(status=503)] * 9))
    policy = realtime.Reconnect(base=0.01, max_attempts=3, stable_after=0.0)
    async with testing.RealtimeServer(plan) as server:
        async with opened(server, policy=policy) as (session, events):
            await server.drop()
            await eventually(lambda: session.state == "closed")
            with pytest.raises(HandshakeRejected):
                await session.clear_audio()
        assert [e.attempt for e in only(events, realtime.ReconnectingEvent)] == [1, 2, 3]


async def test_leaving_while_it_reconnects_ends_at_once() -> None:
    plan = s.Script(upgrades=(None, *[s.Refusal(status=503)] * 9))
    async with testing.RealtimeServer(plan) as server:
        policy = realtime.Reconnect(base=30.0, max_delay=30.0)
        async with opened(server, policy=policy) as (_session, events):
            await server.drop()
            await until(events, realtime.ReconnectingEvent)
            began = time.monotonic()
        assert time.monotonic() - began < 3.0


async def test_a_session_is_renewed_before_the_server_ends_it() -> None:
    replies = tuple(s.Reply((s.Say(f"Answer {n}."),)) for n in range(3))
    plan = s.Script(replies=replies, expires_after=4.0)
    async with testing.RealtimeServer(plan) as server:
        async with opened(server) as (session, events):
            await session.send_message("One?")
            event = await until(events, realtime.ReconnectedEvent)
            assert event.planned
            assert event.downtime == 0.0
            assert event.replayed_items == 2
            await session.send_message("Two?")
            await until(events, realtime.AgentEndEvent, 2)
        assert server.violations == []
    assert only(events, realtime.ReconnectingEvent) == []
    assert only(events, realtime.ErrorEvent) == []
    assert "reconnecting" not in [e.state for e in only(events, realtime.AgentStateEvent)]


async def test_an_expiry_under_audio_leaves_no_gap_in_it() -> None:
    answer = s.Say("word " * 32, pace=0.25, chunk_ms=20)  # eight seconds, sent within two
    replies = (s.Reply((answer,)), s.Reply((s.Say("Yes."),)))
    plan = s.Script(replies=replies, expires_after=9.0)
    async with testing.RealtimeServer(plan) as server:
        async with opened(server) as (session, events):
            await session.send_message("Count.")
            change = await until(events, realtime.ReconnectedEvent)
            assert change.planned
            await session.send_message("Still there?")
            await until(events, realtime.AgentEndEvent, 2)
        assert server.violations == []
    assert [e.status for e in only(events, realtime.AgentEndEvent)] == ["completed"] * 2
    assert only(events, realtime.AudioInterruptedEvent) == []
    audio = [e for e in only(events, realtime.AudioEvent) if e.item_id]
    first = [bytes(e.audio) for e in audio if e.response_id == audio[0].response_id]
    assert b"".join(first) == answer.sound()
    states = [e.state for e in only(events, realtime.AgentStateEvent)]
    assert "reconnecting" not in states


async def test_a_server_that_ends_the_session_within_an_answer_is_left_for_the_next() -> None:
    plan = s.Script(
        replies=(s.Reply((s.Say("An endless tale. " * 4),), hold=True), s.Reply((s.Say("On."),))),
        expires_after=2.0,
    )
    async with testing.RealtimeServer(plan) as server:
        async with opened(server) as (session, events):
            await session.send_message("Tell.")
            event = await until(events, realtime.ReconnectedEvent)
            assert not event.planned
            assert event.downtime < 0.5, "the next connection stood ready"
            end = await until(events, realtime.AgentEndEvent)
            assert end.status == "incomplete"
            await session.send_message("Go on.")
            await until(events, realtime.AgentEndEvent, 2)
        assert server.violations == []


def test_a_dead_peer_is_noticed_within_half_a_minute() -> None:
    options = net.WebSocketOptions()
    assert options.ping_interval is not None
    assert options.ping_timeout is not None
    assert options.ping_interval + options.ping_timeout <= 30.0


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (None, False),
        *[(ConnectionClosed("x", close_code=c), True) for c in (None, 1001, 1005, 1006, 1011)],
        *[(ConnectionClosed("x", close_code=c), True) for c in (1012, 1013, 1015)],
        *[(ConnectionClosed("x", close_code=c), False) for c in (1002, 1003, 1007, 1008, 4000)],
        *[(HandshakeRejected("x", status=c), True) for c in (408, 429, 500, 503)],
        *[(HandshakeRejected("x", status=c), False) for c in (400, 403, 404, 409)],
        (AuthenticationError("x"), False),
    ],
)
def test_what_is_tried_again(error: VoxloopError | None, again: bool) -> None:
    assert recoverable(error) is again


def test_delays_grow_to_a_bound_and_the_server_is_obeyed() -> None:
    policy = realtime.Reconnect()
    for attempt, most in enumerate([0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0], 1):
        delays = [policy.delay(attempt, None, f"{attempt}:{n}") for n in range(50)]
        assert all(most / 2 <= delay <= most for delay in delays)
        assert len(set(delays)) > 40
    told = HandshakeRejected("x", status=503, headers={"retry-after": "20"})
    assert policy.delay(1, told, "x") == 20.0
    for silly in ("-1", "nan", "soon", "1e99"):
        rejected = HandshakeRejected("x", status=503, headers={"retry-after": silly})
        assert retry_after(rejected) is None
