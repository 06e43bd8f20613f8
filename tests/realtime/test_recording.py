"""Recordings: what is in them, what never is, and that they can be played back."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import trio

from support.realtime_live import counted, eventually, only, opened, until
from voxloop import audio, realtime, testing
from voxloop._errors import ConfigError
from voxloop.agents import Agent
from voxloop.realtime import stereo
from voxloop.testing import script as s
from voxloop.tools import tool

CANARY = "sk-canary-0123456789abcdef"


@tool
async def get_weather(location: str) -> str:
    """Weather."""
    return f"Sunny in {location}, {CANARY}."


AGENT = Agent("A", f"Never say {CANARY}.", tools=[get_weather])


def channels(path: Path) -> tuple[bytes, bytes]:
    whole = audio.read_wav(path)
    assert (whole.sample_rate, whole.channels) == (24_000, 2)
    samples = memoryview(bytes(whole)).cast("h")
    return bytes(samples[0::2].tobytes()), bytes(samples[1::2].tobytes())


async def record(path: Path, *, redact: bool = False) -> tuple[list[realtime.Event], bytes]:
    said = bytes(range(1, 201)) * 48  # 200 ms
    async with testing.RealtimeServer(testing.script.weather_call()) as server:
        async with opened(server, AGENT, turn_detection=None) as (session, events):
            async with session.record(path, redact=redact) as recording:
                await trio.sleep(0.3)
                await session.send_audio(said)
                await session.commit_audio()
                await until(events, realtime.AgentEndEvent, 2)
            assert recording.dropped == 0
            assert recording.error is None
    return events, said


async def test_sound_on_two_channels_and_a_line_for_every_frame(tmp_path: Path) -> None:
    events, said = await record(tmp_path / "call.anything")
    left, right = channels(tmp_path / "call.wav")
    heard = b"".join(bytes(e.audio) for e in only(events, realtime.AudioEvent))
    assert left.strip(b"\0") == said
    assert right.strip(b"\0") == heard.strip(b"\0")
    assert left.index(said[:200]) < right.index(heard[2:200]), "the answer comes after the question"
    assert left.index(said[:200]) >= 2 * 24_000 * 0.05, "it stands at its time"
    lines = [json.loads(line) for line in (tmp_path / "call.jsonl").read_text().splitlines()]
    assert lines[0]["recording"] == 1
    kinds = [(line["dir"], line["event"]["type"]) for line in lines[1:]]
    assert ("out", "input_audio_buffer.append") in kinds
    assert kinds.count(("in", "response.done")) == 2
    times = [line["at"] for line in lines[1:]]
    assert times == sorted(times) or max(times) < 30
    assert CANARY not in (tmp_path / "call.jsonl").read_text()


async def test_a_redacted_recording_holds_no_words_and_no_sound(tmp_path: Path) -> None:
    await record(tmp_path / "call", redact=True)
    assert not (tmp_path / "call.wav").exists()
    text = (tmp_path / "call.jsonl").read_text()
    for word in ("sunny", "Sunny", "Paris", "canary", "Never say"):
        assert word not in text
    lines = [json.loads(line) for line in text.splitlines()]
    assert {line["event"]["type"] for line in lines[1:]} >= {"response.done", "session.update"}
    assert {len(line["event"].get("audio", HIDDEN)) for line in lines[1:]} == {len(HIDDEN)}


HIDDEN = "[redacted]"


async def test_an_interruption_ends_the_sound_of_the_agent(tmp_path: Path) -> None:
    plan = s.conversation(s.Reply((s.Say("one two three four five six seven eight"),), hold=True))
    async with testing.RealtimeServer(plan) as server:
        async with opened(server, AGENT) as (session, events):
            async with session.record(tmp_path / "call"):
                await session.send_message("Count.")
                await until(events, realtime.AudioEvent)  # pieces that come together are one
                await trio.sleep(0.2)
                await session.interrupt()
                cut = await until(events, realtime.AudioInterruptedEvent)
                await trio.sleep(0.1)
    _, right = channels(tmp_path / "call.wav")
    sound = right.lstrip(b"\0").rstrip(b"\0")
    assert len(sound) / 48 == pytest.approx(cut.heard_ms, abs=3)
    assert cut.heard_ms < 2_000


async def test_a_disk_that_stands_still_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from voxloop.realtime import recording as module

    go = threading.Event()
    original = stereo.StereoFile.write

    def slow(self: stereo.StereoFile, channel: int, start: int, data: bytes) -> None:
        go.wait(30)
        original(self, channel, start, data)

    monkeypatch.setattr(stereo.StereoFile, "write", slow)
    monkeypatch.setattr(module, "MAILBOX_BYTES", 100_000)
    async with testing.RealtimeServer() as server:
        async with opened(server, AGENT, turn_detection=None) as (session, _events):
            async with session.record(tmp_path / "call") as recording:
                for start in range(0, 120_000, 1_200):
                    await session.send_audio(counted(start, 1_200))
                await eventually(lambda: len(server.peers[0].audio) == 480_000)
                assert recording.dropped > 0
                go.set()
    assert (tmp_path / "call.wav").stat().st_size > 44
    lines = [json.loads(line) for line in (tmp_path / "call.jsonl").read_text().splitlines()]
    assert len(lines) > 1


async def test_a_disk_that_is_full_ends_the_recording_and_not_the_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: stereo.StereoFile, channel: int, start: int, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stereo.StereoFile, "write", full)
    async with testing.RealtimeServer(s.conversation(s.Say("Yes."))) as server:
        async with opened(server, AGENT) as (session, events):
            async with session.record(tmp_path / "call") as recording:
                await session.send_message("Are you there?")
                await until(events, realtime.AgentEndEvent)
                await eventually(lambda: recording.error is not None)
            assert recording.dropped > 0
            assert session.state != "closed"
        with pytest.raises(OSError, match="call"):
            async with realtime.open_session(AGENT, provider=server.provider()) as session:
                async with session.record(tmp_path / "not" / "there" / "call"):
                    pass


async def test_a_recording_is_played_back_as_its_server(tmp_path: Path) -> None:
    events, said = await record(tmp_path / "call")
    async with testing.replay(tmp_path / "call.jsonl").server() as server:
        async with opened(server, AGENT, turn_detection=None) as (session, again):
            await session.send_audio(said)
            await session.commit_audio()
            await until(again, realtime.AgentEndEvent, 2)
            history = [(item.type, item.role, item.text) for item in session.history]
    assert ("message", "assistant", "It is sunny in Paris.") in history
    for kind in (realtime.TranscriptEvent, realtime.ToolCallEvent):
        assert len(only(again, kind)) == len(only(events, kind))
    # How many pieces come together is a matter of chance.
    sounds = [
        b"".join(bytes(e.audio) for e in only(of, realtime.AudioEvent)) for of in (again, events)
    ]
    assert sounds[0] == sounds[1]


async def test_a_recording_is_played_back_as_its_client(tmp_path: Path) -> None:
    _, said = await record(tmp_path / "call")
    async with testing.RealtimeServer(testing.script.weather_call()) as server:
        got = await testing.replay(tmp_path / "call").client(server.provider())
        assert bytes(server.peers[0].audio) == said
    kinds = [event["type"] for event in got]
    assert kinds.count("response.done") >= 1
    assert "session.update" in server.types()


def test_what_is_no_recording(tmp_path: Path) -> None:
    for text in ("", "{}", "[]\n", '{"recording": 2}\n', '{"recording": 1}\nx\n', "\x00"):
        (tmp_path / "x.jsonl").write_text(text)
        with pytest.raises(ConfigError):
            testing.replay(tmp_path / "x")
    (tmp_path / "x.jsonl").write_text('{"recording": 1}\n{"at": 1, "dir": "up", "event": {}}\n')
    with pytest.raises(ConfigError, match="line 2"):
        testing.replay(tmp_path / "x.jsonl")


def test_channels_are_written_in_any_order(tmp_path: Path) -> None:
    file = stereo.StereoFile(tmp_path / "x.wav")
    file.write(stereo.RIGHT, 100_000, b"\x02\x00" * 10)
    file.write(stereo.LEFT, 3, b"\x01\x00" * 5)
    file.write(stereo.RIGHT, 4, b"\x03\x00" * 60_000)
    file.silence(stereo.RIGHT, 8, 90_000)
    file.close()
    left, right = channels(tmp_path / "x.wav")
    assert len(left) == 2 * 100_010
    assert left == bytes(6) + b"\x01\x00" * 5 + bytes(2 * 100_002)
    assert right == bytes(8) + b"\x03\x00" * 4 + bytes(2 * 99_992) + b"\x02\x00" * 10


async def test_the_command(tmp_path: Path) -> None:
    await record(tmp_path / "call")
    command = [sys.executable, "-m", "voxloop", "replay", str(tmp_path / "call.jsonl")]
    done = await trio.run_process(command, capture_stdout=True)
    assert b"It is sunny in Paris." in done.stdout
    assert b"frames in" in done.stdout
    began = time.monotonic()
    process = await trio.lowlevel.open_process([*command, "--serve"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    line = await process.stdout.receive_some(4096)
    assert b"http://127.0.0.1:" in line
    process.terminate()
    await process.wait()
    assert time.monotonic() - began < 60
