"""Media attached to a session over a real socket: what goes up, what comes down, what is cut."""

from __future__ import annotations

import base64
import gc
import os
import time
from functools import partial
from pathlib import Path

import pytest
import trio

from support.attached import counter, listening, reached, sent_audio, session_with
from support.sessions import GREETER, MANUAL, only, until
from voxloop import _native, audio, realtime, testing
from voxloop._errors import AudioFormatError, ConcurrencyError, ConfigError, UseAfterClose
from voxloop.testing import script as s


async def test_a_file_goes_up_and_the_answer_comes_down_to_a_file(tmp_path: Path) -> None:
    question, answer = counter(0.5), counter(0.7, 7_000)
    audio.write_wav(tmp_path / "in.wav", audio.AudioChunk(question, audio.PCM24K))
    plan = s.conversation(s.Say("All of it.", audio=answer, chunk_ms=35))
    sink = audio.WavSink(tmp_path / "out.wav")
    async with session_with(plan, MANUAL) as (server, session):
        async with session.attach(audio.WavSource(tmp_path / "in.wav"), sink) as media:
            await media.wait_source()
            await session.commit_audio()
            events = await listening(session)
            stats = media.stats()
            (item,) = [i for i in session.history if i.role == "assistant"]
            assert media.heard(item.id) == pytest.approx(0.7)
            assert media.heard("nobody") == 0.0
    assert sent_audio(server) == question
    assert bytes(audio.read_wav(tmp_path / "out.wav")) == answer
    assert only(events, realtime.AudioEvent) == []
    assert [e.text for e in only(events, realtime.TranscriptEvent) if e.final] == ["All of it."]
    assert stats.frames_up == 25
    assert (stats.lost_up, stats.overruns, stats.late_pieces, stats.interruptions) == (0, 0, 0, 0)
    assert stats.played_frames == 24_000 * 7 // 10
    assert item.heard_ms is None, "nothing was cut"
    assert server.violations == []


async def test_speech_of_the_user_cuts_the_answer_before_python_knows(tmp_path: Path) -> None:
    answer = counter(5.0)
    plan = s.conversation(
        s.Reply((s.Say("a b c", audio=answer), s.Say("and more", audio=counter(1.0)))),
        s.Say("Yes?"),
        steps=(s.UntilSent("response.output_audio.done", 2), s.Hears("Stop!", after=0.5)),
    )
    async with session_with(plan) as (server, session):
        async with session.attach(sink=audio.WavSink(tmp_path / "out.wav")) as media:
            await session.send_message("Go on.")
            events = await until(session, realtime.AgentEndEvent, 2)
            stats = media.stats()
            heard = {i.id: i.heard_ms for i in session.history if i.heard_ms is not None}
    (interrupted,) = only(events, realtime.AudioInterruptedEvent)
    cuts = [e for e in server.received if e["type"] == "conversation.item.truncate"]
    # Leaving the block cuts the answer that was still to be heard, perhaps in time to be told.
    assert [c["item_id"] for c in cuts[:2]] == list(heard)
    first, second = (int(str(c["audio_end_ms"])) for c in cuts[:2])
    assert first == interrupted.heard_ms == heard[interrupted.item_id]
    assert 100 <= first <= 4_000
    assert second == 0, "the message behind it had not begun"
    (cut,) = stats.recent
    assert (cut.reason, cut.heard_ms) == ("server", heard)
    assert cut.seconds < 1.0
    file = bytes(audio.read_wav(tmp_path / "out.wav"))
    assert file[: first * 48] == answer[: first * 48]
    assert file[first * 48 :][:960] != answer[first * 48 :][:960], "no more of it is heard"
    assert server.violations == []


async def test_interrupt_goes_by_what_the_sink_has_played() -> None:
    plan = s.conversation(s.Reply((s.Say("a b c", audio=counter(8.0)),), hold=True))
    async with session_with(plan) as (server, session):
        async with session.attach(sink=audio.NullSink(buffer_ms=20)) as media:
            await session.send_message("Go on.")
            await reached(lambda: media.stats().played_frames >= 12_000)
            await session.interrupt()
            played = media.stats().played_frames
            cut = await server.wait_for("conversation.item.truncate")
            await server.wait_for("response.cancel")
            events = await until(session, realtime.AgentEndEvent)
    assert cut["audio_end_ms"] == played * 1000 // 24_000
    assert server.types().count("conversation.item.truncate") == 1
    assert len(only(events, realtime.AudioInterruptedEvent)) == 1
    assert session.state in ("listening", "closed")
    assert server.violations == []


async def test_leaving_the_block_cuts_what_was_not_heard_and_frees_everything() -> None:
    plan = s.conversation(s.Say("a b c", audio=counter(8.0)), s.Say("again"))
    async with session_with(plan) as (server, session):
        async with session.attach(audio.WavSource(counter(0.1), loop=True), audio.NullSink()):
            await session.send_message("Go on.")
            await reached(lambda: session.state == "speaking")  # words may come before sound
            with pytest.raises(ConcurrencyError):
                async with session.attach(sink=audio.NullSink()):
                    pass
        await server.wait_for("conversation.item.truncate")
        await session.send_message("Once more.")
        events = await until(session, realtime.AgentEndEvent, 2)
    assert only(events, realtime.AudioEvent), "without a sink the sound comes to the application"
    assert server.violations == []


async def test_a_callback_is_given_the_sound_in_batches() -> None:
    answer = counter(1.0)
    got: list[audio.AudioChunk] = []
    at_work: list[audio.AudioChunk] = []

    async def take(chunk: audio.AudioChunk) -> None:
        assert not at_work, "one after the other"
        at_work.append(chunk)
        await trio.sleep(0.15 if len(got) == 2 else 0)
        got.append(at_work.pop())

    plan = s.conversation(s.Say("a b c", audio=answer, chunk_ms=30))
    async with session_with(plan) as (_, session):
        async with session.attach(sink=audio.CallbackSink(take, batch_ms=100)) as media:
            await session.send_message("Go on.")
            await listening(session)
            await reached(lambda: sum(chunk.frames for chunk in got) >= 24_000)
            assert media.dropped_batches == 0
    assert bytes(audio.concat(got)) == answer
    assert {chunk.frames for chunk in got} == {2_400}


async def test_what_a_callback_raises_ends_the_block() -> None:
    def fail(_chunk: audio.AudioChunk) -> None:
        raise ZeroDivisionError

    async with session_with(s.conversation(s.Say("a b c"), s.Say("d"))) as (_, session):
        with pytest.raises(ZeroDivisionError):
            async with session.attach(sink=audio.CallbackSink(fail)):
                await session.send_message("Go on.")
                await trio.sleep_forever()
        await session.send_message("Still there?")
        await until(session, realtime.AgentEndEvent, 2)


async def test_a_callback_slower_than_the_sound_holds_up_no_cancel() -> None:
    plan = s.conversation(s.Say("a b c", audio=counter(6.0)), s.Say("d"))
    calls = 0

    def slow(_chunk: audio.AudioChunk) -> None:
        nonlocal calls
        calls += 1
        time.sleep(0.06)

    async with session_with(plan) as (server, session):
        await session.send_message("Go on.")
        with trio.move_on_after(1.2) as scope:
            async with session.attach(sink=audio.CallbackSink(slow, batch_ms=20)):
                await trio.sleep_forever()
        # Three batches come in the time of one call: those of a look would take twice the 1.2 s.
        assert trio.current_time() - scope.deadline < 0.5
        assert 5 <= calls <= 25
        await server.wait_for("conversation.item.truncate")
        await session.send_message("Still there?")
        await until(session, realtime.AgentEndEvent, 2)
    assert server.violations == []


async def test_sound_that_is_pushed_goes_up() -> None:
    sound = counter(1.03)
    source = audio.PushSource(max_seconds=0.2)
    async with session_with(s.Script(), MANUAL) as (server, session):
        async with session.attach(source) as media:
            for start in range(0, len(sound), 3_002):
                await source.push(sound[start : start + 3_002])
            source.close()
            await media.wait_source()
            with pytest.raises(UseAfterClose):
                await source.push(bytes(2))
            await reached(lambda: len(sent_audio(server)) >= len(sound))
            assert media.stats().kept_up == len(sound) // 2
            await session.commit_audio()
            await server.wait_for("response.create")
            await reached(lambda: media.stats().kept_up == 0)
    assert sent_audio(server) == sound
    assert server.violations == []


def has_come(server: testing.RealtimeServer, size: int) -> bool:
    return len(sent_audio(server)) >= size


async def test_a_pushed_source_is_in_one_block_at_a_time() -> None:
    source = audio.PushSource()
    async with (
        session_with(s.Script(), MANUAL) as (_, first),
        session_with(s.Script(), MANUAL) as (server, second),
    ):
        async with first.attach(source):
            with pytest.raises(ConcurrencyError, match="leave that block first"):
                async with second.attach(source):
                    pass
        piece = counter(0.02)
        for number in range(1, 21):
            async with second.attach(source):  # at once behind the block before
                await source.push(piece)
                await reached(partial(has_come, server, number * len(piece)))
    assert sent_audio(server) == 20 * piece


async def test_other_rates_are_resampled_both_ways(tmp_path: Path) -> None:
    clip = audio.resample(testing.utterance(1.0), 44_100)
    answer = bytes(audio.resample(testing.utterance(1.0), 24_000))
    plan = s.conversation(s.Say("a b c", audio=answer, chunk_ms=33))
    sink = audio.WavSink(tmp_path / "out.wav", sample_rate=48_000)
    async with session_with(plan, MANUAL) as (server, session):
        source = audio.WavSource(clip, realtime=False)
        async with session.attach(source, sink) as media:
            await media.wait_source()
            await session.commit_audio()
            await listening(session)
    assert sent_audio(server) == bytes(audio.resample(clip, 24_000))
    wanted = audio.resample(audio.AudioChunk(answer, audio.PCM24K), 48_000)
    assert bytes(audio.read_wav(tmp_path / "out.wav")) == bytes(wanted)


async def test_local_detection_interrupts_without_the_server() -> None:
    plan = s.conversation(s.Reply((s.Say("a b c", audio=counter(20.0)),), hold=True))
    loud = audio.silence(audio.PCM24K, 0.4), audio.resample(testing.utterance(1.0), 24_000)
    source = audio.PushSource()
    async with session_with(plan) as (server, session):
        async with session.attach(source, audio.NullSink(), local_vad="energy") as media:
            await session.send_message("Go on.")
            await reached(lambda: media.stats().played_frames >= 4_800)
            for chunk in loud:
                await source.push(chunk)
            cut = await server.wait_for("conversation.item.truncate")
            await server.wait_for("response.cancel")
            (one,) = media.stats().recent
    assert one.reason == "local"
    assert list(one.heard_ms.values()) == [cut["audio_end_ms"]]
    assert server.violations == []


async def test_cancelling_the_block_leaves_nothing(tmp_path: Path) -> None:
    plan = s.conversation(s.Say("a b c", audio=counter(5.0), pace=1.0))
    for wait in (0.0, 0.01, 0.1, 0.3):
        async with session_with(plan) as (_, session):
            await session.send_message("Go on.")
            with trio.move_on_after(wait):
                async with session.attach(
                    audio.WavSource(counter(0.2), loop=True), audio.WavSink(tmp_path / "x.wav")
                ):
                    await trio.sleep_forever()


async def test_what_cannot_be_attached_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioFormatError):
        audio.NullSink(sample_rate=7)
    with pytest.raises(AudioFormatError):
        audio.WavSource("x.wav", frame_ms=1)
    with pytest.raises(AudioFormatError):
        audio.CallbackSink(print, batch_ms=1)
    async with session_with(s.Script()) as (_, session):
        with pytest.raises(ConfigError, match="no-such"):
            async with session.attach(sink=audio.WavSink(tmp_path / "no-such" / "x.wav")):
                pass
        with pytest.raises(FileNotFoundError):
            async with session.attach(audio.WavSource(tmp_path / "none.wav")):
                pass
        with pytest.raises(ConfigError):
            async with session.attach(local_vad="loud"):  # type: ignore[arg-type]
                pass
        with pytest.raises(ConfigError, match="source is a NullSink; give a source"):
            session.attach(audio.NullSink())  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match="sink is a int; give a sink"):
            session.attach(sink=6)  # type: ignore[arg-type]
    transport = testing.MemoryTransport()
    async with realtime.open_session(GREETER, provider=transport.provider()) as session:
        with pytest.raises(ConfigError, match="media"):
            async with session.attach(sink=audio.NullSink()):
                pass


async def test_sound_in_an_unusual_shape_is_played_and_broken_sound_is_an_error(
    tmp_path: Path,
) -> None:
    answer = counter(0.2)
    place = {"response_id": "r", "item_id": "i", "output_index": 0}
    kind = "response.output_audio.delta"

    def sound(data: str, **fields: object) -> s.Emit:
        return s.Emit({"type": kind, "delta": data, **place, **fields})

    first, second, third = (
        base64.b64encode(part).decode() for part in (answer[:3_201], answer[3_201:6_400], b"")
    )
    rest = base64.b64encode(answer[6_400:]).decode()
    plan = s.Script(
        steps=(
            s.Until("conversation.item.create"),
            s.Emit({"type": "response.created", "response": {"id": "r"}}),
            sound(first, content_index=0),
            sound("!!!!", content_index=0),
            sound(second, content_index="0"),
            sound(third),
            sound(rest, content_index=None, event_id=7),
            s.Emit({"type": "response.done", "response": {"id": "r", "status": "completed"}}),
        )
    )
    async with session_with(plan) as (_, session):
        async with session.attach(sink=audio.WavSink(tmp_path / "out.wav")):
            await session.send_message("Go on.", respond=False)
            events = await listening(session)
    (error,) = only(events, realtime.ErrorEvent)
    assert error.error.code == "protocol"
    assert only(events, realtime.AudioEvent) == []
    assert bytes(audio.read_wav(tmp_path / "out.wav")) == answer


async def test_descriptors_and_tasks_are_given_back(tmp_path: Path) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("descriptors are counted where the system lists them")
    async with session_with(s.Script()) as (_, session):
        idle = _native.live_tasks()
        for _ in range(2):  # what is made once for a process is there after the first
            async with session.attach(audio.WavSource(counter(1.0)), audio.NullSink()):
                await trio.sleep(0.02)
        # A task still counts for a moment after its last word.
        await reached(lambda: _native.live_tasks() == idle)
        before, tasks = descriptors(), _native.live_tasks()
        for number in range(20):
            source = audio.PushSource() if number % 2 else audio.WavSource(counter(1.0), loop=True)
            async with session.attach(source, audio.WavSink(tmp_path / "x.wav")):
                await trio.sleep(0.01)
                assert _native.live_tasks() == tasks + 1
            del source
        await reached(lambda: _native.live_tasks() == tasks)
        gc.collect()
        assert descriptors() <= before
