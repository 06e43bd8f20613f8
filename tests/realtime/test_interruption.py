"""What is heard, what is cut, and what is passed on after an interruption."""

from __future__ import annotations

import copy

import pytest

from support.realtime_driver import Driver
from voxloop.realtime import (
    AgentStateEvent,
    AudioEvent,
    AudioInterruptedEvent,
    HistoryEvent,
    RunConfig,
    SessionModelSettings,
    TranscriptEvent,
    TurnDetection,
)
from voxloop.realtime.events import ErrorEvent
from voxloop.realtime.machine import inputs


def interrupt(driver: Driver) -> None:
    driver.feed(inputs.Interrupt(driver.at))


def answering(config: RunConfig | None = None) -> Driver:
    d = Driver(config=config).start()
    d.respond()
    d.created()
    d.clear()
    return d


def test_an_interrupt_cuts_then_cancels_and_mutes() -> None:
    d = answering()
    d.audio(1000)
    d.tick(0.4)
    d.clear()
    interrupt(d)
    assert d.types() == ["conversation.item.truncate", "response.cancel"]
    assert d.sent[0]["audio_end_ms"] == 400
    assert d.sent[1]["response_id"] == "r1"
    assert isinstance(d.events[0], AudioInterruptedEvent)
    assert d.events[0].heard_ms == 400
    d.clear()
    d.audio(100)
    d.part("response.output_audio_transcript.delta", delta="late")
    d.part("response.output_audio_transcript.done", transcript="late")
    assert not d.of(AudioEvent)
    assert not d.of(TranscriptEvent)
    d.done(status="cancelled")
    d.audio(100)
    assert not d.of(AudioEvent), "late audio of a stopped response is dropped for good"


def test_the_server_cancels_by_itself_when_the_user_speaks() -> None:
    d = answering()
    d.audio(1000)
    d.tick(0.25)
    d.clear()
    d.speech("started")
    assert d.types() == ["conversation.item.truncate"]
    d.audio(100)
    assert not d.of(AudioEvent)


def test_the_client_cancels_when_the_server_was_told_not_to() -> None:
    vad = TurnDetection(type="server_vad", interrupt_response=False)
    d = answering(RunConfig(model_settings=SessionModelSettings(turn_detection=vad)))
    d.audio(1000)
    d.speech("started")
    assert d.types() == ["conversation.item.truncate", "response.cancel"]


def test_without_barge_in_speech_is_only_reported() -> None:
    d = answering(RunConfig(barge_in=False))
    d.audio(1000)
    d.speech("started")
    d.audio(100)
    assert d.types() == []
    assert len(d.of(AudioEvent)) == 2


def test_interrupt_and_speech_cut_at_the_same_point() -> None:
    ends = []
    for act in (interrupt, lambda d: d.speech("started")):
        d = answering()
        d.audio(600)
        d.audio(600)
        d.tick(0.777)
        act(d)
        ends.append(d.last("conversation.item.truncate")["audio_end_ms"])
    assert ends == [777, 777]


def test_of_queued_items_the_playing_one_is_cut_where_it_is_and_the_rest_at_zero() -> None:
    d = answering()
    d.audio(10_000, item="a")
    d.part("response.output_audio.done", item="a")
    d.audio(500, item="b")
    d.tick(4.0)
    d.clear()
    interrupt(d)
    cuts = {e["item_id"]: e["audio_end_ms"] for e in d.sent if "audio_end_ms" in e}
    assert cuts == {"a": 4000, "b": 0}
    (event,) = d.of(AudioInterruptedEvent)
    assert (event.item_id, event.heard_ms) == ("a", 4000)


def test_audio_that_was_played_to_its_end_is_not_cut() -> None:
    d = answering()
    d.audio(300)
    d.part("response.output_audio.done")
    d.done()
    d.tick(1.0)
    d.clear()
    interrupt(d)
    assert d.sent == []
    assert d.of(AudioInterruptedEvent) == []


def test_audio_that_ran_dry_while_more_was_to_come_is_cut_at_what_came() -> None:
    d = answering()
    d.audio(300)
    d.tick(1.0)
    d.clear()
    interrupt(d)
    assert d.last("conversation.item.truncate")["audio_end_ms"] == 300
    assert d.last("response.cancel")


def test_a_message_played_to_its_end_is_whole_even_while_its_response_runs() -> None:
    d = answering()
    d.audio(300)
    d.part("response.output_audio.done")
    d.tick(1.0)
    d.clear()
    interrupt(d)
    assert d.types() == ["response.cancel"]


def test_audio_still_playing_after_its_response_is_cut_without_a_cancel() -> None:
    d = answering()
    d.audio(2000)
    d.part("response.output_audio.done")
    d.done()
    d.tick(0.5)
    d.clear()
    interrupt(d)
    assert d.types() == ["conversation.item.truncate"]
    assert d.last("conversation.item.truncate")["audio_end_ms"] == 500


def test_nothing_is_cut_before_the_first_audio() -> None:
    d = answering()
    d.clear()
    d.speech("started")
    assert d.sent == []
    assert d.of(AudioInterruptedEvent) == []
    d.audio(100)
    assert d.of(AudioEvent) == [], "but the response is muted"


def test_nothing_is_sent_when_nothing_is_going_on() -> None:
    d = Driver().start()
    interrupt(d)
    assert d.sent == []


def test_an_interrupt_between_request_and_response_cancels_it_when_it_begins() -> None:
    d = Driver().start()
    d.respond()
    d.clear()
    interrupt(d)
    assert d.sent == []
    d.created("r1")
    assert d.last("response.cancel")["response_id"] == "r1"
    d.audio(100)
    assert d.of(AudioEvent) == []


def test_a_second_interrupt_sends_nothing_more() -> None:
    d = answering()
    d.audio(1000)
    interrupt(d)
    d.clear()
    interrupt(d)
    assert d.sent == []


def test_a_cancel_that_came_too_late_is_no_error() -> None:
    d = answering()
    interrupt(d)
    d.done()
    event_id = d.last("response.cancel")["event_id"]
    d.error("response_cancel_not_active", event_id=event_id)
    assert d.of(ErrorEvent) == []


def test_the_next_response_is_heard_again() -> None:
    d = answering()
    d.audio(1000)
    interrupt(d)
    d.done(status="cancelled")
    d.respond()
    d.created("r2")
    d.clear()
    d.audio(100, item="i2", response="r2")
    assert len(d.of(AudioEvent)) == 1


def test_reported_positions_count_instead_of_the_clock() -> None:
    d = answering()
    d.audio(1000)
    d.feed(inputs.Played("i1", 250.0, d.at))
    d.tick(5.0)
    interrupt(d)
    assert d.last("conversation.item.truncate")["audio_end_ms"] == 250


def test_reports_of_two_items_do_not_disturb_each_other() -> None:
    d = answering()
    d.audio(1000, item="a")
    d.audio(1000, item="b")
    for item, ms in (("a", 400.0), ("b", 10.0), ("a", 700.0), ("a", 600.0)):
        d.feed(inputs.Played(item, ms, d.at))
    interrupt(d)
    cuts = {e["item_id"]: e["audio_end_ms"] for e in d.sent if "audio_end_ms" in e}
    assert cuts == {"a": 700, "b": 10}


def test_a_report_beyond_what_came_is_cut_back() -> None:
    d = answering()
    d.audio(100)
    d.feed(inputs.Played("i1", 5000.0, d.at))
    interrupt(d)
    assert d.last("conversation.item.truncate")["audio_end_ms"] == 100


def test_a_lone_byte_waits_for_its_other_half() -> None:
    d = answering()
    d.audio(0, data=b"\x01\x02\x03")
    d.audio(0, data=b"\x04\x05")
    d.audio(0, data=b"\x06")
    assert [bytes(e.audio) for e in d.of(AudioEvent)] == [
        b"\x01\x02",
        b"\x03\x04",
        b"\x05\x06",
    ]


def test_the_history_tells_how_much_was_heard() -> None:
    d = answering()
    item = {"id": "i1", "type": "message", "role": "assistant", "status": "in_progress"}
    d.server("conversation.item.added", item=item)
    d.audio(1000)
    d.part("response.output_audio_transcript.delta", delta="One two three")
    d.tick(0.25)
    interrupt(d)
    (entry,) = d.state.history.current()
    assert (entry.heard_ms, entry.status, entry.text) == (250, "incomplete", "One two three")
    # What the server sends afterwards does not undo it.
    d.server("conversation.item.done", item={**item, "status": "incomplete", "content": []})
    assert d.state.history.current()[0].heard_ms == 250
    assert d.of(HistoryEvent)


def test_speaking_ends_when_the_sound_does_not_when_the_events_do() -> None:
    d = answering()
    d.clear()
    d.audio(500)
    d.part("response.output_audio.done")
    d.done()
    assert [e.state for e in d.of(AgentStateEvent)] == ["speaking"]
    d.tick(0.4)
    assert [e.state for e in d.of(AgentStateEvent)] == ["speaking"]
    d.tick(0.11)
    assert [e.state for e in d.of(AgentStateEvent)] == ["speaking", "listening"]


def test_old_items_do_not_pile_up() -> None:
    d = Driver().start()
    for number in range(50):
        d.respond()
        d.created(f"r{number}")
        d.audio(100, item=f"i{number}", response=f"r{number}")
        d.done(f"r{number}")
        d.tick(1.0)
    assert d.state.playback.items == ()
    assert len(d.state.turn.responses) == 0


@pytest.mark.parametrize("field", ["played_ms", "item_id"])
def test_a_report_for_an_unknown_item_is_ignored(field: str) -> None:
    d = answering()
    before = copy.copy(d.state)
    given = inputs.Played("nobody", 10.0, d.at)
    assert getattr(given, field)
    d.feed(given)
    assert d.state.playback == before.playback
