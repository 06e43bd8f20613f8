"""Gain, mixing, levels, channels and conversions, against numpy in double precision."""

from __future__ import annotations

import array

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from voxloop import audio
from voxloop.audio import PCM24K, AudioFormatError, Format, as_chunk

WORDS = arrays(np.int16, st.integers(0, 300))
FLOATS = arrays(np.float32, st.integers(0, 300), elements=st.floats(-1.25, 1.25, width=32))
FEW = settings(max_examples=60, deadline=None)


@FEW
@given(WORDS, st.floats(-8, 8, width=32))
def test_gain_is_the_nearest_word(samples: np.ndarray, factor: float) -> None:
    got = audio.gain(samples, factor).numpy().astype(float)
    exact = np.clip(samples.astype(float) * factor, -32_768, 32_767)
    assert np.all(np.abs(got - exact) < 0.51)


@FEW
@given(FLOATS, st.floats(-8, 8, width=32))
def test_gain_of_floats_does_not_clamp(samples: np.ndarray, factor: float) -> None:
    assert np.array_equal(audio.gain(samples, factor).numpy(), samples * np.float32(factor))


def test_gain_wants_a_number() -> None:
    with pytest.raises(AudioFormatError, match="finite"):
        audio.gain(bytes(4), float("nan"))


@FEW
@given(st.integers(0, 200).flatmap(lambda n: st.tuples(*[arrays(np.int16, n)] * 2)))
def test_mixing_clamps_and_does_not_wrap(pair: tuple[np.ndarray, np.ndarray]) -> None:
    one, other = pair
    wide = one.astype(int) + other
    assert audio.mix(one, other).numpy().tolist() == np.clip(wide, -32_768, 32_767).tolist()


def test_only_what_fits_is_mixed() -> None:
    with pytest.raises(AudioFormatError, match="samples to mix"):
        audio.mix(bytes(4), bytes(6))
    with pytest.raises(AudioFormatError, match="16000 Hz"):
        audio.mix(audio.silence(PCM24K, 0.02), audio.silence(Format(16_000), 0.02))


@FEW
@given(st.one_of(WORDS, FLOATS))
def test_levels(samples: np.ndarray) -> None:
    full = samples.astype(float) / (32_768 if samples.dtype == np.int16 else 1)
    rms = np.sqrt((full**2).mean()) if len(full) else 0.0
    assert audio.rms(samples) == pytest.approx(rms, rel=1e-5, abs=1e-9)
    assert audio.peak(samples) == pytest.approx(np.abs(full).max(initial=0), rel=1e-6)
    if rms > 1e-9:
        assert audio.rms_dbfs(samples) == pytest.approx(20 * np.log10(rms), abs=1e-3)
        assert audio.peak_dbfs(samples) == pytest.approx(
            20 * np.log10(np.abs(full).max()), abs=1e-3
        )


def test_a_sine_of_full_scale_reads_3_db_less_than_its_peak() -> None:
    sine = np.sin(2 * np.pi * np.arange(4_800) / 48).astype(np.float32)
    assert audio.rms_dbfs(sine) == pytest.approx(-3.0103, abs=1e-3)
    assert audio.peak_dbfs(sine) == pytest.approx(0, abs=1e-3)


@FEW
@given(arrays(np.int16, st.tuples(st.integers(0, 60), st.integers(1, 32))))
def test_channels(samples: np.ndarray) -> None:
    channels = samples.shape[1]
    for index in {0, channels - 1}:
        assert audio.channel(samples, index).numpy().tolist() == samples[:, index].tolist()
    mean = np.round(samples.astype(float).mean(axis=1))
    assert np.all(np.abs(audio.to_mono(samples).numpy() - mean) <= 1)
    for wrong in (channels, -1):
        with pytest.raises(AudioFormatError, match="channel"):
            audio.channel(samples, wrong)


def test_every_word_survives_floats_and_wider_integers() -> None:
    words = np.arange(-32_768, 32_768).astype(np.int16)
    wide = audio.to_float32(words)
    assert np.array_equal(wide.numpy(), words / np.float32(32_768))
    assert np.array_equal(audio.to_pcm16(wide).numpy(), words)
    for width in ("pcm24", "pcm32"):
        data = audio.encode_pcm(words, width)
        assert np.array_equal(audio.decode_pcm(data, width, format=PCM24K).numpy(), words)


@FEW
@given(FLOATS)
def test_floats_round_to_the_nearest_word(samples: np.ndarray) -> None:
    exact = np.clip(np.rint(samples.astype(float) * 32_768), -32_768, 32_767)
    assert np.array_equal(audio.to_pcm16(samples).numpy(), exact)


def test_other_widths_are_laid_out_as_wav_lays_them_out() -> None:
    words = as_chunk(array.array("h", [-32_768, -1, 0, 32_767]))
    assert audio.encode_pcm(words, "pcm_u8") == bytes([0, 127, 128, 255])
    assert audio.encode_pcm(words, "pcm24") == bytes.fromhex("000080 00ffff 000000 00ff7f")
    floats = Format(24_000, 1, "float32")
    half = audio.decode_pcm(bytes.fromhex("000040"), "pcm24", format=floats)
    assert half.numpy().tolist() == [0.5]
    with pytest.raises(AudioFormatError, match="multiple of 3"):
        audio.decode_pcm(bytes(4), "pcm24", format=PCM24K)
    with pytest.raises(AudioFormatError, match="pcm24"):
        audio.encode_pcm(words, "pcm12")  # type: ignore[arg-type]


def test_dither_keeps_what_rounding_loses() -> None:
    time = np.arange(48_000)
    tone = np.sin(2 * np.pi * time / 48)
    quiet = (0.4 * tone / 32_768).astype(np.float32)
    assert not audio.to_pcm16(quiet).numpy().any()
    out = audio.Dither(1).process(quiet).numpy().astype(float)
    assert 2 * (out * tone).mean() == pytest.approx(0.4, abs=0.03)
    error = out - 0.4 * tone
    assert (error**2).mean() == pytest.approx(0.25, abs=0.01), "a quarter of a step squared"


@FEW
@given(FLOATS, st.integers(0, 2**64 - 1), st.integers(0, 300))
def test_dither_does_not_depend_on_the_cut(samples: np.ndarray, seed: int, cut: int) -> None:
    whole = audio.Dither(seed).process(samples).numpy()
    parts = audio.Dither(seed)
    joined = [parts.process(part).numpy() for part in (samples[:cut], samples[cut:])]
    assert np.array_equal(np.concatenate(joined), whole)


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_arrays_of_any_layout_in_memory(dtype: type) -> None:
    block = np.arange(24).reshape(4, 6).astype(dtype)
    packed = block.tobytes()
    odd = np.frombuffer(b"\0" + packed, dtype, offset=1)
    read_only = block.copy()
    read_only.flags.writeable = False
    views = [block[::2], block[:, ::2], block[::-1], np.asfortranarray(block), read_only, odd]
    for view in [*views, block[:, 3], block[1:1]]:
        assert np.array_equal(as_chunk(view).numpy(), view)


def test_bytes_are_shared_and_all_else_is_copied() -> None:
    data = bytes(range(200))
    chunk = as_chunk(data)
    assert np.shares_memory(chunk.numpy(), np.frombuffer(data, np.uint8))
    array_ = np.zeros(10, np.int16)
    assert not np.shares_memory(as_chunk(array_).numpy(), array_)
    samples = as_chunk(bytes(1_000))[100:200].numpy()
    assert samples.sum() == 0, "the memory outlives the names it had"
