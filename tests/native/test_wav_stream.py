"""WAV in pieces, of unknown length, past 4 GiB; soundfile and the standard library as witnesses."""

from __future__ import annotations

import io
import os
import struct
import threading
import tracemalloc
import wave
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from voxloop import _native, audio
from voxloop.audio import PCM16K, PCM24K, AudioFormatError, Format, WavError

SUBTYPES = ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"]
KINDS = ["WAV", "WAVEX", "RF64"]


def noise(frames: int, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(frames).uniform(-1, 1, (frames, channels))


def written(kind: str, subtype: str, channels: int = 2, rate: int = 44_100) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, noise(501, channels), rate, subtype, format=kind)
    return file.getvalue()


FILES = {
    f"{kind}-{subtype}": written(kind, subtype)
    for kind in KINDS
    for subtype in SUBTYPES
    if soundfile.check_format(kind, subtype)
}


@pytest.mark.parametrize("name", FILES)
def test_the_same_samples_as_libsndfile(name: str) -> None:
    file = FILES[name]
    words, rate = soundfile.read(io.BytesIO(file), dtype="int16", always_2d=True)
    floats, _ = soundfile.read(io.BytesIO(file), dtype="float32", always_2d=True)
    ours = audio.decode_wav(file)
    assert (ours.sample_rate, ours.channels, ours.frames) == (rate, 2, 501)
    if name.endswith(("FLOAT", "DOUBLE")):
        # libsndfile cuts floats toward zero here and scales by 32767; rounding is half a step off.
        assert np.abs(ours.numpy() / 32_768 - floats).max() <= 0.5001 / 32_768 + 2**-15
    else:
        assert np.array_equal(ours.numpy(), words)
    assert np.array_equal(audio.decode_wav(file, encoding="float32").numpy(), floats)
    info = audio.wav_info(file)
    assert (info.frames, info.channels, info.truncated) == (501, 2, False)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
@pytest.mark.parametrize("name", FILES)
def test_pieces_equal_the_whole(name: str, size: int) -> None:
    file = FILES[name]
    decoder = audio.WavDecoder(encoding="float32")
    parts = [decoder.feed(file[at : at + size]) for at in range(0, len(file), size)]
    parts.append(decoder.finish())
    whole = audio.decode_wav(file, encoding="float32")
    assert b"".join(bytes(part) for part in parts) == bytes(whole)
    assert repr(decoder.info) == repr(audio.wav_info(file))


def outcome(pieces: list[bytes]) -> object:
    decoder = audio.WavDecoder()
    try:
        parts = [decoder.feed(piece) for piece in pieces]
        parts.append(decoder.finish())
    except AudioFormatError as error:
        return (type(error), str(error))
    return b"".join(bytes(part) for part in parts), repr(decoder.info)


def whole_outcome(file: bytes) -> object:
    try:
        return bytes(audio.decode_wav(file)), repr(audio.wav_info(file))
    except AudioFormatError as error:
        return (type(error), str(error))


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(sorted(FILES)),
    st.lists(st.tuples(st.integers(0, 120), st.integers(0, 255)), max_size=4),
    st.lists(st.integers(0, 1_500), max_size=6),
    st.integers(0, 1_500),
)
def test_broken_files_fail_alike_in_any_split(
    name: str, changes: list[tuple[int, int]], cuts: list[int], end: int
) -> None:
    broken = bytearray(FILES[name][:end])
    for place, value in changes:
        if place < len(broken):
            broken[place] = value
    file = bytes(broken)
    edges = [0, *sorted(min(cut, len(file)) for cut in cuts), len(file)]
    assert outcome([file[a:b] for a, b in pairwise(edges)]) == outcome([file])
    assert outcome([file]) == whole_outcome(file)


def test_parsing_does_not_depend_on_the_length() -> None:
    file = audio.encode_wav(audio.silence(PCM24K, 60))
    tracemalloc.start()
    try:
        chunk = audio.decode_wav(file)
        assert tracemalloc.get_traced_memory()[1] < 10_000
    finally:
        tracemalloc.stop()
    assert np.shares_memory(chunk.numpy(), np.frombuffer(file, np.uint8))


def test_a_reader_gives_what_is_asked_and_then_the_rest(tmp_path: Path) -> None:
    sound = audio.as_chunk((noise(50_000) * 32_000).astype(np.int16), format=Format(16_000, 1))
    path = tmp_path / "a.wav"
    audio.write_wav(path, sound)
    with audio.WavReader(path) as reader:
        assert (reader.format, reader.info.sample_rate) == (PCM16K, 16_000)
        parts = [reader.read(1), reader.read(0), reader.read(40_000)]
        assert [part.frames for part in parts] == [1, 0, 40_000]
        parts.append(reader.read())
        assert reader.read(5).frames == 0
        assert reader.info.frames == 50_000
        with pytest.raises(AudioFormatError, match="0 or more"):
            reader.read(-1)
    assert audio.concat(parts) == sound
    with audio.WavReader(path, encoding="float32") as reader:
        assert audio.concat(list(reader)) == audio.to_float32(sound)


def test_a_reader_refuses_at_once_what_is_no_wav(tmp_path: Path) -> None:
    path = tmp_path / "a.ogg"
    path.write_bytes(b"OggS" + bytes(100))
    with pytest.raises(WavError, match="Ogg"):
        audio.WavReader(path)
    with pytest.raises(AudioFormatError, match="binary mode"):
        audio.WavReader(cast("BinaryIO", io.StringIO("RIFF")))
    with pytest.raises(WavError):
        audio.WavReader(io.BytesIO(b""))


@pytest.mark.parametrize("format", [PCM24K, Format(48_000, 2, "float32")])
def test_a_writer_of_unknown_length(tmp_path: Path, format: Format) -> None:
    path = tmp_path / "a.wav"
    parts = [(noise(n, format.channels) * 0.9).astype(np.float32) for n in (100, 0, 1, 480)]
    with audio.WavWriter(path, format) as writer:
        for part in parts:
            writer.write(part.ravel() if format.channels == 1 else part)
        assert writer.frames == 581
    read, rate = soundfile.read(path, dtype="float32", always_2d=True)
    whole = np.concatenate(parts)
    assert (len(read), rate) == (581, format.sample_rate)
    assert np.abs(read - whole).max() <= (0 if format.encoding == "float32" else 0.5 / 32_768)
    assert not audio.wav_info(path.read_bytes()).truncated
    with pytest.raises(AudioFormatError, match="closed"):
        writer.write(parts[0])
    writer.close()


def test_an_unclosed_file_is_a_valid_stream() -> None:
    file = io.BytesIO()
    audio.WavWriter(file, PCM24K).write(bytes(960))
    assert audio.decode_wav(file.getvalue()).frames == 480
    assert audio.wav_info(file.getvalue()).truncated, "no length is stated"


def test_a_pipe_carries_a_stream() -> None:
    sound = audio.as_chunk((noise(100_000) * 32_000).astype(np.int16), format=Format(24_000, 1))
    out, into = os.pipe()

    def write() -> None:
        with open(into, "wb", buffering=0) as pipe, audio.WavWriter(pipe, PCM24K) as writer:
            for at in range(0, sound.frames, 7_001):
                writer.write(sound[at : at + 7_001])

    thread = threading.Thread(target=write)
    thread.start()
    with open(out, "rb", buffering=0) as pipe, audio.WavReader(cast("BinaryIO", pipe)) as reader:
        assert audio.concat(list(reader)) == sound
        assert reader.info.truncated, "no length was stated"
    thread.join()


def test_a_writer_starts_where_the_file_stands() -> None:
    file = io.BytesIO(b"before")
    file.seek(6)
    with audio.WavWriter(file, PCM24K) as writer:
        writer.write(bytes(960))
        with pytest.raises(AudioFormatError, match="16000"):
            writer.write(audio.silence(PCM16K, 0.02))
    data = file.getvalue()
    assert data[:6] == b"before"
    with wave.open(io.BytesIO(data[6:])) as reader:
        assert (reader.getnframes(), reader.getframerate()) == (480, 24_000)


def test_past_4_gib_the_header_is_rf64() -> None:
    size = 5 << 30
    header = _native.wav_header(PCM24K, size, True)
    assert header[:4] == b"RF64"
    assert header[8:16] == b"WAVEds64"
    riff, data, frames = struct.unpack_from("<QQQ", header, 20)
    assert (riff, data, frames) == (size + len(header) - 8, size, size // 2)
    assert len(header) == len(_native.wav_header(PCM24K, 0, True))
    with pytest.raises(AudioFormatError, match="WAV data size"):
        _native.wav_header(PCM24K, size, False)
    read = audio.decode_wav(header + bytes(100))
    assert read.frames == 50, "no size is believed"


def test_a_header_that_lies_allocates_nothing() -> None:
    header = _native.wav_header(PCM24K, (1 << 32) - 1_000, False)
    assert audio.decode_wav(header + bytes(10)).frames == 5
    decoder = audio.WavDecoder()
    assert decoder.feed(header + bytes(9)).frames == 4
    assert decoder.feed(bytes(1)).frames == 1
