"""Frames that are taken in a row lead where the reducer leads with one after the other."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from support.realtime_cast import Decoded
from support.realtime_driver import Driver
from voxloop.net import Frame
from voxloop.realtime.events import AudioEvent
from voxloop.realtime.machine import effects, inputs, reducer
from voxloop.realtime.machine.quick import Quick
from voxloop.realtime.machine.state import State
from voxloop.wire import realtime as rt


def speaking() -> Driver:
    """A session whose agent has begun to say two parts of an answer."""
    d = Driver().start()
    d.created()
    d.part("response.content_part.added", part={"type": "audio", "transcript": ""})
    d.audio(20)
    d.part("response.output_audio_transcript.delta", delta="One")
    d.clear()
    return d


def words(delta: str, item: str = "i1", response: str = "r1", index: int = 0) -> str:
    event = rt.ResponseOutputAudioTranscriptDelta(
        delta=delta, item_id=item, response_id=response, output_index=0, content_index=index
    )
    return rt.encode(event)


def sound(size: int, item: str = "i1", response: str = "r1", index: int = 0) -> Decoded:
    return Decoded(item, response, bytes(size), taken=False, content_index=index)


def one_by_one(state: State, frames: list[Frame]) -> tuple[State, list[object]]:
    """What the reducer makes of them, and what it tells the application."""
    told: list[object] = []
    for data, at in frames:
        given: inputs.Input
        if isinstance(data, str):
            given = inputs.Received(rt.decode_server(data), at)
        else:
            given = inputs.Sound(data, at)  # type: ignore[arg-type]  # decoded by hand
        state, todo = reducer.step(state, given)
        told += [effect.event for effect in todo if isinstance(effect, effects.Emit)]
    return state, told


FRAMES = st.one_of(
    st.builds(sound, st.integers(0, 40).map(lambda n: 2 * n)),
    st.builds(sound, st.integers(1, 999)),
    st.builds(sound, st.just(8), st.sampled_from(["i1", "i2"]), st.sampled_from(["r1", "r2"])),
    st.builds(words, st.sampled_from(["a", " b", ""])),
    st.builds(words, st.just("c"), st.sampled_from(["i1", "i2"]), st.sampled_from(["r1", "r2"])),
    st.builds(words, st.just("d"), st.just("i1"), st.just("r1"), st.integers(-1, 2)),
    st.just('{"type":"response.output_audio.done","item_id":"i1","response_id":"r1"}'),
    st.just("{"),
)


@given(st.lists(st.tuples(FRAMES, st.sampled_from([0.0, 0.001, 0.3])), max_size=12))
def test_a_row_leads_where_its_frames_lead_one_by_one(data: list[tuple[Any, float]]) -> None:
    d = speaking()
    times = accumulate((gap for _, gap in data), initial=d.at)
    frames = [Frame(one, at) for (one, _), at in zip(data, times, strict=False)]
    quick, state, first = Quick(), d.state, 0
    while first < len(frames):
        row = quick.row(state, frames, first)
        after, told = one_by_one(state, frames[first : first + row.taken])
        at = frames[first + max(0, row.taken - 1)].at
        # What has become due in between, a tick settles.
        (quickly, ticked), (slowly, _) = (
            reducer.step(s, inputs.Tick(at)) for s in (row.state, after)
        )
        assert quickly == slowly
        told_in_time = [e.event for e in ticked if isinstance(e, effects.Emit)]
        assert [event for event, _ in row.told] + told_in_time == told
        assert all(size == sized(event) for event, size in row.told)
        first += row.taken
        if first < len(frames) and row.left is not None:
            left = frames[first].data
            assert isinstance(left, str)
            assert row.left == rt.decode_server(left)
        state, first = after, first + 1


def sized(event: object) -> int:
    return event.audio.nbytes if isinstance(event, AudioEvent) else 0


def test_a_whole_answer_is_one_row() -> None:
    d = speaking()
    frames = [Frame(sound(960), d.at + n * 0.02) for n in range(20)]  # type: ignore[arg-type]
    frames.insert(7, Frame(words(" two"), d.at + 0.13))
    row = Quick().row(d.state, frames)
    assert row.taken == len(frames) == len(row.told)
    (item,) = row.state.playback.items
    assert item.received_ms == 21 * 20
    assert row.state.history.drafts == {("i1", 0): "One two"}
