"""What a resampler does to sound, measured from outside; soxr as the second opinion."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

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


def lines(out: np.ndarray, rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Amplitudes over frequency."""
    middle, window = steady(out)
    found = 2 * np.abs(np.fft.rfft(middle * window)) / window.sum()
    return found, np.fft.rfftfreq(len(middle), 1 / rate)


def level(out: np.ndarray, rate: int, hertz: float) -> float:
    """Amplitude of one frequency."""
    middle, window = steady(out)
    turn = np.exp(-2j * np.pi * hertz / rate * np.arange(len(middle)))
    return float(2 * abs((middle * window * turn).sum()) / window.sum())


def tones(rate: int, hertz: Iterable[float], seconds: float, amplitude: float) -> np.ndarray:
    time = np.arange(round(rate * seconds)) / rate
    return sum(amplitude * np.sin(2 * np.pi * f * time + f * f) for f in hertz)  # type: ignore[return-value]


def decibels(ratio: float) -> float:
    return 20 * float(np.log10(max(ratio, 1e-12)))


def ripple(pair: tuple[int, int], quality: Quality, edge: float) -> float:
    """Largest deviation of 25 tones from below to `edge` of the narrower Nyquist frequency."""
    inside = np.linspace(0.02, edge, 25) * min(pair) / 2
    out = resampled(tones(pair[0], inside, 0.5, 0.03).astype(np.float32), pair, quality)
    return max(abs(decibels(level(out, pair[1], hertz) / 0.03)) for hertz in inside)


def worst_line(pair: tuple[int, int], quality: Quality) -> float:
    """The largest line that does not belong there, to the tones that made it, in float32.

    Down: 20 tones from the narrower Nyquist frequency to the end of the input's band, at least
    48 Hz apart, or their lines would run into one another. Up: 40 tones over the input's whole
    band, and the lines beyond it.
    """
    nyquist, end = min(pair) / 2, pair[0] / 2
    if pair[0] > pair[1]:
        outside = nyquist + np.linspace(0.004, 0.995, 20) * (end - nyquist)
        out = resampled(tones(pair[0], outside, 0.5, 0.02).astype(np.float32), pair, quality)
        return decibels(lines(out, pair[1])[0].max() / 0.02)
    inside = np.linspace(0.02, 0.995, 40) * nyquist
    out = resampled(tones(pair[0], inside, 0.5, 0.02).astype(np.float32), pair, quality)
    found, where = lines(out, pair[1])
    return decibels(found[where > end * 1.0025].max() / 0.02)


def worst_line_of_16_bits(pair: tuple[int, int], quality: Quality) -> float:
    """As `worst_line`, of one loud tone after the other, with 16 bits in and out."""
    nyquist, end = min(pair) / 2, pair[0] / 2
    worst = -np.inf
    for part in (0.013, 0.31, 0.87):
        hertz = nyquist + part * (end - nyquist) if pair[0] > pair[1] else nyquist * (1 - part / 2)
        signal = np.rint(tones(pair[0], [hertz + 0.377], 0.5, 0.9 * 32_768)).astype(np.int16)
        found, where = lines(resampled(signal, pair, quality), pair[1])
        bad = found if pair[0] > pair[1] else found[where > end * 1.0025]
        worst = max(worst, decibels(bad.max() / (0.9 * 32_768)))
    return worst


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair[0]}-{pair[1]}")
def test_high_is_flat_and_lets_nothing_through(pair: tuple[int, int]) -> None:
    assert ripple(pair, "high", 0.9) <= 0.001
    assert worst_line(pair, "high") <= -120
    assert worst_line_of_16_bits(pair, "high") <= -100


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair[0]}-{pair[1]}")
def test_low_latency_is_flat_enough_and_early(pair: tuple[int, int]) -> None:
    stream = audio.Resampler(*pair, quality="low_latency")
    assert stream.delay_frames / pair[1] <= 0.002
    assert ripple(pair, "low_latency", 0.8) <= 0.1
    assert worst_line(pair, "low_latency") <= -80
    assert worst_line_of_16_bits(pair, "low_latency") <= -80


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
