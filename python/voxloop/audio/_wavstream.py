"""WAV files and streams of unknown length, piece by piece."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Literal, Self

from voxloop import _native
from voxloop._errors import AudioFormatError
from voxloop._native import AudioChunk, Format, WavInfo, to_float32, to_pcm16
from voxloop.audio._checks import checked_file, checked_format, whole
from voxloop.audio._chunk import AudioLike, as_chunk, concat
from voxloop.audio._wav import Encoding, write_all

if TYPE_CHECKING:
    from typing_extensions import Buffer

_BLOCK_BYTES = 65_536


class WavDecoder:
    """Decodes a WAV file that comes in pieces of any size, as from a socket.

    Gives the same samples and the same errors as `decode_wav` of the whole, and holds back less
    than a frame.

    Args:
        encoding: Of the result; see `decode_wav`.

    Example:
        >>> from voxloop import audio
        >>> file = audio.encode_wav(audio.silence(audio.PCM24K, 0.01))
        >>> decoder = audio.WavDecoder()
        >>> sum(decoder.feed(file[at : at + 7]).frames for at in range(0, len(file), 7))
        240
        >>> decoder.finish().frames
        0
    """

    def __init__(self, *, encoding: Encoding = "pcm16") -> None:
        self._native = _native.WavDecoder(encoding)
        self._info: WavInfo | None = None
        # Until the header has come, chunks are empty and their rate means nothing.
        self._empty = AudioChunk(b"", Format(24_000, 1, encoding))

    def feed(self, data: Buffer) -> AudioChunk:
        """Take the next bytes of the file; give the frames they complete.

        Raises:
            WavError: As soon as the bytes show that this is no WAV file that can be read; the same
                on every later call.
            AudioFormatError: The file's rate or channel count is beyond `Format`.
        """
        return self._native.feed(data) or self._empty

    def finish(self) -> AudioChunk:
        """End the file: gives what waited for its end, mostly nothing; `info` is complete then.

        Raises:
            WavError: The file ended in its header.
        """
        chunk, self._info = self._native.finish()
        return chunk

    @property
    def info(self) -> WavInfo | None:
        """What is known of the file; None until its header has come."""
        return self._info or self._native.info


class WavReader:
    """Reads a WAV file or stream piece by piece; its length need not be known.

    A context manager; it closes only a file that it opened.

    Args:
        source: A path, or a binary file object with ``read(n)``; it need not be seekable.
        encoding: Of the chunks; see `decode_wav`.

    Raises:
        OSError: The file cannot be opened.
        WavError: Not a WAV file that can be read; raised here already if the header shows it.

    Example:
        >>> import io
        >>> from voxloop import audio
        >>> file = io.BytesIO(audio.encode_wav(audio.silence(audio.PCM24K, 0.05)))
        >>> with audio.WavReader(file) as reader:
        ...     first = reader.read(480)
        ...     rest = sum(chunk.frames for chunk in reader)
        >>> (first.frames, rest)
        (480, 720)
    """

    def __init__(
        self, source: str | os.PathLike[str] | BinaryIO, *, encoding: Encoding = "pcm16"
    ) -> None:
        self._close = isinstance(source, str | os.PathLike)
        self._file = _opened(source, "rb")
        self._decoder = WavDecoder(encoding=encoding)
        self._ended = False
        self._held = self._decoder.feed(b"")
        try:
            while self._decoder.info is None:
                self._held = self._next()
        except BaseException:
            self.close()
            raise

    def read(self, frames: int | None = None) -> AudioChunk:
        """Give the next `frames` frames, fewer at the end; all the rest if None.

        Raises:
            OSError: Of the file.
            AudioFormatError: `frames` is negative.
        """
        if frames is not None:
            frames = whole(frames, "frames", 0)
        parts, count = [self._held], self._held.frames
        while not self._ended and (frames is None or count < frames):
            parts.append(self._next())
            count += parts[-1].frames
        joined = parts[0] if len(parts) == 1 else concat(parts)
        end = joined.frames if frames is None else frames
        self._held = joined[end:]
        return joined[:end]

    def __iter__(self) -> Iterator[AudioChunk]:
        """Chunks as they come, none of them empty."""
        while True:
            chunk, self._held = self._held, self._held[:0]
            if chunk.frames:
                yield chunk
            elif self._ended:
                return
            else:
                self._held = self._next()

    @property
    def format(self) -> Format:
        """Of the chunks."""
        return self._held.format

    @property
    def info(self) -> WavInfo:
        """What is known of the file; ``frames`` and ``truncated`` are final at its end."""
        info = self._decoder.info
        assert info is not None  # noqa: S101 - the constructor waits for it
        return info

    def close(self) -> None:
        """Close the file, if it was opened here."""
        if self._close:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _next(self) -> AudioChunk:
        data = self._file.read(_BLOCK_BYTES)
        if not isinstance(data, bytes | bytearray | memoryview):
            raise AudioFormatError(
                f"the file must be opened in binary mode ('rb') and block: its read gave "
                f"{type(data).__name__}"
            )
        if data:
            return self._decoder.feed(data)
        self._ended = True
        return self._decoder.finish()


class WavWriter:
    """Writes a WAV file or stream as its samples come.

    A file that can be gone back in gets its true sizes at the end, and becomes RF64 past 4 GiB; on
    a pipe or socket the sizes are all ones, which readers take for "to the end". One that is not
    closed is a valid stream. A context manager; it closes only a file that it opened.

    Args:
        target: A path, or a binary file object; it need not be seekable.
        format: Layout of the samples written.

    Raises:
        OSError: The file cannot be opened or written.

    Example:
        >>> import io
        >>> from voxloop import audio
        >>> file = io.BytesIO()
        >>> with audio.WavWriter(file, audio.PCM24K) as writer:
        ...     for _ in range(5):
        ...         writer.write(audio.silence(audio.PCM24K, 0.02))
        >>> audio.decode_wav(file.getvalue()).duration
        0.1
    """

    def __init__(self, target: str | os.PathLike[str] | BinaryIO, format: Format) -> None:
        checked_format(format)
        self._close = isinstance(target, str | os.PathLike)
        self._file = _opened(target, "wb")
        self._format = format
        self._bytes = 0
        seekable = getattr(self._file, "seekable", None)
        self._start = self._file.tell() if seekable is not None and seekable() else None
        self._done = False
        try:
            self._put(_native.wav_header(format, None, self._start is not None))
        except BaseException:
            if self._close:
                self._file.close()
            raise

    def write(self, data: AudioLike) -> None:
        """Write samples, converted to the format's encoding.

        Raises:
            AudioFormatError: Another rate or channel count, or the writer is closed.
            OSError: Of the file, which may hold a part of them.
        """
        if self._done:
            raise AudioFormatError("the WAV writer is closed")
        chunk = as_chunk(data, format=self._format)
        if (chunk.sample_rate, chunk.channels) != (self._format.sample_rate, self._format.channels):
            raise AudioFormatError(f"cannot write {chunk.format} to a file of {self._format}")
        if chunk.format != self._format:
            float32 = self._format.encoding == "float32"
            chunk = to_float32(chunk) if float32 else to_pcm16(chunk)
        self._put(chunk)
        self._bytes += chunk.nbytes

    @property
    def frames(self) -> int:
        """Frames written so far."""
        return self._bytes // self._format.bytes_per_frame

    def close(self) -> None:
        """Write the true sizes where the file can be gone back in; a second call does nothing.

        Raises:
            OSError: Of the file.
        """
        if self._done:
            return
        self._done = True
        try:
            if self._start is not None:
                end = self._file.tell()
                self._file.seek(self._start)
                self._put(_native.wav_header(self._format, self._bytes, True))
                self._file.seek(end)
            self._file.flush()
        finally:
            if self._close:
                self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _put(self, data: Buffer) -> None:
        write_all(self._file, data)


def _opened(file: str | os.PathLike[str] | BinaryIO, mode: Literal["rb", "wb"]) -> BinaryIO:
    if isinstance(file, str | os.PathLike):
        return open(file, mode)  # closed by who asked
    return checked_file(file, "read" if mode == "rb" else "write")
