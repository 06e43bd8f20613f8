"""Cancelled, interrupted, left and broken at random points, a pipeline leaves nothing behind.

``VOXLOOP_FUZZ_CASES`` says how many cases to run (`make soak-voice`: 10,000), ``VOXLOOP_FUZZ_SEED``
where to begin.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path

import pytest

from support.voice_fuzz import open_files, run_case

CASES = int(os.environ.get("VOXLOOP_FUZZ_CASES", "300"))
FIRST = int(os.environ.get("VOXLOOP_FUZZ_SEED", "1"))


@pytest.mark.timeout(max(120, CASES // 2))
@pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors in /proc")
async def test_nothing_is_left_behind_wherever_a_run_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for seed in range(20):
        await run_case(-1 - seed)  # what is opened once is open now
    files, threads = open_files(), threading.active_count()
    outcomes: Counter[str] = Counter()
    for seed in range(FIRST, FIRST + CASES):
        try:
            outcomes[await run_case(seed)] += 1
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise
    gc.collect()
    assert open_files() <= files
    assert list(tmp_path.iterdir()) == []
    assert threading.active_count() <= threads + 2, "trio keeps idle workers for ten seconds"
    print(f"\n{CASES} cases: {dict(outcomes.most_common())}")
    assert {"completed", "cancelled", "raised"} <= set(outcomes), "every way out was taken"
