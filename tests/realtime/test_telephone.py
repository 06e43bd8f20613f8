"""G.711 both ways: reckoned in bytes, converted at both ends, understood by the local server."""

from __future__ import annotations

import base64
from typing import Literal

import pytest
import trio

import voxloop
from support.realtime_driver import Driver
from support.speech_clips import clip_path
from voxloop import audio, realtime
from voxloop.agents import Agent
from voxloop.providers import STTSettings
from voxloop.realtime.machine import inputs
from voxloop.realtime.telephone import FORMATS, Widener
from voxloop.realtime.uplink import Uplink
from voxloop.testing.script import tone
from voxloop.tools import tool

Law = Literal["pcmu", "pcma"]
LAWS: list[Law] = ["pcmu", "pcma"]


def telephone(law: Law) -> realtime.RunConfig:
    settings = realtime.SessionModelSettings(input_format=law, output_format=law)
    return realtime.RunConfig(model_settings=settings)


@tool
async def get_weather(location: str) -> str:
    """Current weather for a place.

    Args:
        location: City name.
    """
    return f"Sunny and 22 degrees in {location}."


@pytest.mark.parametrize("law", LAWS)
async def test_a_session_of_a_telephone_is_understood_and_heard(law: Law) -> None:
    question = audio.to_mono(audio.read_wav(clip_path("azure_weather")))
    said: list[audio.AudioChunk] = []
    agent = Agent("Clerk", "Help.", tools=[get_weather])
    with trio.fail_after(120):
        async with realtime.open_session(
            agent, provider=voxloop.Local(), config=telephone(law)
        ) as session:
            await session.send_audio(question)
            await session.send_audio(bytes(48_000 * 2))
            async for event in session:
                if isinstance(event, realtime.AudioEvent):
                    said.append(event.audio)
                if isinstance(event, realtime.AgentEndEvent) and said:
                    break
            words = [entry.text.lower() for entry in session.history if entry.role == "user"]
    assert {chunk.sample_rate for chunk in said} == {8_000}
    assert "weather" in words[0]
    pcm = audio.AudioChunk(b"".join(bytes(chunk) for chunk in said), said[0].format)
    heard = await voxloop.Local().speech_to_text().transcribe(pcm, STTSettings())
    assert "22" in heard.text


def test_the_formats_stand_in_the_settings() -> None:
    d = Driver(config=telephone("pcma"))
    d.feed(inputs.Start(d.at, None))
    sound = d.last("session.update")["session"]["audio"]
    assert sound["input"]["format"] == {"type": "audio/pcma"}
    assert sound["output"]["format"] == {"type": "audio/pcma"}


@pytest.mark.parametrize("law", LAWS)
def test_what_was_heard_is_reckoned_at_eight_bytes_a_millisecond(law: Law) -> None:
    d = Driver(config=telephone(law)).start()
    d.respond()
    d.created()
    encoded = FORMATS[law].encode(audio.resample(audio.as_chunk(tone(1.0)), 8_000))
    d.audio(0, data=encoded)
    assert d.of(realtime.AudioEvent)[0].audio.duration == pytest.approx(1.0)
    d.at += 0.25
    d.feed(inputs.Interrupt(d.at))
    assert d.last("conversation.item.truncate")["audio_end_ms"] == 250


def test_an_odd_number_of_bytes_is_a_whole_number_of_samples() -> None:
    d = Driver(config=telephone("pcmu")).start()
    d.respond()
    d.created()
    d.audio(0, data=b"\xff\x7f\xff")
    assert [e.audio.frames for e in d.of(realtime.AudioEvent)] == [3]


@pytest.mark.parametrize("law", LAWS)
def test_sound_of_any_rate_goes_out_as_bytes_of_a_telephone(law: Law) -> None:
    uplink = Uplink(FORMATS[law])
    pieces = [*uplink.convert(audio.as_chunk(tone(1.0))), *uplink.flush()]
    assert max(map(len, pieces)) == 800  # 100 ms
    assert sum(map(len, pieces)) == pytest.approx(8_000, abs=2)
    back = FORMATS[law].decode(b"".join(pieces))
    level = max(abs(int(value)) for value in back.numpy().ravel())
    assert level == pytest.approx(0.2 * 32_767, rel=0.1)


def test_the_ring_holds_as_many_seconds_as_it_says() -> None:
    d = Driver(config=telephone("pcmu"), reconnect=realtime.Reconnect(audio_seconds=2.0)).start()
    for _ in range(30):
        d.append(bytes(800))
    assert d.state.ring.nbytes == 16_000


def test_a_recording_is_widened_without_seams() -> None:
    wide = Widener()
    chunk = audio.resample(audio.as_chunk(tone(0.5)), 8_000)
    data = b"".join(wide.process(chunk[n : n + 160]) for n in range(0, chunk.frames, 160))
    assert len(data) == pytest.approx(24_000, abs=600)
    assert base64.b64encode(data)
