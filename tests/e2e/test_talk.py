"""``voxloop talk`` against a real sound server: what is asked aloud is answered aloud."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import trio

from support.pulse import Server, captured, needs_pulseaudio, pulse_server
from voxloop import audio
from voxloop.local import Local
from voxloop.providers import TTSSettings

pytestmark = needs_pulseaudio
TALK = [sys.executable, "-m", "voxloop", "talk"]


@pytest.fixture
def pulse(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "pulse"
    folder.mkdir()
    with pulse_server(folder) as server:
        server.pactl("load-module", "module-null-sink", "sink_name=user", "rate=48000")
        yield server


async def spoken(text: str) -> bytes:
    async with Local().text_to_speech().synthesize(text, TTSSettings()) as stream:
        clip = audio.concat([chunk async for chunk in stream])
    return bytes(audio.resample(clip, 48_000))


def test_the_devices_are_listed(pulse: Server) -> None:
    done = subprocess.run(
        [*TALK, "--list-devices"],
        env=pulse.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "speaker    user  (" in done.stdout
    assert "microphone out.monitor  (" in done.stdout


def test_a_question_is_answered_and_ctrl_c_leaves(pulse: Server, tmp_path: Path) -> None:
    question = trio.run(spoken, "What is the weather like in Paris?")
    with (
        pulse.recording(tmp_path / "raw"),
        subprocess.Popen(
            [*TALK, "--microphone", "user.monitor", "--device", "out"],
            env=pulse.environment(),
            stdout=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("speak;"):
                pulse.play(question, "user").wait()
            elif line.startswith("agent:"):
                break
        time.sleep(3.0)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    said = "".join(lines)
    assert "you: What is the weather like in Paris?" in said
    assert "ms after you stopped" in said
    assert np.abs(captured(tmp_path / "raw")).max() > 1_000, "it was heard"
