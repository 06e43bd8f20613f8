"""Ctrl-C at any moment: code 130 within a second, no traceback, no process left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.speech_clips import require_clips


def interrupt(arguments: list[str], after: float, cwd: Path) -> tuple[int, float, str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "voxloop", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        start_new_session=True,
    )
    time.sleep(after)
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    took = time.monotonic() - started
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    return process.returncode, took, errors


@pytest.mark.parametrize("after", [0.35, 0.6, 1.0, 1.6, 2.4, 3.5, 5.0])
def test_the_demo_stops_at_once(after: float, tmp_path: Path) -> None:
    clips = require_clips("read")
    jfk = next(str(clip.path) for clip in clips if clip.id == "jfk")
    code, took, errors = interrupt(["demo", jfk], after, tmp_path)
    assert code == 130, errors
    assert took < 5.0  # a busy machine; of itself it is a fraction of a second
    assert "Traceback" not in errors


@pytest.mark.parametrize("after", [0.6, 3.0])
def test_the_server_stops_at_once(after: float, tmp_path: Path) -> None:
    code, took, errors = interrupt(["serve", "--port", "0"], after, tmp_path)
    assert code == 130, errors
    assert took < 5.0  # a busy machine; of itself it is a fraction of a second
    assert "Traceback" not in errors
