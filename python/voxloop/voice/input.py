"""Sound that goes into a pipeline: a whole recording, or a stream that is pushed."""

from __future__ import annotations

import os
import time
from collections import deque
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import trio

from voxloop._errors import (
    AudioFormatError,
    BufferFull,
    ConcurrencyError,
    ConfigError,
    UseAfterClose,
)
from voxloop.audio import (
    AudioChunk,
    AudioLike,
    Format,
    Resampler,
    alaw_decode,
    as_chunk,
    decode_wav,
    to_mono,
    ulaw_decode,
)
from voxloop.voice.signal import Signal

InputFormat: TypeAlias = Literal["wav", "pcm16", "float32", "ulaw", "alaw"]
"""How bytes are to be read; the last two are G.711."""

StreamFormat: TypeAlias = Literal["pcm16", "float32", "ulaw", "alaw"]
"""How the bytes of a stream are to be read."""

_TELEPHONE_RATE = 8_000
_MAX_BUFFER_SECONDS = 86_400
_MAX_CHANNELS = 32
_CONTAINERS = {b"OggS": "Ogg", b"ID3": "MP3", b"fLaC": "FLAC", b"\x1aE\xdf\xa3": "WebM"}


@dataclass(frozen=True, slots=True, init=False)
class AudioInput:
    """A recording to answer.

    Attributes:
        chunk: The audio, mono PCM16 at its own rate.

    Example::

        async with pipeline.run(voice.AudioInput(wav_bytes)) as result: ...
    """

    chunk: AudioChunk

    def __init__(
        self,
        data: AudioLike,
        *,
        format: InputFormat | None = None,
        sample_rate: int | None = None,
        channels: int | None = None,
    ) -> None:
        """Read `data`.

        Args:
            data: Bytes-like (WAV or interleaved little-endian samples), a numpy array (int16 or
                float32, shape ``(frames,)`` or ``(frames, channels)``) or an `AudioChunk`.
            format: How bytes are to be read; None looks for a WAV header and takes PCM16 if there
                is none.
            sample_rate: Hertz of samples without a header; default 24,000, and 8,000 for G.711.
            channels: Interleaved channels of samples without a header; default 1.

        Raises:
            AudioFormatError: The data cannot be read so.
            ConfigError: `format` is not known.
        """
        object.__setattr__(self, "chunk", to_mono(_read(data, format, sample_rate, channels)))


def _read(
    data: AudioLike, format: InputFormat | None, sample_rate: int | None, channels: int | None
) -> AudioChunk:
    if format is not None and format not in get_args(InputFormat):
        known = ", ".join(repr(name) for name in get_args(InputFormat))
        raise ConfigError(f"format is {format!r}; give one of {known}, or None to look for a WAV")
    if isinstance(data, (str, os.PathLike)):
        raise AudioFormatError(
            "AudioInput takes audio, not a path; read it with voxloop.audio.read_wav(path)"
        )
    if isinstance(data, AudioChunk):
        if sample_rate not in (None, data.sample_rate):
            raise AudioFormatError(
                f"the chunk has {data.sample_rate} Hz, sample_rate says {sample_rate}; "
                "leave sample_rate out"
            )
        if channels not in (None, data.channels):
            raise AudioFormatError(
                f"the chunk has {data.channels} channel(s), channels says {channels}; "
                "leave channels out"
            )
        return data
    if isinstance(data, (bytes, bytearray, memoryview)):
        view = memoryview(data)
        if not view.contiguous:
            data = view = memoryview(view.tobytes())
        head = bytes(view.cast("B")[:12])
        if format == "wav" or (format is None and _is_wav(head)):
            return decode_wav(bytes(data))
        found = (name for magic, name in _CONTAINERS.items() if head.startswith(magic))
        container = next(found, None)
        if container is None and head[4:8] == b"ftyp":
            container = "MP4"
        if container is not None and format is None:
            raise AudioFormatError(
                f"the data looks like {container}; decode it to WAV or PCM16 first, "
                "or give format='pcm16' if it is raw audio after all"
            )
    return _read_samples(data, None if format == "wav" else format, sample_rate, channels)


def _read_samples(
    data: AudioLike, format: StreamFormat | None, sample_rate: int | None, channels: int | None
) -> AudioChunk:
    count = channels
    if count is None:
        shape: tuple[int, ...] = getattr(data, "shape", ())
        count = shape[1] if isinstance(shape, tuple) and len(shape) > 1 else 1
    if format in ("ulaw", "alaw"):
        rate = _TELEPHONE_RATE if sample_rate is None else sample_rate
        return _telephone(data, format, Format(rate, count))
    rate = 24_000 if sample_rate is None else sample_rate
    encoding: Literal["pcm16", "float32"] = "float32" if format == "float32" else "pcm16"
    return as_chunk(data, format=Format(rate, count, encoding))


def _telephone(data: AudioLike, law: Literal["ulaw", "alaw"], layout: Format) -> AudioChunk:
    """G.711, one byte a sample; several channels are interleaved."""
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise AudioFormatError(f"G.711 comes as bytes, not as {type(data).__name__}")
    decode = ulaw_decode if law == "ulaw" else alaw_decode
    samples = decode(data, sample_rate=layout.sample_rate)
    if layout.channels == 1:
        return samples
    return as_chunk(bytes(samples), format=layout)


def _is_wav(head: bytes) -> bool:
    return head[:4] in (b"RIFF", b"RF64", b"BW64", b"RIFX") and head[8:12] == b"WAVE"


@dataclass(frozen=True, slots=True)
class Pushed:
    """Audio as it came in: mono PCM16 at the stream's rate, and when it came."""

    chunk: AudioChunk
    at: float


@dataclass(frozen=True, slots=True)
class Committed:
    """The application says that a turn ends here, and when it said so."""

    at: float


class StreamedAudioInput:
    """Sound that is pushed while it is being made, turn after turn.

    At most `buffer_seconds` of audio wait inside (and the chunk that was pushed last): `push` then
    waits until the pipeline has taken some, which is the way a slow pipeline slows its source.

    Args:
        sample_rate: Hertz of samples that do not say it themselves; default 16,000, and 8,000
            for G.711.
        channels: Interleaved channels of bytes; mixed to one.
        buffer_seconds: How much audio may wait.
        format: How bytes are to be read.

    Raises:
        ConfigError: A number is not above 0 or no number, or an unknown format.
        AudioFormatError: The sample rate cannot be used.
    """

    def __init__(
        self,
        *,
        sample_rate: int | None = None,
        channels: int = 1,
        buffer_seconds: float = 10.0,
        format: StreamFormat = "pcm16",
    ) -> None:
        if format not in get_args(StreamFormat):
            known = ", ".join(repr(name) for name in get_args(StreamFormat))
            raise ConfigError(f"format is {format!r}; give one of {known}")
        counted = isinstance(channels, int) and not isinstance(channels, bool)
        if not counted or not 0 < channels <= _MAX_CHANNELS:
            raise ConfigError(
                f"channels is {channels!r}; give a whole number, 1 to {_MAX_CHANNELS}"
            )
        number = isinstance(buffer_seconds, (int, float)) and not isinstance(buffer_seconds, bool)
        if not number or not 0 < buffer_seconds <= _MAX_BUFFER_SECONDS:
            raise ConfigError(
                f"buffer_seconds is {buffer_seconds!r}; give a number above 0, "
                f"at most {_MAX_BUFFER_SECONDS:,}"
            )
        if sample_rate is None:
            sample_rate = _TELEPHONE_RATE if format in ("ulaw", "alaw") else 16_000
        self._channels = channels
        self._encoding: StreamFormat = format
        self._format = Format(sample_rate)
        self._capacity = round(buffer_seconds * sample_rate)
        self._waiting: deque[Pushed | Committed] = deque()
        self._frames = 0
        self._closed = False
        self._reading = False
        self._changed = Signal()
        self._resampler: tuple[int, Resampler] | None = None

    @property
    def sample_rate(self) -> int:
        """Hertz of the stream."""
        return self._format.sample_rate

    @property
    def closed(self) -> bool:
        """Whether nothing more will be pushed."""
        return self._closed

    @property
    def buffered_seconds(self) -> float:
        """Audio that waits inside."""
        return self._frames / self.sample_rate

    async def push(self, data: AudioLike) -> None:
        """Add audio; waits while the buffer is full.

        Args:
            data: Bytes-like PCM16 or an array at the stream's rate and channels, or an
                `AudioChunk` of any format, which is resampled.

        Raises:
            UseAfterClose: The stream was closed, now or before.
            AudioFormatError: Audio that cannot be used.

        **Cancellation:** the chunk is either taken whole or not at all.
        """
        chunk = self._accept(data)
        await trio.sleep(0)
        while self._frames >= self._capacity and not self._closed:
            await self._changed.wait()
        self._put(chunk)

    def push_nowait(self, data: AudioLike) -> None:
        """Add audio or refuse it at once.

        Raises:
            BufferFull: The buffer is full; nothing was taken. It is a `trio.WouldBlock` too.
            UseAfterClose: The stream was closed before.
            AudioFormatError: Audio that cannot be used.
        """
        chunk = self._accept(data)
        if self._frames >= self._capacity:
            raise BufferFull(
                f"{self.buffered_seconds:.2f} s of audio wait in the stream; push() waits for room"
            )
        self._put(chunk)

    def commit(self) -> None:
        """Say that a turn ends here, as when the user lets go of a button to talk.

        With ``TurnDetection(mode="manual")`` this is what ends a turn; with local detection it
        ends the turn under way at once; a server that finds the turns itself is not told.

        Raises:
            UseAfterClose: The stream was closed before.
        """
        self._check_open()
        self._drain()
        if not (self._waiting and isinstance(self._waiting[-1], Committed)):
            self._waiting.append(Committed(time.monotonic()))
            self._changed.notify()

    def close(self) -> None:
        """Say that nothing more comes: what is being said is a turn. A second call does nothing."""
        if not self._closed:
            self._drain()
            self._closed = True
            self._changed.notify()

    async def receive(self) -> Pushed | Committed | None:
        """Take the oldest audio or end of a turn; None once closed and empty. For one reader.

        Raises:
            ConcurrencyError: Another run is reading the stream.

        **Cancellation:** nothing is lost; may be called again.
        """
        if self._reading:
            raise ConcurrencyError(
                "another run is reading this StreamedAudioInput; give each run one of its own"
            )
        self._reading = True
        try:
            await trio.sleep(0)
            while not self._waiting:
                if self._closed:
                    return None
                await self._changed.wait()
        finally:
            self._reading = False
        taken = self._waiting.popleft()
        if isinstance(taken, Pushed):
            self._frames -= taken.chunk.frames
        self._changed.notify()
        return taken

    def _accept(self, data: AudioLike) -> AudioChunk:
        self._check_open()
        if isinstance(data, AudioChunk):
            return to_mono(data)
        # An array says its own channels and dtype.
        raw = isinstance(data, (bytes, bytearray, memoryview))
        encoding, channels = (self._encoding, self._channels) if raw else (None, None)
        return to_mono(_read_samples(data, encoding, self.sample_rate, channels))

    def _check_open(self) -> None:
        if self._closed:
            raise UseAfterClose("audio was pushed after close(); open a new StreamedAudioInput")

    def _put(self, chunk: AudioChunk) -> None:
        self._check_open()
        known = None if self._resampler is None else self._resampler[0]
        if known not in (None, chunk.sample_rate):
            self._drain()  # the source changed its rate
        if chunk.sample_rate != self.sample_rate:
            if self._resampler is None:
                resampler = Resampler(chunk.sample_rate, self.sample_rate)
                self._resampler = (chunk.sample_rate, resampler)
            chunk = self._resampler[1].process(chunk)
        self._add(chunk)

    def _drain(self) -> None:
        if self._resampler is not None:
            resampler, self._resampler = self._resampler[1], None
            self._add(resampler.flush())

    def _add(self, chunk: AudioChunk) -> None:
        if chunk.frames:
            self._waiting.append(Pushed(chunk, time.monotonic()))
            self._frames += chunk.frames
            self._changed.notify()
