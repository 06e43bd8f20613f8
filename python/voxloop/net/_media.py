"""Media of a realtime session: a source and a sink that run on the network threads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import trio

from voxloop import _native
from voxloop._bridge import Inbox, notify_closing
from voxloop._errors import ConcurrencyError, UseAfterClose
from voxloop._native import AudioChunk, MediaCut, MediaSink, MediaSource

MediaReport: TypeAlias = tuple[str, AudioChunk | int | MediaCut | str | None]
"""Name and value: ``sound`` (AudioChunk), ``silent`` (bytes taken, all of them played or given
up), ``cut`` (`MediaCut`), ``source_ended``, ``failed`` (text) and ``closed``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaOptions:
    """How media behave.

    Attributes:
        input_format: Audio to the server: ``pcm16``, ``pcmu`` or ``pcma`` (G.711).
        output_format: Audio from the server.
        frame_ms: Length of one event of the user's audio.
        barge_in: Speech that the server hears stops the answer.
        local_vad: Who else hears the user: ``"network"``, ``"energy"``, or None.
        keep_seconds: Audio since the last commit that is kept for another connection.
        prefix: Part of the ids of events that media send.
        tap_sound: Sound is kept for `MediaLink.tapped` from the start.
        tap_texts: Events for the connection are.
    """

    input_format: str = "pcm16"
    output_format: str = "pcm16"
    frame_ms: int = 20
    barge_in: bool = True
    local_vad: Literal["network", "energy"] | None = None
    keep_seconds: int = 30
    prefix: str = "media"
    tap_sound: bool = False
    tap_texts: bool = False


@dataclass(frozen=True, slots=True)
class Interruption:
    """An answer that was cut short.

    Attributes:
        reason: ``"server"`` or ``"local"`` for the user's speech, ``"application"``.
        at: ``time.monotonic()`` seconds at which its cause arrived.
        seconds: From then until the sink was silent and the truncations were queued.
        heard_ms: What was heard of each message that was cut, by its id.
    """

    reason: str
    at: float
    seconds: float
    heard_ms: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaStats:
    """What has happened to the media so far.

    Attributes:
        frames_up: Frames of the user's audio that were given to the connection.
        late_frames_up: Of those, more than 20 ms after they were due.
        worst_up: Seconds by which the latest of them was late.
        sent_up: Samples that were given to connections; those sent again count again.
        position_up: Samples of the user's audio, at the wire's rate.
        lost_up: Samples that were given up for want of a connection.
        kept_up: Samples since the last commit, kept for another connection.
        source_dropped: Samples of a microphone that were dropped because ten seconds waited.
        device_underruns: Times that a speaker ran dry in the midst of sound.
        level_up: Peak of the user's latest piece of sound, 0 to 1.
        level_down: Peak of the latest block given to the sink, 0 to 1.
        blocks_down: Blocks given to the sink, of 20 ms or of what a speaker asks for.
        late_blocks_down: Of those, more than 20 ms after they were due; with a speaker, by the pace
            at which it has asked so far, whoever was late: we, the sound server or the machine.
        worst_down: Seconds by which the latest of them was late.
        pieces_down: Audio events taken.
        late_pieces: Audio events dropped because their answer was stopped.
        overruns: Audio events dropped because fifteen minutes of sound waited already.
        underruns: Times that playing ran dry before the sound was complete.
        played_frames: Frames of the wire that were heard.
        queued_frames: Frames of the sink that wait.
        dropped_callback_frames: Frames that a `CallbackSink` was too busy for.
        interruptions: How often an answer was cut short.
        recent: The last thousand of them.
    """

    frames_up: int
    late_frames_up: int
    worst_up: float
    sent_up: int
    position_up: int
    lost_up: int
    kept_up: int
    source_dropped: int
    device_underruns: int
    level_up: float
    level_down: float
    blocks_down: int
    late_blocks_down: int
    worst_down: float
    pieces_down: int
    late_pieces: int
    overruns: int
    underruns: int
    played_frames: int
    queued_frames: int
    dropped_callback_frames: int
    interruptions: int
    recent: tuple[Interruption, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tapped:
    """What went by media; times are ``time.monotonic()`` seconds.

    Attributes:
        up: The user's sound at the wire's rate, PCM16, each stretch with the time of its beginning.
        down: The answer's sound as it was heard, at the sink's rate, in the same way.
        texts: Events that were queued for the connection, each with its time.
        dropped: Pieces and events that were left out, because more than 8 MiB of their kind waited.
    """

    up: list[tuple[float, AudioChunk]]
    down: list[tuple[float, AudioChunk]]
    texts: list[tuple[float, str]]
    dropped: int


class MediaLink:
    """A running source and sink. They may go from one connection to the next.

    Args:
        source: The user's sound, or None.
        sink: The answer's sound, or None.
        options: How they behave.

    Raises:
        ConfigError: A file that cannot be made, or a format that is not known.
        AudioFormatError: A rate that cannot be used.
        UseAfterClose: The source or sink was used before.
    """

    def __init__(
        self, source: MediaSource | None, sink: MediaSink | None, options: MediaOptions
    ) -> None:
        self._native = _native.Media(
            source=source,
            sink=sink,
            input_format=options.input_format,
            output_format=options.output_format,
            frame_ms=options.frame_ms,
            barge_in=options.barge_in,
            local_vad=options.local_vad,
            keep_seconds=options.keep_seconds,
            prefix=options.prefix,
            tap_sound=options.tap_sound,
            tap_texts=options.tap_texts,
        )
        self._inbox: Inbox[MediaReport] = Inbox(self._native)
        self._closed = False

    def bind_native(self, socket: _native.WebSocket) -> int:
        """For `WebSocket.bind_media`, which says what it does."""
        if self._closed:
            raise UseAfterClose("these media are closed; attach again")
        return self._native.bind(socket)

    def unbind(self) -> None:
        """Let go of the connection: what it brought is still played, the user's audio is kept."""
        self._native.unbind()

    def cut(self) -> MediaCut | None:
        """Silence the sink now; the server is not told. None if there was nothing to stop."""
        return self._native.cut()

    def deliver(self, item_id: str, response_id: str, content_index: int, data: bytes) -> bool:
        """Play sound that came as text; False if there is no sink, or its answer was stopped."""
        return self._native.deliver(item_id, response_id, content_index, data)

    def outside(self, response_id: str) -> None:
        """A response began that is no part of the conversation: it is never cut at the server."""
        self._native.outside(response_id)

    def heard(self, item_id: str) -> tuple[int, int, int, int] | None:
        """Milliseconds heard of a message, and its frames played, pending and dropped."""
        return self._native.heard(item_id)

    def tap(self, *, sound: bool, texts: bool) -> None:
        """Say whether sound, and events for the connection, are kept for `tapped` from now on."""
        self._native.tap(sound, texts)

    def tapped(self) -> Tapped:
        """Take what went by since the last call, as far as it was wanted; also after `aclose`."""
        up, down, texts, dropped = self._native.tapped()
        return Tapped(up=up, down=down, texts=texts, dropped=dropped)

    def sent_up(self) -> tuple[int, int]:
        """Samples of the user's audio given to connections so far, and those that wait."""
        return self._native.sent_up()

    def taken_bytes(self) -> int:
        """Bytes of the answer's sound that were taken so far."""
        return self._native.taken_bytes()

    def stats(self) -> MediaStats:
        """What has happened so far."""
        figures = self._native.stats()
        recent = tuple(
            Interruption(reason, at, seconds, dict(heard))
            for reason, at, seconds, heard in figures["recent"]
        )
        return MediaStats(**{**figures, "recent": recent})  # type: ignore[arg-type]

    async def receive_batch(self) -> list[MediaReport]:
        """Wait until there is something to tell, then take all of it.

        **Cancellation:** nothing is lost; may be called again.
        """
        return await self._inbox.receive_batch()

    async def aclose(self, timeout: float = 1.0) -> list[MediaReport]:
        """End source and sink; a file is complete then. A second call does nothing.

        Returns:
            What was told and not yet taken.

        **Cancellation:** they are ended all the same, at the latest after ``timeout`` seconds.
        """
        last: list[MediaReport] = []
        if self._closed:
            return last
        self._closed = True
        self._native.close()
        with trio.CancelScope(shield=True) as scope:
            scope.deadline = trio.current_time() + timeout
            try:
                while not last or last[-1][0] != "closed":
                    last += await self._inbox.receive_batch()
            except ConcurrencyError:
                pass  # another task still reads: it learns of the end as this one would have
            finally:
                notify_closing(self._native.fileno())
                self._native.abort()
        return last
