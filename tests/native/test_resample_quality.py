"""What a resampler does to sound, measured from outside; soxr as the second opinion."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import soxr

from voxloop import audio
from voxloop.audio import Format, Quality

RATES = [8_000, 16_000, 22_050, 24_000, 44_100, 48_000]
PAIRS = list(itertools.permutations(RATES, 2))
DELAYS = {
    (48_000, 24_000): 3.9,
    (24_000, 48_000): 3.9,
    (24_000, 16_000): 5.8,
    (8_000, 24_000): 11.4,
}


def resampled(samples: np.ndarray, pair: tuple[int, int], quality: Quality = "high") -> np.ndarray:
    chunk = audio.as_chunk(samples, format=Format(pair[0]))
    return audio.resample(chunk, pair[1], quality=quality).numpy().astype(float)


def steady(out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The middle of a clip and a window (Blackman-Harris: side lobes at -92 dB) with 7 terms."""
    middle = out[len(out) // 4 : len(out) // 4 * 3]
    terms = [0.27105140, 0.43329794, 0.21812300, 0.06592545, 0.01081174, 0.00077658, 0.00001389]
    turn = 2 * np.pi * np.arange(len(middle)) / len(middle)
    window = sum((-1) ** k * a * np.cos(k * turn) for k, a in enumerate(terms))
    return middle, np.asarray(window)


def level(out: np.ndarray, rate: int, hertz: float) -> float:
    """Amplitude of one frequency."""
    middle, window = steady(out)
    turn = np.exp(-2j * np.pi * hertz / rate * np.arange(len(middle)))
    return float(2 * abs((middle * window * turn).sum()) / window.sum())


def tones(rate: int, hertz: list[float], seconds: float, amplitude: float) -> np.ndarray:
    time = np.arange(round(rate * seconds)) / rate
    return sum(amplitude * np.sin(2 * np.pi * f * time + f) for f in hertz)  # type: ignore[return-value]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair[0]}-{pair[1]}")
def test_high_is_flat_and_lets_nothing_through(pair: tuple[int, int]) -> None:
    nyquist = min(pair) / 2
    inside = [part * nyquist for part in (0.05, 0.2, 0.45, 0.7, 0.85, 0.9)]
    signal = tones(pair[0], inside, 0.5, 0.1).astype(np.float32)
    out = resampled(signal, pair)
    for hertz in inside:
        ripple = 20 * np.log10(level(out, pair[1], hertz) / 0.1)
        assert abs(ripple) <= 0.001, f"{hertz} Hz: {ripple} dB"
    if pair[0] > pair[1]:
        outside = [nyquist + part * (pair[0] / 2 - nyquist) for part in (0.02, 0.3, 0.6, 0.95)]
        for hertz in outside:
            alone = tones(pair[0], [hertz], 0.5, 0.9).astype(np.float32)
            left, window = steady(resampled(alone, pair))
            spectrum = 2 * np.abs(np.fft.rfft(left * window)) / window.sum()
            assert 20 * np.log10(spectrum.max() / 0.9) <= -120, f"alias of {hertz} Hz"
    else:
        left, window = steady(out)
        spectrum = 2 * np.abs(np.fft.rfft(left * window)) / window.sum()
        images = spectrum[np.fft.rfftfreq(len(left), 1 / pair[1]) > pair[0] / 2]
        assert 20 * np.log10(images.max() / 0.1) <= -120


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair[0]}-{pair[1]}")
@pytest.mark.parametrize("hertz", [1_000, 3_300])
def test_high_has_the_signal_to_noise_of_16_bits(pair: tuple[int, int], hertz: int) -> None:
    # Floats go in: the rounding of 16-bit input is part of the signal, and no filter's fault.
    signal = tones(pair[0], [hertz], 1.0, 32_000 / 32_768).astype(np.float32)
    out = audio.to_pcm16(resampled(signal, pair).astype(np.float32)).numpy().astype(float)
    middle = slice(len(out) // 4, len(out) // 4 * 3)
    time = np.arange(len(out))[middle] / pair[1]
    basis = np.stack([np.sin(2 * np.pi * hertz * time), np.cos(2 * np.pi * hertz * time)], 1)
    weights, *_ = np.linalg.lstsq(basis, out[middle], rcond=None)
    error = out[middle] - basis @ weights
    snr = 10 * np.log10((weights**2).sum() / 2 / (error**2).mean())
    assert snr >= 97


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair[0]}-{pair[1]}")
def test_low_latency_is_flat_enough_and_early(pair: tuple[int, int]) -> None:
    stream = audio.Resampler(*pair, quality="low_latency")
    assert stream.delay_frames / pair[1] <= 0.002
    nyquist = min(pair) / 2
    inside = [part * nyquist for part in (0.05, 0.3, 0.6, 0.8)]
    out = resampled(tones(pair[0], inside, 0.5, 0.1).astype(np.float32), pair, "low_latency")
    for hertz in inside:
        assert abs(20 * np.log10(level(out, pair[1], hertz) / 0.1)) <= 0.1
    if pair[0] > pair[1]:
        alone = tones(pair[0], [nyquist * 1.03], 0.5, 0.9).astype(np.float32)
        left, window = steady(resampled(alone, pair, "low_latency"))
        spectrum = 2 * np.abs(np.fft.rfft(left * window)) / window.sum()
        assert 20 * np.log10(spectrum.max() / 0.9) <= -80


@pytest.mark.parametrize(("pair", "ms"), DELAYS.items())
def test_the_delay_is_what_is_held_back(pair: tuple[int, int], ms: float) -> None:
    stream = audio.Resampler(*pair)
    given = held = 0
    for taken in range(1, pair[0] // 10):
        given += stream.process(np.zeros(1, np.int16)).size
        held = max(held, taken * pair[1] // pair[0] - given)
    assert held / pair[1] * 1_000 <= ms
    assert held <= stream.delay_frames <= held + 2


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair[0]}-{pair[1]}")
def test_soxr_hears_the_same(pair: tuple[int, int]) -> None:
    signal = tones(pair[0], [220, 1_234, 0.6 * min(pair) / 2], 0.4, 0.25)
    ours = resampled(signal.astype(np.float32), pair)
    theirs = soxr.resample(signal, *pair, quality="VHQ")
    middle = slice(len(ours) // 4, len(ours) // 4 * 3)
    assert np.abs(ours[middle] - theirs[middle]).max() < 2e-5, "0.001 dB of a tone"


@pytest.mark.parametrize("channels", [2, 5])
def test_channels_do_not_touch_each_other(channels: int) -> None:
    rng = np.random.default_rng(channels)
    samples = rng.integers(-20_000, 20_000, (3_000, channels)).astype(np.int16)
    both = audio.resample(audio.as_chunk(samples, format=Format(48_000, channels)), 16_000)
    for index in range(channels):
        alone = resampled(samples[:, index].copy(), (48_000, 16_000))
        assert np.array_equal(both.numpy()[:, index], alone)
