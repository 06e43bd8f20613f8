"""WAV files held whole in memory."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, TypeAlias, cast

from voxloop import _native
from voxloop._errors import AudioFormatError
from voxloop._native import AudioChunk, WavInfo
from voxloop.audio._checks import checked_file
from voxloop.audio._chunk import AudioLike

if TYPE_CHECKING:
    from typing_extensions import Buffer

Encoding: TypeAlias = Literal["pcm16", "float32"]


class TruncatedWavWarning(UserWarning):
    """A WAV file ended before the length in its header; what was there has been read."""


def decode_wav(data: Buffer, *, encoding: Encoding = "pcm16") -> AudioChunk:
    """Decode a whole WAV file held in memory.

    Reads PCM of 8 to 32 bits, float, A-law and u-law, canonical and extensible headers, RF64 and
    BW64, and the open-ended headers that streaming encoders write. Sizes in headers are never
    trusted; a partial last frame is dropped.

    Args:
        data: Bytes-like. Of ``bytes`` that hold PCM16 the chunk shares the memory, whatever their
            length.
        encoding: Of the result. To ``"pcm16"``, wider integers keep their upper 16 bits and floats
            are rounded; to ``"float32"``, integers are divided by full scale.

    Raises:
        WavError: Not a WAV file, or one that cannot be read; names the format it looks like.
    """
    return _native.wav_decode(data, encoding)[0]


def wav_info(data: Buffer) -> WavInfo:
    """What a whole WAV file held in memory says about itself; the samples are not touched.

    Raises:
        WavError: Not a WAV file, or one that cannot be read.
    """
    return _native.wav_parse(data)


def encode_wav(chunk: AudioLike) -> bytes:
    """Encode to a WAV file with a canonical 44-byte header (PCM16) or its float32 counterpart.

    Raises:
        AudioFormatError: The file would pass 4 GiB; a `WavWriter` can write it.
    """
    return _native.wav_encode(chunk)


def read_wav(
    source: str | os.PathLike[str] | Buffer | BinaryIO, *, encoding: Encoding = "pcm16"
) -> AudioChunk:
    """Read a WAV file from a path, from bytes or from a binary file object.

    A file that was cut short is read as far as it goes, with a `TruncatedWavWarning`.

    Args:
        source: The file.
        encoding: Of the result; see `decode_wav`.

    Raises:
        OSError: The file cannot be opened.
        WavError: Not a WAV file, or one that cannot be read.
    """
    if isinstance(source, str | os.PathLike):
        data: Buffer = Path(source).read_bytes()
    elif read := getattr(source, "read", None):
        data = read()
        if not isinstance(data, bytes | bytearray | memoryview):
            raise AudioFormatError("the file must be opened in binary mode ('rb')")
    else:
        data = cast("Buffer", source)
    chunk, info = _native.wav_decode(data, encoding)
    if info.truncated:
        warnings.warn(
            "the WAV file ends before the length its header states", TruncatedWavWarning, 2
        )
    return chunk


def write_wav(target: str | os.PathLike[str] | BinaryIO, chunk: AudioLike) -> None:
    """Write a WAV file; a regular file appears whole or not at all.

    A file that is there keeps its permissions, and a link goes on pointing to it. What is no
    regular file, such as a named pipe or ``/dev/stdout``, is written to as it is.

    Raises:
        OSError: The file cannot be written.
    """
    data = encode_wav(chunk)
    if not isinstance(target, str | os.PathLike):
        write_all(checked_file(target, "write"), data)
        return
    try:
        there = os.stat(target)
    except FileNotFoundError:
        mode = 0o666 & ~_umask()
    else:
        mode = stat.S_IMODE(there.st_mode)
        if not stat.S_ISREG(there.st_mode):
            with open(target, "wb") as special:
                special.write(data)
            return
    path = Path(os.path.realpath(target))
    if not os.fspath(target) or not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fspath(target))
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        try:
            file.write(data)
            Path(file.name).chmod(mode)
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def write_all(file: BinaryIO, data: Buffer) -> None:
    """All of `data`: a raw file may take a part; other writers say nothing, or all of it."""
    view = memoryview(data)
    while len(view):
        written = file.write(view)
        view = view[len(view) if written is None else written :]


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
