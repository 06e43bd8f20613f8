"""A session on disk: what was said as a stereo WAV file, what was sent as lines of JSON.

The left channel is the user, the right one the agent as it was heard: from the moment it began to
play, and no further than an interruption let it. Both stand at their time. A thread of its own
writes; the session only puts things into a bounded mailbox, and what does not fit is counted. What
attached media carry comes here once a second; see `voxloop.realtime.skin.follow`.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol, TypeAlias

import trio

from voxloop.agents import open_nursery
from voxloop.audio import AudioChunk
from voxloop.realtime.events import AudioEvent, AudioInterruptedEvent, Event
from voxloop.realtime.journal import Journal
from voxloop.realtime.machine.settings import to_wire
from voxloop.realtime.machine.state import State
from voxloop.realtime.stereo import LEFT, RIGHT, StereoFile
from voxloop.realtime.telephone import Widener
from voxloop.wire import realtime as rt

MAILBOX_BYTES = 32 * 1024 * 1024
"""What may wait for the disk."""
LEAVE_SECONDS = 5.0
"""How long leaving the block waits for the disk."""
JITTER_FRAMES = 4_800
"""Pauses of the user's audio up to 200 ms are taken for jitter of the sender, not for silence."""
PLAYED_FRAMES = 960
"""The same for what a sink has played, whose times are exact: 40 ms."""
RATE = 24_000

Work: TypeAlias = Callable[[], None]
_log = logging.getLogger("voxloop.realtime")


class Recorded(Protocol):
    """What is recorded."""

    @property
    def state(self) -> State:
        """What it is now."""
        ...


class Recording:
    """A recording that is being made; see `Session.record`.

    Attributes:
        wav: The sound; None of a redacted recording.
        events: The lines of JSON: one of the recording, then one for each frame.
    """

    def __init__(self, path: Path, *, redact: bool) -> None:
        self.wav: Path | None = None if redact else path.with_suffix(".wav")
        self.events: Path = path.with_suffix(".jsonl")
        self._began = time.monotonic()
        self._mailbox = _Mailbox()
        self._journal = Journal(self.events, redact=redact)
        self._sound = None if self.wav is None else StereoFile(self.wav)
        self._user = 0
        self._agent = 0
        self._items: dict[str, int] = {}
        self._wide = {LEFT: Widener(), RIGHT: Widener()}

    @property
    def dropped(self) -> int:
        """Frames and pieces of sound that the disk was too slow for."""
        return self._mailbox.dropped

    @property
    def error(self) -> OSError | None:
        """What the disk refused; nothing was written after it."""
        return self._mailbox.error

    def frame(self, direction: str, data: str | bytes, at: float, epoch: int) -> None:
        """A frame went over the wire."""
        when = at - self._began
        self._mailbox.put(
            lambda: self._journal.write(direction, data, when, epoch, self._mailbox.dropped),
            len(data),
        )

    def user(self, chunk: AudioChunk, at: float) -> None:
        """The user's audio was sent; its end had come by then."""
        spoken = round((at - chunk.duration - self._began) * RATE)
        if spoken > self._user + (JITTER_FRAMES if self._user else 0):
            self._put(LEFT, self._user, self._wide[LEFT].flush())
            self._user = spoken
        data = self._wide[LEFT].process(chunk)
        self._put(LEFT, self._user, data)
        self._user += len(data) // 2

    def heard(self, chunk: AudioChunk, at: float) -> None:
        """A sink has played the agent's audio from that time on: all of it is kept."""
        start = round((at - self._began) * RATE)
        if start > self._agent + PLAYED_FRAMES:
            self._put(RIGHT, self._agent, self._wide[RIGHT].flush())
            self._agent = start
        data = self._wide[RIGHT].process(chunk)
        self._put(RIGHT, self._agent, data)
        self._agent += len(data) // 2

    def left_out(self, pieces: int) -> None:
        """Pieces and frames of attached media were lost before they came here."""
        self._mailbox.dropped += pieces

    def event(self, event: Event) -> None:
        """The application was told."""
        if isinstance(event, AudioEvent):
            self._agent = max(self._agent, round((event.at - self._began) * RATE))
            self._items.setdefault(event.item_id, self._agent)
            while len(self._items) > 64:
                del self._items[next(iter(self._items))]
            data = self._wide[RIGHT].process(event.audio)
            self._put(RIGHT, self._agent, data)
            self._agent += len(data) // 2
        elif isinstance(event, AudioInterruptedEvent) and event.item_id in self._items:
            end = self._items[event.item_id] + round(event.heard_ms * RATE / 1000)
            self._silence(end, self._agent)
            self._agent = min(self._agent, end)

    def _put(self, channel: int, start: int, data: bytes) -> None:
        sound = self._sound
        if sound is not None and data:
            self._mailbox.put(lambda: sound.write(channel, max(0, start), data), len(data))

    def _silence(self, start: int, end: int) -> None:
        sound = self._sound
        if sound is not None:
            self._mailbox.put(lambda: sound.silence(RIGHT, max(0, start), end), 64)

    def run(self) -> None:
        """Write until it is told that all has come; in a thread of its own."""
        try:
            self._mailbox.run()
        finally:
            for file in (self._journal, self._sound):
                if file is not None:
                    file.close()

    def finish(self) -> None:
        """Nothing more comes."""
        self._put(LEFT, self._user, self._wide[LEFT].flush())
        self._put(RIGHT, self._agent, self._wide[RIGHT].flush())
        self._mailbox.finish()


@asynccontextmanager
async def recording(path: Path, session: Recorded, *, redact: bool) -> AsyncIterator[Recording]:
    """Write while the block is open; what the session is at first stands at the beginning.

    Raises:
        OSError: A file cannot be made.

    **Cancellation:** what has come is written, for at most `LEAVE_SECONDS`.
    """
    made = await trio.to_thread.run_sync(lambda: Recording(path, redact=redact))
    done = trio.Event()

    async with open_nursery() as nursery:
        nursery.start_soon(_write, made.run, done)
        try:
            for direction, data in _opening(session.state):
                made.frame(direction, data, time.monotonic(), session.state.line.epoch)
            yield made
        finally:
            made.finish()
            with trio.move_on_after(LEAVE_SECONDS, shield=True):
                await done.wait()
            nursery.cancel_scope.cancel()
            if made.error is not None:
                _log.warning("the recording is incomplete: %s", made.error)


def _opening(state: State) -> list[tuple[str, str]]:
    """Frames that stand for what came before a recording began: the session and its settings."""
    session: dict[str, object] = {"type": "realtime", "id": state.link.session_id}
    made = {"type": "session.created", "session": session}
    update = rt.SessionUpdate(session=to_wire(state.link.known))
    frames = [("out", rt.encode(update))]
    if state.link.session_id is not None:
        frames.insert(0, ("in", json.dumps(made)))
        if not state.link.pending:
            frames.append(("in", json.dumps({**made, "type": "session.updated"})))
    return frames


async def _write(run: Callable[[], None], done: trio.Event) -> None:
    await trio.to_thread.run_sync(run, abandon_on_cancel=True)
    done.set()


class _Mailbox:
    """What waits for the disk; putting something in never waits."""

    def __init__(self) -> None:
        self.dropped = 0
        self.error: OSError | None = None
        self._work: deque[tuple[Work, int]] = deque()
        self._bytes = 0
        self._over = False
        self._changed = threading.Condition()

    def put(self, work: Work, size: int) -> None:
        """Have something written, if there is room."""
        with self._changed:
            if self._over or self.error is not None or self._bytes + size > MAILBOX_BYTES:
                self.dropped += 1
                return
            self._work.append((work, size))
            self._bytes += size
            self._changed.notify()

    def finish(self) -> None:
        """Nothing more comes."""
        with self._changed:
            self._over = True
            self._changed.notify()

    def run(self) -> None:
        """Write what comes, until nothing more does."""
        while True:
            with self._changed:
                while not self._work and not self._over:
                    self._changed.wait()
                if not self._work:
                    return
                work, size = self._work.popleft()
            try:
                work()
            except OSError as error:
                with self._changed:
                    self.error = error
                    self.dropped += len(self._work) + 1
                    self._work.clear()
                return
            with self._changed:
                self._bytes -= size
