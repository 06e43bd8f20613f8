"""Sessions over real sockets, against the scripted server."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

import pytest
import trio

from support.sessions import GREETER, MANUAL, only, until
from voxloop import audio, realtime, testing
from voxloop._errors import (
    ApiError,
    AuthenticationError,
    ConfigError,
    ConnectionClosed,
    UseAfterClose,
)
from voxloop.agents import Agent
from voxloop.testing import script as s


async def test_a_spoken_question_with_a_tool_call() -> None:
    async with testing.RealtimeServer(s.weather_call("Rome")) as server:
        async with realtime.open_session(GREETER, provider=server.provider()) as session:
            await session.send_audio(testing.utterance(1.0))
            await session.commit_audio()
            events = await until(session, realtime.AgentEndEvent, 2)
            assert session.usage.responses == 2
            assert session.session_id == "sess_1"
    (call,) = only(events, realtime.ToolCallEvent)
    assert (call.name, call.args) == ("get_weather", {"location": "Rome"})
    (result,) = only(events, realtime.ToolResultEvent)
    assert result.output == "Sunny and 22 degrees in Rome."
    (final,) = [e for e in only(events, realtime.TranscriptEvent) if e.final]
    assert final.text == "It is sunny in Rome."
    sound = audio.concat(e.audio for e in only(events, realtime.AudioEvent))
    assert bytes(sound) == s.tone(0.25 * 5)
    assert server.types() == [
        "session.update",
        "input_audio_buffer.commit",
        "response.create",
        "conversation.item.create",
        "response.create",
    ]
    assert server.violations == []


async def test_turn_detection_hears_a_question_and_answers() -> None:
    async with testing.RealtimeServer(s.spoken_turn("How are you?", "Fine.")) as server:
        async with realtime.open_session(GREETER, provider=server.provider()) as session:
            events = await until(session, realtime.AgentEndEvent)
            while session.state != "listening":
                events += await until(session, realtime.AgentStateEvent)
    kinds = [e.kind for e in only(events, realtime.SpeechEvent)]
    assert kinds == ["started", "stopped"]
    finals = [(e.role, e.text) for e in only(events, realtime.TranscriptEvent) if e.final]
    assert finals == [("user", "How are you?"), ("assistant", "Fine.")]
    states = [e.state for e in only(events, realtime.AgentStateEvent)]
    assert states == ["listening", "user_speaking", "thinking", "speaking", "listening"]
    assert server.types() == ["session.update"], "the server answers by itself"


async def test_the_user_interrupts_a_long_answer() -> None:
    text = "one two three four five six seven eight nine ten eleven twelve"
    async with testing.RealtimeServer(s.barge_in(text)) as server:
        async with realtime.open_session(GREETER, provider=server.provider()) as session:
            await session.send_message("Count.")
            events = await until(session, realtime.AgentEndEvent, 2)
            cut = await server.wait_for("conversation.item.truncate")
    (interrupted,) = only(events, realtime.AudioInterruptedEvent)
    after = events[events.index(interrupted) :]
    first = only(events, realtime.AgentStartEvent)[0].response_id
    assert not [e for e in only(after, realtime.AudioEvent) if e.response_id == first]
    assert cut["type"] == "conversation.item.truncate"
    assert cut["audio_end_ms"] == interrupted.heard_ms
    assert 200 <= interrupted.heard_ms <= 600
    ends = [(e.status, e.reason) for e in only(events, realtime.AgentEndEvent)]
    assert ends == [("cancelled", "turn_detected"), ("completed", None)]
    assert server.violations == []


async def test_interrupt_stops_the_answer() -> None:
    plan = s.conversation(s.Reply((s.Say("a b c d e f g h", pace=1.0),)))
    async with testing.RealtimeServer(plan) as server:
        async with realtime.open_session(GREETER, provider=server.provider()) as session:
            await session.send_message("Go on.")
            await until(session, realtime.AudioEvent)
            await session.interrupt()
            events = await until(session, realtime.AgentEndEvent)
    assert only(events, realtime.AudioEvent) == []
    assert only(events, realtime.AgentEndEvent)[0].reason == "client_cancelled"
    assert server.types()[-2:] == ["conversation.item.truncate", "response.cancel"]
    assert server.violations == []


async def test_what_is_sent_is_resampled_and_cut_without_seams() -> None:
    clip = audio.resample(testing.utterance(2.0), 44_100)
    async with (
        testing.RealtimeServer() as server,
        realtime.open_session(GREETER, provider=server.provider(), config=MANUAL) as session,
    ):
        for start in range(0, clip.frames, 4_410 * 3):
            await session.send_audio(clip[start : start + 4_410 * 3])
        await session.commit_audio(respond=False)
        await server.wait_for("input_audio_buffer.commit")
    pieces = [
        base64.b64decode(str(e["audio"]))
        for e in server.received
        if e["type"] == "input_audio_buffer.append"
    ]
    assert b"".join(pieces) == bytes(audio.resample(clip, 24_000))
    assert max(map(len, pieces)) <= 4_800


async def test_audio_of_other_shapes_is_taken_too() -> None:
    stereo = audio.AudioChunk(bytes(8 * 4_800), audio.Format(48_000, 2))
    async with (
        testing.RealtimeServer() as server,
        realtime.open_session(GREETER, provider=server.provider(), config=MANUAL) as session,
    ):
        await session.send_audio(stereo)
        await session.send_audio(bytes(4_800))
        await session.send_audio(bytes(1_600), format=audio.Format(8_000))
        await session.commit_audio(respond=False)
        await server.wait_for("input_audio_buffer.commit")
        with pytest.raises(ConfigError):
            await session.commit_audio()
        with pytest.raises(audio.AudioFormatError):
            await session.send_audio(b"\0")
    sent = sum(
        len(base64.b64decode(str(e["audio"])))
        for e in server.received
        if e["type"] == "input_audio_buffer.append"
    )
    # 200 ms of stereo at 48 kHz, 100 ms at 24 kHz and 100 ms at 8 kHz
    assert sent == (4_800 + 2_400 + 2_400) * 2


async def test_messages_images_items_and_raw_events() -> None:
    async with testing.RealtimeServer(s.conversation(s.Write("I see."))) as server:
        async with realtime.open_session(GREETER, provider=server.provider()) as session:
            first = await session.send_message("Be formal.", role="system", respond=False)
            await session.send_image(b"\x89PNG\r\n", text="What is this?", respond=False)
            item = {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "Hello!"}],
            }
            await session.add_item(item, previous_item_id=first)
            await session.delete_item(first)
            await session.send_raw({"type": "vendor.thing", "x": [1]})
            await session.respond(instructions="Briefly.", max_output_tokens=50)
            await until(session, realtime.AgentEndEvent)
            with pytest.raises(ConfigError):
                await session.send_image(b"no image")
            with pytest.raises(ConfigError):
                await session.send_raw({"no": "type"})
            for bad in (float("nan"), [float("inf")], {"deep": (1, float("-inf"))}):
                with pytest.raises(ConfigError, match="no JSON for"):
                    await session.send_raw({"type": "vendor.thing", "x": bad})
            with pytest.raises(ConfigError):
                await session.add_item({"role": "user"})
            texts = [(i.role, i.text) for i in session.history]
    assert texts == [("assistant", "Hello!"), ("user", "What is this?"), ("assistant", "I see.")]
    image = next(e for e in server.received if "input_image" in json.dumps(e))
    assert "data:image/png;base64,iVBORw0K" in json.dumps(image)
    assert {"type": "vendor.thing", "x": [1]} in server.received
    assert server.received[-1]["response"] == {
        "instructions": "Briefly.",
        "max_output_tokens": 50,
    }


async def test_settings_are_told_by_difference() -> None:
    from dataclasses import replace

    async with testing.RealtimeServer() as server:
        async with realtime.open_session(GREETER, provider=server.provider()) as session:
            await session.update_settings(replace(session.settings, speed=1.2))
            await server.wait_for("session.update", 2)
            assert session.settings.speed == 1.2
            await session.update_agent(Agent("Other", "Differ."))
            await server.wait_for("session.update", 3)
            events = await until(session, realtime.HandoffEvent)
            assert session.current_agent.name == "Other"
    assert only(events, realtime.HandoffEvent)[0].reason == "application"
    updates = [e["session"] for e in server.received if e["type"] == "session.update"]
    assert updates[1] == {"type": "realtime", "audio": {"output": {"speed": 1.2}}}
    assert updates[2] == {"type": "realtime", "instructions": "Differ.", "tools": []}


async def test_a_response_beside_the_conversation() -> None:
    plan = s.conversation(s.Reply((s.Say("long " * 8, pace=0.5),)), s.Write("positive"))
    async with testing.RealtimeServer(plan) as server:
        async with realtime.open_session(GREETER, provider=server.provider()) as session:
            await session.send_message("Talk.")
            await until(session, realtime.AudioEvent)
            await session.respond(conversation="none", instructions="What mood?")
            events = await until(session, realtime.AgentEndEvent, 2)
    finals = [e.text for e in only(events, realtime.TranscriptEvent) if e.final]
    assert "positive" in finals
    assert server.violations == []


async def test_the_turns_latencies_add_up() -> None:
    async with testing.RealtimeServer(s.spoken_turn("Question?", "Answer it is.")) as server:
        async with realtime.open_session(GREETER, provider=server.provider()) as session:
            await until(session, realtime.AgentEndEvent)
            (turn,) = session.metrics()
    names = [name for name, _ in turn.marks]
    assert set(names) == {
        "speech_stopped",
        "committed",
        "transcript",
        "response_created",
        "first_text",
        "first_audio",
        "last_audio",
    }
    assert turn.complete
    assert sum(seconds for _, seconds in turn.parts) == pytest.approx(turn.total)
    first = turn.at("first_audio")
    start = turn.at("speech_stopped")
    assert first is not None
    assert start is not None
    assert turn.voice_to_voice == first - start > 0


async def test_a_failed_response_is_told() -> None:
    plan = s.conversation(s.Reply(status="failed", error=("rate_limit_exceeded", "too fast")))
    async with testing.RealtimeServer(plan) as server:
        async with realtime.open_session(GREETER, provider=server.provider()) as session:
            await session.send_message("Hello")
            events = await until(session, realtime.AgentEndEvent)
    assert [e.error.code for e in only(events, realtime.ErrorEvent)] == ["rate_limit_exceeded"]
    (end,) = only(events, realtime.AgentEndEvent)
    assert (end.status, end.reason) == ("failed", "rate_limit_exceeded")


async def test_frames_that_cannot_be_read_end_nothing() -> None:
    steps = (
        s.Emit("this is not JSON"),
        s.Emit("[1, 2]"),
        s.Emit({"no": "type"}),
        s.Emit({"type": "vendor.unknown", "x": 1}),
        s.Emit({"type": "response.output_audio.delta", "delta": "?!", "response_id": "r"}),
    )
    plan = s.conversation(s.Write("Still here."), steps=steps)
    async with testing.RealtimeServer(plan) as server:
        async with realtime.open_session(GREETER, provider=server.provider()) as session:
            events = await until(session, realtime.ErrorEvent, 4)
            await session.send_message("Are you there?")
            await until(session, realtime.AgentEndEvent)
    assert {e.error.code for e in only(events, realtime.ErrorEvent)} == {"protocol"}


async def test_refused_settings_end_the_session() -> None:
    plan = s.Script(refuse={"session.update": ("unknown_parameter", "no such thing", "session.x")})
    async with testing.RealtimeServer(plan) as server:
        async with realtime.open_session(GREETER, provider=server.provider()) as session:
            with pytest.raises(ApiError) as caught, trio.fail_after(5):
                async for _event in session:
                    pass
            assert caught.value.code == "unknown_parameter"
            with pytest.raises(ApiError):
                await session.send_message("Hello?")
            assert session.state == "closed"


async def test_a_clean_close_ends_the_iteration_quietly() -> None:
    plan = s.conversation(steps=(s.Close(1000, "bye"),))
    async with testing.RealtimeServer(plan) as server:
        async with realtime.open_session(GREETER, provider=server.provider()) as session:
            with trio.fail_after(5):
                events = [event async for event in session]
            assert isinstance(events[-1], realtime.AgentStateEvent)
            assert events[-1].state == "closed"
            with pytest.raises(UseAfterClose):
                await session.send_message("Hello?")


@pytest.mark.parametrize("step", [s.Drop(), s.Close(1001, "going away"), s.Close(1011, "oops")])
async def test_a_lost_connection_is_raised_after_all_events(step: s.Step) -> None:
    plan = s.conversation(
        s.Reply((s.Write("Half an"),), hold=True),
        steps=(s.UntilSent("response.output_item.done"), step),
    )
    async with testing.RealtimeServer(plan) as server:
        once = realtime.ModelConfig(reconnect=realtime.Reconnect(enabled=False))
        async with realtime.open_session(
            GREETER, provider=server.provider(), model_config=once
        ) as session:
            await session.send_message("Hello")
            await trio.sleep(0.3)  # all of it has come, and nothing was read
            events: list[realtime.Event] = []
            with pytest.raises(ConnectionClosed), trio.fail_after(5):
                async for event in session:
                    events.append(event)
            with pytest.raises(ConnectionClosed):
                await session.send_audio(bytes(480))
    assert [e.text for e in only(events, realtime.TranscriptEvent) if e.final] == ["Half an"]
    (end,) = only(events, realtime.AgentEndEvent)
    assert (end.status, end.reason) == ("incomplete", "connection_lost")
    assert only(events, realtime.AgentStateEvent)[-1].state == "closed"


async def test_the_address_and_headers_are_those_that_were_asked_for() -> None:
    async with testing.RealtimeServer() as server:
        config = realtime.ModelConfig(model="gpt-test", headers={"X-Trace": "7"})
        async with realtime.open_session(GREETER, provider=server.provider(), model_config=config):
            await server.wait_for("session.update")
        attached = realtime.ModelConfig(call_id="rtc_1")
        async with realtime.open_session(
            GREETER, provider=server.provider(), model_config=attached
        ):
            await server.wait_for("session.update", 2)
    assert server.paths == ["/v1/realtime?model=gpt-test", "/v1/realtime?call_id=rtc_1"]
    assert server.headers[0]["x-trace"] == "7"
    assert server.headers[0]["authorization"].startswith("Bearer ")
    audio_config = server.received[-1]["session"]["audio"]  # type: ignore[index]
    assert "format" not in audio_config["input"]
    assert "format" not in audio_config["output"]


async def test_an_api_key_may_come_from_a_function(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fetch() -> str:
        return "sk-fetched"

    given: list[Callable[[], object] | str] = [lambda: "sk-called", fetch, "sk-plain"]
    async with testing.RealtimeServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        for key in given:
            config = realtime.ModelConfig(
                api_key=key,  # type: ignore[arg-type]
                url=server.base_url.replace("http", "ws") + "/realtime?model=m",
            )
            async with realtime.open_session(GREETER, model_config=config):
                pass
    keys = [headers["authorization"] for headers in server.headers]
    assert keys == ["Bearer sk-called", "Bearer sk-fetched", "Bearer sk-plain"]
    with pytest.raises(ConfigError):
        async with realtime.open_session(
            GREETER,
            provider=server.provider(),
            model_config=realtime.ModelConfig(api_key="sk-x"),
        ):
            pass


async def test_without_a_key_the_error_names_what_was_looked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    for name in ("CODEX_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CODEX_HOME", str(tmp_path))
    with pytest.raises(AuthenticationError, match="OPENAI_API_KEY"):
        async with realtime.open_session(GREETER):
            pass


async def test_two_sessions_at_once_know_nothing_of_each_other() -> None:
    plan = s.conversation(s.Write("first"), s.Write("second"))
    async with testing.RealtimeServer(plan) as server:
        provider = server.provider()
        async with (
            realtime.open_session(GREETER, provider=provider) as one,
            realtime.open_session(GREETER, provider=provider) as two,
        ):
            await one.send_message("1")
            await until(one, realtime.AgentEndEvent)
            await two.send_message("2")
            await until(two, realtime.AgentEndEvent)
            assert [i.text for i in one.history] == ["1", "first"]
            assert [i.text for i in two.history] == ["2", "second"]


async def test_an_error_that_quotes_a_key_is_told_without_it() -> None:
    detail = {"type": "x", "code": "odd", "message": "Incorrect API key: sk-abcdef0123456789"}
    plan = s.Script(steps=(s.Emit({"type": "error", "error": detail}),))
    async with (
        testing.RealtimeServer(plan) as server,
        realtime.open_session(GREETER, provider=server.provider()) as session,
    ):
        (event,) = only(await until(session, realtime.ErrorEvent), realtime.ErrorEvent)
    assert event.error.message == "Incorrect API key: sk-***"


async def test_a_session_that_has_expired_ends_with_that_error_if_it_is_not_made_again() -> None:
    detail = {"type": "invalid_request_error", "code": "session_expired", "message": "60 minutes"}
    steps = (s.Emit({"type": "error", "error": detail}), s.Close(1001, "60 minutes"))
    once = realtime.ModelConfig(reconnect=realtime.Reconnect(enabled=False))
    async with testing.RealtimeServer(s.Script(steps=steps)) as server:
        with pytest.raises(ApiError, match="60 minutes") as caught:
            async with realtime.open_session(
                GREETER, provider=server.provider(), model_config=once
            ) as session:
                async for _ in session:
                    pass
    assert caught.value.code == "session_expired"
