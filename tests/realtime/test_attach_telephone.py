"""Attached media of a telephone's session: G.711 both ways, whatever source and sink there are."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from support.attached import listening, reached, sent_audio, session_with
from support.sessions import until
from voxloop import audio, realtime, testing
from voxloop.testing import script as s

Law = Literal["pcmu", "pcma"]
LAWS: list[Law] = ["pcmu", "pcma"]
DECODE = {"pcmu": audio.ulaw_decode, "pcma": audio.alaw_decode}
ENCODE = {"pcmu": audio.ulaw_encode, "pcma": audio.alaw_encode}


def telephone(law: Law, *, manual: bool = True) -> realtime.RunConfig:
    settings = realtime.SessionModelSettings(input_format=law, output_format=law)
    if manual:
        settings = realtime.SessionModelSettings(
            input_format=law, output_format=law, turn_detection=None
        )
    return realtime.RunConfig(model_settings=settings)


def voice(rate: int) -> audio.AudioChunk:
    return testing.utterance(0.6, before=0.1, after=0.1, sample_rate=rate)


@pytest.mark.parametrize("rate", [8_000, 24_000, 48_000])
@pytest.mark.parametrize("law", LAWS)
async def test_a_file_of_any_rate_goes_up_and_the_answer_comes_down(
    law: Law, rate: int, tmp_path: Path
) -> None:
    clip = voice(rate)
    audio.write_wav(tmp_path / "in.wav", clip)
    answer = audio.resample(voice(24_000), 24_000)
    plan = s.conversation(s.Say("All of it.", audio=bytes(answer), chunk_ms=35))
    sink = audio.WavSink(tmp_path / "out.wav", sample_rate=rate)
    async with session_with(plan, telephone(law)) as (server, session):
        source = audio.WavSource(tmp_path / "in.wav", realtime=False)
        async with session.attach(source, sink) as media:
            await media.wait_source()
            await session.commit_audio()
            await listening(session)
            stats = media.stats()
            (item,) = [i for i in session.history if i.role == "assistant"]
            assert media.heard(item.id) == pytest.approx(0.8)
    assert sent_audio(server) == ENCODE[law](audio.resample(clip, 8_000))
    assert stats.position_up == 6_400
    assert stats.played_frames == 6_400, "frames of the wire"
    wire = DECODE[law](ENCODE[law](audio.resample(answer, 8_000)))
    heard = bytes(audio.read_wav(tmp_path / "out.wav"))
    wanted = bytes(audio.resample(wire, rate))
    # Silence of A-law is no zero, and the file begins and ends where sound does.
    assert len(heard) == len(wanted)
    assert heard == wanted
    assert server.violations == []


@pytest.mark.parametrize("law", LAWS)
async def test_speech_of_the_user_cuts_to_the_millisecond_of_eight_bytes(
    law: Law, tmp_path: Path
) -> None:
    say = s.Say("a b c", audio=s.tone(5.0), chunk_ms=70)
    plan = s.conversation(
        s.Reply((say,)),
        s.Say("Yes?"),
        steps=(s.UntilSent("response.output_audio.done"), s.Hears("Stop!", after=0.4)),
    )
    async with session_with(plan, telephone(law, manual=False)) as (server, session):
        sink = audio.WavSink(tmp_path / "out.wav", sample_rate=48_000)
        async with session.attach(sink=sink) as media:
            await session.send_message("Go on.")
            events = await until(session, realtime.AudioInterruptedEvent)
            (cut,) = media.stats().recent
            played = media.stats().played_frames
            told = await server.wait_for("conversation.item.truncate")
    assert events
    heard_ms = int(str(told["audio_end_ms"]))
    assert cut.heard_ms == {told["item_id"]: heard_ms}
    assert 100 <= heard_ms <= 4_000
    assert heard_ms * 8 <= played, "the second answer may have begun to sound"
    heard = audio.read_wav(tmp_path / "out.wav")
    whole = audio.resample(DECODE[law](ENCODE[law](audio.resample(_pcm(say), 8_000))), 48_000)
    until_cut = heard_ms * 48
    assert bytes(heard[:until_cut]) == bytes(whole[:until_cut])
    assert server.violations == []


@pytest.mark.parametrize("law", LAWS)
async def test_interrupt_goes_by_frames_of_the_wire(law: Law) -> None:
    plan = s.conversation(s.Reply((s.Say("a b c", audio=s.tone(8.0)),), hold=True))
    async with session_with(plan, telephone(law)) as (server, session):
        async with session.attach(sink=audio.NullSink(sample_rate=44_100, buffer_ms=20)) as media:
            await session.send_message("Go on.")
            await reached(lambda: media.stats().played_frames >= 4_000)
            await session.interrupt()
            played = media.stats().played_frames
            cut = await server.wait_for("conversation.item.truncate")
    assert cut["audio_end_ms"] == played // 8
    assert server.violations == []


@pytest.mark.parametrize("law", LAWS)
async def test_sound_that_is_pushed_and_sound_that_a_callback_takes(law: Law) -> None:
    clip = voice(24_000)
    got: list[audio.AudioChunk] = []
    source = audio.PushSource(audio.Format(24_000))
    sink = audio.CallbackSink(got.append, sample_rate=8_000)
    plan = s.conversation(s.Say("a b c", audio=bytes(clip), chunk_ms=30))
    async with session_with(plan, telephone(law)) as (server, session):
        async with session.attach(source, sink) as media:
            for start in range(0, clip.frames, 1_001):
                await source.push(clip[start : start + 1_001])
            source.close()
            await media.wait_source()
            await session.commit_audio()
            await listening(session)
            await reached(lambda: sum(chunk.frames for chunk in got) >= 6_400)
    wire = ENCODE[law](audio.resample(clip, 8_000))
    assert sent_audio(server) == wire
    assert bytes(audio.concat(got)) == bytes(DECODE[law](wire))
    assert server.violations == []


@pytest.mark.parametrize("law", LAWS)
async def test_local_detection_hears_a_source_of_a_telephone(law: Law) -> None:
    plan = s.conversation(s.Reply((s.Say("a b c", audio=s.tone(20.0)),), hold=True))
    source = audio.PushSource(audio.Format(8_000))
    async with session_with(plan, telephone(law)) as (server, session):
        async with session.attach(source, audio.NullSink(), local_vad="energy") as media:
            await session.send_message("Go on.")
            await reached(lambda: media.stats().played_frames >= 1_600)
            await source.push(testing.utterance(1.0, before=0.4, sample_rate=8_000))
            cut = await server.wait_for("conversation.item.truncate")
            (one,) = media.stats().recent
    assert one.reason == "local"
    assert list(one.heard_ms.values()) == [cut["audio_end_ms"]]
    assert server.violations == []


def _pcm(say: s.Say) -> audio.AudioChunk:
    return audio.AudioChunk(say.sound(), audio.PCM24K)
