"""Every example runs as a newcomer runs it: offline, as a program, in an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from voxloop import audio

EXAMPLES = Path(__file__).parents[2] / "examples"

SAID = {
    "realtime_basic": ["user: What time is it in London?", "assistant: It is half past nine"],
    "realtime_tools": ["tool get_weather({'location': 'Paris'})", "shipped yesterday"],
    "realtime_handoffs": ["Greeter hands over to TechSupport", "now answers: TechSupport"],
    "live_realtime_voice": [
        "no devices",
        "user: What is the weather like today?",
        "saved said.wav",
    ],
    "voice_pipeline": ["heard: Please turn on the light.", "[completed]"],
    "voice_with_agent": [
        'tool   file_search({"pattern": "tomatoes"',
        "    -> tomatoes",
        "tool   get_weather(",
        "remembers 8 items",
    ],
    "voice_multi_turn": ["That was turn number 2.", "you said: The weather is fine today."],
}


@pytest.mark.parametrize("name", SAID)
def test_the_example_runs_and_says_what_it_should(name: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / f"{name}.py", "--out", "said.wav"],
        cwd=tmp_path,
        env={**os.environ, "PULSE_SERVER": "/nowhere"},  # no test speaks to who sits there
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for expected in SAID[name]:
        assert expected in done.stdout, done.stdout
    sound = audio.read_wav(tmp_path / "said.wav")
    assert sound.duration > 1.0
    assert np.abs(sound.numpy()).max() > 1000


def test_every_example_is_run() -> None:
    assert {path.stem for path in EXAMPLES.glob("[a-z]*.py")} == set(SAID)
