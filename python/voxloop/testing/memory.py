"""A transport without a socket: what a test puts in comes out, what is sent is kept."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import NoReturn

import trio

from voxloop._bridge import checkpoint
from voxloop._errors import ConfigError, ConnectionClosed, UseAfterClose
from voxloop.net import Frame
from voxloop.providers import (
    LanguageModel,
    RealtimeTarget,
    RealtimeTransport,
    SpeechToText,
    TextToSpeech,
)


class MemoryTransport:
    """Both ends of a realtime connection in one object; works under a clock that jumps.

    Args:
        clock: Gives the time of arrival of what is put in.

    Example::

        transport = testing.MemoryTransport()
        transport.deliver({"type": "session.created", "session": {"type": "realtime"}})
        async with realtime.open_session(agent, provider=transport.provider()) as session:
            ...
        assert transport.sent[0]["type"] == "session.update"
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.sent: list[dict[str, object]] = []
        """What the session has sent, decoded."""
        self.closed = False
        """Whether the session has closed the connection."""
        self._clock = clock
        self._inbox: deque[Frame] = deque()
        self._changed = trio.Event()
        self._error: Exception | None = None

    def deliver(self, *events: Mapping[str, object] | str) -> None:
        """Let events, or any text, arrive together."""
        now = self._clock()
        for event in events:
            data = event if isinstance(event, str) else json.dumps(dict(event))
            self._inbox.append(Frame(data, now))
        self._tell()

    def end(self, error: Exception | None = None) -> None:
        """End the connection once all was taken; without an error it was closed with code 1000."""
        self._error = error or ConnectionClosed(
            "the peer closed the connection", close_code=1000, clean=True
        )
        self._tell()

    async def wait_sent(self, kind: str, count: int = 1) -> dict[str, object]:
        """Wait until ``count`` events of a type were sent; the last of them.

        **Cancellation:** may be called again.
        """
        while True:
            found = [event for event in self.sent if event["type"] == kind]
            if len(found) >= count:
                return found[count - 1]
            await self._changed.wait()

    async def receive_batch(self) -> list[Frame]:
        """All that has arrived, at least one frame.

        **Cancellation:** nothing is lost; may be called again.
        """
        await checkpoint()
        while not self._inbox:
            if self.closed:
                raise UseAfterClose("the memory transport is closed")
            if self._error is not None:
                raise self._error
            await self._changed.wait()
        frames = list(self._inbox)
        self._inbox.clear()
        return frames

    async def send(self, data: str) -> None:
        """Keep what is sent.

        **Cancellation:** it is either kept or not.
        """
        await checkpoint()
        if self.closed:
            raise UseAfterClose("the memory transport is closed")
        if self._error is not None:
            raise self._error
        self.sent.append(json.loads(data))
        self._tell()

    async def aclose(self) -> None:
        """Close; a second call does nothing.

        **Cancellation:** it is closed all the same.
        """
        self.closed = True
        self._tell()
        await checkpoint()

    def provider(self) -> MemoryProvider:
        """A provider whose realtime connections are all this transport."""
        return MemoryProvider(self)

    def _tell(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


class MemoryProvider:
    """A provider that has nothing but a realtime connection."""

    def __init__(self, transport: MemoryTransport) -> None:
        self.transport = transport
        self.targets: list[RealtimeTarget] = []
        """What was asked for."""

    def realtime(self, target: RealtimeTarget) -> AbstractAsyncContextManager[RealtimeTransport]:
        """The transport."""
        self.targets.append(target)
        return _given(self.transport)

    def speech_to_text(self) -> SpeechToText:
        """There is none."""
        _nothing_else()

    def text_to_speech(self) -> TextToSpeech:
        """There is none."""
        _nothing_else()

    def language_model(self) -> LanguageModel:
        """There is none."""
        _nothing_else()

    async def warm_up(self) -> None:
        """Nothing has to be loaded."""
        await checkpoint()


@asynccontextmanager
async def _given(transport: MemoryTransport) -> AsyncIterator[RealtimeTransport]:
    try:
        yield transport
    finally:
        with trio.CancelScope(shield=True):
            await transport.aclose()


def _nothing_else() -> NoReturn:
    raise ConfigError("a memory provider only offers realtime(); see testing for scripted engines")
