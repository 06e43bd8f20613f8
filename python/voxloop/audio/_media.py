"""Where a session's sound may come from and go to: values for `realtime.Session.attach`.

None of them does anything by itself. What they describe runs on the network threads, without the
GIL, from when it is attached until the block is left; each may be attached once at a time.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias, runtime_checkable

import trio

from voxloop import _native
from voxloop._bridge import Outbox, checkpoint
from voxloop._errors import AudioFormatError
from voxloop._native import AudioChunk, Format, MediaSink, MediaSource, to_mono, to_pcm16
from voxloop.audio._checks import checked_format, flag, real, shown, whole
from voxloop.audio._chunk import PCM24K, AudioLike, as_chunk
from voxloop.audio._wav import read_wav

OnSound: TypeAlias = Callable[[AudioChunk], Awaitable[None] | None]
"""Is given sound as it is to be heard; may be async."""

_MAX_RATE = 192_000


@runtime_checkable
class Source(Protocol):
    """Where the user's sound comes from."""

    async def open_source(self) -> MediaSource:
        """The native side of it, to be attached once.

        **Cancellation:** nothing is kept.
        """
        ...


@runtime_checkable
class Sink(Protocol):
    """Where the answer's sound goes."""

    async def open_sink(self) -> MediaSink:
        """The native side of it, to be attached once.

        **Cancellation:** nothing is kept.
        """
        ...


@dataclass(frozen=True, slots=True)
class WavSource:
    """A WAV file, or a clip in memory.

    Attributes:
        path_or_chunk: Path of the file, read when it is attached, or audio that
            `voxloop.audio.as_chunk` takes. Any rate; several channels are mixed to one.
        realtime: At the pace of speech; False sends it as fast as the connection takes it.
        loop: Begin anew at the end, for ever.
        frame_ms: Length of the frames that it is given out in.

    Raises:
        AudioFormatError: ``frame_ms`` is out of range.
    """

    path_or_chunk: str | os.PathLike[str] | AudioLike
    realtime: bool = True
    loop: bool = False
    frame_ms: int = 20

    def __init__(
        self,
        path_or_chunk: str | os.PathLike[str] | AudioLike,
        *,
        realtime: bool = True,
        loop: bool = False,
        frame_ms: int = 20,
    ) -> None:
        if not isinstance(path_or_chunk, str | os.PathLike):
            path_or_chunk = as_chunk(path_or_chunk)
        for name, value in (
            ("path_or_chunk", path_or_chunk),
            ("realtime", flag(realtime, "realtime")),
            ("loop", flag(loop, "loop")),
            ("frame_ms", whole(frame_ms, "frame_ms", 5, 1000)),
        ):
            object.__setattr__(self, name, value)

    async def open_source(self) -> MediaSource:
        """Read the file, in a thread.

        Raises:
            OSError: The file cannot be read.
            WavError: It is no WAV file.

        **Cancellation:** what was read is forgotten.
        """
        given = self.path_or_chunk
        if isinstance(given, str | os.PathLike):
            path = Path(given)
            clip = await trio.to_thread.run_sync(lambda: to_pcm16(to_mono(read_wav(path))))
        else:
            await checkpoint()
            clip = to_pcm16(to_mono(as_chunk(given)))
        return MediaSource.clip(clip, self.realtime, self.loop, self.frame_ms)


class PushSource:
    """Sound that the application pushes; it is sent as soon as a frame of it is whole.

    Policy: it blocks. While more than ``max_seconds`` wait to be sent, `push` waits. It is attached
    to one session at a time; what was pushed and not taken stays for the next.

    Args:
        format: Layout of bytes that are pushed, and the one rate of all of it.
        max_seconds: Audio that may wait.

    Raises:
        AudioFormatError: ``max_seconds`` is out of range.
    """

    def __init__(self, format: Format = PCM24K, *, max_seconds: float = 10.0) -> None:
        self.format = checked_format(format)
        frames = int(real(max_seconds, "max_seconds", 0.02, 3600) * format.sample_rate)
        self._native = _native.PushQueue(format.sample_rate, frames * 2)
        self._outbox = Outbox(self._native)

    async def push(self, data: AudioLike) -> None:
        """Queue sound, waiting for room; callers take turns.

        Args:
            data: What `voxloop.audio.as_chunk` takes, at the rate of ``format``; several channels
                are mixed to one.

        Raises:
            AudioFormatError: It is no audio, or of another rate.
            UseAfterClose: `close` was called.

        **Cancellation:** the part that was queued is sent, in pieces of 100 ms.
        """
        chunk = as_chunk(data, format=self.format)
        rate = self.format.sample_rate
        if chunk.sample_rate != rate:
            raise AudioFormatError(
                f"this source takes {rate} Hz, not {chunk.sample_rate}; resample it first"
            )
        chunk = to_pcm16(to_mono(chunk))
        step = rate // 10
        for start in range(0, max(1, chunk.frames), step):
            await self._outbox.send(bytes(chunk[start : start + step]))

    def close(self) -> None:
        """Nothing more will come: what is queued is sent, the last frame as short as it is."""
        self._native.close()

    async def open_source(self) -> MediaSource:
        """The end that is sent from.

        **Cancellation:** nothing has happened.
        """
        await checkpoint()
        return MediaSource.pushed(self._native)


@dataclass(frozen=True, slots=True, kw_only=True)
class NullSink:
    """Plays at the pace of a device, to nobody.

    Attributes:
        sample_rate: Hertz.
        buffer_ms: Sound that must be there before playing begins; more than that is held when it
            comes faster than it is heard.

    Raises:
        AudioFormatError: A value out of range.
    """

    sample_rate: int = 24_000
    buffer_ms: int = 60

    def __post_init__(self) -> None:
        _set(self, _checked(self.sample_rate, self.buffer_ms))

    async def open_sink(self) -> MediaSink:
        """The paced end.

        **Cancellation:** nothing has happened.
        """
        await checkpoint()
        return MediaSink.null(self.sample_rate, self.buffer_ms)


@dataclass(frozen=True, slots=True)
class WavSink:
    """A WAV file of what was heard, in real time: PCM16 mono.

    Pauses between sounds are written; silence before the first and after the last of them is not.

    Attributes:
        path: The file; one that is there is replaced.
        sample_rate: Hertz.
        buffer_ms: See `NullSink`.

    Raises:
        AudioFormatError: A value out of range.
    """

    path: str | os.PathLike[str]
    sample_rate: int = 24_000
    buffer_ms: int = 60

    def __init__(
        self, path: str | os.PathLike[str], *, sample_rate: int = 24_000, buffer_ms: int = 60
    ) -> None:
        if not isinstance(path, str | os.PathLike):
            raise AudioFormatError(f"path: got {shown(path)}, wanted the path of a file")
        _set(self, {"path": path, **_checked(sample_rate, buffer_ms)})

    async def open_sink(self) -> MediaSink:
        """The file is made when it is attached.

        **Cancellation:** nothing has happened.
        """
        await checkpoint()
        return MediaSink.wav(os.fspath(self.path), self.sample_rate, self.buffer_ms)


@dataclass(frozen=True, slots=True)
class CallbackSink:
    """A function of the application, called on the trio thread with sound as it is to be heard.

    What was handed over in time counts as heard. If the trio thread is busy, batches wait for it
    and come together afterwards; more than about a minute of them is dropped and counted.

    Attributes:
        callback: Is given PCM16 mono; plain or async.
        batch_ms: Sound of one call, in steps of 20 ms; less at a pause.
        sample_rate: Hertz.
        buffer_ms: See `NullSink`.

    Raises:
        AudioFormatError: A value out of range.
    """

    callback: OnSound
    batch_ms: int = 20
    sample_rate: int = 24_000
    buffer_ms: int = 0

    def __init__(
        self,
        callback: OnSound,
        *,
        batch_ms: int = 20,
        sample_rate: int = 24_000,
        buffer_ms: int = 0,
    ) -> None:
        if not callable(callback):
            raise AudioFormatError(f"callback: got {shown(callback)}, wanted a function of a chunk")
        batch_ms = whole(batch_ms, "batch_ms", 20, 10_000)
        values = {"callback": callback, "batch_ms": batch_ms}
        _set(self, {**values, **_checked(sample_rate, buffer_ms)})

    async def open_sink(self) -> MediaSink:
        """The end that hands batches over.

        **Cancellation:** nothing has happened.
        """
        await checkpoint()
        return MediaSink.batches(self.sample_rate, self.buffer_ms, self.batch_ms)


def _checked(sample_rate: int, buffer_ms: int) -> dict[str, object]:
    rate = whole(sample_rate, "sample_rate", 8_000, _MAX_RATE)
    if rate % 50:
        raise AudioFormatError(f"sample_rate: got {rate}, wanted a multiple of 50")
    return {"sample_rate": rate, "buffer_ms": whole(buffer_ms, "buffer_ms", 0, 10_000)}


def _set(value: object, attributes: Mapping[str, object]) -> None:
    for name, attribute in attributes.items():
        object.__setattr__(value, name, attribute)
