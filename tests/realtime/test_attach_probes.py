"""Odd sources, failing sinks, and media that change hands: typed errors, and nothing lost."""

from __future__ import annotations

import struct
import time
import warnings
from pathlib import Path

import pytest
import trio

from support.attached import counter, listening, reached, sent_audio, session_with
from support.realtime_live import AGENT, eventually, opened, until
from support.sessions import MANUAL
from voxloop import audio, realtime, testing
from voxloop._errors import AudioFormatError, ConcurrencyError, VoxloopError, WavError
from voxloop.agents import Agent
from voxloop.testing import script as s


def pcm(data: bytes, *, rate: int, channels: int = 1, bits: int = 16) -> bytes:
    """A WAV file written by hand."""
    frame = channels * bits // 8
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * frame, frame, bits)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form
    body += b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


async def sent_of(path: Path, *, loop: bool = False) -> bytes:
    async with session_with(s.Script(), MANUAL) as (server, session):
        source = audio.WavSource(path, realtime=False, loop=loop)
        async with session.attach(source, audio.NullSink()) as media:
            await media.wait_source()
            stats = media.stats()
            await reached(lambda: len(sent_audio(server)) >= 2 * stats.position_up)
        assert stats.lost_up == 0
        assert server.violations == []
        return sent_audio(server)


@pytest.mark.parametrize("loop", [False, True])
async def test_a_file_without_a_sample_ends_at_once(loop: bool, tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(pcm(b"", rate=24_000))
    assert await sent_of(tmp_path / "x.wav", loop=loop) == b""


async def test_a_file_of_one_sample_is_sent(tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(pcm(b"\x01\x02", rate=24_000))
    assert await sent_of(tmp_path / "x.wav") == b"\x01\x02"


@pytest.mark.parametrize("rate", [7_000, 11_025, 96_000])
async def test_odd_rates_are_sent_whole(rate: int, tmp_path: Path) -> None:
    clip = testing.utterance(0.3, before=0.0, after=0.0, sample_rate=rate)
    audio.write_wav(tmp_path / "x.wav", clip)
    assert await sent_of(tmp_path / "x.wav") == bytes(audio.resample(clip, 24_000))


async def test_stereo_at_96_000_hz_and_24_bits_is_mixed_and_sent(tmp_path: Path) -> None:
    mono = testing.utterance(0.3, before=0.0, after=0.0, sample_rate=96_000)
    samples = memoryview(bytes(mono)).cast("h")
    wide = b"".join(2 * struct.pack("<i", sample << 8)[:3] for sample in samples)
    (tmp_path / "x.wav").write_bytes(pcm(wide, rate=96_000, channels=2, bits=24))
    assert await sent_of(tmp_path / "x.wav") == bytes(audio.resample(mono, 24_000))


async def test_a_file_that_was_cut_off_is_sent_as_far_as_it_goes(tmp_path: Path) -> None:
    whole = pcm(counter(0.5), rate=24_000)
    (tmp_path / "x.wav").write_bytes(whole[: 44 + 9_601])
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        sent = await sent_of(tmp_path / "x.wav")
    assert sent == counter(0.5)[:9_600]
    assert any(issubclass(one.category, audio.TruncatedWavWarning) for one in told)


async def test_what_is_no_sound_is_refused_and_the_session_goes_on(tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(b"ID3\x04 no wave")
    async with session_with(s.Script(), MANUAL) as (_, session):
        with pytest.raises(WavError):
            async with session.attach(audio.WavSource(tmp_path / "x.wav")):
                pass
        with pytest.raises(OSError):
            async with session.attach(audio.WavSource(tmp_path)):
                pass
        with pytest.raises(AudioFormatError):
            async with session.attach(audio.WavSource(3.5)):  # type: ignore[arg-type]
                pass
        with pytest.raises(VoxloopError):
            async with session.attach(sink=audio.WavSink(tmp_path)):
                pass
        async with session.attach(audio.WavSource(counter(0.1), realtime=False)) as media:
            await media.wait_source()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no full disk to offer")
async def test_a_full_disk_ends_the_block_and_not_the_session() -> None:
    plan = s.conversation(s.Say("a b c", audio=counter(4.0)), s.Say("d"))
    async with session_with(plan) as (_, session):
        with pytest.raises(VoxloopError, match="sink failed") as caught:
            async with session.attach(sink=audio.WavSink("/dev/full")):
                await session.send_message("Go on.")
                await trio.sleep_forever()
        assert caught.value.code == "media_failed"
        async with session.attach(sink=audio.NullSink()) as media:
            await session.send_message("Still there?")
            await reached(lambda: media.stats().played_frames >= 6_000)


async def test_a_callback_that_blocks_loses_nothing() -> None:
    answer, got = counter(2.0), bytearray()

    def slow(chunk: audio.AudioChunk) -> None:
        if not got:
            time.sleep(0.7)
        got.extend(bytes(chunk))

    async with session_with(s.conversation(s.Say("a b c", audio=answer)), MANUAL) as (_, session):
        source = audio.WavSource(counter(1.0))
        async with session.attach(source, audio.CallbackSink(slow)) as media:
            await session.send_message("Go on.")
            await media.wait_source()
            await reached(lambda: len(got) >= len(answer))
            assert media.dropped_batches == 0
            assert media.stats().dropped_callback_frames == 0
    assert bytes(got) == answer


async def test_media_are_let_go_and_attached_again_and_go_on() -> None:
    sound = counter(1.2)
    source = audio.PushSource()
    plan = s.conversation(s.Say("one", audio=counter(0.2)), s.Say("two", audio=counter(0.3)))
    async with session_with(plan, MANUAL) as (server, session):
        for number, part in enumerate((sound[:28_800], sound[28_800:])):
            async with session.attach(source, audio.NullSink()) as media:
                await source.push(part)
                await reached(lambda: len(sent_audio(server)) >= (number + 1) * 28_800)  # noqa: B023
                await session.commit_audio()
                await listening(session)
                assert media.stats().played_frames == (4_800, 7_200)[number]
    assert sent_audio(server) == sound
    assert server.violations == []


async def test_of_two_that_attach_at_once_one_is_refused() -> None:
    class Slow:
        async def open_sink(self) -> audio.MediaSink:
            await trio.sleep(0.05)
            return await audio.NullSink().open_sink()

    refused: list[ConcurrencyError] = []
    async with session_with(s.conversation(s.Say("a b c"))) as (server, session):

        async def attach() -> None:
            try:
                async with session.attach(sink=Slow()) as media:
                    await session.send_message("Go on.")
                    await reached(lambda: media.stats().played_frames > 4_800)
            except ConcurrencyError as error:
                refused.append(error)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(attach)
            nursery.start_soon(attach)
        assert server.violations == []
    assert len(refused) == 1


async def test_leaving_the_session_while_it_plays_is_quick_and_leaves_a_whole_file(
    tmp_path: Path,
) -> None:
    plan = s.conversation(s.Reply((s.Say("a b c", audio=counter(20.0)),), hold=True))
    async with session_with(plan) as (_, session):
        sink = audio.WavSink(tmp_path / "out.wav")
        async with session.attach(audio.WavSource(counter(0.5), loop=True), sink) as media:
            await session.send_message("Go on.")
            await reached(lambda: media.stats().played_frames > 6_000)
            began = time.monotonic()
            with trio.CancelScope() as scope:
                scope.cancel()
                await trio.sleep(0)
        took = time.monotonic() - began
    assert took < 5.0
    heard = bytes(audio.read_wav(tmp_path / "out.wav"))
    assert len(heard) >= 12_000
    assert heard == counter(20.0)[: len(heard)]


async def test_a_handoff_keeps_source_and_sink() -> None:
    tech = Agent("Tech", "Fix.")
    desk = Agent("Desk", "Route.").add_handoff(tech)
    plan = s.handoff("transfer_to_tech", answer="You are through to the right place.")
    async with testing.RealtimeServer(plan) as server:
        async with opened(server, desk, turn_detection=None) as (session, events):
            async with session.attach(audio.WavSource(counter(1.5)), audio.NullSink()) as media:
                await session.send_message("It is broken.")
                await until(events, realtime.HandoffEvent)
                await until(events, realtime.AgentEndEvent, 2)
                await media.wait_source()
                await eventually(lambda: media.stats().played_frames >= 6_000 * 7)
                assert session.current_agent is tech
        assert sent_audio(server) == counter(1.5)
        assert server.violations == []


async def test_a_lost_connection_keeps_source_and_sink() -> None:
    sound = counter(1.5)
    plan = s.conversation(s.Say("one two", audio=counter(1.0)), s.Say("three", audio=counter(0.5)))
    async with testing.RealtimeServer(plan) as server:
        async with opened(server, AGENT, turn_detection=None) as (session, events):
            async with session.attach(audio.WavSource(sound), audio.NullSink()) as media:
                await session.send_message("Go on.")
                await until(events, realtime.AgentEndEvent)
                await eventually(lambda: len(server.peers[0].audio) > 9_600)
                await server.drop()
                await until(events, realtime.ReconnectedEvent)
                await media.wait_source()
                await eventually(lambda: media.stats().played_frames == 24_000)
                await eventually(lambda: len(server.peers[1].audio) >= len(sound))
                await session.send_message("And on.")
                await until(events, realtime.AgentEndEvent, 2)
                await eventually(lambda: media.stats().played_frames == 36_000)
                assert media.stats().lost_up == 0
        # Nothing was committed: the next connection is given all of it.
        assert bytes(server.peers[1].audio) == sound
        assert sound.startswith(bytes(server.peers[0].audio))
        assert server.violations == []
