"""The last check before recognition: steady sound that the voice activity detector let pass.

Noise betrays itself by its flat spectrum, a hum, a chord or a dial tone by its even level: speech
rises and falls with its syllables.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["is_steady_sound", "level_span", "spectral_flatness"]

_FRAME: Final = 512
_STEP: Final = 256
_LOWEST_HZ: Final = 125.0
_HIGHEST_HZ: Final = 6250.0
# Measured on 18 recordings: speech stays below 0.06 in quiet and 0.15 with white noise at 5 dB;
# white noise is at 0.51 and pink noise at 0.25 or above.
_FLATTEST_SPEECH: Final = 0.2
# Measured on the same recordings and seven more: the level of speech spans 6.5 dB or more, that of
# hum, chords, tones and sweeps 1.7 dB at most. Less than 0.3 s may be a single vowel.
_EVENEST_SPEECH_DB: Final = 3.0
_LEVEL_FRAME_S: Final = 0.02
_LEVEL_SHORTEST_S: Final = 0.3
_QUIETEST: Final = 1e-12


def spectral_flatness(
    samples: npt.NDArray[np.float32], sample_rate: int
) -> npt.NDArray[np.float64]:
    """Geometric over arithmetic mean of the power spectrum, 125 to 6250 Hz, frame by frame.

    Also called Wiener entropy: 1 for a flat spectrum, near 0 for a voice, whose energy lies in
    harmonics.

    Args:
        samples: Mono float32, shape ``(frames,)``.
        sample_rate: Frames a second.

    Returns:
        One value for each frame of 512 samples, one every 256; none for less than 512 samples.
    """
    if len(samples) < _FRAME:
        return np.zeros(0)
    frames = np.lib.stride_tricks.sliding_window_view(samples, _FRAME)[::_STEP]
    spectrum = np.fft.rfft(frames * np.hanning(_FRAME).astype(np.float32))
    low, high = (int(hertz * _FRAME / sample_rate) for hertz in (_LOWEST_HZ, _HIGHEST_HZ))
    power = np.square(np.abs(spectrum[:, low:high])) + _QUIETEST
    flatness: npt.NDArray[np.float64] = np.exp(np.log(power).mean(axis=1)) / power.mean(axis=1)
    return flatness


def level_span(samples: npt.NDArray[np.float32], sample_rate: int) -> float:
    """Decibels between the 10th and the 90th percentile of the level of 20 ms frames.

    Args:
        samples: Mono float32, shape ``(frames,)``.
        sample_rate: Frames a second.

    Returns:
        0 for less than one frame.
    """
    frame = int(_LEVEL_FRAME_S * sample_rate)
    whole = samples[: len(samples) // frame * frame].reshape(-1, frame)
    if len(whole) == 0:
        return 0.0
    level = 10 * np.log10(np.square(whole).mean(axis=1) + _QUIETEST)
    low, high = np.percentile(level, (10, 90))
    return float(high - low)


def is_steady_sound(samples: npt.NDArray[np.float32], sample_rate: int) -> bool:
    """Whether no tenth of the audio has the spectrum of a voice, or its level hardly moves.

    Args:
        samples: Mono float32, shape ``(frames,)``.
        sample_rate: Frames a second.
    """
    long_enough = len(samples) >= _LEVEL_SHORTEST_S * sample_rate
    if long_enough and level_span(samples, sample_rate) < _EVENEST_SPEECH_DB:
        return True
    flatness = spectral_flatness(samples, sample_rate)
    return len(flatness) > 0 and float(np.percentile(flatness, 10)) > _FLATTEST_SPEECH
