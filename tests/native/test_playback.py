"""Jitter buffer, playback ledger and pacer through the Python face."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxloop import audio
from voxloop.audio import PCM24K, AudioFormatError, Format

FEW = settings(max_examples=60, deadline=None)


def counting(frames: int, start: int = 1) -> np.ndarray:
    return np.arange(start, start + frames).astype(np.int16)


def test_a_buffer_waits_plays_runs_dry_and_waits_again() -> None:
    buffer = audio.JitterBuffer(PCM24K, target_ms=20, capacity_ms=100)
    assert (buffer.target, buffer.capacity, buffer.depth) == (480, 2_400, 0)
    buffer.push(counting(400))
    assert not buffer.is_playing
    assert buffer.pull(100)[1] == 0
    buffer.push(counting(400, 401))
    chunk, sound = buffer.pull(900)
    assert sound == 800
    assert chunk.numpy()[:800].tolist() == list(range(1, 801))
    assert not chunk.numpy()[800:].any()
    stats = buffer.stats
    assert (stats.underruns, stats.concealed, stats.played) == (1, 100, 800)


@pytest.mark.parametrize(("overrun", "first"), [("drop_oldest", 601), ("drop_newest", 1)])
def test_a_full_buffer_drops_by_policy(overrun: audio.Overrun, first: int) -> None:
    buffer = audio.JitterBuffer(PCM24K, target_ms=0, capacity_ms=100, overrun=overrun)
    assert buffer.push(counting(3_000)) == 600
    assert buffer.pull(1)[0].numpy()[0] == first
    assert (buffer.stats.overruns, buffer.stats.dropped) == (1, 600)


def test_clear_silences_at_once_and_end_plays_the_rest() -> None:
    buffer = audio.JitterBuffer(Format(48_000, 2, "float32"), target_ms=10)
    buffer.push(np.ones((480, 2), np.float32))
    assert buffer.pull(100)[1] == 100
    assert buffer.clear() == 380
    assert buffer.pull(100)[1] == 0
    buffer.push(np.ones((10, 2), np.float32))
    buffer.end()
    chunk, sound = buffer.pull(20)
    assert (sound, chunk.numpy().shape) == (10, (20, 2))
    assert (buffer.stats.cleared, buffer.stats.underruns) == (380, 0)


@pytest.mark.parametrize(
    "call",
    [
        lambda: audio.JitterBuffer(PCM24K, target_ms=50, capacity_ms=40),
        lambda: audio.JitterBuffer(PCM24K, target_ms=-1),
        lambda: audio.JitterBuffer(PCM24K, target_ms=float("nan")),
        lambda: audio.JitterBuffer(PCM24K, overrun="drop"),  # type: ignore[arg-type]
        lambda: audio.JitterBuffer(PCM24K).pull(-1),
        lambda: audio.JitterBuffer(PCM24K).pull(10**12),
        lambda: audio.JitterBuffer(PCM24K).push(audio.silence(Format(16_000), 0.02)),
        lambda: audio.PlaybackLedger(24_000).queue("a", -1),
        lambda: audio.PlaybackLedger(0),
        lambda: audio.Pacer(24_000, frame_ms=0),
        lambda: audio.Pacer(22_050, frame_ms=1.3),
        lambda: audio.Pacer(24_000).poll(-1.0),
        lambda: audio.Pacer(24_000).poll(float("nan")),
    ],
)
def test_what_makes_no_sense_is_refused(call: object) -> None:
    with pytest.raises(AudioFormatError):
        call()  # type: ignore[operator]


@FEW
@given(
    st.lists(st.one_of(st.integers(0, 700), st.integers(-700, -1), st.just("end")), max_size=40),
    st.integers(0, 20),
)
def test_nothing_is_lost_doubled_or_out_of_order(steps: list[object], target: int) -> None:
    buffer = audio.JitterBuffer(PCM24K, target_ms=target, capacity_ms=40)
    pushed, heard = 0, []
    for step in steps:
        if step == "end":
            buffer.end()
        elif isinstance(step, int) and step >= 0:
            buffer.push(counting(step, pushed + 1))
            pushed += step
        elif isinstance(step, int):
            chunk, sound = buffer.pull(-step)
            heard += chunk.numpy()[:sound].tolist()
            assert chunk.frames == -step
            assert not chunk.numpy()[sound:].any()
        stats = buffer.stats
        assert stats.pushed == pushed == stats.played + stats.dropped + stats.cleared + buffer.depth
    assert heard == sorted(set(heard))


@FEW
@given(st.lists(st.integers(0, 300), max_size=20), st.integers(1, 3_000))
def test_the_split_of_a_push_does_not_matter(sizes: list[int], frames: int) -> None:
    samples = counting(sum(sizes))
    whole, pieces = (audio.JitterBuffer(PCM24K, target_ms=5, capacity_ms=60) for _ in range(2))
    whole.push(samples)
    for size in sizes:
        pieces.push(samples[:size])
        samples = samples[size:]
    assert whole.pull(frames) == pieces.pull(frames)


def test_the_ledger_knows_what_was_heard_to_the_frame() -> None:
    ledger = audio.PlaybackLedger(24_000)
    ledger.queue("a", 24_000)
    ledger.queue("b", 12_000)
    ledger.queue("a", 240)
    assert ledger.play(30_007) == 0
    assert ledger.heard_ms("a") == 1_000
    assert (ledger.heard("b").played, ledger.heard_ms("b")) == (6_007, 250)
    assert ledger.current == "b"
    assert ledger.clear() == 6_233
    assert ledger.play(100) == 100
    assert [item for item, _ in ledger.items()] == ["a", "b"]
    heard = ledger.heard("a")
    assert (heard.played, heard.pending, heard.dropped) == (24_000, 0, 240)
    assert not heard.is_complete
    assert (ledger.played_frames, ledger.silence_frames, ledger.pending_frames) == (30_007, 100, 0)
    assert ledger.forget("a")
    assert ledger.heard_ms("a") == 0


@FEW
@given(
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from("abc"), st.integers(0, 999)),
            st.integers(0, 999),
            st.none(),
        ),
        max_size=40,
    )
)
def test_the_ledger_against_a_list_of_single_frames(steps: list[object]) -> None:
    ledger = audio.PlaybackLedger(8_000)
    queue: list[str] = []
    played = dict.fromkeys("abc", 0)
    for step in steps:
        if isinstance(step, tuple):
            ledger.queue(*step)
            queue += [step[0]] * step[1]
        elif isinstance(step, int):
            assert ledger.play(step) == max(0, step - len(queue))
            for item in queue[:step]:
                played[item] += 1
            del queue[:step]
        else:
            assert ledger.clear() == len(queue)
            queue.clear()
        for item, frames in played.items():
            assert ledger.heard_ms(item) == frames * 1_000 // 8_000
            assert ledger.heard(item).pending == queue.count(item)


@given(st.integers(1, 10**9), st.floats(0, 0.01))
@settings(max_examples=60, deadline=None)
def test_a_pacer_does_not_drift(start: int, late: float) -> None:
    pacer = audio.Pacer(24_000, frame_ms=20)
    now, sent, polls = float(start), 0, 0
    while sent < 500 and polls < 1_100:
        pace = pacer.poll(now)
        # A sum of floats may fall a hair short of the time that was meant: nothing is due yet.
        assert (pace.skipped, pace.due in (0, 1)) == (0, True)
        assert abs(now - start - sent * 0.02) < late + 1e-5
        sent += pace.due
        polls += 1
        now += pace.wait + (late if pace.due else 0.0)
    assert sent == 500


def test_a_stall_does_not_become_a_burst() -> None:
    pacer = audio.Pacer(24_000, frame_ms=20, catch_up=3, lead=2)
    assert pacer.poll(50.0).due == 3, "the lead at once"
    pace = pacer.poll(51.0)
    assert (pace.due, pace.skipped) == (3, 47)
    assert pacer.skipped == 47
    assert pacer.interval == pytest.approx(0.02)
    assert pacer.poll(40.0).due == 0, "a clock that steps back is held"
    pacer.reset()
    assert pacer.poll(60.0).due == 3
