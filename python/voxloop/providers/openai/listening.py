"""A stream of speech over the realtime transcription WebSocket, which outlives its connections."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Self, TypeAlias

import trio

from voxloop import telemetry
from voxloop._bridge import checkpoint
from voxloop._errors import (
    ConfigError,
    ConnectionClosed,
    NetworkTimeout,
    ProtocolError,
    RateLimited,
    SpeechToTextError,
    UseAfterClose,
    VoxloopError,
)
from voxloop._scope import open_nursery
from voxloop.audio import AudioChunk
from voxloop.net import Frame
from voxloop.providers.openai.endpoint import Endpoint
from voxloop.providers.openai.hearing import MARK_EVENT, Hearing, SessionExpired
from voxloop.providers.openai.realtime import connect
from voxloop.providers.openai.stream_audio import ToWire
from voxloop.providers.openai.tape import BYTES_PER_MS, FRAME_BYTES, Mark, Tape
from voxloop.providers.protocols import RealtimeTransport
from voxloop.providers.transcription import StreamError, TranscriptionEvent
from voxloop.wire.realtime import server as ev
from voxloop.wire.realtime.codec import ServerMessage, decode_server
from voxloop.wire.transcription import append, control

# Close codes after which a new connection may do better (RFC 6455 7.4, IANA registry).
_PASSING: Final = frozenset({None, 1001, 1005, 1006, 1011, 1012, 1013, 1014, 1015})
_Messages: TypeAlias = deque[ServerMessage | ProtocolError]
_MAX_READY: Final = 1024
_STEADY_SECONDS: Final = 10.0
_FORCED_MARGIN: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOptions:
    """Times and limits of a stream that is transcribed.

    Attributes:
        replay_seconds: Audio that is kept to be sent again on a new connection, 1 to 600. It also
            bounds what may wait to be sent.
        setup_timeout: Seconds for each step of a session's set-up.
        inactivity_timeout: Seconds without any event of the server after which the stream fails;
            None waits without end (a dead connection is noticed all the same).
        order_timeout: Seconds that a transcript is held back for that of an earlier turn.
        end_timeout: Seconds from the end of the input to the last transcript.
        reconnects: New connections in a row that may fail before the stream does.
        renew_margin: Seconds before the server's own end of a session at which a new one is looked
            for; it begins in a pause, at the latest five seconds before that end.

    Raises:
        ConfigError: A value outside its bounds.
    """

    replay_seconds: float = 30.0
    setup_timeout: float = 10.0
    inactivity_timeout: float | None = 1000.0
    order_timeout: float = 5.0
    end_timeout: float = 30.0
    reconnects: int = 5
    renew_margin: float = 60.0

    def __post_init__(self) -> None:
        for name in ("setup_timeout", "inactivity_timeout", "order_timeout", "end_timeout"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 1e6:
                raise ConfigError(f"{name} must be a positive number of seconds, not {value!r}")
        if not 1 <= self.replay_seconds <= 600:
            raise ConfigError(f"replay_seconds must be 1 to 600, not {self.replay_seconds!r}")
        if self.reconnects < 0 or self.renew_margin < 0:
            raise ConfigError("reconnects and renew_margin must not be negative")


class Listening:
    """One stream under way: a `TranscriptionSession`.

    Two tasks serve it: one connects and reads, one writes. A lost connection is replaced, and given
    again what was not transcribed.
    """

    def __init__(
        self, endpoint: Endpoint, *, setup: str, server_turns: bool, doing: str, opts: StreamOptions
    ) -> None:
        self._endpoint = endpoint
        self._setup = setup
        self._doing = doing
        self._opts = opts
        self._tape = Tape(int(opts.replay_seconds * 1000) * BYTES_PER_MS)
        self._hearing = Hearing(self._tape, server_turns=server_turns, doing=doing)
        self._to_wire = ToWire()
        self._rest = b""
        self._stage = _Stage()

    # -- what the caller does --------------------------------------------------------------------

    async def send(self, chunk: AudioChunk) -> None:
        """Give the next audio, of any format; waits while too much is queued.

        Raises:
            UseAfterClose: The block was left, or the input has ended.
            VoxloopError: The stream has failed.

        **Cancellation:** the chunk may have gone in part.
        """
        self._check_open()
        await checkpoint()
        await self._add_rest(b"")  # of a `commit` that was cancelled
        await self._add(self._to_wire.process(chunk))

    async def commit(self) -> None:
        """End a turn here, for sessions whose turns the server does not find.

        Raises:
            UseAfterClose: The block was left, or the input has ended.
            VoxloopError: The stream has failed.

        **Cancellation:** no turn was ended; may be called again.
        """
        self._check_open()
        await checkpoint()
        await self._add_rest(self._to_wire.flush())
        self._tape.mark("commit")
        self._stage.tell()

    async def clear(self) -> None:
        """Forget the audio since the last turn.

        Raises:
            UseAfterClose: The block was left, or the input has ended.
            VoxloopError: The stream has failed.

        **Cancellation:** it may have been forgotten; may be called again.
        """
        self._check_open()
        await checkpoint()
        self._to_wire.reset()
        self._rest = b""
        done = trio.Event()
        self._stage.clears.append(done)
        self._stage.tell()
        await done.wait()

    async def end_input(self) -> None:
        """Say that no more audio comes: what is left is a turn, and then the iteration ends.

        A second call does nothing.

        Raises:
            VoxloopError: The stream has failed.

        **Cancellation:** may be called again.
        """
        if self._stage.ended is not None:
            await checkpoint()
            return
        self._check_open()
        await self._add_rest(self._to_wire.flush())
        await checkpoint()
        self._tape.mark("end")
        self._stage.ended = time.monotonic()
        self._stage.tell()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> TranscriptionEvent:
        """The next event; stops after the last turn once the input has ended.

        Raises:
            VoxloopError: The stream has failed; all that was transcribed has been given before.

        **Cancellation:** nothing is lost; may be called again.
        """
        stage = self._stage
        await checkpoint()
        while not stage.ready:
            if stage.done:
                if stage.failure is not None:
                    raise stage.failure
                raise StopAsyncIteration
            await stage.changed.wait()
        if len(stage.ready) == _MAX_READY:
            stage.tell()
        return stage.ready.popleft()

    def _check_open(self) -> None:
        if self._stage.failure is not None:
            raise self._stage.failure
        if self._stage.closed or self._stage.ended is not None:
            raise UseAfterClose(
                "the stream takes no more: its input has ended or its block is left"
            )

    async def _add_rest(self, pcm: bytes) -> None:
        """Add what the resampler held back; the next call goes on where this one is cancelled."""
        self._rest += pcm
        while self._rest:
            await self._add(self._rest[:FRAME_BYTES])
            self._rest = self._rest[FRAME_BYTES:]

    async def _add(self, pcm: bytes) -> None:
        for start in range(0, len(pcm), FRAME_BYTES):
            piece = pcm[start : start + FRAME_BYTES]
            while self._tape.room < len(piece):
                await self._stage.changed.wait()
                self._check_open()
            self._tape.add(piece)
            self._stage.tell()

    # -- the writer ------------------------------------------------------------------------------

    async def write(self) -> None:
        """Give each connection what it lacks, for as long as the stream is open."""
        stage = self._stage
        while True:
            socket = stage.socket
            if stage.clears:
                await self._clear(socket)
                continue
            out = self._tape.next() if socket is not None else None
            if socket is None or out is None:
                await stage.changed.wait()
                continue
            # Counted first: where sending fails the connection is lost, and the count with it.
            self._tape.took(out)
            try:
                if isinstance(out, Mark):
                    await socket.send(
                        control("input_audio_buffer.commit", f"{MARK_EVENT}{out.number}")
                    )
                    if out.kind == "end":
                        await socket.send(control("input_audio_buffer.clear", "end"))
                else:
                    await socket.send(append(out))
            except (ConnectionClosed, UseAfterClose):
                stage.lose(socket)
            stage.tell()

    async def _clear(self, socket: RealtimeTransport | None) -> None:
        stage = self._stage
        self._hearing.clearing(connected=socket is not None)
        waiting, stage.clears = stage.clears, []
        for done in waiting:
            done.set()
        if socket is not None:
            try:
                await socket.send(control("input_audio_buffer.clear", "clear"))
            except (ConnectionClosed, UseAfterClose):
                stage.lose(socket)
        stage.tell()

    # -- the reader ------------------------------------------------------------------------------

    async def opened(self) -> None:
        """Wait for the first session.

        Raises:
            VoxloopError: There is none.
        """
        while not self._stage.opened:
            if self._stage.failure is not None:
                raise self._stage.failure
            await self._stage.changed.wait()

    async def read(self) -> None:
        """Keep connected until all is transcribed, or nothing helps."""
        stage = self._stage
        try:
            await self._keep_connected()
        except VoxloopError as error:
            stage.ready.extend(self._hearing.overdue(float("inf")))
            stage.failure = error
        stage.done = True
        stage.tell()

    async def _keep_connected(self) -> None:
        stage, failed = self._stage, 0
        error: VoxloopError | None
        while True:
            opened: float | None = None
            try:
                async with connect(self._endpoint, intent="transcription") as socket:
                    try:
                        rest = await self._begin(socket)
                        opened = time.monotonic()
                        stage.socket, stage.opened = socket, True
                        stage.tell()
                        await self._converse(socket, rest)
                        return
                    finally:
                        stage.socket = None
            except SessionExpired:
                error, why = None, "expired"
            except VoxloopError as lost:
                error, why = lost, lost.code
            # One that breaks as soon as it is open, or never opens, is no success: it counts on.
            steady = opened is not None and time.monotonic() - opened > _STEADY_SECONDS
            failed = 1 if steady else failed + 1
            if not self._may_go_on(error, failed):
                try:
                    raise error or SpeechToTextError(f"{self._doing}: no session lasts")
                finally:
                    del error  # its traceback holds this frame
            delay = self._delay(error, failed)
            telemetry.emit(
                "voice.ws.reconnect",
                {"attempt": failed, "delay_ms": delay * 1000},
                {"doing": self._doing, "code": why},
            )
            error = None  # its traceback holds this frame, and the connection that was lost
            await trio.sleep(delay)

    def _may_go_on(self, error: VoxloopError | None, failed: int) -> bool:
        # At first, nobody has waited for this stream long: tell soon.
        most = self._opts.reconnects if self._stage.opened else min(2, self._opts.reconnects)
        if failed > most:
            return False
        if isinstance(error, NetworkTimeout) and error.phase in ("inactivity", "end_of_input"):
            return False
        if isinstance(error, ConnectionClosed):
            return error.close_code in _PASSING
        return error is None or error.retryable

    def _delay(self, error: VoxloopError | None, failed: int) -> float:
        if error is None and failed == 1:
            return 0.0
        if isinstance(error, RateLimited) and error.retry_after is not None:
            return min(error.retry_after, 30.0)
        backoff: float = min(4.0, 0.1 * 2**failed)
        return backoff * random.uniform(0.5, 1.0)  # noqa: S311 - jitter

    async def _begin(self, socket: RealtimeTransport) -> _Messages:
        """Set the session up; what came behind it."""
        rest: _Messages = deque()
        self._hearing.expires_at = None
        await self._expect(socket, ev.SessionCreated, rest)
        await socket.send(self._setup)
        await self._expect(socket, ev.SessionUpdated, rest)
        self._tell(self._hearing.reconnected(time.monotonic()))
        return rest

    async def _expect(
        self,
        socket: RealtimeTransport,
        kind: type[ev.SessionCreated | ev.SessionUpdated],
        rest: _Messages,
    ) -> None:
        with trio.move_on_after(self._opts.setup_timeout):
            while True:
                while rest:
                    event = rest.popleft()
                    if isinstance(event, ProtocolError):
                        raise event
                    if isinstance(event, ev.ErrorEvent):
                        raise self._hearing.refusal(event.error)
                    if isinstance(event, ev.SessionCreated):
                        self._hearing.heard(event, time.monotonic())
                    if isinstance(event, kind):
                        return
                rest.extend(_decoded(await socket.receive_batch()))
        raise NetworkTimeout(
            f"{self._doing}: the server did not send {kind.__name__} within "
            f"{self._opts.setup_timeout:g} s",
            phase="setup",
        )

    async def _converse(self, socket: RealtimeTransport, rest: _Messages) -> None:
        stage, hearing = self._stage, self._hearing
        last = time.monotonic()
        while True:
            for event in rest:
                if isinstance(event, ProtocolError):
                    self._tell([StreamError(error=event, at=last)])
                else:
                    self._tell(hearing.heard(event, last))
            if hearing.finished:
                return
            while len(stage.ready) >= _MAX_READY:
                await stage.changed.wait()
            rest = deque()
            with trio.move_on_after(self._patience(last)):
                rest.extend(_decoded(await socket.receive_batch()))
            now = time.monotonic()
            if rest:
                last = now
            self._check_times(last, now)

    def _patience(self, last: float) -> float:
        """Seconds until something has to be looked at, though nothing comes."""
        now, hearing, opts = time.monotonic(), self._hearing, self._opts
        waits = [0.5 if hearing.expires_at is not None or self._stage.ended is not None else 60.0]
        if opts.inactivity_timeout is not None:
            waits.append(last + opts.inactivity_timeout - now)
        if hearing.waits_since is not None:
            waits.append(hearing.waits_since + opts.order_timeout - now)
        return max(0.0, min(waits)) + 0.001

    def _check_times(self, last: float, now: float) -> None:
        hearing, opts = self._hearing, self._opts
        self._tell(hearing.overdue(now - opts.order_timeout))
        ended = self._stage.ended
        if ended is not None and now - max(ended, last) > opts.end_timeout:
            raise NetworkTimeout(
                f"{self._doing}: the last turn was not transcribed within {opts.end_timeout:g} s",
                phase="end_of_input",
            )
        if opts.inactivity_timeout is not None and now - last > opts.inactivity_timeout:
            raise NetworkTimeout(
                f"{self._doing}: the server has sent nothing for {opts.inactivity_timeout:g} s",
                phase="inactivity",
            )
        if hearing.expires_at is not None:
            left = hearing.expires_at - time.time()
            # A session so short that the margins eat it up is used for half of its time.
            forced = min(_FORCED_MARGIN, hearing.lifetime / 4)
            if left < forced or (
                left < min(opts.renew_margin, hearing.lifetime / 2) and hearing.idle
            ):
                raise SessionExpired

    def _tell(self, events: list[TranscriptionEvent]) -> None:
        if events:
            self._stage.ready.extend(events)
            self._stage.tell()


class _Stage:
    """What the tasks of a stream share."""

    def __init__(self) -> None:
        self.changed = trio.Event()
        self.socket: RealtimeTransport | None = None
        self.ready: deque[TranscriptionEvent] = deque()
        self.clears: list[trio.Event] = []
        self.ended: float | None = None
        self.failure: VoxloopError | None = None
        self.opened = self.done = self.closed = False

    def tell(self) -> None:
        """Wake all who wait for something to change."""
        self.changed.set()
        self.changed = trio.Event()

    def lose(self, socket: RealtimeTransport) -> None:
        """Write no more to ``socket``; its reader finds out by itself."""
        if self.socket is socket:
            self.socket = None


@asynccontextmanager
async def open_listening(listening: Listening) -> AsyncIterator[Listening]:
    """Run the tasks of ``listening`` for as long as the block is open.

    Raises:
        VoxloopError: There is no session.

    **Cancellation:** the tasks end and the socket is closed.
    """
    stage = listening._stage
    try:
        async with open_nursery() as nursery:
            nursery.start_soon(listening.read)
            nursery.start_soon(listening.write)
            try:
                await listening.opened()
                yield listening
            finally:
                stage.closed = True
                nursery.cancel_scope.cancel()
    finally:
        stage.failure = None  # it was raised; its traceback holds the stream


def _decoded(frames: list[Frame]) -> _Messages:
    """What the frames say; one that cannot be read takes no other with it."""
    decoded: _Messages = deque()
    for frame in frames:
        for data, _at in frame.messages:
            try:
                decoded.append(decode_server(data))
            except ProtocolError as error:
                decoded.append(error)
    return decoded
