"""Async tests run under trio; nothing may be left behind on the network threads."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator

import pytest
import trio


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> object:
    """Run ``async def`` tests with `trio.run`, without help from a plugin that owns the loop."""
    function = pyfuncitem.obj
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        def run(**arguments: object) -> None:
            trio.run(functools.partial(function, **arguments), strict_exception_groups=True)

        pyfuncitem.obj = run
    return (yield)


@pytest.fixture(autouse=True)
def no_task_left() -> Iterator[None]:
    """Every connection that a test opened has ended when it is over."""
    yield
    import sys
    import time

    native = sys.modules.get("voxloop._native")
    if native is None or not hasattr(native, "live_tasks"):
        return
    deadline = time.monotonic() + 3.0
    while native.live_tasks() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert native.live_tasks() == 0, "a connection outlived its block"


def pytest_report_header() -> str:
    """Say loudly whether real speech is there."""
    from support.speech_clips import clips, folder

    if folder() is None:
        return "voxloop: NO REAL SPEECH (no shared/speech, no VOXLOOP_SPEECH): those tests SKIP"
    return f"voxloop: {len(clips())} real recordings"
