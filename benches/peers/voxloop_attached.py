"""`Session.attach`: the sound stays in Rust, Python sees the other events only."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from peers import Sink, voxloop_session
from voxloop import audio, realtime

LOOP = "trio"
NEEDS = ("voxloop",)
MISSING = not hasattr(realtime.Session, "attach")
"""Whether this build of voxloop has no attached media path."""
UPLINK = "VOXLOOP_BENCH_RAMP"
"""Environment variable with the WAV file that is sent: a ramp, so that each sample is counted."""


class Link:
    def __init__(self, session: realtime.Session, sink: Sink, media: realtime.Media) -> None:
        self._session = session
        self._sink = sink
        self.media = media
        """Its `stats` say what the sink was given, and when."""

    async def append(self, pcm: bytes) -> None:
        raise AssertionError("the source sends by itself")

    async def listen(self) -> None:
        await voxloop_session.listen(self._session, self._sink)


@asynccontextmanager
async def open_link(url: str, sink: Sink) -> AsyncIterator[Link]:
    async with voxloop_session.open_session(url) as session:
        source = audio.WavSource(os.environ[UPLINK], realtime=True, loop=True)
        async with session.attach(source=source, sink=audio.NullSink()) as media:
            yield Link(session, sink, media)
