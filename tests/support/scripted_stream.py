"""A recogniser of streams whose words are written down."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from voxloop._errors import VoxloopError
from voxloop.audio import AudioChunk
from voxloop.providers import (
    ServerTurns,
    SpeechStarted,
    SpeechStopped,
    STTSettings,
    TranscriptionEvent,
    TurnFailed,
    TurnHeard,
    TurnPartial,
)


class ScriptedStream:
    """One session: what is committed is answered from the script, more can be said by a test."""

    def __init__(self, script: deque[str | VoxloopError], turns: ServerTurns | None) -> None:
        self.turns = turns
        self.sent: list[AudioChunk] = []
        self.commits: list[int] = []  # frames that had been sent
        self.clears = 0
        self.ended = trio.Event()
        self._script = script
        # Without a bound: tests write more than is read, and it is short.
        self._say, self._events = trio.open_memory_channel[TranscriptionEvent | Exception](math.inf)

    @property
    def frames(self) -> int:
        return sum(chunk.frames for chunk in self.sent)

    def say(self, event: TranscriptionEvent | Exception) -> None:
        self._say.send_nowait(event)

    def started(self, item: str) -> None:
        self.say(SpeechStarted(item_id=item, at=time.monotonic()))

    def stopped(self, item: str) -> None:
        self.say(SpeechStopped(item_id=item, at=time.monotonic()))

    def heard(self, item: str, *partials: str) -> None:
        for count in range(1, len(partials)):
            text = "".join(partials[:count])
            self.say(
                TurnPartial(item_id=item, delta=partials[count - 1], text=text, at=time.monotonic())
            )
        self.say(TurnHeard(item_id=item, text="".join(partials), at=time.monotonic()))

    def failed(self, item: str | None, error: VoxloopError) -> None:
        self.say(TurnFailed(item_id=item, error=error, at=time.monotonic()))

    def finish(self) -> None:
        self._say.close()

    async def send(self, chunk: AudioChunk) -> None:
        await trio.sleep(0)
        self.sent.append(chunk)

    async def commit(self) -> None:
        await trio.sleep(0)
        self.commits.append(self.frames)
        answer = self._script.popleft()
        item = f"item_{len(self.commits)}"
        if isinstance(answer, VoxloopError):
            self.failed(item, answer)
        else:
            self.heard(item, *[word + " " for word in answer.split(" ")])

    async def clear(self) -> None:
        await trio.sleep(0)
        self.clears += 1

    async def end_input(self) -> None:
        await trio.sleep(0)
        self.ended.set()
        if self.turns is None:
            self.finish()

    def __aiter__(self) -> ScriptedStream:
        return self

    async def __anext__(self) -> TranscriptionEvent:
        try:
            event = await self._events.receive()
        except trio.EndOfChannel:
            raise StopAsyncIteration from None
        if isinstance(event, Exception):
            raise event
        return event


class ScriptedStreamingSTT:
    """Opens sessions; only streams, no whole utterances."""

    def __init__(self, *answers: str | VoxloopError, connect: float = 0.0) -> None:
        self._script = deque(answers)
        self._connect = connect
        self.sessions: list[ScriptedStream] = []
        self.settings: list[STTSettings] = []
        self.opened = trio.Event()
        self.open_sessions = 0

    @asynccontextmanager
    async def open_transcription(
        self, settings: STTSettings, *, turns: ServerTurns | None
    ) -> AsyncIterator[ScriptedStream]:
        await trio.sleep(self._connect)
        session = ScriptedStream(self._script, turns)
        self.sessions.append(session)
        self.settings.append(settings)
        self.open_sessions += 1
        self.opened.set()
        try:
            yield session
        finally:
            self.open_sessions -= 1
