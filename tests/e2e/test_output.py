"""What becomes of the command line when nobody reads what it writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FRAMES = [
    {"recording": 1, "voxloop": "0.1.0", "started": 1.0, "rate": 24_000, "redacted": False},
    {"at": 0.5, "dir": "in", "epoch": 1, "event": {"type": "session.created"}},
]


@pytest.mark.parametrize("command", [["--help"], ["replay", "call.jsonl"]], ids=lambda c: c[0])
def test_a_reader_that_has_gone_is_no_failure_to_speak_of(
    command: list[str], tmp_path: Path
) -> None:
    (tmp_path / "call.jsonl").write_text("".join(json.dumps(line) + "\n" for line in FRAMES))
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "voxloop", *command],
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writing)
    assert done.stderr == ""
    assert done.returncode == 1
