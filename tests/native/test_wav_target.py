"""What a WAV file may be written to: files, links, pipes and writers that take a part."""

from __future__ import annotations

import io
import os
import stat
import threading
from pathlib import Path
from typing import cast

import pytest

from voxloop import audio

CLIP = audio.silence(audio.PCM24K, 0.02)


def test_a_named_pipe_is_written_to_and_stays_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        audio.write_wav(pipe, CLIP)
        assert os.read(reading, 65_536) == audio.encode_wav(CLIP)
    finally:
        os.close(reading)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_link_goes_on_pointing_to_its_file(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    file = tmp_path / "there" / "real.wav"
    file.write_bytes(b"old")
    link = tmp_path / "link.wav"
    link.symlink_to(file)
    audio.write_wav(link, CLIP)
    assert link.is_symlink()
    assert audio.read_wav(file) == CLIP
    assert [entry.name for entry in file.parent.iterdir()] == ["real.wav"], "nothing is left over"


def test_a_file_keeps_its_permissions(tmp_path: Path) -> None:
    file = tmp_path / "private.wav"
    file.write_bytes(b"old")
    file.chmod(0o600)
    audio.write_wav(file, CLIP)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert audio.read_wav(file) == CLIP


@pytest.mark.parametrize("name", ["nowhere/answer.wav", ""])
def test_a_target_that_cannot_be_is_named(tmp_path: Path, name: str) -> None:
    target = str(tmp_path / name) if name else name
    with pytest.raises(OSError, match="directory") as caught:
        audio.write_wav(target, CLIP)
    assert caught.value.filename == target


class Part(io.RawIOBase):
    """Takes seven bytes at a time, as a socket or a pipe may."""

    def __init__(self) -> None:
        self.taken = b""

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        piece = bytes(cast("bytes", data))[:7]
        self.taken += piece
        return len(piece)


def test_a_writer_that_takes_a_part_gets_the_rest() -> None:
    file = Part()
    audio.write_wav(cast("io.BufferedIOBase", file), CLIP)
    assert file.taken == audio.encode_wav(CLIP)


def test_what_waits_at_a_pipe_is_not_lost(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()), daemon=True)
    reader.start()
    clip = audio.silence(audio.PCM24K, 5.0)  # more than a pipe holds
    audio.write_wav(pipe, clip)
    reader.join(30)
    assert got == [audio.encode_wav(clip)]
