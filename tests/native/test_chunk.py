"""AudioChunk: shared memory, exact arithmetic, clear refusals."""

from __future__ import annotations

import array
import copy
import dataclasses
import pickle

import numpy as np
import pytest

from voxloop import audio, voice
from voxloop.audio import PCM24K, AudioChunk, AudioFormatError, Format, as_chunk


def counting(frames: int) -> bytes:
    return np.arange(frames, dtype="<i2").tobytes()


def test_a_chunk_knows_its_length() -> None:
    chunk = AudioChunk(counting(480), PCM24K)
    assert (chunk.frames, len(chunk), chunk.nbytes) == (480, 480, 960)
    assert chunk.duration == pytest.approx(0.02)
    assert chunk.format == Format(24_000, 1, "pcm16")
    assert repr(chunk) == "<AudioChunk 480 frames, 24000 Hz, 1 channel(s), pcm16>"


def test_memory_is_shared_with_python_and_between_slices() -> None:
    chunk = AudioChunk(counting(1_000), PCM24K)
    view = memoryview(chunk)
    assert view.readonly
    assert view.nbytes == 2_000
    samples = chunk.numpy()
    part = chunk[100:200].numpy()
    assert not samples.flags.writeable
    assert np.shares_memory(samples, part)
    assert part.tolist() == list(range(100, 200))


def test_a_view_keeps_the_memory_alive() -> None:
    samples = AudioChunk(counting(1_000), PCM24K)[500:].numpy()
    assert samples.sum() == sum(range(500, 1_000))


def test_a_chunk_does_not_follow_its_source() -> None:
    source = bytearray(counting(4))
    chunk = AudioChunk(source, PCM24K)
    source[:] = bytes(8)
    assert chunk.numpy().tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("cut", [slice(None), slice(-3, None), slice(2, 1), slice(5, 500)])
def test_slices_follow_the_rules_of_python(cut: slice) -> None:
    chunk = AudioChunk(counting(10), PCM24K)
    assert chunk[cut].numpy().tolist() == list(range(10))[cut]


def test_slices_have_no_step() -> None:
    with pytest.raises(AudioFormatError, match="steps of 1 frame"):
        AudioChunk(counting(10), PCM24K)[::2]


def test_stereo_has_two_columns() -> None:
    chunk = AudioChunk(counting(10), Format(48_000, 2))
    assert chunk.frames == 5
    assert chunk.numpy().tolist() == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]
    assert audio.to_mono(chunk).numpy().tolist() == [0, 2, 4, 6, 8]


def test_float32_is_full_scale() -> None:
    chunk = as_chunk(np.array([-32_768, 0, 16_384], "<i2"))
    assert chunk.float32().tolist() == [-1.0, 0.0, 0.5]


def test_equal_chunks_are_equal_and_hash_alike() -> None:
    one, two = (AudioChunk(counting(8), PCM24K) for _ in range(2))
    assert one == two
    assert hash(one) == hash(two)
    assert one != AudioChunk(counting(8), Format(16_000))


def test_a_format_survives_pickling() -> None:
    assert pickle.loads(pickle.dumps(Format(8_000, 2, "float32"))) == Format(8_000, 2, "float32")


@pytest.mark.parametrize(
    "source",
    [
        bytes(4),
        bytearray(4),
        memoryview(bytes(4)),
        array.array("h", [0, 0]),
        np.zeros(2, np.int16),
        np.zeros(4, np.int16)[::2],
    ],
    ids=["bytes", "bytearray", "memoryview", "array", "numpy", "numpy with gaps"],
)
def test_everything_that_holds_pcm_is_taken(source: object) -> None:
    chunk = as_chunk(source)  # type: ignore[arg-type]
    assert chunk.frames == 2
    assert chunk.format == PCM24K


def test_arrays_keep_their_dtype_and_shape() -> None:
    stereo = np.array([[0.5, -0.5], [0.25, 1.0]], np.float32)
    chunk = as_chunk(stereo, format=Format(48_000, 2, "float32"))
    assert chunk.format == Format(48_000, 2, "float32")
    assert np.array_equal(chunk.numpy(), stereo)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (np.zeros(2, np.float64), "float64"),
        (np.zeros((2, 2, 2), np.int16), r"\(2, 2, 2\)"),
        (bytes(3), "3 bytes are not a whole number of frames of 2"),
        ("text", "not str"),
        (7, "not int"),
    ],
)
def test_a_refusal_says_what_came_and_what_was_wanted(source: object, words: str) -> None:
    with pytest.raises(AudioFormatError, match=words):
        as_chunk(source)  # type: ignore[arg-type]


def test_a_shape_that_contradicts_the_format_is_refused() -> None:
    with pytest.raises(AudioFormatError, match="2 channel"):
        as_chunk(np.zeros((4, 2), np.int16), format=PCM24K)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [((0,), "sample rate"), ((24_000, 0), "channel"), ((24_000, 1, "pcm8"), "pcm8")],
)
def test_a_format_is_checked(arguments: tuple[object, ...], words: str) -> None:
    with pytest.raises(AudioFormatError, match=words) as caught:
        Format(*arguments)  # type: ignore[arg-type]
    assert caught.value.code == "audio_format"


def test_joining_wants_one_format() -> None:
    joined = audio.concat([AudioChunk(counting(2), PCM24K), AudioChunk(counting(3), PCM24K)])
    assert joined.numpy().tolist() == [0, 1, 0, 1, 2]
    assert audio.concat([]).frames == 0
    with pytest.raises(AudioFormatError, match="resample"):
        audio.concat([AudioChunk(b"", PCM24K), AudioChunk(b"", Format(8_000))])


def test_level_in_decibels() -> None:
    full = np.array([32_767, -32_767] * 50, np.int16)
    assert audio.rms_dbfs(full) == pytest.approx(0.0, abs=0.01)
    assert audio.rms_dbfs((full // 2).astype(np.int16)) == pytest.approx(-6.02, abs=0.01)
    assert audio.rms_dbfs(bytes(100)) == float("-inf")


def test_a_chunk_can_be_copied_and_sent_to_another_process() -> None:
    whole = audio.AudioChunk(bytes(range(64)), audio.Format(16_000, 2))
    part = whole[3:9]
    for chunk in (part, part[:0]):
        again = pickle.loads(pickle.dumps(chunk))
        assert (again, again.format, bytes(again)) == (chunk, chunk.format, bytes(chunk))
        assert copy.copy(chunk) is chunk
        assert copy.deepcopy(chunk) is chunk
    assert dataclasses.asdict(voice.AudioInput(part))["chunk"] == audio.to_mono(part)
