"""Agents take over when the server has accepted their settings, and only what differs is told."""

from __future__ import annotations

import dataclasses

from support.realtime_driver import Driver, resolved
from voxloop._errors import ConcurrencyError, ConfigError
from voxloop.agents import Agent
from voxloop.realtime import (
    ErrorEvent,
    HandoffEvent,
    RunConfig,
    SessionModelSettings,
    TurnDetection,
)
from voxloop.realtime.machine import effects, inputs
from voxloop.tools import tool


@tool
async def refund(order: str) -> str:
    """Give money back."""
    return order


TECH = Agent("Tech", "Solve problems.")
SALES = Agent("Sales", "Sell.", tools=[refund], voice="cedar")
GREETER = Agent("Greeter", "Route.").add_handoff(TECH).add_handoff(SALES)


def handing_over(to: Agent = TECH, *, audio: bool = False) -> Driver:
    d = Driver(GREETER).start()
    d.respond()
    d.created()
    if audio:
        d.audio(100)
    d.call(f"transfer_to_{to.name.lower()}")
    d.clear()
    d.feed(inputs.AgentReady(resolved(to), "c1", "moved", d.at))
    return d


def current(d: Driver) -> str:
    return d.state.agent.current.agent.name


def updated(d: Driver) -> None:
    d.server("session.updated", session={"type": "realtime"})


def test_the_first_update_tells_everything() -> None:
    d = Driver(GREETER)
    d.feed(inputs.Start(d.at))
    (update,) = d.sent
    session = update["session"]
    assert update["type"] == "session.update"
    assert session["type"] == "realtime"
    assert session["instructions"] == "Route."
    assert session["output_modalities"] == ["audio"]
    assert [t["name"] for t in session["tools"]] == ["transfer_to_tech", "transfer_to_sales"]
    assert session["audio"]["input"] == {
        "format": {"type": "audio/pcm", "rate": 24000},
        "turn_detection": {"type": "semantic_vad", "interrupt_response": True},
        "transcription": {"model": "gpt-4o-mini-transcribe"},
    }
    assert session["audio"]["output"] == {
        "format": {"type": "audio/pcm", "rate": 24000},
        "voice": "marin",
    }
    assert set(session) == {"type", "instructions", "output_modalities", "tools", "audio"}


def test_the_order_is_update_then_event_and_output_then_response() -> None:
    d = handing_over()
    assert d.types() == ["session.update"]
    assert current(d) == "Greeter"
    assert d.of(HandoffEvent) == []
    updated(d)
    assert current(d) == "Tech"
    assert d.types() == ["session.update", "conversation.item.create"]
    assert d.last("conversation.item.create")["item"]["output"] == "moved"
    (event,) = d.of(HandoffEvent)
    assert (event.from_agent, event.to_agent, event.reason) == ("Greeter", "Tech", "handoff")
    d.done()
    assert d.types()[-1] == "response.create"


def test_only_what_differs_is_told() -> None:
    d = handing_over()
    assert d.sent[0]["session"] == {
        "type": "realtime",
        "instructions": "Solve problems.",
        "tools": [],
    }


def test_the_voice_is_told_before_the_first_audio_and_never_after() -> None:
    d = handing_over(SALES)
    assert d.sent[0]["session"]["audio"] == {"output": {"voice": "cedar"}}
    d = handing_over(SALES, audio=True)
    assert "audio" not in d.sent[0]["session"]


def test_a_rejected_voice_is_left_out_and_the_rest_is_tried_again() -> None:
    d = handing_over(SALES)
    first = d.last("session.update")["event_id"]
    d.error("cannot_update_voice", event_id=first, param="session.audio.output.voice")
    second = d.last("session.update")
    assert second["event_id"] != first
    assert set(second["session"]) == {"type", "instructions", "tools"}
    assert current(d) == "Greeter"
    assert len(d.of(ErrorEvent)) == 1
    updated(d)
    assert current(d) == "Sales"


def test_a_rejected_handoff_leaves_the_agent_and_is_told_to_the_model() -> None:
    d = handing_over()
    d.error("invalid_value", event_id=d.last("session.update")["event_id"], param="session.tools")
    # tools are left out and the rest is tried; that is refused, too
    d.error("invalid_value", event_id=d.last("session.update")["event_id"])
    assert current(d) == "Greeter"
    assert d.of(HandoffEvent) == []
    assert "failed" in d.last("conversation.item.create")["item"]["output"]
    d.done()
    assert d.types()[-1] == "response.create"
    # What the server is believed to know is what it knew before.
    d.feed(inputs.AgentReady(resolved(TECH), None, "", d.at))
    assert d.last("session.update")["session"]["instructions"] == "Solve problems."


def test_a_server_that_does_not_confirm_is_not_waited_for_for_ever() -> None:
    d = handing_over()
    d.tick(2.5)
    assert current(d) == "Tech"
    assert len(d.of(HandoffEvent)) == 1
    updated(d)
    assert len(d.of(HandoffEvent)) == 1


def test_of_two_handoffs_in_one_response_the_second_is_told_so() -> None:
    d = Driver(GREETER).start()
    d.respond()
    d.created()
    d.call("transfer_to_tech", call_id="c1")
    d.clear()
    d.call("transfer_to_sales", call_id="c2")
    assert d.did(effects.RunHandoff) == []
    assert "already transferred" in d.last("conversation.item.create")["item"]["output"]
    d.feed(inputs.AgentReady(resolved(TECH), "c1", "moved", d.at))
    updated(d)
    d.done()
    assert d.types().count("response.create") == 1
    assert current(d) == "Tech"


def test_a_call_keeps_the_tools_of_the_agent_that_made_it() -> None:
    agent = dataclasses.replace(GREETER, tools=(refund,))
    d = Driver(agent).start()
    d.respond()
    d.created()
    d.call("refund", call_id="c1")
    (run,) = d.did(effects.RunTool)
    d.feed(inputs.AgentReady(resolved(TECH), None, "", d.at))
    updated(d)
    assert run.call.agent.agent.name == "Greeter"
    d.finish("c1")
    assert d.last("conversation.item.create")["item"]["call_id"] == "c1"


def test_the_application_changes_the_agent() -> None:
    d = Driver(GREETER).start()
    d.feed(inputs.AgentReady(resolved(TECH), None, "", d.at))
    assert current(d) == "Greeter"
    updated(d)
    assert current(d) == "Tech"
    assert d.of(HandoffEvent)[0].reason == "application"
    assert "response.create" not in d.types()


def test_the_application_waits_for_a_handoff_under_way() -> None:
    d = handing_over()
    d.feed(inputs.AgentReady(resolved(SALES), None, "", d.at))
    assert isinstance(d.refusal(), ConcurrencyError)


def test_the_same_agent_again_needs_no_update() -> None:
    d = Driver(GREETER).start()
    d.feed(inputs.AgentReady(resolved(GREETER), None, "", d.at))
    assert d.sent == []
    assert len(d.of(HandoffEvent)) == 1


def test_a_failed_callback_leaves_the_agent_and_another_handoff_may_follow() -> None:
    d = Driver(GREETER).start()
    d.respond()
    d.created()
    d.call("transfer_to_tech", call_id="c1")
    d.finish("c1", "The handoff failed.", "error")
    d.done()
    d.created("r2")
    d.call("transfer_to_sales", call_id="c2", response="r2")
    assert len(d.did(effects.RunHandoff)) == 1


def test_the_response_names_the_agent_that_began_it() -> None:
    d = handing_over()
    updated(d)
    d.done()
    ends = [e for e in d.events if type(e).__name__ == "AgentEndEvent"]
    assert [e.agent for e in ends] == ["Greeter"]  # type: ignore[attr-defined]


def test_settings_are_told_by_difference_and_taken_back_when_refused() -> None:
    d = Driver().start()
    before = d.state.settings
    new = dataclasses.replace(before, speed=1.25, turn_detection=None)
    d.feed(inputs.ChangeSettings(new, d.at))
    update = d.last("session.update")
    assert update["session"] == {
        "type": "realtime",
        "audio": {"input": {"turn_detection": None}, "output": {"speed": 1.25}},
    }
    assert not d.state.link.answers
    d.error("invalid_value", event_id=update["event_id"])
    assert d.state.settings == before
    assert d.state.link.answers
    assert len(d.of(ErrorEvent)) == 1


def test_a_setting_taken_back_is_told_as_null_where_the_wire_has_one() -> None:
    d = Driver(config=RunConfig(model_settings=SessionModelSettings(truncation="auto"))).start()
    d.feed(inputs.ChangeSettings(SessionModelSettings(), d.at))
    assert d.last("session.update")["session"] == {"type": "realtime", "truncation": None}


def test_formats_cannot_change() -> None:
    d = Driver().start()
    new = dataclasses.replace(d.state.settings)
    object.__setattr__(new, "output_format", "g711_ulaw")
    d.feed(inputs.ChangeSettings(new, d.at))
    assert isinstance(d.refusal(), ConfigError)


def test_what_the_server_confirms_decides_who_answers() -> None:
    d = Driver().start()
    vad = {"type": "server_vad", "create_response": False, "interrupt_response": False}
    d.server(
        "session.updated",
        session={"type": "realtime", "audio": {"input": {"turn_detection": vad}}},
    )
    assert (d.state.link.answers, d.state.link.interrupts) == (False, False)


def test_refused_first_settings_end_the_session() -> None:
    d = Driver()
    d.feed(inputs.Start(d.at))
    d.error("unknown_parameter", event_id=d.sent[0]["event_id"], param="session.type")
    (end,) = d.did(effects.End)
    assert end.error is not None
    assert end.error.code == "unknown_parameter"
    assert d.state.link.over


def test_turn_detection_of_a_rejected_update_is_not_believed() -> None:
    settings = SessionModelSettings(turn_detection=TurnDetection(type="server_vad"))
    d = Driver(config=RunConfig(model_settings=settings)).start()
    off = dataclasses.replace(settings, turn_detection=None)
    on = dataclasses.replace(off, speed=1.5)
    d.feed(inputs.ChangeSettings(off, d.at))
    first = d.last("session.update")["event_id"]
    d.feed(inputs.ChangeSettings(on, d.at))
    d.error("invalid_value", event_id=first)
    # The second update was made on top of the first: what is known is what came before, and it.
    known = d.state.link.known
    assert known["audio"]["input"]["turn_detection"]["type"] == "server_vad"  # type: ignore[index]
    assert known["audio"]["output"]["speed"] == 1.5  # type: ignore[index]
