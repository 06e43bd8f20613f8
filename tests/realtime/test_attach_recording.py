"""What attached media carry past this thread: recordings, telemetry, `wire_events`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import trio

from support.attached import counter, listening, reached, sent_audio, session_with
from support.sessions import MANUAL
from voxloop import audio, realtime, telemetry, testing
from voxloop.realtime.skin import follow
from voxloop.testing import script as s

Record = tuple[str, Mapping[str, float], Mapping[str, object]]
RATE = 24_000


@pytest.fixture
def records() -> Iterator[list[Record]]:
    seen: list[Record] = []
    telemetry.attach_many("attached", ["realtime.*"], lambda *event: seen.append(event))
    yield seen
    telemetry.detach("attached")


def channels(path: Path) -> tuple[bytes, bytes]:
    whole = audio.read_wav(path)
    assert (whole.sample_rate, whole.channels) == (RATE, 2)
    both = np.frombuffer(bytes(whole), "<i2").reshape(-1, 2)
    return both[:, 0].tobytes(), both[:, 1].tobytes()


def place(channel: bytes) -> tuple[float, bytes]:
    """When the sound of a channel begins, in seconds, and the sound."""
    sound = channel.lstrip(b"\0")
    return (len(channel) - len(sound)) // 2 / RATE, sound.rstrip(b"\0")


def frames(path: Path, direction: str, kind: str) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in path.read_text().splitlines()[1:]]
    return [one for one in lines if (one["dir"], one["event"]["type"]) == (direction, kind)]


async def test_user_left_and_agent_right_each_at_its_time(tmp_path: Path) -> None:
    question, answer = counter(0.5), counter(0.7, 7_000)
    plan = s.conversation(s.Say("All of it.", audio=answer, chunk_ms=35))
    sink = audio.WavSink(tmp_path / "out.wav")
    async with session_with(plan, MANUAL) as (server, session):
        async with session.record(tmp_path / "call") as recording:
            began = time.monotonic()
            await trio.sleep(0.2)
            async with session.attach(audio.WavSource(question), sink) as media:
                attached = time.monotonic() - began
                await media.wait_source()
                await session.commit_audio()
                asked = time.monotonic() - began
                await listening(session)
        assert (recording.dropped, recording.error) == (0, None)
    left, right = channels(tmp_path / "call.wav")
    spoken, said = place(left)
    heard, sound = place(right)
    assert said == question
    assert sound == answer == bytes(audio.read_wav(tmp_path / "out.wav"))
    # The second channel begins after the question was asked, by the clock of the first.
    assert 0.15 <= spoken <= attached + 0.05
    assert asked - 0.05 <= heard <= asked + 5.0
    appends = frames(tmp_path / "call.jsonl", "out", "input_audio_buffer.append")
    assert len(appends) == 25
    assert len(sent_audio(server)) == len(question)


async def test_only_what_was_heard_of_an_interrupted_answer_is_recorded(tmp_path: Path) -> None:
    answer = counter(8.0)
    plan = s.conversation(s.Reply((s.Say("a b c", audio=answer),), hold=True))
    async with session_with(plan) as (server, session):
        async with session.attach(sink=audio.NullSink(buffer_ms=20)) as media:
            async with session.record(tmp_path / "call"):
                await session.send_message("Go on.")
                await reached(lambda: media.stats().played_frames >= 12_000)
                await session.interrupt()
                played = media.stats().played_frames
                await server.wait_for("conversation.item.truncate")
    _, sound = place(channels(tmp_path / "call.wav")[1])
    assert sound == answer[: played * 2]


async def test_a_recording_that_begins_and_ends_within_the_answer(tmp_path: Path) -> None:
    answer = counter(4.0)
    plan = s.conversation(s.Reply((s.Say("a b c", audio=answer),), hold=True))
    async with session_with(plan) as (_, session):
        async with session.attach(sink=audio.NullSink(buffer_ms=20)) as media:
            await session.send_message("Go on.")
            await reached(lambda: media.stats().played_frames >= 12_000)
            async with session.record(tmp_path / "call"):
                first = media.stats().played_frames
                await reached(lambda: media.stats().played_frames >= first + 12_000)
                last = media.stats().played_frames
            await reached(lambda: media.stats().played_frames >= last + 4_800)
            async with session.record(tmp_path / "again"):
                await reached(lambda: media.stats().played_frames >= last + 9_600)
    _, sound = place(channels(tmp_path / "call.wav")[1])
    at = answer.index(sound)
    assert first - 960 <= at // 2 <= first + 12_000
    assert last - 960 <= (at + len(sound)) // 2 <= last + 12_000
    _, later = place(channels(tmp_path / "again.wav")[1])
    assert answer.index(later) > at + len(sound), "each has its own stretch"


async def test_sound_at_other_rates_and_of_a_telephone_is_recorded_whole(tmp_path: Path) -> None:
    settings = realtime.SessionModelSettings(
        input_format="pcmu", output_format="pcmu", turn_detection=None
    )
    clip = testing.utterance(0.5, before=0.0, after=0.0, sample_rate=8_000)
    plan = s.conversation(s.Say("a b c", audio=s.tone(1.0)))
    config = realtime.RunConfig(model_settings=settings)
    async with session_with(plan, config) as (_, session):
        async with session.record(tmp_path / "call") as recording:
            sink = audio.NullSink(sample_rate=48_000)
            async with session.attach(audio.WavSource(clip), sink) as media:
                await media.wait_source()
                await session.commit_audio()
                await listening(session)
        assert recording.dropped == 0
    left, right = (np.frombuffer(data, "<i2") for data in channels(tmp_path / "call.wav"))
    wanted = np.frombuffer(bytes(audio.resample(clip, RATE)), "<i2")
    start = np.flatnonzero(left)[0] - np.flatnonzero(wanted)[0]
    assert np.abs(left[start : start + wanted.size].astype(int) - wanted).max() <= 2
    heard = np.flatnonzero(np.abs(right.astype(int)) > 500)
    assert (heard[-1] - heard[0]) / RATE == pytest.approx(1.0, abs=0.005)


async def test_a_thread_that_stands_still_loses_nothing_of_a_recording(tmp_path: Path) -> None:
    question, answer = counter(2.0), counter(2.0, 7_000)
    plan = s.conversation(s.Say("All of it.", audio=answer))
    async with session_with(plan) as (_, session):
        async with session.record(tmp_path / "call") as recording:
            async with session.attach(audio.WavSource(question), audio.NullSink()) as media:
                await session.send_message("Go on.")
                await reached(lambda: media.stats().played_frames > 4_800)
                time.sleep(1.2)
                await media.wait_source()
                await reached(lambda: media.stats().played_frames == 48_000)
        assert recording.dropped == 0
    left, right = channels(tmp_path / "call.wav")
    assert place(left)[1] == question
    assert place(right)[1] == answer


async def test_what_media_send_is_among_the_wire_events() -> None:
    async with session_with(s.Script(), MANUAL) as (server, session):
        async with session.wire_events() as wire:
            async with session.attach(audio.WavSource(counter(0.1))) as media:
                await media.wait_source()
            await session.send_message("That was it.", respond=False)
            appends: list[realtime.WireEvent] = []
            async for event in wire:
                kind = json.loads(event.data)["type"]
                if kind == "input_audio_buffer.append":
                    appends.append(event)
                if kind == "conversation.item.create":
                    break
        await reached(lambda: len(sent_audio(server)) == 4_800)
    assert [event.direction for event in appends] == ["out"] * 5
    assert [event.at for event in appends] == sorted(event.at for event in appends)


async def test_telemetry_knows_what_a_source_sends_and_a_sink_takes(records: list[Record]) -> None:
    plan = s.conversation(s.Say("a b c", audio=counter(1.0)))
    async with session_with(plan, MANUAL) as (_, session):
        async with session.attach(audio.WavSource(counter(1.5)), audio.NullSink()) as media:
            await trio.sleep(1.2)
            assert media.stats().sent_up > 0
            await media.wait_source()
            await session.commit_audio()
            await listening(session)
    sent = [(values, data) for kind, values, data in records if kind == "realtime.audio.sent"]
    assert 2 <= len(sent) <= 6, "in batches"
    assert sum(values["bytes"] for values, _ in sent) == 72_000
    assert sum(values["duration_ms"] for values, _ in sent) == 1_500
    assert {data["format"] for _, data in sent} == {"audio/pcm"}
    received = [values for kind, values, _ in records if kind == "realtime.audio.received"]
    assert sum(values["bytes"] for values in received) == 48_000
    assert [values["first"] for values in received] == [1] + [0] * (len(received) - 1)
    (stop,) = [values for kind, values, _ in records if kind == "realtime.session.stop"]
    assert stop["audio_in_ms"] == 1_500
    assert stop["audio_out_ms"] == 1_000


async def test_totals_are_right_without_a_look_in_between(
    records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "SECONDS", 1_000.0)
    async with session_with(s.Script(), MANUAL) as (_, session):
        async with session.attach(audio.WavSource(counter(0.3), realtime=False)) as media:
            await media.wait_source()
    (stop,) = [values for kind, values, _ in records if kind == "realtime.session.stop"]
    assert stop["audio_in_ms"] == 300
