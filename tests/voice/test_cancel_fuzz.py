"""Cancelled, interrupted, left and broken at random points, a pipeline leaves nothing behind.

``VOXLOOP_FUZZ_CASES`` says how many cases to run (`make soak-voice`: 10,000), ``VOXLOOP_FUZZ_SEED``
where to begin. On real sockets it is a fifth of them unless ``VOXLOOP_FUZZ_SOCKET_CASES`` is set.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from support.voice_fuzz import open_files, run_case
from support.voice_fuzz_sockets import run_socket_case, servers

CASES = int(os.environ.get("VOXLOOP_FUZZ_CASES", "300"))
ON_SOCKETS = int(os.environ.get("VOXLOOP_FUZZ_SOCKET_CASES", str(CASES // 5)))
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
    ways = {"completed", "cancelled by steps", "cancelled by the run", "left", "raised"}
    assert ways <= set(outcomes), "every way out was taken"


@pytest.mark.timeout(max(180, ON_SOCKETS * 2))
@pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors in /proc")
async def test_no_socket_is_left_behind_wherever_a_run_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched, temporary = tmp_path / "searched", tmp_path / "temporary"
    for folder in (searched, temporary):
        folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    outcomes: Counter[str] = Counter()
    async with servers(searched) as peers, without_collector():
        for seed in range(10):
            await run_socket_case(-1 - seed, peers)  # what is opened once is open now
        await trio.sleep(1.0)
        before = peers.census()
        for seed in range(FIRST, FIRST + ON_SOCKETS):
            try:
                outcomes[await run_socket_case(seed, peers, before)] += 1
            except BaseException as error:
                error.add_note(f"seed {seed}")
                raise
            if seed % 50 == 0:
                gc.collect()
    print(f"\n{ON_SOCKETS} cases on sockets: {dict(outcomes.most_common())}")
    ways = {"completed", "cancelled by steps", "cancelled by time", "left", "raised"}
    assert ON_SOCKETS < 50 or ways <= set(outcomes), "every way out was taken"


@asynccontextmanager
async def without_collector() -> AsyncIterator[None]:
    """Nothing is to wait for the collector before it is closed."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
