"""What the server leaves open holds nothing back for ever."""

from __future__ import annotations

from typing import Any

from support.realtime_driver import Driver
from voxloop._errors import ConnectionClosed
from voxloop.realtime import RunConfig, SessionModelSettings
from voxloop.realtime.events import (
    AgentEndEvent,
    AgentStartEvent,
    AgentStateEvent,
    ErrorEvent,
    TranscriptEvent,
)
from voxloop.realtime.machine import inputs, sequencer
from voxloop.wire import realtime as rt

MANUAL = RunConfig(model_settings=SessionModelSettings(turn_detection=None))


def nameless(d: Driver) -> None:
    d.server("response.created", response={"status": "in_progress"})


def word(d: Driver, response_id: str | None) -> None:
    place: dict[str, Any] = {} if response_id is None else {"response_id": response_id}
    d.server("response.output_text.delta", item_id="i1", content_index=0, delta="word", **place)


def ends(d: Driver) -> list[tuple[str, str, str | None]]:
    return [(e.response_id, e.status, e.reason) for e in d.of(AgentEndEvent)]


def test_a_response_without_an_id_that_never_ends_is_given_up() -> None:
    d = Driver(config=MANUAL).start()
    nameless(d)
    d.respond()
    assert d.types() == []
    d.tick(sequencer.NAMELESS_SECONDS - 1.0)
    assert d.types() == []
    d.tick(1.5)
    assert d.types() == ["response.create"]
    assert ends(d) == [("", "incomplete", "not_ended")]


def test_nobody_asks_and_it_is_given_up_all_the_same() -> None:
    d = Driver(config=MANUAL).start()
    nameless(d)
    d.tick(sequencer.NAMELESS_SECONDS + 1.0)
    assert [e.state for e in d.of(AgentStateEvent)][-1] == "listening"


def test_what_comes_of_it_keeps_it_alive() -> None:
    d = Driver(config=MANUAL).start()
    nameless(d)
    d.respond()
    for _ in range(4):
        d.tick(sequencer.NAMELESS_SECONDS - 1.0)
        word(d, None)
    assert d.types() == []
    d.server("response.done", response={"status": "completed"})
    assert d.types() == ["response.create"]
    assert ends(d) == [("", "completed", None)]


def test_it_has_the_first_id_that_nothing_is_known_of() -> None:
    d = Driver(config=MANUAL).start()
    nameless(d)
    word(d, "r1")
    d.respond()
    d.tick(10 * sequencer.NAMELESS_SECONDS)
    assert d.types() == []  # it has a name: what comes of it need not be watched
    d.done("r1")
    assert d.types() == ["response.create"]
    assert ends(d) == [("r1", "completed", None)]


def test_an_end_with_an_id_ends_it() -> None:
    d = Driver(config=MANUAL).start()
    nameless(d)
    d.respond()
    d.done("r1")
    assert d.types() == ["response.create"]


def test_what_was_stopped_stays_silent_under_its_id() -> None:
    d = Driver(config=MANUAL).start()
    nameless(d)
    d.feed(inputs.Interrupt(d.at))
    word(d, "r1")
    assert d.of(TranscriptEvent) == []


def test_the_next_one_without_an_id_is_not_silent() -> None:
    d = Driver(config=MANUAL).start()
    nameless(d)
    d.feed(inputs.Interrupt(d.at))
    d.server("response.done", response={"status": "cancelled"})
    nameless(d)
    word(d, None)
    assert [e.delta for e in d.of(TranscriptEvent)] == ["word"]


def test_a_cancel_that_meets_no_response_ends_the_one_it_was_for() -> None:
    d = Driver(config=MANUAL).start()
    d.created("r1")
    d.respond()
    d.feed(inputs.Interrupt(d.at))
    event_id = d.last("response.cancel")["event_id"]
    d.error("response_cancel_not_active", event_id=event_id)
    assert ends(d) == [("r1", "cancelled", "client_cancelled")]
    assert d.types() == ["response.cancel", "response.create"]
    assert d.of(ErrorEvent) == []


def test_a_cancel_of_an_earlier_response_ends_no_later_one() -> None:
    d = Driver(config=MANUAL).start()
    d.created("r1")
    d.feed(inputs.Interrupt(d.at))
    event_id = d.last("response.cancel")["event_id"]
    d.done("r1")
    d.created("r2")
    d.error("response_cancel_not_active", event_id=event_id)
    assert [e.response_id for e in d.of(AgentEndEvent)] == ["r1"]


def test_a_request_that_the_server_passes_over_is_given_up_and_told() -> None:
    d = Driver(config=MANUAL).start()
    d.respond()
    d.respond(rt.ResponseParams(instructions="Be brief."))
    d.tick(sequencer.BEGIN_SECONDS + 1.0)
    assert [e.error.code for e in d.of(ErrorEvent)] == ["response_not_begun"]
    assert d.types() == ["response.create", "response.create"]


def test_a_response_that_begins_in_time_is_not_given_up() -> None:
    d = Driver(config=MANUAL).start()
    d.respond()
    d.created("r1")
    d.tick(10 * sequencer.BEGIN_SECONDS)
    assert d.of(ErrorEvent) == []
    assert len(d.of(AgentStartEvent)) == 1
    assert d.of(AgentEndEvent) == []


def test_an_item_that_is_gone_is_not_cut() -> None:
    d = Driver().start()
    d.created("r1")
    d.audio(1000)
    d.server("conversation.item.deleted", item_id="i1")
    d.feed(inputs.Interrupt(d.at))
    assert d.types() == ["response.cancel"]


def test_a_cut_that_meets_no_item_is_no_error() -> None:
    d = Driver().start()
    d.created("r1")
    d.audio(1000)
    d.feed(inputs.Interrupt(d.at))
    event_id = d.last("conversation.item.truncate")["event_id"]
    d.error("item_not_found", event_id=event_id)
    assert d.of(ErrorEvent) == []


def test_a_message_that_the_end_of_the_session_cuts_off_is_incomplete() -> None:
    d = Driver().start()
    d.created("r1")
    item = {"id": "i1", "type": "message", "role": "assistant", "status": "in_progress"}
    d.server("response.output_item.added", response_id="r1", output_index=0, item=item)
    d.feed(inputs.Lost(ConnectionClosed("gone", close_code=1008), d.at, None))
    assert [entry.status for entry in d.state.history.current()] == ["incomplete"]
