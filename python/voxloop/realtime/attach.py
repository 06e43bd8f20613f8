"""Media of a session: sound between the connection, a source and a sink, past this thread.

The work is done on the network threads. Here they are opened and closed, what they tell is fed to
the session, and what a `CallbackSink` plays is handed to its function.
"""

from __future__ import annotations

import inspect
import time
from collections import deque
from collections.abc import Awaitable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast

import trio

from voxloop._bridge import checkpoint
from voxloop._errors import ConcurrencyError, ConfigError, DeviceError, VoxloopError
from voxloop.agents import open_nursery
from voxloop.audio import AudioChunk, CallbackSink, OnSound, Sink, Source
from voxloop.net import MediaCut, MediaLink, MediaOptions, MediaReport, MediaStats
from voxloop.realtime.machine import inputs
from voxloop.realtime.skin.follow import Follower, wanted
from voxloop.realtime.skin.runner import Runner

LocalVad: TypeAlias = Literal["network", "energy"]

WAITING_BATCHES = 4096
"""Batches that may wait for a callback; what comes beyond is dropped and counted."""

TURN_SECONDS = 0.02
"""For how long the function of a `CallbackSink` is called before others have their turn."""


@dataclass(frozen=True, slots=True)
class AttachOptions:
    """See `Session.attach`.

    Raises:
        ConfigError: A value is out of range.
    """

    local_vad: LocalVad | None
    frame_ms: int
    keep_seconds: int

    def __post_init__(self) -> None:
        if self.local_vad not in (None, "network", "energy"):
            raise ConfigError(f"local_vad is {self.local_vad!r}; give 'network', 'energy' or None")
        if not 5 <= self.frame_ms <= 1000:
            raise ConfigError(f"frame_ms is {self.frame_ms}; give 5 to 1000")
        if not 0 <= self.keep_seconds <= 3600:
            raise ConfigError(f"keep_seconds is {self.keep_seconds}; give 0 to 3600")


class Media:
    """What is attached; made by `Session.attach`."""

    __slots__ = ("_dropped", "_ended", "_link", "_runner", "_untold", "_waited")

    def __init__(self, runner: Runner, link: MediaLink) -> None:
        self._runner = runner
        self._link = link
        self._ended = False
        self._waited: trio.Event | None = None
        self._dropped = 0
        self._untold: list[MediaReport] = []
        """Taken, the latest first, and not entered yet."""

    def stats(self) -> MediaStats:
        """What has happened so far; also after the block."""
        return self._link.stats()

    def heard(self, item_id: str) -> float:
        """Seconds of a message that were heard; 0 for one of which nothing was."""
        found = self._link.heard(item_id)
        return 0.0 if found is None else found[0] / 1000.0

    @property
    def dropped_batches(self) -> int:
        """Batches that were dropped because the function of a `CallbackSink` was too slow."""
        return self._dropped

    async def wait_source(self) -> None:
        """Wait until the source has ended and all of it was given to the connection.

        **Cancellation:** may be called again.
        """
        if self._ended:
            await checkpoint()
            return
        if self._waited is None:
            self._waited = trio.Event()
        await self._waited.wait()

    def rebind(self) -> int:
        """Go on over the connection that the session has now.

        The user's audio since the last commit is sent again first.

        Returns:
            How many samples of it that is.
        """
        return self._runner.bind_media(self._link)

    def unbind(self) -> None:
        """Let go of a connection that is lost: the source goes on, and its audio is kept."""
        self._link.unbind()

    # -- the work of the block -------------------------------------------------------------------

    async def run(self, calls: _Calls | None) -> None:
        """Feed the session with what the media tell, until cancelled.

        Raises:
            DeviceError: The microphone or the speaker is gone.
            VoxloopError: Source or sink has failed.
        """
        while True:
            self._untold = await self._link.receive_batch()
            self._untold.reverse()
            until = time.monotonic() + TURN_SECONDS
            while self._untold:
                self._tell(self._untold.pop(), calls)
                if calls is not None and time.monotonic() >= until:
                    # The function is slow. What is left is not lost: see `settle`.
                    await checkpoint()
                    until = time.monotonic() + TURN_SECONDS

    def settle(self, reports: list[MediaReport]) -> None:
        """Enter what was told last; sound among it is too late, and all is silent anyway."""
        for report in (*reversed(self._untold), *reports):
            if report[0] != "silent":
                self._tell(report, None)

    def _tell(self, report: MediaReport, calls: _Calls | None) -> None:
        name, value = report
        now = time.monotonic()
        if name == "sound" and calls is not None:
            self._dropped += not calls.call(cast("AudioChunk", value))
        elif name == "silent":
            self._runner.feed(inputs.MediaSilent(cast("int", value), now))
        elif name == "cut":
            self._runner.feed(inputs.MediaCut(cast("MediaCut", value), now))
        elif name == "source_ended":
            self._ended = True
            if self._waited is not None:
                self._waited.set()
        elif name == "device_lost":
            raise DeviceError(f"{value}; attach another to go on", reason="lost")
        elif name == "failed":
            raise VoxloopError(f"the media cannot go on: {value}", code="media_failed")


class Attaching(AbstractAsyncContextManager[Media]):
    """Opens source and sink, and ends them with the block; see `Session.attach`."""

    __slots__ = ("_block", "_follower", "_given", "_link", "_media", "_nursery", "_runner")

    def __init__(
        self, runner: Runner, source: Source | None, sink: Sink | None, options: AttachOptions
    ) -> None:
        _check("source", source, "open_source", "WavSource(path) or Microphone()")
        _check("sink", sink, "open_sink", "WavSink(path) or Speaker()")
        self._runner = runner
        self._given = (source, sink, options)
        self._block = open_nursery()

    async def __aenter__(self) -> Media:
        runner, (source, sink, options) = self._runner, self._given
        del self._given  # what it takes to open them is not kept for as long as they are open
        runner.check_open()
        if runner.media is not None:
            raise ConcurrencyError(
                "media are attached to this session already; leave their block first"
            )
        self._link = link = await _open(runner, source, sink, options)
        if runner.media is not None:  # attached while this was opened
            await link.aclose()
            raise ConcurrencyError("media were attached to this session meanwhile")
        self._media = media = Media(runner, link)
        self._follower = follower = Follower(runner, link)
        try:
            runner.bind_media(link)
            runner.follower = follower
            runner.follow()
            runner.feed(inputs.MediaAttached(source is not None, time.monotonic()))
            self._nursery = nursery = await self._block.__aenter__()
        except BaseException:
            await self._end()
            raise
        calls = _Calls(sink.callback, nursery) if isinstance(sink, CallbackSink) else None
        nursery.start_soon(media.run, calls, name="voxloop media")
        return media

    async def __aexit__(self, *failure: Any) -> bool | None:
        try:
            self._nursery.cancel_scope.cancel()
            return await self._block.__aexit__(*failure)
        finally:
            await self._end()

    async def _end(self) -> None:
        runner, link, follower = self._runner, self._link, self._follower
        if runner.media is link:
            link.unbind()  # so that it takes nothing more
            runner.cut_media()
            runner.media = None
            runner.feed(inputs.MediaLeft(link.taken_bytes(), time.monotonic()))
        try:
            self._media.settle(await link.aclose())
        finally:
            follower.catch_up()
            if runner.follower is follower:
                runner.follower = None


def _check(name: str, given: object, opens: str, such: str) -> None:
    if given is not None and not callable(getattr(given, opens, None)):
        raise ConfigError(
            f"{name} is a {type(given).__name__}; give a {name} of voxloop.audio, such as {such}, "
            "or None"
        )


async def _open(
    runner: Runner, source: Source | None, sink: Sink | None, options: AttachOptions
) -> MediaLink:
    settings = runner.state.settings
    native_source = None if source is None else await source.open_source()
    native_sink = None if sink is None else await sink.open_sink()
    sound, texts = wanted(runner)
    return MediaLink(
        native_source,
        native_sink,
        MediaOptions(
            input_format=settings.input_format,
            output_format=settings.output_format,
            frame_ms=options.frame_ms,
            barge_in=runner.state.config.barge_in,
            local_vad=options.local_vad,
            keep_seconds=options.keep_seconds,
            prefix=runner.state.prefix,
            tap_sound=sound,
            tap_texts=texts,
        ),
    )


class _Calls:
    """Calls of a `CallbackSink`'s function, one after the other.

    A plain one is done at once, where its sound is told of; an async one is waited for in a task,
    and what comes meanwhile waits with it.
    """

    def __init__(self, callback: OnSound, nursery: trio.Nursery) -> None:
        self._callback = callback
        self._nursery = nursery
        self._busy = False
        self._waiting: deque[AudioChunk] = deque()

    def call(self, chunk: AudioChunk) -> bool:
        """Hand over a batch; False if too many wait."""
        if self._busy:
            fits = len(self._waiting) < WAITING_BATCHES
            if fits:
                self._waiting.append(chunk)
            return fits
        answer = self._callback(chunk)
        if inspect.isawaitable(answer):
            self._busy = True
            self._nursery.start_soon(self._wait, answer)
        return True

    async def _wait(self, answer: Awaitable[None]) -> None:
        await answer
        while self._waiting:
            again = self._callback(self._waiting.popleft())
            if inspect.isawaitable(again):
                await again
        self._busy = False
