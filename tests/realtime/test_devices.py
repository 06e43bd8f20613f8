"""Microphone and speaker against a real sound server with a sink that nobody hears."""

from __future__ import annotations

import base64
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import trio

from support.attached import reached, session_with
from support.pulse import (
    RATE,
    Server,
    captured,
    frequency,
    needs_pulseaudio,
    pulse_server,
    sounding,
    tone,
    worst_gap_ms,
)
from support.sessions import MANUAL
from voxloop import _native, audio, realtime, testing
from voxloop._errors import AudioFormatError, DeviceError
from voxloop.testing import script as s

pytestmark = needs_pulseaudio


@pytest.fixture
def pulse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    folder = tmp_path / "pulse"
    folder.mkdir()
    with pulse_server(folder) as server:
        monkeypatch.setenv("PULSE_SERVER", server.address)
        yield server


def sent_audio(server: testing.RealtimeServer) -> np.ndarray:
    appends = [e for e in server.received if e["type"] == "input_audio_buffer.append"]
    data = b"".join(base64.b64decode(str(e["audio"]), validate=True) for e in appends)
    return np.frombuffer(data, "<i2").astype(np.float64)


def long_answer(seconds: float = 20.0) -> s.Script:
    say = s.Say("a b c", audio=tone(seconds, 24_000))
    return s.conversation(s.Reply((say,), hold=True))


async def test_the_devices_are_listed(pulse: Server) -> None:
    found = {device.name: device for device in await audio.devices()}
    speaker, monitor = found["out"], found["out.monitor"]
    assert (speaker.kind, speaker.default, speaker.monitor) == ("speaker", True, False)
    assert (speaker.sample_rate, speaker.channels) == (RATE, 2)
    assert (monitor.kind, monitor.default, monitor.monitor) == ("microphone", True, True)


async def test_the_answer_is_heard_whole_at_the_right_pitch_and_level(
    pulse: Server, tmp_path: Path
) -> None:
    answer = tone(5.0, 24_000)
    plan = s.conversation(s.Say("a b c", audio=answer))
    with pulse.recording(tmp_path / "raw"):
        async with session_with(plan) as (_, session):
            # What a loaded machine can keep up with.
            speaker = audio.Speaker(latency_ms=500, buffer_ms=1_000)
            async with session.attach(sink=speaker) as media:
                await session.send_message("Go on.")
                await reached(lambda: media.stats().played_frames == 120_000)
                await trio.sleep(0.3)
                stats = media.stats()
    assert (stats.underruns, stats.device_underruns, stats.overruns) == (0, 0, 0)
    heard = sounding(captured(tmp_path / "raw"))
    assert heard.size == pytest.approx(5.0 * RATE, abs=0.01 * RATE)
    assert frequency(heard) == pytest.approx(440.0, abs=1.0)
    assert worst_gap_ms(heard) < 2.0, "no dropout: half a period is 1.1 ms"
    chunk = audio.AudioChunk(answer, audio.PCM24K)
    wanted = sounding(np.frombuffer(bytes(audio.resample(chunk, RATE)), "<i2").astype(float))
    length = min(heard.size, wanted.size)
    assert np.abs(heard[:length] - wanted[:length]).max() <= 2, "true but for rounding"


async def test_what_the_microphone_hears_goes_up(pulse: Server, tmp_path: Path) -> None:
    async with session_with(s.Script(), MANUAL) as (server, session):
        async with session.attach(audio.Microphone("out.monitor")) as media:
            await reached(lambda: media.stats().frames_up > 5)
            with pulse.recording(tmp_path / "raw"):
                playing = await trio.to_thread.run_sync(pulse.play, tone(3.0, RATE))
                await trio.to_thread.run_sync(playing.wait)
                await trio.sleep(0.5)
            stats = media.stats()
            await reached(lambda: len(sent_audio(server)) >= stats.frames_up * 480)
    heard = sounding(sent_audio(server))
    # The player itself may stutter on a loaded machine: another recorder says what there was.
    reference = sounding(captured(tmp_path / "raw"))
    assert reference.size > 2.8 * RATE
    assert heard.size * 2 == pytest.approx(reference.size, abs=96)
    assert frequency(heard, 24_000) == pytest.approx(440.0, abs=1.0)
    assert np.percentile(np.abs(heard), 99) == pytest.approx(8_000, rel=0.05)
    assert worst_gap_ms(heard, 24_000) == pytest.approx(worst_gap_ms(reference), abs=1.0)
    assert (stats.lost_up, stats.source_dropped) == (0, 0)


async def test_an_interruption_silences_the_sound_server_too(pulse: Server, tmp_path: Path) -> None:
    with pulse.recording(tmp_path / "raw"):
        async with session_with(long_answer()) as (server, session):
            speaker = audio.Speaker(latency_ms=1_000)
            async with session.attach(sink=speaker) as media:
                await session.send_message("Go on.")
                await reached(lambda: media.stats().played_frames >= 24_000)
                await session.interrupt()
                cut = await server.wait_for("conversation.item.truncate")
                await trio.sleep(1.5)
    heard_ms = int(str(cut["audio_end_ms"]))
    sounded_ms = sounding(captured(tmp_path / "raw")).size * 1000 / RATE
    assert heard_ms >= 1_000
    assert abs(sounded_ms - heard_ms) < 400, "a second lay in the server's buffer"


async def test_a_speaker_that_is_unplugged_ends_the_block_and_not_the_session(
    pulse: Server,
) -> None:
    async with session_with(long_answer()) as (_, session):
        with pytest.raises(DeviceError, match="speaker was removed") as caught:
            async with session.attach(sink=audio.Speaker()) as media:
                await session.send_message("Go on.")
                await reached(lambda: media.stats().played_frames > 4_800)
                pulse.pactl("unload-module", "module-null-sink")
                await trio.sleep_forever()
        assert caught.value.reason == "lost"
        with pytest.raises(DeviceError):
            async with session.attach(sink=audio.Speaker("out")):
                pass
        async with session.attach(sink=audio.NullSink()):
            assert session.state != "closed"


async def test_a_sound_server_that_dies_ends_the_block(pulse: Server) -> None:
    async with session_with(s.Script(), MANUAL) as (_, session):
        with pytest.raises(DeviceError, match="sound server") as caught:
            async with session.attach(audio.Microphone("out.monitor"), audio.Speaker()) as media:
                await reached(lambda: media.stats().frames_up > 5)
                pulse.process.kill()
                await trio.sleep_forever()
        assert caught.value.reason == "lost"
        with pytest.raises(DeviceError) as caught:
            await audio.devices()
        assert caught.value.reason == "no_server"
        assert session.state != "closed"


async def test_a_blocked_trio_thread_costs_no_dropout(pulse: Server, tmp_path: Path) -> None:
    with pulse.recording(tmp_path / "raw"):
        async with session_with(s.conversation(s.Say("a", audio=tone(4.0, 24_000)))) as (
            _,
            session,
        ):
            async with session.attach(sink=audio.Speaker(latency_ms=500, buffer_ms=1_000)) as media:
                await session.send_message("Go on.")
                await reached(lambda: media.stats().played_frames > 12_000)
                time.sleep(1.5)
                await reached(lambda: media.stats().played_frames == 96_000)
                await trio.sleep(0.5)
                stats = media.stats()
    assert (stats.underruns, stats.device_underruns) == (0, 0)
    heard = sounding(captured(tmp_path / "raw"))
    assert heard.size == pytest.approx(4.0 * RATE, abs=0.01 * RATE)
    assert worst_gap_ms(heard) < 2.0


async def test_blocks_that_a_device_asks_for_late_are_counted(pulse: Server) -> None:
    async with session_with(long_answer()) as (_, session):
        async with session.attach(sink=audio.Speaker()) as media:
            await session.send_message("Go on.")
            await reached(lambda: media.stats().played_frames > 12_000)
            before = media.stats()
            pulse.process.send_signal(signal.SIGSTOP)
            try:
                await trio.sleep(0.5)
            finally:
                pulse.process.send_signal(signal.SIGCONT)
            await reached(lambda: media.stats().blocks_down > before.blocks_down + 5)
            after = media.stats()
    assert before.blocks_down > 0
    assert after.late_blocks_down > before.late_blocks_down
    assert after.worst_down >= 0.2


async def test_what_a_speaker_has_played_is_recorded(pulse: Server, tmp_path: Path) -> None:
    async with session_with(long_answer()) as (server, session):
        async with session.record(tmp_path / "call") as recording:
            async with session.attach(sink=audio.Speaker(latency_ms=500)) as media:
                await session.send_message("Go on.")
                await reached(lambda: media.stats().played_frames >= 24_000)
                await session.interrupt()
                cut = await server.wait_for("conversation.item.truncate")
        assert recording.dropped == 0
    both = audio.read_wav(tmp_path / "call.wav")
    heard = sounding(np.frombuffer(bytes(both), "<i2").reshape(-1, 2)[:, 1].astype(np.float64))
    # What the sound server held when it was cut is not part of it.
    assert heard.size / 24 == pytest.approx(int(str(cut["audio_end_ms"])), abs=5)
    assert frequency(heard, 24_000) == pytest.approx(440.0, abs=1.5)
    assert worst_gap_ms(heard, 24_000) < 2.0


async def test_a_speaker_that_ran_dry_holds_more(pulse: Server) -> None:
    def held() -> int:
        """Microseconds of our sound that the server holds."""
        told = pulse.pactl("list", "sink-inputs")
        return int(re.findall(r"Buffer Latency: (\d+) usec", told)[0])

    async with session_with(long_answer()) as (_, session):
        async with session.attach(sink=audio.Speaker(latency_ms=100)) as media:
            await session.send_message("Go on.")
            await reached(lambda: media.stats().played_frames > 12_000)
            before = max([held() for _ in range(5)])
            while media.stats().device_underruns < 4:
                pulse.process.send_signal(signal.SIGSTOP)
                await trio.sleep(0.4)
                pulse.process.send_signal(signal.SIGCONT)
                await trio.sleep(0.4)
            await reached(lambda: held() > before + 50_000)
            played = media.stats().played_frames
            await reached(lambda: media.stats().played_frames > played + 12_000)


async def test_opening_and_closing_leaves_nothing(pulse: Server) -> None:
    async def once(session: realtime.Session) -> None:
        async with session.attach(audio.Microphone("out.monitor"), audio.Speaker()) as media:
            await reached(lambda: media.stats().frames_up > 1)

    async with session_with(s.Script(), MANUAL) as (_, session):
        await once(session)
        await once(session)
        before = len(os.listdir("/proc/self/fd"))
        tasks, threads = _native.live_tasks(), threading.active_count()
        for _ in range(20):
            await once(session)
        await reached(lambda: _native.live_tasks() <= tasks)
        await reached(lambda: len(os.listdir("/proc/self/fd")) <= before)
        assert threading.active_count() <= threads + 1, "trio's own worker at most"
        await reached(lambda: pulse.pactl("list", "short", "sink-inputs") == "")


async def test_what_cannot_be_opened_says_why(
    pulse: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value in (4, 1_001):
        with pytest.raises(AudioFormatError):
            audio.Microphone(frame_ms=value)
    with pytest.raises(AudioFormatError):
        audio.Speaker(latency_ms=4)
    with pytest.raises(AudioFormatError):
        audio.Speaker(buffer_ms=-1)
    for missing in (audio.Speaker("nowhere"), audio.Speaker("a\0b")):
        with pytest.raises(DeviceError) as caught:
            await missing.open_sink()
        assert caught.value.reason == "not_found"
    with pytest.raises(DeviceError, match=r'microphone named "nowhere".*devices\(\)'):
        await audio.Microphone("nowhere").open_source()
    monkeypatch.setenv("PULSE_SERVER", "tcp:somewhere:4713")
    with pytest.raises(DeviceError, match="PULSE_SERVER"):
        await audio.devices()
