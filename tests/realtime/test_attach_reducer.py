"""What the reducer makes of what media tell: one truncation in all, a history as it was heard."""

from __future__ import annotations

from dataclasses import dataclass, field

from support.realtime_driver import Driver
from voxloop.realtime import AgentStateEvent, AudioEvent, AudioInterruptedEvent, HistoryEvent
from voxloop.realtime.machine import inputs
from voxloop.realtime.machine.state import InputBuffer


@dataclass
class Item:
    item_id: str
    heard_ms: int
    response_id: str = "r1"
    content_index: int = 0
    in_conversation: bool = True
    sent: bool = True
    received_ms: float = 0.0


@dataclass
class Cut:
    reason: str
    items: list[Item]
    muted: list[str] = field(default_factory=lambda: ["r1"])
    taken_bytes: int = 96_000
    at: float = 0.0
    seconds: float = 0.0


@dataclass
class Delta:
    """As the network thread gives it when a sink has the audio."""

    nbytes: int
    item_id: str = "i1"
    response_id: str = "r1"
    content_index: int = 0
    taken: bool = True
    dropped: bool = False


def playing() -> Driver:
    d = Driver().start()
    d.respond()
    d.created()
    item = {"id": "i1", "type": "message", "role": "assistant", "content": []}
    d.server("response.output_item.added", item=item, response_id="r1", output_index=0)
    d.part("response.output_audio_transcript.delta", delta="All of it")
    d.feed(inputs.Sound(Delta(96_000), d.at))  # type: ignore[arg-type]
    return d


def cut(d: Driver, found: Cut) -> None:
    d.feed(inputs.MediaCut(found, d.at))  # type: ignore[arg-type]


def states(d: Driver) -> list[str]:
    return [event.state for event in d.of(AgentStateEvent)]


def test_sound_that_a_sink_plays_makes_no_event_and_lasts_until_it_was_heard() -> None:
    d = playing()
    assert d.of(AudioEvent) == []
    assert states(d)[-1] == "speaking"
    d.part("response.output_audio.done")
    d.done()
    d.tick(60.0)
    assert states(d)[-1] == "speaking", "no clock on this side knows better"
    d.feed(inputs.MediaSilent(48_000, d.at))
    assert states(d)[-1] == "speaking", "that was before the last of it came"
    d.feed(inputs.MediaSilent(96_000, d.at))
    assert states(d)[-1] == "listening"


def test_a_report_may_come_before_the_sound_it_tells_of() -> None:
    d = Driver().start()
    d.respond()
    d.created()
    d.feed(inputs.MediaSilent(960, d.at))
    d.feed(inputs.Sound(Delta(960), d.at))  # type: ignore[arg-type]
    assert "speaking" not in states(d)


def test_a_cut_of_the_network_thread_is_not_made_twice() -> None:
    d = playing()
    d.clear()
    cut(d, Cut("server", [Item("i1", 730), Item("i2", 0)]))
    d.speech("started")
    assert d.types() == [], "the truncations are out, and the server cancels by itself"
    (event,) = d.of(AudioInterruptedEvent)
    assert (event.item_id, event.heard_ms) == ("i1", 730)
    (changed,) = d.of(HistoryEvent)
    assert (changed.item.heard_ms, changed.item.text) == (730, "All of it")
    d.clear()
    d.audio(100)
    d.feed(inputs.Sound(Delta(960, dropped=True), d.at))  # type: ignore[arg-type]
    d.part("response.output_audio_transcript.delta", delta="late")
    assert d.events == []
    d.done(status="cancelled")
    d.speech("stopped")
    assert "speaking" not in states(d)


def test_what_found_no_room_is_sent_from_here() -> None:
    d = playing()
    d.clear()
    cut(d, Cut("application", [Item("i1", 10, sent=False), Item("x", 0, in_conversation=False)]))
    d.feed(inputs.Interrupt(d.at))
    assert d.types() == ["conversation.item.truncate", "response.cancel"]
    assert d.sent[0]["audio_end_ms"] == 10
    d.feed(inputs.Interrupt(d.at))
    assert len(d.sent) == 2


def test_a_local_detector_cancels_too() -> None:
    d = playing()
    d.clear()
    cut(d, Cut("local", [Item("i1", 10)]))
    assert d.types() == ["response.cancel"]
    d.speech("started")
    assert d.types() == ["response.cancel"]


def test_audio_of_a_source_can_be_committed() -> None:
    d = Driver().start()
    assert d.state.input == InputBuffer()
    d.feed(inputs.MediaAttached(True, d.at))
    d.feed(inputs.CommitAudio(None, d.at))
    assert d.refusal() is None
    assert d.types()[0] == "input_audio_buffer.commit"


def test_media_that_follow_others_are_silent_when_they_have_played_theirs() -> None:
    d = playing()
    d.feed(inputs.MediaLeft(96_960, d.at))
    assert states(d)[-1] != "speaking"
    d.clear()
    d.feed(inputs.Sound(Delta(960), d.at))  # type: ignore[arg-type]
    assert states(d) == [], "it was on its way when the sink was let go"
    d.part("response.output_audio.done")
    d.done()
    d.feed(inputs.MediaAttached(False, d.at))
    d.at += 1.0
    old = Cut("server", [], muted=[], at=d.at - 5.0)
    d.respond()
    d.created("r2")
    d.feed(inputs.Sound(Delta(4_800, item_id="i2", response_id="r2"), d.at))  # type: ignore[arg-type]
    cut(d, old)
    assert states(d)[-1] == "speaking", "a cut of the media before says nothing of these"
    d.done("r2")
    d.feed(inputs.MediaSilent(4_800, d.at))
    assert states(d)[-1] == "listening"
