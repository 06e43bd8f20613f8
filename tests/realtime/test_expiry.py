"""A session that its server ends after an hour, with sound both ways: no gap in what is heard.

The hour is the server's: it says that the session ends some seconds after it began. The gap is not
timed but counted, as silence in what a paced sink has recorded; the answers never have any.
"""

from __future__ import annotations

import array
from pathlib import Path

import pytest

from support.realtime_driver import Driver
from support.realtime_live import eventually, only, opened, until
from voxloop import audio, realtime, testing
from voxloop.realtime.machine import effects
from voxloop.testing import script as s

FRAME = 480
"""Samples of one block of 20 ms: the gap that is allowed."""
ENDS_AFTER = 10.0
"""Seconds that the server gives a session. Half of it goes by before the change is begun."""
FIRST, SECOND = 12.0, 1.5
"""Seconds of the answers. The first is still heard seconds after the change, on any machine."""


def counter(seconds: float, start: int = 0) -> bytes:
    """Samples that count, never zero."""
    frames = round(seconds * 24_000)
    return array.array("h", ((start + n) % 30_000 + 1 for n in range(frames))).tobytes()


def recorded(path: Path) -> array.array[int]:
    """What the sink has played, without the silence before and after."""
    samples = array.array("h", bytes(audio.read_wav(path)))
    sounding = [place for place, sample in enumerate(samples) if sample]
    return samples[sounding[0] : sounding[-1] + 1]


def longest_silence(samples: array.array[int]) -> int:
    longest = here = 0
    for sample in samples:
        here = 0 if sample else here + 1
        longest = max(longest, here)
    return longest


def sounds(samples: array.array[int]) -> bytes:
    return array.array("h", filter(None, samples)).tobytes()


@pytest.mark.parametrize("planned", [True, False], ids=["before-it", "when-it-comes"])
async def test_an_expiry_leaves_no_gap_in_what_a_sink_plays(planned: bool, tmp_path: Path) -> None:
    first, second = counter(FIRST), counter(SECOND, round(FIRST * 24_000))
    said = counter(7.0)
    error = {"type": "x", "code": "session_expired", "message": "60 minutes are over."}
    ends = (
        s.UntilSent("response.done"),  # however long that took
        s.Emit({"type": "error", "error": error}),
        s.Close(1001, "Your session hit the maximum duration of 60 minutes."),
    )
    plan = s.Script(
        replies=(
            s.Reply((s.Say("The first. " * 8, audio=first, chunk_ms=20, pace=0.1),)),
            s.Reply((s.Say("The second.", audio=second, chunk_ms=20),)),
        ),
        expires_after=ENDS_AFTER if planned else None,
        steps=() if planned else ends,
        later=(),
    )
    path = tmp_path / "heard.wav"
    async with testing.RealtimeServer(plan) as server:
        async with opened(server, seconds=60.0) as (session, events):
            source, sink = audio.WavSource(said), audio.WavSink(path)
            async with session.attach(source, sink) as media:
                await session.send_message("Tell me two things.")
                change = await until(events, realtime.ReconnectedEvent)
                assert change.planned is planned
                assert change.lost_items == 0
                assert media.stats().played_frames < len(first) // 2, "it is still heard"
                await session.send_message("Go on.")
                await until(events, realtime.AgentEndEvent, 2)
                both = (len(first) + len(second)) // 2
                await eventually(lambda: media.stats().played_frames == both)
                await media.wait_source()
                await eventually(lambda: len(server.peers[-1].audio) >= len(said))
                stats = media.stats()
        assert server.violations == []
    samples = recorded(path)
    print(f"\nlongest silence: {longest_silence(samples)} samples")
    assert longest_silence(samples) <= FRAME
    assert sounds(samples) == first + second, "all of it, in order"
    assert (stats.lost_up, stats.overruns, stats.late_pieces, stats.interruptions) == (0, 0, 0, 0)
    # What the user said goes on as well: nothing was committed, so the next connection has it all.
    assert bytes(server.peers[-1].audio) == said
    assert [e.status for e in only(events, realtime.AgentEndEvent)] == ["completed"] * 2
    assert only(events, realtime.AudioInterruptedEvent) == []
    assert ("reconnecting" in [e.state for e in only(events, realtime.AgentStateEvent)]) != planned


async def test_an_expiry_within_an_answer_lets_what_has_come_be_heard(tmp_path: Path) -> None:
    answer = counter(20.0)
    plan = s.Script(
        replies=(
            s.Reply((s.Say("Long. " * 80, audio=answer, chunk_ms=20, pace=0.25),)),
            s.Reply((s.Say("Short.", audio=counter(0.5)),)),
        ),
        expires_after=2.5,
    )
    path = tmp_path / "heard.wav"
    async with testing.RealtimeServer(plan) as server:
        async with opened(server, seconds=60.0) as (session, events):
            async with session.attach(sink=audio.WavSink(path)) as media:
                await session.send_message("Tell me everything.")
                end = await until(events, realtime.AgentEndEvent)
                assert end.status == "incomplete"
                change = await until(events, realtime.ReconnectedEvent)
                assert not change.planned
                assert change.downtime < 1.0, "the next connection stood ready"
                await session.send_message("Go on.")
                await until(events, realtime.AgentEndEvent, 2)
                await eventually(lambda: session.state == "listening")
                played = media.stats().played_frames
    samples = recorded(path)
    print(f"\nlongest silence: {longest_silence(samples)} samples")
    assert longest_silence(samples) <= FRAME
    whole = sounds(samples)
    short = counter(0.5)
    assert whole.endswith(short)
    assert whole[: -len(short)] == answer[: len(whole) - len(short)], "none of it is left out"
    assert len(whole) == 2 * played
    assert len(whole) - len(short) > 48_000


def test_the_change_is_made_as_soon_as_no_answer_is_expected_any_more() -> None:
    d = Driver().start()
    d.expires_in(10.0)
    d.tick(5.5)
    assert d.did(effects.Dial)
    d.committed()  # the server will answer, or so it seems
    d.open()
    assert d.of(realtime.ReconnectedEvent) == []
    d.tick(2.5)  # it does not
    (change,) = d.of(realtime.ReconnectedEvent)
    assert change.planned
