"""Signal to noise through 16 bits, against what two roundings leave of it.

A tone that comes in 16 bits has been rounded once, and its output is rounded again. What can be
reached follows from that alone: the first rounding's noise as far as it lies in the output's band,
and the second's. Both are computed here with an ideal resampler (one second of a signal that
repeats each second, by its Fourier series), so the bound knows nothing of the implementation.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from voxloop import audio
from voxloop.audio import Format

RATES = [8_000, 16_000, 22_050, 24_000, 44_100, 48_000]
PAIRS = list(itertools.permutations(RATES, 2))
TONES = [997, 3_301]
"""Near 1 and 3.3 kHz and prime (as AES17 asks): simple ratios to the rate repeat a few errors."""
AMPLITUDE = 32_700.0
PHASES = [0.3, 1.07, 1.84]


def tone(rate: int, hertz: int, phase: float) -> np.ndarray:
    return AMPLITUDE * np.sin(2 * np.pi * hertz * np.arange(rate) / rate + phase)


def noise(out: np.ndarray, hertz: int) -> float:
    """Mean square of one second less its tone; whole periods, so the line is one bin."""
    bins = np.fft.rfft(out)
    bins[hertz] = 0
    return float((np.fft.irfft(bins, len(out)) ** 2).mean())


def ideal(second: np.ndarray, rate: int) -> np.ndarray:
    """A second that repeats, at another rate: its Fourier series up to the narrower band."""
    bins = np.fft.rfft(second)
    kept = np.zeros(rate // 2 + 1, complex)
    count = min(len(bins), len(kept)) - 1
    kept[:count] = bins[:count]
    return np.fft.irfft(kept, rate) * (rate / len(second))


def decibels(noises: list[float]) -> float:
    return float(10 * np.log10(AMPLITUDE**2 / 2 / np.mean(noises)))


def measured(pair: tuple[int, int], hertz: int) -> float:
    found = []
    for phase in PHASES:
        second = np.rint(tone(pair[0], hertz, phase)).astype(np.int16)
        clip = audio.as_chunk(np.tile(second, 3), format=Format(pair[0]))
        out = audio.resample(clip, pair[1]).numpy()[pair[1] : 2 * pair[1]]
        found.append(noise(out.astype(float), hertz))
    return decibels(found)


def bound(pair: tuple[int, int], hertz: int) -> float:
    """What an ideal resampler reaches whose input and output are rounded to 16 bits."""
    found = []
    for phase in PHASES:
        second = np.rint(tone(pair[0], hertz, phase))
        found.append(noise(np.rint(ideal(second, pair[1])), hertz))
    return decibels(found)


def expected(pair: tuple[int, int]) -> float:
    """The same if rounding errors were white: a twelfth of a step squared, the first in part."""
    kept = min(1.0, pair[1] / pair[0])
    return float(10 * np.log10(AMPLITUDE**2 / 2 * 12 / (1 + kept)))


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair[0]}-{pair[1]}")
@pytest.mark.parametrize("hertz", TONES)
def test_16_bits_to_16_bits_reaches_the_bound(pair: tuple[int, int], hertz: int) -> None:
    most = bound(pair, hertz)
    assert measured(pair, hertz) >= most - 0.3
    # The bound itself is what the noise of two roundings says, as far as it is white.
    assert most >= expected(pair) - 0.2


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair[0]}-{pair[1]}")
@pytest.mark.parametrize("hertz", TONES)
def test_floats_to_16_bits_lose_one_rounding(pair: tuple[int, int], hertz: int) -> None:
    found = []
    for phase in PHASES:
        second = (tone(pair[0], hertz, phase) / 32_768).astype(np.float32)
        clip = audio.as_chunk(np.tile(second, 3), format=Format(pair[0]))
        out = audio.to_pcm16(audio.resample(clip, pair[1])).numpy()[pair[1] : 2 * pair[1]]
        found.append(noise(out.astype(float), hertz))
    assert decibels(found) >= 97
