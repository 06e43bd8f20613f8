"""`Session.attach` with a sink that hands what is played to Python, 100 ms at a time."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from peers import Sink, voxloop_attached, voxloop_session
from voxloop import audio

LOOP = "trio"
NEEDS = ("voxloop",)


@asynccontextmanager
async def open_link(url: str, sink: Sink) -> AsyncIterator[voxloop_attached.Link]:
    async with voxloop_session.open_session(url) as session:
        source = audio.WavSource(os.environ[voxloop_attached.UPLINK], realtime=True, loop=True)
        heard = audio.CallbackSink(lambda chunk: sink.audio(memoryview(chunk)), batch_ms=100)
        async with session.attach(source=source, sink=heard) as media:
            yield voxloop_attached.Link(session, sink, media)
