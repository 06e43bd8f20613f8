"""Plays a recording of a session back: as the server that it was, or as the client."""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import trio

from voxloop._errors import ConfigError, ConnectionClosed
from voxloop.providers import Provider, RealtimeTarget
from voxloop.testing import script as s
from voxloop.testing.realtime_server import RealtimeServer

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedFrame:
    """One line of a recording.

    Attributes:
        at: Seconds since its beginning.
        direction: ``"in"`` came from the server, ``"out"`` was sent to it.
        epoch: Number of the connection.
        event: The event, or the text of a frame that was no JSON.
    """

    at: float
    direction: Literal["in", "out"]
    epoch: int
    event: Mapping[str, object] | str

    @property
    def type(self) -> str:
        """Type of the event, ``""`` if it has none."""
        kind = self.event.get("type") if isinstance(self.event, Mapping) else None
        return kind if isinstance(kind, str) else ""

    @property
    def counts(self) -> bool:
        """Whether a replayed server waits for it: audio comes in pieces of any size."""
        return self.direction == "out" and self.type != "input_audio_buffer.append"


class Replay:
    """A recording; made by `replay`.

    Attributes:
        frames: All its frames, in the order of their times.
        redacted: Its words and its sound were left out.
        dropped: Frames that are missing in it.
    """

    def __init__(self, frames: tuple[RecordedFrame, ...], *, redacted: bool, dropped: int) -> None:
        self.frames = frames
        self.redacted = redacted
        self.dropped = dropped

    @asynccontextmanager
    async def server(self, *, speed: float = 0.0, port: int = 0) -> AsyncIterator[RealtimeServer]:
        """Serve it on a real socket.

        Each frame of the server comes once the client has sent as much as it had then. A client
        that connects anew gets what the next connection of the recording got.

        Args:
            speed: 1 keeps the time between frames, 2 halves it; 0 waits for nothing.
            port: Port of the loopback interface; 0 takes a free one.

        **Cancellation:** the server is closed.
        """
        _check_speed(speed)
        epochs = sorted({frame.epoch for frame in self.frames})
        plan = s.Script(played=tuple(tuple(self._steps(epoch, speed)) for epoch in epochs))
        async with RealtimeServer(plan, port=port) as server:
            yield server

    async def client(self, provider: Provider, *, speed: float = 0.0) -> list[Mapping[str, object]]:
        """Send what the client had sent on its first connection; the events that came back.

        Args:
            provider: Whose realtime connection is used.
            speed: As in `server`; what the server says is waited for in any case.

        Raises:
            VoxloopError: The connection cannot be made.

        **Cancellation:** the connection is closed.
        """
        _check_speed(speed)
        got: list[Mapping[str, object]] = []
        began = time.monotonic()
        mine = [frame for frame in self.frames if frame.epoch == self.frames[0].epoch]
        async with provider.realtime(RealtimeTarget()) as transport:
            said = 0
            for frame in mine:
                if frame.direction == "out":
                    if speed:
                        await trio.sleep(max(0.0, frame.at / speed - (time.monotonic() - began)))
                    await transport.send(_text(frame.event))
                    continue
                said += 1
                while len(got) < said:
                    try:
                        frames = await transport.receive_batch()
                    except ConnectionClosed:
                        return got
                    got += [json.loads(text) for frame in frames for text, _ in frame.messages]
        return got

    def _steps(self, epoch: int, speed: float) -> list[s.Step]:
        steps: list[s.Step] = []
        heard: dict[str, int] = {}
        before: float | None = None
        for frame in self.frames:
            if frame.epoch != epoch:
                continue
            if frame.counts:
                heard[frame.type] = heard.get(frame.type, 0) + 1
                steps.append(s.Until(frame.type, heard[frame.type]))
            elif frame.direction == "in":
                if speed and before is not None and frame.at > before:
                    steps.append(s.Pause((frame.at - before) / speed))
                before = frame.at
                steps.append(s.Emit(frame.event))
        return steps


def replay(path: str | os.PathLike[str]) -> Replay:
    """Read a recording that `voxloop.realtime.Session.record` has written.

    Args:
        path: The file of events; its suffix may be left out.

    Raises:
        ConfigError: It is no recording, or one of a later version.
        OSError: It cannot be read.

    Example::

        async with testing.replay("call.jsonl").server() as server:
            async with realtime.open_session(agent, provider=server.provider()) as session:
                ...
    """
    file = Path(path)
    if file.suffix != ".jsonl":
        file = file.with_suffix(".jsonl")
    frames: list[RecordedFrame] = []
    dropped = 0
    with file.open(encoding="utf-8") as lines:
        head = _object(lines.readline(), file, 1)
        if head.get("recording") != VERSION:
            raise ConfigError(f"{file.name} is no recording of version {VERSION}")
        for number, line in enumerate(lines, 2):
            entry = _object(line, file, number)
            dropped = int(str(entry.get("dropped", dropped)))
            frames.append(_frame(entry, file, number))
    frames.sort(key=lambda frame: frame.at)  # what attached media sent was written later
    return Replay(tuple(frames), redacted=bool(head.get("redacted")), dropped=dropped)


def _object(line: str, file: Path, number: int) -> dict[str, object]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ConfigError(f"line {number} of {file.name} is not a JSON object: no recording?")
    return value


def _frame(entry: dict[str, object], file: Path, number: int) -> RecordedFrame:
    at, direction = entry.get("at"), entry.get("dir")
    epoch, event = entry.get("epoch", 1), entry.get("event")
    if (
        not isinstance(at, (int, float))
        or not isinstance(epoch, int)
        or not isinstance(event, (dict, str))
        or direction not in ("in", "out")
    ):
        raise ConfigError(f"line {number} of {file.name} is no frame of a recording")
    way: Literal["in", "out"] = "in" if direction == "in" else "out"
    return RecordedFrame(at=float(at), direction=way, epoch=epoch, event=event)


def _text(event: Mapping[str, object] | str) -> str:
    return event if isinstance(event, str) else json.dumps(dict(event))


def _check_speed(speed: float) -> None:
    if not 0.0 <= speed < 1e6:
        raise ConfigError(f"speed is {speed!r}; give 1 for the pace of the recording, 0 for none")
